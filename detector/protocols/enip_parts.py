"""What EtherNet/IP PDUs and CIP messages consist of, as tables that kernels follow: pieces, forms, services, attributes.

A piece is a run of bytes with fields of its own: an item of the common packet format, a segment of a path, an attribute's
value. A form says of which pieces a structure consists, one after the other.

The CIP Networks Library, vol. 1: 3 (Connection Manager), 5 (objects), C-1 (paths); vol. 2: 2 (encapsulation), 5 (objects).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Pieces that kernels make themselves. logical: class, instance, member, connection point and attribute, of 8, 16 and 32 bits.
LOGICALS = tuple(
    f"{word}{bits}" for word in ("class", "instance", "member", "connpoint", "attribute") for bits in (8, 16, 32)
)
OWN = (
    "item", "connected", "sequenced", "identity", "identity_name", "identity_state", "address", "zero", "services",
    "services_name", "item_data", "sequence", "io_header", "io_data", "connection", "enip_open", "cip_open", "ot_api", "to_api",
    "ot_timeout", "to_timeout", "service", "path_size", "status", "addstat", "epath", *LOGICALS, "key", "key_serial",
    "service_id", "extended8", "extended16", "extended32", "logical_unknown", "logical_format", "segment_unknown", "port", "port_extended",
    "port_link", "port_link_extended", "link_text", "symbolic", "ascii", "symbolic_wide", "symbolic_number", "number8", "number16",
    "number32", "data_simple", "data_symbol", "data_unknown", "data_words", "symbol", "schedule", "fixed_tag", "inhibit", "inhibit_us",
    "network", "safety", "network_unknown", "data", "msp_count", "msp_offset", "list_count", "list_attribute", "list_status",
    "set_count", "set_status", "all_attribute", "cm_service", "unconnected_send", "cm_status", "cm_extended", "cm_status_word",
    "route_words", "path_words", "ticks", "pccc_service", "pccc_id", "pccc_request", "pccc_06", "pccc_07", "pccc_0f", "pccc_mode",
    "pccc_count", "pccc_command", "pccc_address", "pccc_reply", "pccc_extended", "pccc_data", "mb_service", "stringi_count",
    "stringi", "stringi_type", "stringi_text",
)  # fmt: skip
# Steps of a form. fixed: so many bytes.  items: pieces of so many bytes up to the end.  rest: all that is left, where there is
# any.  short, string: text behind its length of one or two bytes, padded: and a byte more where that makes it even.  list8,
# list16: pieces of so many bytes, as many as the piece before counts, whose last byte or two do that.  path: segments, of so many
# words as the byte so far back says, path16: two bytes.  words: bytes, counted so.  bytes16: bytes, counted by two bytes, in
# units of so many bits.  bytes: pieces of a byte each, for as many bits as two bytes count.  many: text in several languages.  message:
# a CIP message of as many bytes.  pad: a byte that makes the form's length even.
STEPS = ("fixed", "items", "rest", "short", "string", "padded", "list8", "list16", "path", "path16", "words", "bits16", "many",
         "message", "pad", "bytes")  # fmt: skip
# Forms by name: steps as "step:piece:number".
FORMS = """
    nothing
    open            fixed:ticks:2 fixed:open_ids:8 fixed:triad:8 fixed:open16:18 path:-:1
    open_large      fixed:ticks:2 fixed:open_ids:8 fixed:triad:8 fixed:open32:22 path:-:1
    opened          fixed:open_ids:8 fixed:triad:8 fixed:opened:10 words:reply_data:2
    close           fixed:ticks:2 fixed:triad:8 fixed:path_tail:2 path:-:2
    closed          fixed:triad:8 fixed:reply_tail:2 words:reply_data:2
    refused         fixed:triad:8 fixed:remaining:2
    not_sent        fixed:remaining:2
    owner           fixed:owner_head:2 path:-:1
    owned           fixed:owner:4 fixed:triad:8
    send            fixed:ticks:2 fixed:send_size:2 message:-:0 pad:pad:0 fixed:route_tail:2 path:-:2
    reset           fixed:reset:1
    created         fixed:created:2
    find            fixed:find:1
    found           fixed:found:1 list8:found_one:2
    synced          fixed:synced:1
    mb_read_discrete fixed:mb_read_discrete:4
    mb_read_coils   fixed:mb_read_coils:4
    mb_read_input   fixed:mb_read_input:4
    mb_read_holding fixed:mb_read_holding:4
    mb_write_coils  fixed:mb_write_coils:4 bits16:mb_coils:1
    mb_write_registers fixed:mb_write_registers:4 bits16:mb_registers:16
    mb_discrete_data rest:mb_discrete_data:0
    mb_coils_data   rest:mb_coils_data:0
    mb_input_data   rest:mb_input_data:0
    mb_holding_data rest:mb_holding_data:0
    mb_coils_written fixed:mb_coils_written:4
    mb_registers_written fixed:mb_registers_written:4
    mb_data         rest:mb_data:0
    mb_through      rest:mb_through:0
    identity_status fixed:id_status:2
    classes         fixed:mr_count:2 list16:mr_class:2
    attributes      fixed:attr_count:2 list16:attr_number:2
    class_services  fixed:service_count:2 list16:service_code:2
    interface       fixed:tcpip_address:20 fixed:domain_size:2 bits16:domain:8 pad:-:0
    hostname        padded:hostname:0
    link            fixed:path_len16:2 path16:-:2
    last_conflict   fixed:conflict:7 fixed:conflict_arp:28
    capability      fixed:capability:4 fixed:capability_count:1 list8:capability_speed:3
    port_name       short:port_name:0
    port_instances  items:port_instance:4
    cm_entries      fixed:cm_entries:2 bytes:cm_open:1
    many            many:-:0
    connections     items:mr_connection:2
    dlr_nodes       items:dlr_node:10
