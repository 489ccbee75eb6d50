"""IEC 60870-5-104. One row = one APDU; information objects are rows below it.

Input: chunks of TCP streams on port 2404, and of any TCP stream that begins with an unnumbered APDU. Output: PduTable with
Wireshark's iec60870_104.* and iec60870_asdu.* fields.

IEC 60870-5-104:2006, 5 (APCI); IEC 60870-5-101:2003, 7.2 and 7.3 (ASDUs, information elements).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import DeclaredTable, Part, declared
from detector.protocols.iec104_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.table import OWN, STOP, general_fields, listed, port_anomalies

kernels = Kernels("detector.protocols.iec104_kernels")

NUMBER = 2
CAUSES = {
    1: "per/cyc", 2: "back", 3: "spont", 4: "init", 5: "req", 6: "act", 7: "actcon", 8: "deact", 9: "deactcon", 10: "actterm",
    11: "retrem", 12: "retloc", 13: "file", 20: "inrogen", 37: "reqcogen", 44: "unknown type", 45: "unknown cause",
    46: "unknown common address", 47: "unknown object address",
}  # fmt: skip
FUNCTIONS = {1: "STARTDT act", 2: "STARTDT con", 4: "STOPDT act", 8: "STOPDT con", 16: "TESTFR act", 32: "TESTFR con"}
ANOMALIES = {
    "iec60870_104.invalid_start": "octets before a start octet, which belong to no APDU",
    "iec60870_104.invalid_length": "a length that no APDU of its format has, or an ASDU that ends within its header",
    "iec60870_104.invalid_objects": "an ASDU that holds more or less than the objects it names",
    "iec60870_104.invalid_type": "a type of ASDU that the standard does not have",
    "iec60870_104.sequence": "a send sequence number that does not follow the one before",
    "iec60870_104.unsolicited_response": "a confirmation whose command was not seen",
    "iec60870_104.execute_differs": "a command that is executed while one of its type, but another object or value, is selected",
    "iec60870_104.no_room": "an unfinished APDU for which there was no memory",
    **port_anomalies("iec60870_104", "IEC 104"),
}
# Kinds of an object's parts, and their octets.
VALUES = {
    "siq": 1, "diq": 1, "vti": 1, "bsi": 4, "nva": 2, "sva": 2, "flt": 4, "bcr": 5, "sco": 1, "dco": 1, "rco": 1, "coi": 1, "qoi": 1,
    "qcc": 1, "qrp": 1, "fbp": 2, "tsc": 2, "raw": -1,
}  # fmt: skip
QUALITIES = {"qds": 1, "qos": 1, "qpm": 1}
TIMES = {"none": 0, "cp24": 3, "cp56": 7}
# Types of ASDU (IEC 60870-5-101, 7.2.1) and what their objects consist of, in this order.
TYPES = """
    1 siq | 2 siq cp24 | 3 diq | 4 diq cp24 | 5 vti qds | 6 vti qds cp24 | 7 bsi qds | 8 bsi qds cp24 | 9 nva qds | 10 nva qds cp24
    11 sva qds | 12 sva qds cp24 | 13 flt qds | 14 flt qds cp24 | 15 bcr | 16 bcr cp24 | 17 raw | 18 raw | 19 raw | 20 raw | 21 nva
    30 siq cp56 | 31 diq cp56 | 32 vti qds cp56 | 33 bsi qds cp56 | 34 nva qds cp56 | 35 sva qds cp56 | 36 flt qds cp56
    37 bcr cp56 | 38 raw | 39 raw | 40 raw | 45 sco | 46 dco | 47 rco | 48 nva qos | 49 sva qos | 50 flt qos | 51 bsi
    58 sco cp56 | 59 dco cp56 | 60 rco cp56 | 61 nva qos cp56 | 62 sva qos cp56 | 63 flt qos cp56 | 64 bsi cp56 | 70 coi
    100 qoi | 101 qcc | 102 | 103 cp56 | 104 fbp | 105 qrp | 106 raw | 107 tsc cp56 | 110 nva qpm | 111 sva qpm | 112 flt qpm
    113 raw | 120 raw | 121 raw | 122 raw | 123 raw | 124 raw | 125 raw | 126 raw | 127 raw
