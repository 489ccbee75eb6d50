"""Every field by its name: of packets, of flows, of protocols. Declarations only: nothing here loads Numba."""

from __future__ import annotations

from detector.columns import Field
from detector.flows.fields import FLOW_FIELDS
from detector.flows.sessions import SESSION_FIELDS
from detector.packets.fields import PACKET_FIELDS, SPANS
from detector.packets.zones import ZONE_FIELDS
from detector.protocols import PROTOCOLS
from detector.protocols.ics import ICS, ICS_FIELDS
from detector.protocols.table import shared_fields

PACKET = "packet"
ANY_PDU = "pdu"  # owner of pdu.*, which every protocol table has


def register() -> tuple[dict[str, Field], dict[str, str]]:
    """({name: field}, {name: table}); a name declared twice is refused before anything changes."""
    fields = shared_fields(protocol.fields for protocol in PROTOCOLS)
    owners = dict.fromkeys(fields, ANY_PDU)
    declared = [(PACKET, field) for field in (*PACKET_FIELDS, *FLOW_FIELDS, *SESSION_FIELDS, *ZONE_FIELDS)]
    declared += [(protocol.name, field) for protocol in PROTOCOLS for field in protocol.fields]
    declared += [(ICS, field) for field in ICS_FIELDS]
    for owner, field in declared:  # per field
        if field.protocol == ANY_PDU:
            continue
        if field.name in fields:
            raise ValueError(f"field {field.name} is declared by {owners[field.name]} and by {owner}")
        fields[field.name], owners[field.name] = field, owner
    return fields, owners


FIELDS, _OWNERS = register()
SPANNED = frozenset((*SPANS, *(name for protocol in PROTOCOLS for name in protocol.spans)))  # protocols with bytes


def table_of(name: str) -> str:
    """The table that a field belongs to: "packet", a protocol's name, or "pdu" for what every protocol table has."""
    return _OWNERS[name]