"""  # fmt: skip
# Services whose data have a form: class, service, then the forms of request and response. Class 0: those that all objects may have;
# with the Connection Manager's numbers, what its refusals are; of class 0x44 service 0: what has no form.
SERVICES = """
    0x01 0x05 reset nothing
    0x06 0x54 open opened | 0x06 0x5b open_large opened | 0x06 0x4e close closed | 0x06 0x5a owner owned | 0x06 0x52 send nothing
    0x44 0x4b mb_read_discrete mb_discrete_data | 0x44 0x4c mb_read_coils mb_coils_data | 0x44 0x4d mb_read_input mb_input_data
    0x44 0x4e mb_read_holding mb_holding_data | 0x44 0x4f mb_write_coils mb_coils_written | 0x44 0x50 mb_write_registers mb_registers_written
    0x44 0x51 mb_through mb_through | 0x44 0x00 mb_data mb_data
    0x00 0x08 nothing created | 0x00 0x11 find found | 0x00 0x1c nothing synced | 0x00 0x54 nothing refused | 0x00 0x52 nothing not_sent
"""
# Attributes of objects: class, whether of the class itself ("c") or an instance ("i"), then of each attribute its number, whether
# Get Attributes All returns it ("+", "-"), and its form, or its piece and bytes.
ATTRIBUTES = """
    0x00 c 1-revision:2 2-most_instances:2 3-instances:2 4-attributes 5-class_services 6-class_attributes:2 7-instance_attributes:2
    0x01 c 1+revision:2 2+most_instances:2 3-instances:2 4-attributes 5-class_services 6+class_attributes:2 7+instance_attributes:2
    0x01 i 1+id_vendor:2 2+id_type:2 3+id_code:2 4+id_revision:2 5+identity_status 6+id_serial:4 7+short=id_name 8+id_state:1 9+id_config:2 10+id_heartbeat:1
    0x02 c 1+revision:2 2-most_instances:2 3-instances:2 4+attributes 5+class_services 6+class_attributes:2 7+instance_attributes:2
    0x02 i 1+classes 2+mr_available:2 3+mr_active:2 4+connections
    0x06 c 1+revision:2 2+most_instances:2 3-instances:2 4-attributes 5-class_services 6+class_attributes:2 7+instance_attributes:2
    0x06 i 1+cm_1:2 2+cm_2:2 3+cm_3:2 4+cm_4:2 5+cm_5:2 6+cm_6:2 7+cm_7:2 8+cm_8:2 9+cm_entries 11+cm_11:2 12+cm_12:4 13+cm_13:4
    0x47 c 1+revision:2 2+most_instances:2 3+instances:2 4+attributes 5+class_services 6+class_attributes:2 7+instance_attributes:2
    0x47 i 1+dlr_topology:1 2+dlr_status:1 3-dlr_supervisor:1 4-dlr_config:12 5-dlr_faults:2 6-dlr_port1:10 7-dlr_port2:10 8-dlr_count:2 9-dlr_nodes 10-dlr_address:10 11-dlr_precedence:1 12-dlr_flags:4 13-dlr_gateway:11 14-dlr_gateway_status:1 15-dlr_gateway_address:10 16-dlr_gateway_precedence:1
    0x37 i 4-many
    0x48 c 1+revision:2 2+most_instances:2 3+instances:2 4+attributes 5+class_services 6+class_attributes:2 7+instance_attributes:2
    0x48 i 1-qos_tag:1 2-qos_event:1 3-qos_general:1 4-qos_urgent:1 5-qos_scheduled:1 6-qos_high:1 7-qos_low:1 8-qos_explicit:1
    0xf4 c 1+revision:2 2+most_instances:2 3+instances:2 4-attributes 5-class_services 6-class_attributes:2 7-instance_attributes:2 8+port_entry:2 9+port_instances
    0xf4 i 1+port_type:2 2+port_number:2 3+link 4+short=port_name
    0xf5 c 1+revision:2 2+most_instances:2 3+instances:2 4+attributes 5+class_services 6+class_attributes:2 7+instance_attributes:2
    0xf5 i 1+tcpip_status:4 2+tcpip_cap:4 3+tcpip_control:4 4+link 5+interface 6+hostname 8+ttl:1 9+mcast:8 10+select_acd:1 11+last_conflict 12+quick:1 13+inactivity:2
    0xf6 c 1+revision:2 2+most_instances:2 3+instances:2 4+attributes 5+class_services 6+class_attributes:2 7+instance_attributes:2
    0xf6 i 1+speed:4 2+flags:4 3+mac:6 4+icount:44 5+mcount:48 6+control:4 7+if_type:1 8+if_state:1 9+admin:1 10+short=if_label 11+capability 12+hc_icount:64 13+hc_mcount:48
