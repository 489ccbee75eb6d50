"""Modbus/TCP, the model of every protocol table. One row = one PDU: MBAP header, function code, body.

Input: chunks of TCP streams and UDP payloads on port 502, and of any TCP stream that is consistent with the specification
from its first chunk on. Output: PduTable with Wireshark's mbtcp.* and modbus.* fields; registers, coils and identity
objects as rows below it.

MODBUS Messaging on TCP/IP 1.0b, 3.1.3 (MBAP); MODBUS Application Protocol V1.1b3, 6 (functions), 7 (exceptions).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field, ObjectTable
from detector.kernel import Kernels
from detector.packets.header import offsets_of, place_of, placed, ragged
from detector.packets.load import load
from detector.packets.table import PacketTable
from detector.protocols.modbus_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.table import OWN, PduTable, general_fields, listed, port_anomalies

kernels = Kernels("detector.protocols.modbus_kernels")

FUNCTIONS = {
    1: "Read Coils", 2: "Read Discrete Inputs", 3: "Read Holding Registers", 4: "Read Input Registers", 5: "Write Single Coil",
    6: "Write Single Register", 7: "Read Exception Status", 8: "Diagnostics", 11: "Get Comm. Event Counters",
    12: "Get Comm. Event Log", 15: "Write Multiple Coils", 16: "Write Multiple Registers", 17: "Report Slave ID",
    20: "Read File Record", 21: "Write File Record", 22: "Mask Write Register", 23: "Read Write Register",
    24: "Read FIFO Queue", 43: "Encapsulated Interface Transport", 90: "Unity (Schneider)",
}  # fmt: skip
EXCEPTIONS = {1: "Illegal function", 2: "Illegal data address", 3: "Illegal data value", 4: "Slave device failure", 5: "Acknowledge",
              6: "Slave device busy", 8: "Memory parity error", 10: "Gateway path unavailable",
              11: "Gateway target device failed to respond"}  # fmt: skip
DIAGNOSTICS = {0: "Return Query Data", 1: "Restart Communications Option", 2: "Return Diagnostic Register",
               3: "Change ASCII Input Delimiter", 4: "Force Listen Only Mode", 10: "Clear Counters and Diagnostic Register",
               11: "Return Bus Message Count", 12: "Return Bus Communication Error Count", 13: "Return Bus Exception Error Count",
               14: "Return Slave Message Count", 15: "Return Slave No Response Count", 16: "Return Slave NAK Count",
               17: "Return Slave Busy Count", 18: "Return Bus Character Overrun Count"}  # fmt: skip
ANOMALIES = {
    "modbus.invalid_protocol_id": "protocol id other than 0: something else speaks on Modbus' port",
    "modbus.invalid_length": "a length that does not fit the header or the function",
    "modbus.invalid_function_code": "a function code that the specification reserves",
    "modbus.invalid_value": "a quantity or value outside what the function allows",
    "modbus.invalid_exception_code": "an exception code that the specification does not define",
    "modbus.unsolicited_response": "a reply whose request was not seen",
    "modbus.value_mismatch": "a reply to a write that repeats another address or value",
    "modbus.no_room": "an unfinished PDU for which there was no memory",
    **port_anomalies("modbus", "Modbus"),
}
# As modbus_kernels.py names them.
BIT, REGISTER, IDENTITY, RECORD, ASKED_IDENTITY, OWN_IDENTITY, RECORD_REPLY, EVENT, EVENT_RECEIVED, EVENT_SENT = range(
    10
)
# Where the values of functions that have fields begin: functions, kind (-1: both), bytes from the MBAP header.
DATA_AT = (
    ((7,), 1, 8),
    ((7, 11, 12, 17), 0, 8),
    ((5, 6), -1, 10),
    ((8,), -1, 10),
    ((15,), 0, 13),
    ((23,), 0, 17),
    ((23,), 1, 9),
    ((24,), 1, 12),
)
SPANS = {"mbtcp": 0, "modbus": 7}
MALFORMED = 3  # as modbus_kernels.py names it
FUNCTION, REQUEST_NS = OWN, OWN + 1  # as modbus_kernels.py has them
OUT_COLUMNS, STATE_COLUMNS, REQUEST_COLUMNS = OWN + 5, 6, 6


@dataclass(frozen=True)
class Part:
    """A field at a fixed place of some PDUs: of the given functions, in requests ("q"), replies ("r") or both.

    at: "@offset:width" in bits from the start of the MBAP header. sub: the diagnostic code or MEI type it needs.
    """

    field: Field
    at: str
    functions: tuple[int, ...] = ()
    kinds: str = "qr"
    sub: int = -1


def part(name: str, kind: str, at: str, meaning: str, functions: tuple[int, ...] = (), kinds: str = "qr", sub: int = -1,
         base: int = 10, labels: dict[int, str] | None = None) -> Part:  # fmt: skip
    """A Part with its field."""
    return Part(Field(name, kind, meaning, base=base, labels=labels or {}, **placed(at)), at, functions, kinds, sub)


PARTS: tuple[Part, ...] = (
    part("mbtcp.trans_id", "uint", "ModbusADURequest.transId", "transaction id, repeated in the reply"),
    part("mbtcp.prot_id", "uint", "ModbusADURequest.protoId", "protocol id, 0 for Modbus"),
    part("mbtcp.len", "uint", "ModbusADURequest.len", "bytes from the unit id on"),
    part("mbtcp.unit_id", "uint", "ModbusADURequest.unitId", "unit (slave) behind a gateway; 0 is broadcast, 255 the device itself"),
    part("modbus.func_code", "uint", "@57:7", "function code; an exception has modbus.exception_code as well", labels=FUNCTIONS),
    part("modbus.exception_code", "uint", "@64:8", "why a request was refused", kinds="x", labels=EXCEPTIONS),
    part("modbus.reference_num", "uint", "@64:16", "first coil or register, counted from 0", (1, 2, 3, 4, 15, 16), "q"),
    part("modbus.reference_num", "uint", "@64:16", "first coil or register, counted from 0", (5, 6, 15, 16, 22)),
    part("modbus.reference_num", "uint", "@64:16", "first coil or register, counted from 0", (24,), "q"),
    part("modbus.bit_cnt", "uint", "@80:16", "number of coils", (1, 2), "q"),
    part("modbus.bit_cnt", "uint", "@80:16", "number of coils", (15,)),
    part("modbus.word_cnt", "uint", "@80:16", "number of registers", (3, 4), "q"),
    part("modbus.word_cnt", "uint", "@80:16", "number of registers", (16,)),
    part("modbus.word_cnt", "uint", "@80:16", "number of registers", (24,), "r"),
    part("modbus.byte_cnt", "uint", "@64:8", "bytes of data", (1, 2, 3, 4, 12, 20, 23), "r"),
    part("modbus.byte_cnt", "uint", "@64:8", "bytes of data", (20,), "q"),
    part("modbus.byte_cnt", "uint", "@64:8", "bytes of data", (21,)),
    part("modbus.byte_cnt", "uint", "@96:8", "bytes of data", (15, 16), "q"),
    part("modbus.byte_cnt", "uint", "@128:8", "bytes of data", (23,), "q"),
    part("modbus.byte_cnt_16", "uint", "@64:16", "bytes of a FIFO queue", (24,), "r"),
    part("modbus.padding", "uint", "@88:8", "second byte of a coil's value", (5,), base=16),
    part("modbus.and_mask", "uint", "@80:16", "bits kept by a mask write", (22,), base=16),
    part("modbus.or_mask", "uint", "@96:16", "bits set by a mask write", (22,), base=16),
    part("modbus.read_reference_num", "uint", "@64:16", "first register that is read", (23,), "q"),
    part("modbus.read_word_cnt", "uint", "@80:16", "number of registers that are read", (23,), "q"),
    part("modbus.write_reference_num", "uint", "@96:16", "first register that is written", (23,), "q"),
    part("modbus.write_word_cnt", "uint", "@112:16", "number of registers that are written", (23,), "q"),
    part("modbus.diagnostic_code", "uint", "@64:16", "diagnostic subfunction; 1 restarts, 4 silences a device", (8,),
         labels=DIAGNOSTICS),
    part("modbus.diagnostic.restart_communication_option", "uint", "@80:16", "0xff00 clears the event log", (8,), "qr", 1, base=16),
    part("modbus.diagnostic.return_diag_register", "uint", "@80:16", "diagnostic register", (8,), "r", 2, base=16),
    part("modbus.diagnostic.ascii_input_delimiter", "uint", "@80:8", "delimiter of messages", (8,), "qr", 3, base=16),
    part("modbus.diagnostic.clear_ctr_diag_reg", "uint", "@80:16", "data of a clear", (8,), "r", 10),
    part("modbus.diagnostic.bus_message_count", "uint", "@80:16", "messages seen on the bus", (8,), "r", 11),
    part("modbus.diagnostic.bus_comm_error_count", "uint", "@80:16", "messages with wrong checksum", (8,), "r", 12),
    part("modbus.diagnostic.bus_exception_error_count", "uint", "@80:16", "exceptions sent", (8,), "r", 13),
    part("modbus.diagnostic.slave_message_count", "uint", "@80:16", "messages to this device", (8,), "r", 14),
    part("modbus.diagnostic.no_slave_response_count", "uint", "@80:16", "messages without an answer", (8,), "r", 15),
    part("modbus.diagnostic.slave_nak_count", "uint", "@80:16", "messages refused", (8,), "r", 16),
    part("modbus.diagnostic.slave_busy_count", "uint", "@80:16", "messages answered with busy", (8,), "r", 17),
    part("modbus.diagnostic.bus_char_overrun_count", "uint", "@80:16", "messages lost to overrun", (8,), "r", 18),
    part("modbus.ev_status", "uint", "@64:16", "whether the device is busy", (11,), "r", base=16),
    part("modbus.ev_status", "uint", "@72:16", "whether the device is busy", (12,), "r", base=16),
    part("modbus.ev_count", "uint", "@80:16", "event counter", (11,), "r"),
    part("modbus.ev_count", "uint", "@88:16", "event counter", (12,), "r"),
    part("modbus.ev_msg_count", "uint", "@104:16", "message counter", (12,), "r"),
    part("modbus.mei", "uint", "@64:8", "kind of encapsulated interface, 14 for device identification", (43,)),
    part("modbus.read_device_id", "uint", "@72:8", "access to identification: 1 basic, 2 regular, 3 extended, 4 one object", (43,),
         "qr", 14),
    part("modbus.conformity_level", "uint", "@80:8", "what a device can tell of itself", (43,), "r", 14, base=16),
    part("modbus.more_follows", "uint", "@88:8", "0xff where further identification waits", (43,), "r", 14, base=16),
    part("modbus.next_object_id", "uint", "@96:8", "where to read on", (43,), "r", 14),
    part("modbus.num_objects", "uint", "@104:8", "number of identification objects", (43,), "r", 14),
)  # fmt: skip

# Objects' fields: kinds of object, and "number", "value", "span" (all of its bytes) or a place in it, "@offset:width" in bits.
OBJECT_FIELDS = """
    modbus.regnum16           uint   1     number register, counted from 0
    modbus.regval_uint16      uint   1     value  value of the register
    modbus.bitnum             uint   0     number coil or input, counted from 0
    modbus.bitval             bool   0     value  state of the coil or input
    modbus.object_id          uint   2,4,5 number identification object
    modbus.objects_len        uint   2,5   value  length of an identification object
    modbus.object_str_value   string 2     span   text of an identification object
    modbus.object_value       bytes  5     span   bytes of an identification object that is no text
    modbus.reference_type     uint   3     @0:8   kind of reference to a file, always 6
    modbus.reference_type     uint   6     @8:8   kind of reference to a file, always 6
    modbus.reference_num_32   uint   3     number record of a file access
    modbus.event              uint   7,8,9 @0:8   entry of the event log, the latest first
    modbus.ev_recv_comm_err   bool   8     @6:1   a message came with an error
    modbus.ev_recv_char_over  bool   8     @3:1   a message came with an overrun
    modbus.ev_recv_lo_mode    bool   8     @2:1   a message came in listen only mode
    modbus.ev_recv_broadcast  bool   8     @1:1   a message came as broadcast
    modbus.ev_send_read_ex    bool   9     @7:1   a read exception was sent
    modbus.ev_send_slave_abort_ex bool 9   @6:1   an abort exception was sent
    modbus.ev_send_slave_busy_ex bool  9   @5:1   a busy exception was sent
    modbus.ev_send_slave_nak_ex bool   9   @4:1   a refusal was sent
    modbus.ev_send_write_timeout bool  9   @3:1   a write timed out
    modbus.ev_send_lo_mode    bool   9     @2:1   a message was sent in listen only mode
