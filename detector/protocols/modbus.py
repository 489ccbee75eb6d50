"""Modbus/TCP, the model of every protocol table. One row = one PDU: MBAP header, function code, body.

Input: chunks of TCP streams and UDP payloads on port 502, and of any TCP stream that is consistent with the specification
from its first chunk on. Output: PduTable with Wireshark's mbtcp.* and modbus.* fields; registers, coils and identity
objects as rows below it.

MODBUS Messaging on TCP/IP 1.0b, 3.1.3 (MBAP); MODBUS Application Protocol V1.1b3, 6 (functions), 7 (exceptions).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import DeclaredTable, Part, declared
from detector.protocols.modbus_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.table import KIND, OWN, START, STOP, general_fields, listed, port_anomalies

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
    "modbus.flooded": "more than 500 requests of a connection since its last reply; once until the next",
    "modbus.no_room": "an unfinished PDU for which there was no memory",
    **port_anomalies("modbus", "Modbus"),
}
# Columns of cells behind those of every table, and of objects, as modbus_kernels.py names them.
FUNCTION, REQUEST_NS, REFERENCE, QUANTITY, WHAT, SUB = range(OWN, OWN + 6)
OUT_COLUMNS, STATE_COLUMNS, REQUEST_COLUMNS, OBJECT_COLUMNS = OWN + 6, 5, 6, 6
PDU, OBJECT_KIND, NUMBER, VALUE, OBJECT_START, OBJECT_STOP = range(OBJECT_COLUMNS)
MALFORMED = 3  # of KIND
SPANS = {"mbtcp": 0, "modbus": 7}
# What a PDU may be: a request, reply or exception of a function; and one of a diagnostic code or of an interface's type.
MOST_FUNCTIONS, MOST_CODES = 128, 64
WHATS = tuple(f"{way}{function}" for way in "qrx" for function in range(MOST_FUNCTIONS))
SUBS = tuple(f"{way}{function}.{code}" for function in (8, 43) for way in "qr" for code in range(MOST_CODES))
OBJECTS = (
    "bit", "register", "identity", "record", "asked_identity", "own_identity", "record_reply", "event", "event_received",
    "event_sent",
)  # fmt: skip
PARTS = {
    "mbap": Part(START, STOP),
    "any": Part(START, STOP, KIND, ("q", "r", "x")),
    "pdu": Part(START, STOP, WHAT, WHATS),
    "sub": Part(START, STOP, SUB, SUBS),
    "object": Part(OBJECT_START, OBJECT_STOP, OBJECT_KIND, OBJECTS, is_object=True),
}


def both(functions: Iterable[int]) -> str:
    """Requests and replies of functions, as lines name them."""
    return ",".join(f"{way}{function}" for function in functions for way in "qr")


STRUCTURED = (*range(1, 9), 11, 12, 15, 16, 20, 21, 22, 23, 24, 43)  # functions whose bodies have fields
# Diagnostic codes with a field for what comes with them: both ways, or in replies alone.
ASKED, TOLD = (0, 1, 3), (2, *range(10, 19))
OPAQUE = both(function for function in range(MOST_FUNCTIONS) if function not in STRUCTURED)
OPAQUE_CODES = ",".join(
    f"{way}8.{code}"
    for code in range(MOST_CODES)
    for way in "qr"
    if code not in ASKED and (way == "q" or code not in TOLD)
)
OPAQUE_TYPES = ",".join(f"{way}43.{code}" for code in range(MOST_CODES) for way in "qr" if code != 14)
LINES = f"""
    mbtcp.trans_id            uint   mbap       @0:16   transaction id, repeated in the reply
    mbtcp.prot_id             uint   mbap       @16:16  protocol id, 0 for Modbus
    mbtcp.len                 uint   mbap       @32:16  bytes from the unit id on
    mbtcp.unit_id             uint   mbap       @48:8   unit (slave) behind a gateway; 0 is broadcast, 255 the device itself
    modbus.func_code          uint   any:q,r,x  @57:7   function code; an exception has modbus.exception_code as well
    modbus.exception_code     uint   any:x      @64:8   why a request was refused
    modbus.reference_num      uint   pdu:q1,q2,q3,q4,q24,{both((5, 6, 15, 16, 22))} @64:16 first coil or register, counted from 0
    modbus.bit_cnt            uint   pdu:q1,q2,q15,r15 @80:16 number of coils
    modbus.word_cnt           uint   pdu:q3,q4,q16,r16,r24 @80:16 number of registers
    modbus.word_cnt           uint   object:record @40:16 number of registers
    modbus.byte_cnt           uint   pdu:r1,r2,r3,r4,r12,q20,r20,q21,r21,r23 @64:8 bytes of data
    modbus.byte_cnt           uint   pdu:q15,q16 @96:8  bytes of data
    modbus.byte_cnt           uint   pdu:q23    @128:8  bytes of data
    modbus.byte_cnt           uint   object:record_reply @0:8 bytes of data
    modbus.byte_cnt_16        uint   pdu:r24    @64:16  bytes of a FIFO queue
    modbus.padding            uintx  pdu:q5,r5  @88:8   second byte of a coil's value
    modbus.and_mask           uintx  pdu:q22,r22 @80:16 bits kept by a mask write
    modbus.or_mask            uintx  pdu:q22,r22 @96:16 bits set by a mask write
    modbus.read_reference_num uint   pdu:q23    @64:16  first register that is read
    modbus.read_word_cnt      uint   pdu:q23    @80:16  number of registers that are read
    modbus.write_reference_num uint  pdu:q23    @96:16  first register that is written
    modbus.write_word_cnt     uint   pdu:q23    @112:16 number of registers that are written
    modbus.diagnostic_code    uint   pdu:q8,r8  @64:16  diagnostic subfunction; 1 restarts, 4 silences a device
    modbus.diagnostic.restart_communication_option uintx sub:q8.1,r8.1 @80:16 0xff00 clears the event log
    modbus.diagnostic.return_diag_register uintx sub:r8.2 @80:16 diagnostic register
    modbus.diagnostic.ascii_input_delimiter uintx sub:q8.3,r8.3 @80:8 delimiter of messages
    modbus.diagnostic.clear_ctr_diag_reg uint sub:r8.10 @80:16 data of a clear
    modbus.diagnostic.bus_message_count uint sub:r8.11 @80:16 messages seen on the bus
    modbus.diagnostic.bus_comm_error_count uint sub:r8.12 @80:16 messages with wrong checksum
    modbus.diagnostic.bus_exception_error_count uint sub:r8.13 @80:16 exceptions sent
    modbus.diagnostic.slave_message_count uint sub:r8.14 @80:16 messages to this device
    modbus.diagnostic.no_slave_response_count uint sub:r8.15 @80:16 messages without an answer
    modbus.diagnostic.slave_nak_count uint sub:r8.16 @80:16 messages refused
    modbus.diagnostic.slave_busy_count uint sub:r8.17 @80:16 messages answered with busy
    modbus.diagnostic.bus_char_overrun_count uint sub:r8.18 @80:16 messages lost to overrun
    modbus.ev_status          uintx  pdu:r11    @64:16  whether the device is busy
    modbus.ev_status          uintx  pdu:r12    @72:16  whether the device is busy
    modbus.ev_count           uint   pdu:r11    @80:16  event counter
    modbus.ev_count           uint   pdu:r12    @88:16  event counter
    modbus.ev_msg_count       uint   pdu:r12    @104:16 message counter
    modbus.mei                uint   pdu:q43,r43 @64:8  kind of encapsulated interface, 14 for device identification
    modbus.read_device_id     uint   sub:q43.14,r43.14 @72:8 access to identification: 1 basic, 2 regular, 3 extended, 4 one object
    modbus.conformity_level   uintx  sub:r43.14 @80:8   what a device can tell of itself
    modbus.more_follows       uintx  sub:r43.14 @88:8   0xff where further identification waits
    modbus.next_object_id     uint   sub:r43.14 @96:8   where to read on
    modbus.num_objects        uint   sub:r43.14 @104:8  number of identification objects
    modbus.diagnostic.return_query_data.request bytes sub:q8.0 @80: data that a device is to return
    modbus.diagnostic.return_query_data.echo bytes sub:r8.0 @80: data that a device returned
    modbus.data               bytes  pdu:q7,r7,q11,q12,q17,{OPAQUE} @64: body of a function without a structure of its own
    modbus.data               bytes  pdu:r23    @72:    values
    modbus.data               bytes  pdu:q5,r5,q6,r6 @80: values
    modbus.data               bytes  pdu:r24    @96:    values
    modbus.data               bytes  pdu:q15    @104:   values
    modbus.data               bytes  pdu:q23    @136:   values
    modbus.data               bytes  sub:{OPAQUE_CODES} @80: data of a diagnostic code without a structure of its own
    modbus.data               bytes  sub:{OPAQUE_TYPES} @64: data of another encapsulated interface
    modbus.data               bytes  object:record @56: bytes of a record
    modbus.data               bytes  object:record_reply @16: bytes of a record
    modbus.regnum16           uint   object:register =number register, counted from 0
    modbus.regval_uint16      uint   object:register =value value of the register
    modbus.bitnum             uint   object:bit =number coil or input, counted from 0
    modbus.bitval             bool   object:bit =value  state of the coil or input
    modbus.object_id          uint   object:identity,asked_identity,own_identity =number identification object
    modbus.objects_len        uint   object:identity,own_identity =value length of an identification object
    modbus.object_str_value   string object:identity @0: text of an identification object
    modbus.object_value       bytes  object:own_identity @0: bytes of an identification object that is no text
    modbus.reference_type     uint   object:record @0:8 kind of reference to a file, always 6
    modbus.reference_type     uint   object:record_reply @8:8 kind of reference to a file, always 6
    modbus.reference_num_32   uint   object:record =number record of a file access
    modbus.event              uint   object:event,event_received,event_sent @0:8 entry of the event log, the latest first
    modbus.ev_recv_comm_err   bool   object:event_received @6:1 a message came with an error
    modbus.ev_recv_char_over  bool   object:event_received @3:1 a message came with an overrun
    modbus.ev_recv_lo_mode    bool   object:event_received @2:1 a message came in listen only mode
    modbus.ev_recv_broadcast  bool   object:event_received @1:1 a message came as broadcast
    modbus.ev_send_read_ex    bool   object:event_sent @7:1 a read exception was sent
    modbus.ev_send_slave_abort_ex bool object:event_sent @6:1 an abort exception was sent
    modbus.ev_send_slave_busy_ex bool object:event_sent @5:1 a busy exception was sent
    modbus.ev_send_slave_nak_ex bool object:event_sent @4:1 a refusal was sent
    modbus.ev_send_write_timeout bool object:event_sent @3:1 a write timed out
    modbus.ev_send_lo_mode    bool   object:event_sent @2:1 a message was sent in listen only mode