"""
GENERIC = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    13,
    14,
    16,
    17,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
)  # services that all objects may have
MOST_CLASS, MOST_SERVICE, MOST_ATTRIBUTE = 256, 128, 64


def pieces() -> tuple[str, ...]:
    """Every kind of piece: those of kernels first, then those that forms and attributes name."""
    found = dict.fromkeys(OWN)
    for line in FORMS.strip().splitlines():  # per form
        found.update(dict.fromkeys(step.split(":")[1] for step in line.split()[1:]))
    for line in ATTRIBUTES.strip().splitlines():  # per class
        for word in line.split()[2:]:  # per attribute
            made = word.lstrip("0123456789")[1:]
            if ":" in made or "=" in made:
                found[made.split(":")[0].split("=")[-1]] = None
    found.pop("-")
    return tuple(found)


KINDS = pieces()


class Forms:
    """The tables. steps: int64[steps, 3], step, piece and number.  starts: int64[forms + 1], the first step of each form.

    services: int64[class, service, 2], forms of request and response, -1: none.  attributes: int64[class, 2, attribute], the form,
    of instances in place 1; -1: none.  returned: bool, which of them Get Attributes All returns.  generic: bool[service].
    """

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._steps: list[tuple[int, int, int]] = []
        self._starts = [0]
        for line in FORMS.strip().splitlines():  # per form
            name, *steps = line.split()
            self.add(name, steps)
        self.services = np.full((MOST_CLASS, MOST_SERVICE, 2), -1, np.int64)
        for text in SERVICES.strip().replace("\n", "|").split("|"):  # per service
            one, service, request, response = text.split()
            self.services[int(one, 16), int(service, 16)] = self.names[request], self.names[response]
        self.attributes = np.full((MOST_CLASS, 2, MOST_ATTRIBUTE), -1, np.int64)
        self.returned = np.zeros((MOST_CLASS, 2, MOST_ATTRIBUTE), np.bool_)
        for line in ATTRIBUTES.strip().splitlines():  # per class
            one, level, *words = line.split()
            for word in words:  # per attribute
                made = word.lstrip("0123456789")
                place = int(one, 16), int(level == "i"), int(word[: -len(made)])
                self.attributes[place] = self.form(made[1:])
                self.returned[place] = made[0] == "+"
        self.generic = np.zeros(MOST_SERVICE, np.bool_)
        self.generic[list(GENERIC)] = True
        self.steps = np.array(self._steps, np.int64)
        self.starts = np.array(self._starts, np.int64)

    def form(self, word: str) -> int:
        """The form of an attribute: a name, "piece:bytes", or "step=piece"."""
        if ":" in word:
            piece, size = word.split(":")
            return self.add(word, [f"fixed:{piece}:{size}"])
        if "=" in word:
            step, piece = word.split("=")
            return self.add(word, [f"{step}:{piece}:0"])
        return self.names[word]

    def add(self, name: str, steps: list[str]) -> int:
        """A form, known by its name from then on."""
        if name not in self.names:
            for step in steps:  # per step
                word, piece, number = step.split(":")
                self._steps.append((STEPS.index(word), KINDS.index(piece) if piece != "-" else -1, int(number)))
            self.names[name] = len(self._starts) - 1
            self._starts.append(len(self._steps))
        return self.names[name]


def tables() -> tuple[NDArray[np.int64], ...]:
    """What the kernel that lists pieces is handed."""
    made = Forms()
    flags = made.returned.astype(np.int64)
    return made.steps, made.starts, made.services, made.attributes, flags, made.generic.astype(np.int64)
