"""Every field by its name: of packets, of flows, of protocols. Declarations only: nothing here loads Numba."""

from __future__ import annotations

from detector.columns import Field
from detector.flows.fields import FLOW_FIELDS
from detector.flows.sessions import SESSION_FIELDS
from detector.packets.fields import PACKET_FIELDS, SPANS
from detector.protocols import PROTOCOLS

PACKET = "packet"
ANY_PDU = "pdu"  # owner of pdu.*, which every protocol table has


def register() -> tuple[dict[str, Field], dict[str, str]]:
    """({name: field}, {name: table}); a name declared twice is refused before anything changes."""
    fields: dict[str, Field] = {}
    owners: dict[str, str] = {}
    declared = [(PACKET, field) for field in (*PACKET_FIELDS, *FLOW_FIELDS, *SESSION_FIELDS)]
    declared += [(protocol.name, field) for protocol in PROTOCOLS for field in protocol.fields]
    for owner, field in declared:  # per field
        if field.protocol == ANY_PDU:
            owner = ANY_PDU
        elif field.name in fields:
            raise ValueError(f"field {field.name} is declared by {owners[field.name]} and by {owner}")
        fields[field.name], owners[field.name] = field, owner
    return fields, owners


FIELDS, _OWNERS = register()
SPANNED = frozenset((*SPANS, *(name for protocol in PROTOCOLS for name in protocol.spans)))  # protocols with bytes


def table_of(name: str) -> str:
    """The table that a field belongs to: "packet", a protocol's name, or "pdu" for what every protocol table has."""
    return _OWNERS[name]