"""
LABELS = {
    "modbus.func_code": FUNCTIONS, "modbus.exception_code": EXCEPTIONS, "modbus.diagnostic_code": DIAGNOSTICS,
}  # fmt: skip
DECLARED = declared(LINES, PARTS, {"number": NUMBER, "value": VALUE}, LABELS)
FIELDS: tuple[Field, ...] = (
    Field("modbus", "protocol", "the row is a Modbus PDU"),
    Field("mbtcp", "protocol", "the row has an MBAP header"),
    Field("modbus.request_frame", "uint", "frame of the request that this answers"),
    Field("modbus.response_time", "duration", "since the request that this answers", unit="s"),
    *DECLARED.fields.values(),
    *general_fields(0, ANOMALIES),
)
BY_NAME = {field.name: field for field in FIELDS}


class ModbusTable(DeclaredTable):
    """Modbus PDUs. cells: int64[pdus, 13], columns named in modbus_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("modbus", packets, cells, BY_NAME)

    def _make_own(self, field: Field) -> Column:
        match field.name:
            case "modbus":
                return Column(field, self.kinds != MALFORMED)
            case "modbus.request_frame":  # Wireshark joins exceptions with nothing
                return Column(field, self.request_frames, (self.request_frames >= 0) & (self.kinds == 1))
            case "modbus.response_time":
                times, asked = self.packets.batch.times, self.cells[:, REQUEST_NS]
                own = times[self.packets.structure.packet[self.row_of_pdu]]
                return Column(field, own - asked, (asked >= 0) & (self.kinds == 1))
        return super()._make_own(field)

    def shares(self, field: Field) -> bool:
        """Of objects only the records of files (functions 20 and 21) have fields that PDUs have as well."""
        return super().shares(field) and bool(np.isin(self.cells[:, FUNCTION], (20, 21)).any())

    def list_objects(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Registers, coils, identity objects and file records."""
        fill = partial(kernels.list_objects, self.cells, self.packets.batch.buffer)
        cells = listed(fill, self.rows * 16 + 64, OBJECT_COLUMNS)
        return cells, cells[:, PDU]


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
