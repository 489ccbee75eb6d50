"""Keywords of industrial protocols: modbus, dnp3_func, dnp3_ind, dnp3_obj, enip_command, cip_service, and what is spoken.

A rule with one of them asks for PDUs: its table is the protocol's, its header is that of the packet with which the PDU was
complete. Suricata's transactions are PDUs of one direction too, but for Modbus, whose keyword sees requests only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from detector.protocols.dnp3 import LAYOUT, VALUES, VARIATIONS
from detector.protocols.fields import FIELDS
from detector.rules.keywords.contents import set_buffer
from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.keywords.header import PDU_PROTOCOLS
from detector.rules.keywords.known import APPLICATIONS
from detector.rules.model import (
    And,
    Arithmetic,
    Compare,
    Exists,
    FieldValue,
    Literal_,
    Membership,
    Not,
    OneObject,
    Or,
    Test,
)
from detector.rules.signature import Buffer

MOST_16 = 2**16 - 1
RANGE = r"([<>]?[0-9]+)(?:<>([0-9]+))?"
ACCESS = re.compile(
    rf"\s*access\s*(read|write)\s*(discretes|coils|input|holding)?(?:,\s*address\s+{RANGE}(?:,\s*value\s+{RANGE})?)?\s*"
)
FUNCTION = re.compile(r"\s*function\s*(!?[A-Za-z0-9]+)(?:,\s*subfunction\s+([0-9]+))?\s*")
UNIT = re.compile(rf"\s*unit\s+{RANGE}(?:,\s*(.*))?\s*")
MODBUS_HINT = "modbus: function 8, subfunction 4; access write holding, address 100, value >50; unit 10<>20, function 6"
# Functions by what they do, and to which tables of a device.
READS, WRITES = {1, 2, 3, 4, 23}, {5, 6, 15, 16, 22, 23}
KINDS = {"discretes": {2}, "coils": {1, 5, 15}, "input": {4}, "holding": {3, 6, 16, 22, 23}}
REQUEST = 0  # of table.KINDS
ONE_ADDRESS = (5, 6, 22)  # functions that write one coil or register
SPANS = (
    ("modbus.reference_num", "modbus.bit_cnt"), ("modbus.reference_num", "modbus.word_cnt"),
    ("modbus.write_reference_num", "modbus.write_word_cnt"),
)  # fmt: skip
# Function codes by category, MODBUS Application Protocol 5 and 6.8.
DIAGNOSTICS, INTERFACES = ((0, 4), (10, 21)), ((13, 14),)
ASSIGNED = ((1, 7), (9, 24))  # and 8 and 43, which ask for the code that follows
CATEGORIES: dict[str, tuple[tuple[int, int], ...]] = {
    "unassigned": ((25, 40), (44, 64), (73, 89), (92, 99), (111, 124)), "user": ((65, 72), (100, 110)),
    "reserved": ((41, 42), (90, 91), (125, 127)),
}  # fmt: skip
EVERY_CATEGORY = ("assigned", *CATEGORIES)

OF_ATTRIBUTES = {3, 4, 14, 16}  # services whose class and attribute Suricata reads
# Objects of DNP3 that Suricata reads, group << 8 | variation, found by asking it: nearly those that are read here.
DECODED = ({place // VARIATIONS << 8 | place % VARIATIONS for place in range(len(LAYOUT)) if LAYOUT[place, 1] != VALUES.index("unknown")}
           - {0x0001, 0x3C01, 0x3C02, 0x3C03, 0x3C04}
           | {0x3204, *range(0x4601, 0x4609), 0x5101, 0x5301, 0x5602, 0x6601, *range(0x7801, 0x7810), 0x7901, 0x7A01, 0x7A02})  # fmt: skip
OCTETS = range(110, 114)  # groups of strings, of which the variation is the length
WITHOUT_DATA = {1, *range(7, 13), 22}  # functions whose objects are named only: reads, freezes, classes

DNP3_FUNCTIONS = [
    "confirm",
    "read",
    "write",
    "select",
    "operate",
    "direct_operate",
    "direct_operate_nr",
    "immed_freeze",
    "immed_freeze_nr",
    "freeze_clear",
    "freeze_clear_nr",
    "freeze_at_time",
    "freeze_at_time_nr",
    "cold_restart",
    "warm_restart",
    "initialize_data",
    "initialize_appl",
    "start_appl",
    "stop_appl",
    "save_config",
    "enable_unsolicited",
    "disable_unsolicited",
    "assign_class",
    "delay_measure",
    "record_current_time",
    "open_file",
    "close_file",
    "delete_file",
    "get_file_info",
    "authenticate_file",
    "abort_file",
    "activate_config",
    "authenticate_req",
    "authenticate_err",
]
DNP3_ANSWERS = {"response": 129, "unsolicited_response": 130, "authenticate_resp": 131}
INDICATIONS = [
    "device_restart",
    "device_trouble",
    "local_control",
    "need_time",
    "class_3_events",
    "class_2_events",
    "class_1_events",
    "all_stations",
    "reserved_1",
    "reserved_2",
    "config_corrupt",
    "already_executing",
    "event_buffer_overflow",
    "parameter_error",
    "object_unknown",
    "no_func_code_support",
]


# --- tests ----------------------------------------------------------------------------------------------------------


def equal(name: str, value: int) -> Test:
    """A field has a value."""
    return Compare("eq", FieldValue(name), Literal_(value))


def within(name: str, *ranges: tuple[int, int]) -> Test:
    """A field has a value in one of some ranges."""
    return Membership(FieldValue(name), tuple(Literal_(low) if low == high else (Literal_(low), Literal_(high)) for low, high in ranges))  # fmt: skip


def one_of(name: str, values: set[int]) -> Test:
    """A field has one of some values."""
    return within(name, *((value, value) for value in sorted(values)))


def bounds(draft: Draft, first: str, second: str | None) -> tuple[int, int]:
    """The lowest and the highest number of `5`, `<5`, `>5`, `5<>9`: of the last three the ends are excluded.

    Raises:
        InputError: a number above 16 bits, or nothing between them.
    """
    number = draft.number(first.lstrip("<>"), 0, MOST_16, "a number")
    if second is not None:
        low, high = number + 1, draft.number(second, 0, MOST_16, "a number") - 1
    elif first[0] in "<>":
        low, high = (0, number - 1) if first[0] == "<" else (number + 1, MOST_16)
    else:
        low = high = number
    return low, high


def written(first: str, second: str | None) -> str:
    """A range as it stands in the rule."""
    return first if second is None else f"{first}<>{second}"


# --- Modbus ---------------------------------------------------------------------------------------------------------


def modbus(draft: Draft, value: str) -> None:
    """modbus: function 8, subfunction 4; or access write holding, address 100, value >50; or unit 10<>20, function 6"""
    value = value.strip().strip('"')
    tests = [equal("pdu.kind", REQUEST)]
    if (found := UNIT.fullmatch(value)) is not None:
        low, high = bounds(draft, found[1], found[2])
        tests.append(within("mbtcp.unit_id", (low, high)) if low <= high else Or(()))
        value = found[3] or ""
    if (found := FUNCTION.fullmatch(value)) is not None:
        tests += function(draft, found[1], found[2])
    elif (found := ACCESS.fullmatch(value)) is not None:
        tests += access(draft, found)
    elif value.strip() or len(tests) == 1:
        raise draft.mistake(f"modbus cannot be read: {value}", MODBUS_HINT)
    draft.add_pdu_test("modbus", *tests)


def function(draft: Draft, word: str, further: str | None) -> list[Test]:
    """function 8, subfunction 4; function !reserved."""
    if word.isdigit():
        number = draft.number(word, 1, 255, "the function")
        tests = [equal("modbus.func_code", number)]
        if further is not None:
            tests.append(equal("modbus.diagnostic_code", draft.number(further, 0, MOST_16, "the subfunction")))
        return tests
    name = word.removeprefix("!")
    chosen = {"all": EVERY_CATEGORY, "public": ("assigned", "unassigned")}.get(name, (name,))
    if not set(chosen) <= set(EVERY_CATEGORY):
        raise draft.mistake(
            f"unknown kind of function {name!r}", f"a number, or one of {', '.join(EVERY_CATEGORY)}, public, all"
        )
    if word != name:
        chosen = tuple(one for one in EVERY_CATEGORY if one not in chosen)
    return [Or(tuple(category(one) for one in chosen))]


def category(name: str) -> Test:
    """The functions of a category."""
    subcodes = (8, "modbus.diagnostic_code", DIAGNOSTICS), (43, "modbus.mei", INTERFACES)
    if name == "assigned":
        known = [And((equal("modbus.func_code", code), within(field, *ranges))) for code, field, ranges in subcodes]
        return Or((within("modbus.func_code", *ASSIGNED), *known))
    codes = within("modbus.func_code", *CATEGORIES[name])
    if name != "reserved":
        return codes
    return Or((codes, *(And((equal("modbus.func_code", code), Exists(FieldValue(field)), Not(within(field, *ranges))))
                        for code, field, ranges in subcodes)))  # fmt: skip


def access(draft: Draft, found: re.Match[str]) -> list[Test]:
    """access write holding, address 100, value >50; addresses are counted from 1, as in Suricata.

    Raises:
        InputError: a write to what can only be read; a value of reads, or of more than one address.
    """
    way, kind = found[1], found[2]
    if way == "write" and kind in ("discretes", "input"):
        raise draft.mistake(f"{kind} can only be read", f"access read {kind}", kind)
    functions = (READS if way == "read" else WRITES) & (KINDS[kind] if kind else READS | WRITES)
    tests = [one_of("modbus.func_code", functions)]
    if found[3] is None:
        return tests
    low, high = bounds(draft, found[3], found[4])
    tests.append(address(low, high) if low <= high else Or(()))
    if found[5] is None:
        return tests
    if low != high or found[4] is not None or found[3][0] in "<>":
        raise draft.mistake("a value goes with one address only", "address 100, value >50", written(found[3], found[4]))
    if way == "read" and kind is None:
        raise draft.mistake("a value goes with access write only", "access write, address 100, value >50")
    lowest, highest = bounds(draft, found[5], found[6])
    if lowest > highest:
        return [*tests, Or(())]
    registers = (equal("modbus.regnum16", low - 1), within("modbus.regval_uint16", (lowest, highest)))
    found_in: list[Test] = [OneObject(And(registers))]
    for state, data in enumerate((b"\0\0", b"\xff\0")):  # of a coil, and what is sent of a single one
        if lowest <= state <= highest:
            coils = (equal("modbus.bitnum", low - 1), Compare("eq", FieldValue("modbus.bitval"), Literal_(bool(state))))
            single = (equal("modbus.func_code", 5), Compare("eq", FieldValue("modbus.data"), Literal_(data)))
            found_in += [OneObject(And(coils)), And(single)]
    return [*tests, Or(tuple(found_in))]


def address(low: int, high: int) -> Test:
    """A request reaches one of some addresses, which are counted from 1."""
    ranges: list[Test] = [And((one_of("modbus.func_code", set(ONE_ADDRESS)), within("modbus.reference_num", (max(low - 1, 0), high - 1))))] if high else []  # fmt: skip
    for first, count in SPANS:  # per pair of fields
        last = Arithmetic("+", FieldValue(first), FieldValue(count))
        ranges.append(And((Compare("gt", FieldValue(count), Literal_(0)), Compare("lt", FieldValue(first), Literal_(high)),
                           Compare("ge", last, Literal_(low)))))  # fmt: skip
    return Or(tuple(ranges))


# --- DNP3 -----------------------------------------------------------------------------------------------------------

# In other frames of the link Suricata reads no message, whatever they carry.
IS_USER_DATA = one_of("dnp3.ctl.prifunc", {3, 4})


def dnp3_func(draft: Draft, value: str) -> None:
    """dnp3_func:cold_restart; or its number"""
    names = {**{name: code for code, name in enumerate(DNP3_FUNCTIONS)}, **DNP3_ANSWERS}
    code = names.get(value.strip().lower())
    if code is None:
        if not value.isdigit():
            raise draft.mistake(f"unknown function {value!r}", f"a number, or one of {', '.join(names)}")
        code = draft.number(value, 0, 255, "the function")
    draft.add_pdu_test("dnp3", equal("dnp3.al.func", code), IS_USER_DATA)


def dnp3_ind(draft: Draft, value: str) -> None:
    """dnp3_ind:device_restart,need_time; one of them is set; or a number of 16 bits"""
    flags = 0
    if value.strip()[:1].isdigit():
        flags = draft.number(value, 0, MOST_16, "the indications")
    else:
        for word in value.split(","):
            if (name := word.strip().lower()) not in INDICATIONS:
                raise draft.mistake(f"unknown indication {name!r}", f"known are {', '.join(INDICATIONS)}", word.strip())
            flags |= 1 << 15 - INDICATIONS.index(name)
    is_set = Compare("ne", Arithmetic("&", FieldValue("dnp3.al.iin"), Literal_(flags)), Literal_(0))
    draft.add_pdu_test("dnp3", is_set, IS_USER_DATA)


def dnp3_obj(draft: Draft, value: str) -> None:
    """dnp3_obj:12,1; group and variation"""
    parts = value.split(",")
    if len(parts) != 2:
        raise draft.mistake(f"dnp3_obj cannot be read: {value}", "dnp3_obj:12,1; group and variation")
    group, variation = (
        draft.number(part, 0, 255, name) for part, name in zip(parts, ("the group", "the variation"), strict=True)
    )
    draft.add_pdu_test("dnp3", equal("dnp3.al.obj", group << 8 | variation), IS_USER_DATA)


def dnp3_data(draft: Draft, value: str) -> None:
    """dnp3_data; what follows is looked for in the application message, from its control field on, without checksums."""
    set_buffer(draft, Buffer.DNP3_DATA)
    is_no_confirmation = Not(equal("dnp3.al.func", 0))  # Suricata has none
    draft.add_pdu_test("dnp3", is_no_confirmation, Exists(FieldValue("dnp3.al.func")), IS_USER_DATA)


# --- EtherNet/IP ----------------------------------------------------------------------------------------------------


def enip_command(draft: Draft, value: str) -> None:
    """enip_command:99; its number"""
    draft.add_pdu_test("enip", equal("enip.command", draft.number(value, 0, MOST_16, "the command")))


def cip_service(draft: Draft, value: str) -> None:
    """cip_service:14,1,!7; service, and of services that get or set attributes class and attribute, ! for any other"""
    parts = [part.strip() for part in value.split(",")]
    names = ("the service", "the class", "the attribute")
    if len(parts) > len(names):
        raise draft.mistake(f"cip_service cannot be read: {value}", "cip_service:14,1,7; service, class, attribute")
    is_negated = len(parts) == len(names) and parts[2].startswith("!")
    parts[-1] = parts[-1].removeprefix("!") if is_negated else parts[-1]
    most = (127, MOST_16, MOST_16)
    numbers = [draft.number(part, 0, high, name) for part, high, name in zip(parts, most, names, strict=False)]
    tests = [equal("cip.sc", numbers[0]), equal("cip.rr", 0)]
    if len(numbers) > 1:
        tests += [one_of("cip.sc", OF_ATTRIBUTES), equal("cip.class", numbers[1])]
    if len(numbers) > 2:
        same = equal("cip.attribute", numbers[2])
        tests.append(And((Exists(FieldValue("cip.attribute")), Not(same))) if is_negated else same)
    draft.add_pdu_test("enip", OneObject(And(tuple(tests))))


# --- events ---------------------------------------------------------------------------------------------------------


def unread_object() -> Test:
    """DNP3: an object that Suricata does not read or whose bytes are missing, or one without data, where it looks for them
    all the same."""
    of_group = [group << 8 for group in range(256) if group not in OCTETS]
    in_order = {*range(6), 7, 8, 9}
    counted = {*in_order, 11}
    unknown = And((one_of("dnp3.al.objq.range", counted), Not(one_of("dnp3.al.obj", DECODED | set(of_group)))))
    named = And((one_of("dnp3.al.objq.range", in_order), Not(one_of("dnp3.al.obj", set(of_group)))))
    missing = And((labelled("dnp3.object.invalid", "data"), Not(one_of("dnp3.al.obj", set(of_group)))))
    found = Or((OneObject(unknown), OneObject(missing), And((one_of("dnp3.al.func", WITHOUT_DATA), OneObject(named)))))
    return And((found, IS_USER_DATA))


def labelled(field: str, name: str) -> Test:
    """A field has the value that is called so."""
    return equal(field, next(code for code, label in FIELDS[field].labels.items() if label == name))


def anomaly(name: str) -> Test:
    """A PDU has an anomaly."""
    return labelled("pdu.anomaly", name)


class Event(NamedTuple):
    """What an event's rows have, and whether they are PDUs."""

    test: Test
    is_whole: bool = True


