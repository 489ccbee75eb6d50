"""GOOSE. One row = one PDU of a frame; the entries of its data set, and what is in structures and arrays, are rows below it.

Input: packets of EtherType 0x88B8, behind tags. Output: PduTable with Wireshark's goose.* fields, and goose_data.* of our own.

IEC 61850-8-1:2011+AMD1:2020, 18 (GOOSE), annex A (the PDU), annex C (the frame).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import DeclaredTable, Part, declared
from detector.protocols.goose_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import PacketReader
from detector.protocols.table import OWN, STOP, general_fields, listed

kernels = Kernels("detector.protocols.goose_kernels")

NUMBER = 5
ETHERTYPE = 0x88B8
ANOMALIES = {
    "goose.invalid_length": "a length that is not that of the header and one PDU",
    "goose.invalid_pdu": "octets that are no PDU of GOOSE, or a member that the standard does not have",
    "goose.missing_member": "a PDU without a member that every one has",
    "goose.invalid_entries": "more or fewer entries in the data set than the PDU says",
    "goose.invalid_simulation": "simulated by its header, and not by its PDU",
    "goose.stnum_jump": "a state number that is ahead by more than one",
    "goose.restarted": "a publisher begins anew, with the first state",
    "goose.replayed": "a state or sequence number that is not above the latest one",
    "goose.sqnum_gap": "a sequence number that is ahead by more than one",
    "goose.sqnum_start": "a new state that does not begin with sequence number 0",
    "goose.ttl_expired": "later than the message before it allowed",
    "goose.time_back": "a new state that is older than the one before it",
    "goose.data_changed": "other data in the same state",
    "goose.confrev_changed": "another revision of the configuration",
}
DATA = {
    1: "array", 2: "structure", 3: "boolean", 4: "bit-string", 5: "integer", 6: "unsigned", 7: "floating-point", 8: "real",
    9: "octet-string", 10: "visible-string", 12: "binary-time", 13: "bcd", 14: "booleanArray", 15: "objId", 16: "mMSString",
    17: "utc-time",
}  # fmt: skip
KINDS = (
    *(DATA.get(number, "") for number in range(18)),
    "single",
    "ask-offset",
    "ask-reference",
    "offset",
    "reference",
    "error",
)
MEMBERS = (
    "gocbRef", "timeAllowedtoLive", "datSet", "goID", "t", "stNum", "sqNum", "simulation", "confRev", "ndsCom", "numDatSetEntries",
    "allData",
)  # fmt: skip
# Columns of cells, as goose_kernels.py names them.
HEADER_AT, ALL, OBJECTS, STARTS = OWN, OWN + 3, OWN + 4, OWN + 5
STOPS, VALUES = STARTS + len(MEMBERS), STARTS + 2 * len(MEMBERS)
MANAGED = (
    "state_at", "state", "way_at", "way", "service", "ident", "ident_stop", "list", "list_stop", "list_kind", "count", "answer_at",
    "answer", "failure_at", "failure",
)  # fmt: skip
AT = {name: VALUES + len(MEMBERS) + place for place, name in enumerate(MANAGED)}
OUT_COLUMNS = VALUES + len(MEMBERS) + len(MANAGED)
PDU, OBJECT_START, OBJECT_STOP, TAG, DATA_KIND, VALUE, ITEMS, DEPTH, ENTRY = range(9)
OBJECT_COLUMNS, STATE = 9, (16384, 10)
MOST_DEEP = 16
COLUMNS = {
    "all": ALL, "tag": TAG, "number": ITEMS, "depth": DEPTH, "entry": ENTRY,
    **{name: VALUES + place for place, name in enumerate(MEMBERS)}, **AT,
}  # fmt: skip
PARTS = {
    "header": Part(HEADER_AT, STOP),
    **{name: Part(STARTS + place, STOPS + place) for place, name in enumerate(MEMBERS)},
    "state": Part(AT["state_at"], STOP),
    "way": Part(AT["way_at"], STOP, AT["way"], ("", "request", "response")),
    "ident": Part(AT["ident"], AT["ident_stop"]),
    "list": Part(AT["list"], AT["list_stop"], AT["list_kind"], ("offsets", "references", "results")),
    "answer": Part(AT["answer_at"], STOP),
    "failure": Part(AT["failure_at"], STOP),
    "data": Part(OBJECT_START, OBJECT_STOP, is_object=True),
    "value": Part(VALUE, OBJECT_STOP, DATA_KIND, KINDS, is_object=True),
}
LINES = """
    goose.appid             uintx  header             @0:16   application
    goose.length            uint   header             @16:16  octets of the header and the PDU
    goose.reserve1          uintx  header             @32:16  its highest bit: simulated
    goose.reserve1.s_bit    bool   header             @32:1   simulated, by the header
    goose.reserve2          uintx  header             @48:16  reserved
    goose.gocbRef           string gocbRef            @0:     control block that publishes the message
    goose.timeAllowedtoLive int    timeAllowedtoLive  =timeAllowedtoLive ms after which the next message is late
    goose.datSet            string datSet             @0:     data set
    goose.goID              string goID               @0:     name of the message
    goose.t                 time   t                  =t      when the state began
    goose.stNum             uint   stNum              =stNum  number of the state: one more with each change of the data
    goose.sqNum             uint   sqNum              =sqNum  number of the message within its state, from 0
    goose.simulation        bool   simulation         @0:8    simulated
    goose.confRev           int    confRev            =confRev revision of the control block's configuration
    goose.ndsCom            bool   ndsCom             @0:8    needs commissioning
    goose.numDatSetEntries  int    numDatSetEntries   =numDatSetEntries entries of the data set
    goose.allData           uint   allData            =all    entries of the data set that there are
    goose.Data              uint   data               =tag    what an element of the data set is
    goose_data.depth        uint   data               =depth  structures and arrays that an element is in
    goose_data.entry        uint   data               =entry  entry of the data set that an element belongs to, from 1
    goose.array             uint   value:array        =number items of an array
    goose.structure         uint   value:structure    =number items of a structure
    goose.boolean           bool   value:boolean      @0:8    value
    goose.bit_string        bytes  value:bit-string   @8:     value, without the octet that counts unused bits
    goose.integer           int    value:integer      =number value
    goose.unsigned          int    value:unsigned     =number value
    goose.floating_point    bytes  value:floating-point,single @0: value with the octet that says its format
    goose.float_value       float  value:single       @8:32   value
    goose.octet_string      bytes  value:octet-string @0:     value
    goose.visible_string    string value:visible-string @0:   value
    goose.binary_time       bytes  value:binary-time  @0:     ms of the day, and days since 1984 where there are six octets
    goose.bcd               int    value:bcd          =number value
    goose.booleanArray      bytes  value:booleanArray @8:     values, without the octet that counts unused bits
    goose.mMSString         string value:mMSString    @0:     value
    goose.utc_time          time   value:utc-time     =number value
    goose.stateID           int    state              =state  number that an answer has in common with its request
    goose.requestResp       uint   way:request,response =way  1 asks, 2 answers
    goose.requests          uint   way:request        =service what is asked
    goose.responses         uint   way:response       =service what is answered
    goose.ident             string ident              @0:     control block that is asked about
    goose.getReferenceRequest.offset uint list:offsets =count offsets whose references are asked for
    goose.offset_item       int    value:ask-offset   =number an offset
    goose.references        uint   list:references    =count  references whose offsets are asked for
    goose.references_item   string value:ask-reference @0:    a reference
    goose.posNeg            uint   answer             =answer 2 positive, 3 negative
    goose.result            uint   list:results       =count  results
    goose.RequestResults    uint   value:offset,reference,error =tag what a result is: 0 offset, 1 reference, 2 error
    goose.offset            int    value:offset       =number an offset
    goose.reference         string value:reference    @0:     a reference
    goose.error             int    value:error        =number why there is no result: 1 not found
    goose.responseNegative  int    failure            =failure why there is no answer: 1 unknown control block, 2 too large, 3 wrong configuration