"""


def layouts() -> NDArray[np.int64]:
    """int64[256, 7], of each type of ASDU, as iec104_kernels.py names the columns."""
    made = np.zeros((256, 7), np.int64)
    made[:] = -1, list(VALUES).index("raw"), -1, 0, 0, 0, 0
    for text in TYPES.replace("\n", "|").split("|"):  # per type
        number, *parts = text.split() or [""]
        if not number:
            continue
        row, at = [0, -1, -1, 0, 0, 0, 1], 0
        for part in parts:  # per part of an object
            if part in VALUES:
                row[1] = list(VALUES).index(part)
            elif part in QUALITIES:
                row[2], row[4] = list(QUALITIES).index(part), at
            else:
                row[3], row[5] = list(TIMES).index(part), at
            at += {**VALUES, **QUALITIES, **TIMES}[part]
        row[0] = at
        made[int(number)] = row
    return made


LAYOUT = layouts()
# Columns of cells, as iec104_kernels.py names them.
APCI, FORMAT, SENT, RECEIVED, ASDU = range(OWN, OWN + 5)
(
    PDU,
    OBJECT_START,
    OBJECT_STOP,
    ADDRESS,
    VALUE,
    VALUE_STOP,
    VALUE_KIND,
    QUALITY,
    QUALITY_KIND,
    TIME,
    TIME_KIND,
    TIME_NS,
) = range(12)
COLUMNS = {"format": FORMAT, "sent": SENT, "received": RECEIVED, "address": ADDRESS, "time": TIME_NS}
FORMATS = ("i", "s", "", "u")
PARTS = {
    "apci": Part(APCI, STOP, FORMAT, FORMATS),
    "asdu": Part(ASDU, STOP),
    "object": Part(OBJECT_START, OBJECT_STOP, is_object=True),
    "value": Part(VALUE, VALUE_STOP, VALUE_KIND, tuple(VALUES), is_object=True),
    "quality": Part(QUALITY, OBJECT_STOP, QUALITY_KIND, tuple(QUALITIES), is_object=True),
    "time": Part(TIME, OBJECT_STOP, TIME_KIND, tuple(TIMES), is_object=True),
}
LINES = """
    iec60870_asdu.start     uintx apci      @0:8     start octet, 0x68
    iec60870_104.apdulen    uint  apci      @8:8     octets behind the length
    iec60870_104.type       uintx apci:i,s,u =format 0 carries an ASDU, 1 confirms, 3 controls the connection
    iec60870_104.utype      uintx apci:u    @16:6    what it does to the connection: 1 starts, 4 stops, 16 tests; twice that confirms
    iec60870_104.tx         uint  apci:i    =sent    send sequence number
    iec60870_104.rx         uint  apci:i,s  =received receive sequence number: the next that is expected
    iec60870_asdu.typeid    uint  asdu      @0:8     type of the ASDU; 45 to 51 and 58 to 64 are commands, 100 interrogates
    iec60870_asdu.sq        bool  asdu      @8:1     one address for a sequence of elements
    iec60870_asdu.numix     uint  asdu      @9:7     number of objects
    iec60870_asdu.causetx   uint  asdu      @18:6    cause; 6 is a command, 7 its confirmation, 10 its end, 44 to 47 refuse it
    iec60870_asdu.nega      bool  asdu      @17:1    a negative confirmation
    iec60870_asdu.test      bool  asdu      @16:1    a test, without consequences
    iec60870_asdu.oa        uint  asdu      @24:8    originator address
    iec60870_asdu.addr      uint  asdu      @32:16le common address: the station
    iec60870_asdu.ioa       uint  object    =address address of the information object
    iec60870_asdu.siq       uintx value:siq @0:8     single point with quality
    iec60870_asdu.siq.spi   bool  value:siq @7:1     state
    iec60870_asdu.siq.bl    bool  value:siq @3:1     blocked
    iec60870_asdu.siq.sb    bool  value:siq @2:1     substituted by an operator
    iec60870_asdu.siq.nt    bool  value:siq @1:1     not topical: not updated
    iec60870_asdu.siq.iv    bool  value:siq @0:1     invalid
    iec60870_asdu.diq       uintx value:diq @0:8     double point with quality
    iec60870_asdu.diq.dpi   uint  value:diq @6:2     state: 1 off, 2 on
    iec60870_asdu.diq.bl    bool  value:diq @3:1     blocked
    iec60870_asdu.diq.sb    bool  value:diq @2:1     substituted by an operator
    iec60870_asdu.diq.nt    bool  value:diq @1:1     not topical: not updated
    iec60870_asdu.diq.iv    bool  value:diq @0:1     invalid
    iec60870_asdu.vti       uintx value:vti @0:8     step position
    iec60870_asdu.vti.v     int   value:vti @1:7     position
    iec60870_asdu.vti.t     bool  value:vti @0:1     on its way
    iec60870_asdu.bitstring uintx value:bsi @0:32    32 bits
    iec60870_asdu.normval   float value:nva @0:16le  normalised value, -1 to 1
    iec60870_asdu.scalval   int   value:sva @0:16le  scaled value
    iec60870_asdu.float     float value:flt @0:32le  value
    iec60870_asdu.bcr.count int   value:bcr @0:32le  counter
    iec60870_asdu.bcr.sq    uint  value:bcr @35:5    sequence number of the reading
    iec60870_asdu.bcr.cy    bool  value:bcr @34:1    the counter has overflown
    iec60870_asdu.bcr.ca    bool  value:bcr @33:1    the counter was adjusted
    iec60870_asdu.bcr.iv    bool  value:bcr @32:1    invalid
    iec60870_asdu.sco       uintx value:sco @0:8     single command
    iec60870_asdu.sco.on    bool  value:sco @7:1     on
    iec60870_asdu.sco.qu    uint  value:sco @1:5     how: 1 short pulse, 2 long pulse, 3 persistent
    iec60870_asdu.sco.se    bool  value:sco @0:1     select; not set: execute
    iec60870_asdu.dco       uintx value:dco @0:8     double command
    iec60870_asdu.dco.on    uint  value:dco @6:2     1 off, 2 on
    iec60870_asdu.dco.qu    uint  value:dco @1:5     how: 1 short pulse, 2 long pulse, 3 persistent
    iec60870_asdu.dco.se    bool  value:dco @0:1     select; not set: execute
    iec60870_asdu.rco       uintx value:rco @0:8     step command
    iec60870_asdu.rco.up    uint  value:rco @6:2     1 lower, 2 higher
    iec60870_asdu.rco.qu    uint  value:rco @1:5     how: 1 short pulse, 2 long pulse, 3 persistent
    iec60870_asdu.rco.se    bool  value:rco @0:1     select; not set: execute
    iec60870_asdu.coi       uintx value:coi @0:8     cause of an initialisation
    iec60870_asdu.coi_r     uint  value:coi @1:7     0 power on, 1 by hand, 2 from afar
    iec60870_asdu.coi_i     bool  value:coi @0:1     parameters had changed
    iec60870_asdu.qoi       uint  value:qoi @0:8     what is interrogated: 20 the station, 21 to 36 a group
    iec60870_asdu.qcc       uintx value:qcc @0:8     what counters are interrogated
    iec60870_asdu.rqt       uint  value:qcc @2:6     5 all counters, 1 to 4 a group
    iec60870_asdu.frz       uint  value:qcc @0:2     0 reads, 1 freezes, 2 freezes and resets, 3 resets
    iec60870_asdu.qrp       uint  value:qrp @0:8     1 resets the process, 2 its waiting events
    iec60870_asdu.qds       uintx quality:qds @0:8   quality
    iec60870_asdu.qds.ov    bool  quality:qds @7:1   overflow
    iec60870_asdu.qds.bl    bool  quality:qds @3:1   blocked
    iec60870_asdu.qds.sb    bool  quality:qds @2:1   substituted by an operator
    iec60870_asdu.qds.nt    bool  quality:qds @1:1   not topical: not updated
    iec60870_asdu.qds.iv    bool  quality:qds @0:1   invalid
    iec60870_asdu.qos       uintx quality:qos @0:8   qualifier of a set point
    iec60870_asdu.qos.ql    uint  quality:qos @1:7   reserved
    iec60870_asdu.qos.se    bool  quality:qos @0:1   select; not set: execute
    iec60870_asdu.qpm       uintx quality:qpm @0:8   qualifier of a parameter
    iec60870_asdu.qpm.kpa   uint  quality:qpm @2:6   1 threshold, 2 smoothing, 3 low limit, 4 high limit
    iec60870_asdu.qpm.lpc   uint  quality:qpm @1:1   changed at the station
    iec60870_asdu.qpm.pop   uint  quality:qpm @0:1   not in operation
    iec60870_asdu.cp24time  duration time:cp24 =time time tag within its hour
    iec60870_asdu.cp24time.ms  uint time:cp24 @0:16le milliseconds of the minute
    iec60870_asdu.cp24time.min uint time:cp24 @18:6  minute
    iec60870_asdu.cp24time.iv  bool time:cp24 @16:1  invalid
    iec60870_asdu.cp56time  time  time:cp56 =time    time tag, as it is in UTC
    iec60870_asdu.cp56time.ms  uint time:cp56 @0:16le milliseconds of the minute
    iec60870_asdu.cp56time.min uint time:cp56 @18:6  minute
    iec60870_asdu.cp56time.gen bool time:cp56 @17:1  substituted
    iec60870_asdu.cp56time.iv  bool time:cp56 @16:1  invalid
    iec60870_asdu.cp56time.hour uint time:cp56 @27:5 hour
    iec60870_asdu.cp56time.su  bool time:cp56 @24:1  summer time
    iec60870_asdu.cp56time.day uint time:cp56 @35:5  day of the month
    iec60870_asdu.cp56time.dow uint time:cp56 @32:3  day of the week, Monday is 1
    iec60870_asdu.cp56time.month uint time:cp56 @44:4 month
    iec60870_asdu.cp56time.year uint time:cp56 @49:7 year of the century
    iec60870_asdu.rawdata   bytes value:raw @0:      objects of types that are not taken apart