"""
ObjectPlace = tuple[tuple[int, ...], str]


def object_fields() -> tuple[dict[str, Field], dict[str, list[ObjectPlace]]]:
    """The fields of objects, and the places of each."""
    fields: dict[str, Field] = {}
    places: dict[str, list[ObjectPlace]] = {}
    for line in filter(None, map(str.strip, OBJECT_FIELDS.splitlines())):  # per place of a field
        name, kind, kinds, what, meaning = line.split(None, 4)
        fields.setdefault(name, Field(name, kind, meaning, unit="B" if name.endswith("_len") else "", level="object"))
        places.setdefault(name, []).append((tuple(map(int, kinds.split(","))), what))
    return fields, places


OBJECTS, OBJECT_PLACES = object_fields()
# Fields of a PDU that its file records have as well: kind of record, and the place in it.
RECORD_PLACES = {"modbus.word_cnt": (RECORD, "@40:16"), "modbus.byte_cnt": (RECORD_REPLY, "@0:8")}
# Where the bytes of a record begin, by its kind.
RECORD_DATA_AT = {RECORD: 7, RECORD_REPLY: 2}
OTHERS = (
    Field("modbus", "protocol", "the row is a Modbus PDU"),
    Field("mbtcp", "protocol", "the row has an MBAP header"),
    Field("modbus.request_frame", "uint", "frame of the request that this answers"),
    Field("modbus.response_time", "duration", "since the request that this answers", unit="s"),
    Field("modbus.data", "bytes", "body of a function without a structure of its own"),
    Field("modbus.diagnostic.return_query_data.request", "bytes", "data that a device is to return"),
    Field("modbus.diagnostic.return_query_data.echo", "bytes", "data that a device returned"),
    *general_fields(0, ANOMALIES),
)
FIELDS: tuple[Field, ...] = tuple({
    field.name: field for field in (*OTHERS[:2], *(one.field for one in PARTS), *OTHERS[2:7], *OBJECTS.values(), *OTHERS[7:])
}.values())  # fmt: skip
BY_NAME = {field.name: field for field in FIELDS}


class ModbusTable(PduTable):
    """Modbus PDUs. cells: int64[pdus, 12], columns named in modbus_kernels.py."""

    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("modbus", packets, cells, BY_NAME)
        self._kind, self._function = self.kinds, cells[:, FUNCTION]
        self._is_pdu = self._kind != MALFORMED
        self._objects: ObjectTable | None = None
        self._object_cells = np.zeros((0, 6), np.int64)

    def _make_own(self, field: Field) -> Column:
        if field.level == "object":
            objects = self.objects()
            column = objects.column(field.name)
            values, rows = column.flat()
            return ragged(field, values, objects.parents[rows], self.rows, self.packets.batch.buffer)
        match field.name:
            case "modbus":
                return Column(field, self._is_pdu)
            case "modbus.request_frame":  # Wireshark joins exceptions with nothing
                return Column(field, self.request_frames, (self.request_frames >= 0) & (self._kind == 1))
            case "modbus.response_time":
                times = self.packets.batch.times[self.packets.structure.packet[self.row_of_pdu]]
                return Column(
                    field, times - self.cells[:, REQUEST_NS], (self.cells[:, REQUEST_NS] >= 0) & (self._kind == 1)
                )
            case "modbus.diagnostic.return_query_data.request" | "modbus.diagnostic.return_query_data.echo":
                return self._query_data(field, 0 if field.name.endswith("request") else 1)
            case "modbus.data":
                return self._with_records(self._data(field))
            case _:
                return self._with_records(self._parts(field))

    def _parts(self, field: Field) -> Column:
        """A field from its place in every kind of PDU that has it."""
        buffer, found = self.packets.batch.buffer, []
        for one in (one for one in PARTS if one.field.name == field.name):  # per place of the field
            starts = np.where(self._holds(one), self.starts, -1).astype(np.int32)
            found.append(load(field, place_of(one.at), buffer, starts, self.stops.astype(np.int32)))
        values, present = found[0].values, found[0].present
        for column in found[1:]:  # per further place
            assert column.present is not None and present is not None
            values, present = np.where(column.present, column.values, values), present | column.present
        return Column(field, values, present)

    def _holds(self, one: Part) -> NDArray[np.bool_]:
        """The PDUs in which a part has its place."""
        if not one.functions:
            everywhere: NDArray[np.bool_] = self._kind == 2 if one.kinds == "x" else self._is_pdu
            if one.field.protocol == "mbtcp":
                everywhere = np.ones(self.rows, np.bool_)
            return everywhere
        holds: NDArray[np.bool_] = np.isin(self._function, one.functions) & (self._kind != 2)
        if one.kinds != "qr":
            holds &= self._kind == (0 if one.kinds == "q" else 1)
        if one.sub >= 0:
            code = self.column("modbus.diagnostic_code" if 8 in one.functions else "modbus.mei")
            assert code.present is not None
            holds &= code.present & (code.values == one.sub)
        return holds

    def _with_records(self, column: Column) -> Column:
        """The column with what file records (functions 20 and 21) have under the same name."""
        name = column.field.name
        if name not in (*RECORD_PLACES, "modbus.data") or not np.isin(self._function, (20, 21)).any():
            return column
        self.objects()
        cells, buffer = self._object_cells, self.packets.batch.buffer
        if name == "modbus.data":
            skip = np.zeros(len(cells), np.int64)
            for kind, size in RECORD_DATA_AT.items():  # per kind of record
                skip[cells[:, 1] == kind] = size
            spans = np.stack((cells[:, 4] + skip, cells[:, 5]), axis=1)
            extra = Column(column.field, spans, (skip > 0) & (spans[:, 0] < spans[:, 1]), None, buffer)
        else:
            kind, at = RECORD_PLACES[name]
            extra = object_column(column.field, cells, [((kind,), at)], buffer)
        (values, rows), (more, numbers) = column.flat(), extra.flat()
        rows = np.concatenate((rows, cells[numbers, 0]))
        order = np.argsort(rows, kind="stable")
        return ragged(column.field, np.concatenate((values, more))[order], rows[order], self.rows, column.buffer)

    def _query_data(self, field: Field, kind: int) -> Column:
        """Data of diagnostic subfunction 0, in requests or replies."""
        code = self.column("modbus.diagnostic_code")
        assert code.present is not None
        spans = np.stack((self.starts + 10, self.stops), axis=1)
        present = code.present & (code.values == 0) & (self._kind == kind) & (spans[:, 0] < spans[:, 1])
        return Column(field, spans, present, None, self.packets.batch.buffer)

    def _data(self, field: Field) -> Column:
        """What Wireshark shows as data: bodies without a structure of their own, and the values that writes carry."""
        starts, stops = self.starts + 8, self.stops
        present = ~np.isin(self._function, (*range(1, 9), 11, 12, 15, 16, 20, 21, 22, 23, 24, 43))
        for functions, kind, offset in DATA_AT:  # per place of data
            chosen = np.isin(self._function, functions) & ((self._kind == kind) | (kind < 0))
            starts, present = np.where(chosen, self.starts + offset, starts), present | chosen
        mei = self.column("modbus.mei")
        assert mei.present is not None
        opaque = mei.present & (mei.values != 14)
        starts, present = np.where(opaque, self.starts + 8, starts), present | opaque
        code = self.column("modbus.diagnostic_code")
        assert code.present is not None
        answered = code.present & np.isin(code.values, (0, 1, 2, 3, *range(10, 19)))
        present &= ~(answered & ((self._kind == 1) | (code.values < 2) | (code.values == 3)))
        present &= (self._kind != 2) & self._is_pdu & (starts < stops)
        return Column(field, np.stack((starts, stops), axis=1), present, None, self.packets.batch.buffer)

    def objects(self) -> ObjectTable:
        """Registers, coils, identity objects and file records, made at the first call."""
        if self._objects is None:
            buffer = self.packets.batch.buffer
            cells = listed(partial(kernels.list_objects, self.cells, buffer), self.rows * 16 + 64, 6)
            self._object_cells = cells
            columns = {
                name: partial(object_column, field, cells, OBJECT_PLACES[name], buffer)
                for name, field in OBJECTS.items()
            }
            self._objects = ObjectTable("modbus", offsets_of(cells[:, 0], self.rows), columns)
        return self._objects


def object_column(
    field: Field, cells: NDArray[np.int64], places: list[ObjectPlace], buffer: NDArray[np.uint8]
) -> Column:
    """A column of the objects that have the field at one of the places; other objects have no value in it."""
    present = np.isin(cells[:, 1], [kind for kinds, _ in places for kind in kinds])
    if places[0][1] == "span":
        return Column(field, cells[:, 4:6], present, None, buffer)
    values = np.zeros(len(cells), np.int64)
    for kinds, what in places:  # per place of the field
        chosen = np.isin(cells[:, 1], kinds)
        if what.startswith("@"):
            starts = np.where(chosen, cells[:, 4], -1).astype(np.int32)
            loaded = load(field, place_of(what), buffer, starts, cells[:, 5].astype(np.int32))
            assert loaded.present is not None
            values, present = np.where(chosen, loaded.values, values), present & (loaded.present | ~chosen)
        else:
            values = np.where(chosen, cells[:, 2 if what == "number" else 3], values)
    return Column(field, values != 0 if field.kind == "bool" else values, present)


def make_reader() -> FramingReader:
    """A reader for a run."""
    columns = (STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS)
    return FramingReader(columns, kernels, ModbusTable)


MODBUS = Protocol(
    name="modbus",
    title="Modbus/TCP",
    also=("mbtcp",),
    tcp_ports=(502,),
    udp_ports=(502,),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=ModbusTable,
    vocabulary=VOCABULARY,
    scapy={"to_server": "scapy.contrib.modbus.ModbusADURequest", "to_client": "scapy.contrib.modbus.ModbusADUResponse"},
)