OWN = ("modbus.no_room", "modbus.not_modbus", "modbus.other_port")  # anomalies that are no events of Suricata's
EVENTS = {
    **{
        name: Event(anomaly(name))
        for name in FIELDS["pdu.anomaly"].labels.values()
        if name.startswith("modbus.") and name not in OWN
    },
    "dnp3.flooded": Event(anomaly("dnp3.flooded")),
    "dnp3.len_too_small": Event(anomaly("dnp3.invalid_length")),
    "dnp3.bad_link_crc": Event(anomaly("dnp3.invalid_header"), is_whole=False),
    "dnp3.bad_transport_crc": Event(anomaly("dnp3.bad_crc")),
    "dnp3.unknown_object": Event(unread_object()),
}


def app_layer_event(draft: Draft, value: str) -> None:
    """app-layer-event:modbus.invalid_length; what is odd about a PDU"""
    value = value.strip()
    protocol, _, _ = value.partition(".")
    if value not in EVENTS:
        raise draft.unsupported(f"the event {value} is not supported", f"supported are {', '.join(EVENTS)}")
    draft.add_pdu_test(protocol, EVENTS[value].test, is_whole=EVENTS[value].is_whole)


# --- what is spoken -------------------------------------------------------------------------------------------------


def app_layer_protocol(draft: Draft, value: str) -> None:
    """app-layer-protocol:modbus; or !modbus, for connections that speak something else"""
    name = value.strip().removeprefix("!").strip()
    is_negated = value.strip().startswith("!")
    if name not in PDU_PROTOCOLS:
        known = f"known are {', '.join(PDU_PROTOCOLS)}; a rule with ports does for others"
        if name in APPLICATIONS or name in ("failed", "unknown"):
            raise draft.unsupported(f"{draft.option.keyword}:{name} is not supported", known, name)
        raise draft.mistake(f"unknown protocol {name!r}", known, name)
    if draft.spoken and not (is_negated and all(one.startswith("!") for one in draft.spoken)):
        raise draft.mistake(
            "a connection speaks one protocol", "several app-layer-protocol go together where all are negated"
        )
    draft.spoken.append(f"!{name}" if is_negated else name)
    draft.is_ip_only = False


KEYWORDS = {
    "app-layer-protocol": Keyword(app_layer_protocol),
    "app-layer-event": Keyword(app_layer_event),
    "cip_service": Keyword(cip_service),
    "modbus": Keyword(modbus, quotes="optional"),
    **dict.fromkeys(("dnp3_func", "dnp3.func"), Keyword(dnp3_func)),
    **dict.fromkeys(("dnp3_ind", "dnp3.ind"), Keyword(dnp3_ind)),
    **dict.fromkeys(("dnp3_obj", "dnp3.obj"), Keyword(dnp3_obj)),
    **dict.fromkeys(("dnp3_data", "dnp3.data"), Keyword(dnp3_data, "none")),
    **dict.fromkeys(("enip_command", "enip.command"), Keyword(enip_command)),
}  # fmt: skip