"""
LABELS = {"iec60870_asdu.causetx": CAUSES, "iec60870_104.utype": FUNCTIONS}
DECLARED = declared(LINES, PARTS, COLUMNS, LABELS)
PROTOCOLS = (
    Field("iec60870_104", "protocol", "the row is an APDU"),
    Field("iec60870_asdu", "protocol", "the row has an ASDU"),
)
FIELDS = (*PROTOCOLS, *DECLARED.fields.values(), *general_fields(NUMBER, ANOMALIES))
BY_NAME = {field.name: field for field in FIELDS}
STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS, OBJECT_COLUMNS = 10, 4, OWN + 5, 12
SPANS = {"iec60870_104": 0, "iec60870_asdu": 6}


class Iec104Table(DeclaredTable):
    """APDUs. cells: int64[apdus, 12], columns named in iec104_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("iec60870_104", packets, cells, BY_NAME)

    def _make(self, name: str) -> Column:
        if name == "iec60870_asdu":
            return Column(BY_NAME[name], self.cells[:, ASDU] >= 0)
        return super()._make(name)

    def _make_own(self, field: Field) -> Column:
        if field.name == "iec60870_104":
            return Column(field, self.cells[:, APCI] >= 0)
        return super()._make_own(field)

    def list_objects(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(cells of the objects, the APDU of each)."""
        fill = partial(kernels.list_objects, self.cells, self.packets.batch.buffer, LAYOUT)
        cells = listed(fill, self.rows * 8 + 64, OBJECT_COLUMNS)
        return cells, cells[:, PDU]


def make_reader() -> FramingReader:
    """A reader for a run."""
    columns = (STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS)
    return FramingReader(columns, kernels, Iec104Table, (LAYOUT,))


IEC104 = Protocol(
    name="iec60870_104",
    title="IEC 60870-5-104",
    also=("iec60870_asdu",),
    tcp_ports=(2404,),
    udp_ports=(),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=Iec104Table,
    vocabulary=VOCABULARY,
    scapy={
        "to_server": "detector.protocols.iec104_layers.IEC104",
        "to_client": "detector.protocols.iec104_layers.IEC104",
    },
)
