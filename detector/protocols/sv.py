"""Sampled Values. One row = one frame; its ASDUs are rows below it.

Input: packets of EtherType 0x88BA, behind tags. Output: PduTable with Wireshark's sv.* fields.

IEC 61850-9-2:2011+AMD1:2020, 8 and annex A; IEC 61869-9:2016.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import DeclaredTable, Part, declared
from detector.protocols.protocol import Protocol
from detector.protocols.reader import PacketReader
from detector.protocols.sv_words import VOCABULARY
from detector.protocols.table import OWN, STOP, general_fields, listed

kernels = Kernels("detector.protocols.sv_kernels")

NUMBER = 6
ETHERTYPE = 0x88BA
ANOMALIES = {
    "sv.invalid_length": "a length that is not that of the header and the PDU",
    "sv.invalid_pdu": "octets that are no savPdu, or a member that the standard does not have",
    "sv.missing_member": "a PDU or an ASDU without a member that every one has",
    "sv.invalid_count": "more or fewer ASDUs than the PDU says",
    "sv.smpcnt_gap": "samples are missing between this one and the one before",
    "sv.replayed": "a sample whose number is not above the latest one",
    "sv.confrev_changed": "another revision of the configuration",
    "sv.sync_lost": "the clock of the samples is not as well synchronized as before",
}
SYNC = {0: "none", 1: "local", 2: "global"}
MODES = {0: "samplesPerNormalPeriod", 1: "samplesPerSecond", 2: "secondsPerSample"}
MEMBERS = ("svID", "datSet", "smpCnt", "confRev", "refrTm", "smpSynch", "smpRate", "seqData", "smpMod", "gmidData")
# Columns of cells, as sv_kernels.py names them.
HEADER_AT, _, COUNT_AT, COUNT, ASDUS, ASDUS_STOP, ALL = range(OWN, OWN + 7)
OUT_COLUMNS, STATE = OWN + 7, (16384, 8)
STARTS = 4
STOPS, VALUES = STARTS + len(MEMBERS), STARTS + 2 * len(MEMBERS)
OBJECT_COLUMNS = VALUES + len(MEMBERS)
COLUMNS = {"count": COUNT, "all": ALL, **{name: VALUES + place for place, name in enumerate(MEMBERS)}}
PARTS = {
    "header": Part(HEADER_AT, STOP), "count": Part(COUNT_AT, STOP), "asdus": Part(ASDUS, ASDUS_STOP),
    **{name: Part(STARTS + place, STOPS + place, is_object=True) for place, name in enumerate(MEMBERS)},
    "maker": Part(STARTS + len(MEMBERS) - 1, VALUES + len(MEMBERS) - 1, is_object=True),
}  # fmt: skip
LINES = """
    sv.appid          uintx  header   @0:16     application
    sv.length         uint   header   @16:16    octets of the header and the PDU
    sv.reserve1       uintx  header   @32:16    its highest bit: simulated
    sv.reserve1.s_bit bool   header   @32:1     simulated
    sv.reserve2       uintx  header   @48:16    reserved
    sv.noASDU         uint   count    =count    ASDUs of the frame
    sv.seqASDU        uint   asdus    =all      ASDUs that there are
    sv.svID           string svID     @0:       stream of samples
    sv.datSet         string datSet   @0:       data set
    sv.smpCnt         uint   smpCnt   =smpCnt   number of the sample within its second, from 0
    sv.confRev        uint   confRev  =confRev  revision of the control block's configuration
    sv.refrTm         time   refrTm   =refrTm   when the buffer was refreshed
    sv.smpSynch       uint   smpSynch =smpSynch synchronized by: 0 nothing, 1 a local clock, 2 a global one, 5 to 254 that local clock
    sv.smpRate        uint   smpRate  =smpRate  samples in the unit of smpMod
    sv.seqData        bytes  seqData  @0:       values, each with its quality
    sv.smpMod         uint   smpMod   =smpMod   0 samples in a period, 1 samples in a second, 2 seconds in a sample
    sv.gmidentity     uintx  gmidData @0:64     identity of the clock
    sv.gmidentity_manuf bytes maker   @0:       its maker, where it was made of a MAC address
"""
LABELS = {"sv.smpSynch": SYNC, "sv.smpMod": MODES}
DECLARED = declared(LINES, PARTS, COLUMNS, LABELS)
FIELDS = (
    Field("sv", "protocol", "the row is of Sampled Values"),
    *DECLARED.fields.values(),
    *general_fields(NUMBER, ANOMALIES),
)
BY_NAME = {field.name: field for field in FIELDS}
SPANS = {"sv": 0}


class SvTable(DeclaredTable):
    """Frames. cells: int64[frames, OUT_COLUMNS], columns named in sv_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("sv", packets, cells, BY_NAME)

    def _make_own(self, field: Field) -> Column:
        if field.name == "sv":
            return Column(field, np.ones(self.rows, np.bool_))
        return super()._make_own(field)

    def list_objects(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(cells of the ASDUs, the frame of each)."""
        fill = partial(kernels.list_objects, self.cells, self.packets.batch.buffer)
        cells = listed(fill, self.rows * 8 + 64, OBJECT_COLUMNS)
        return cells, cells[:, 0]


def make_reader() -> PacketReader:
    """A reader for a run."""
    return PacketReader((ETHERTYPE,), STATE, OUT_COLUMNS, kernels, SvTable, (np.zeros((1, OBJECT_COLUMNS), np.int64),))


SV = Protocol(
    name="sv",
    title="Sampled Values",
    also=(),
    tcp_ports=(),
    udp_ports=(),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=SvTable,
    vocabulary=VOCABULARY,
    scapy={"to_server": "detector.protocols.sv_layers.SV", "to_client": "detector.protocols.sv_layers.SV"},
)