"""
SERVICES = {
    0: "gseMngtNotSupported",
    1: "getGoReference",
    2: "getGOOSEElementNumber",
    3: "getGsReference",
    4: "getGSSEDataOffset",
}
LABELS = {"goose.Data": DATA, "goose.requests": SERVICES, "goose.responses": SERVICES, "goose.error": {0: "other", 1: "notFound"},
          "goose.responseNegative": {0: "other", 1: "unknownControlBlock", 2: "responseTooLarge", 3: "controlBlockConfigurationError"}}  # fmt: skip
DECLARED = declared(LINES, PARTS, COLUMNS, LABELS)
FIELDS = (
    Field("goose", "protocol", "the row is of GOOSE"),
    *DECLARED.fields.values(),
    *general_fields(NUMBER, ANOMALIES),
)
BY_NAME = {field.name: field for field in FIELDS}
SPANS = {"goose": 0}


class GooseTable(DeclaredTable):
    """PDUs. cells: int64[pdus, OUT_COLUMNS], columns named in goose_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("goose", packets, cells, BY_NAME)

    def _make_own(self, field: Field) -> Column:
        if field.name == "goose":
            return Column(field, self.cells[:, HEADER_AT] >= 0)
        return super()._make_own(field)

    def list_objects(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(cells of the elements, the PDU of each)."""
        fill = partial(kernels.list_objects, self.cells, self.packets.batch.buffer, *scratch())
        cells = listed(fill, int(np.maximum(self.cells[:, [OBJECTS, AT["count"]]], 0).sum()) + 1, OBJECT_COLUMNS)
        return cells, cells[:, PDU]


def scratch() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a walk through a data set notes of the structures and arrays that it is in."""
    return np.zeros(MOST_DEEP, np.int64), np.zeros(MOST_DEEP, np.int64)


def make_reader() -> PacketReader:
    """A reader for a run."""
    constants = (*scratch(), *(np.zeros((rows, OBJECT_COLUMNS), np.int64) for rows in (0, 1)))
    return PacketReader((ETHERTYPE,), STATE, OUT_COLUMNS, kernels, GooseTable, constants)


GOOSE = Protocol(
    name="goose",
    title="GOOSE",
    also=("goose_data",),
    tcp_ports=(),
    udp_ports=(),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=GooseTable,
    vocabulary=VOCABULARY,
    scapy={"to_server": "detector.protocols.goose_layers.GOOSE", "to_client": "detector.protocols.goose_layers.GOOSE"},
)
