"""S7comm over COTP over TPKT, and S7comm-plus. One row = one TPKT; the TPKT that completes a PDU has its fields and objects.

Input: chunks of TCP streams on port 102, and of any TCP stream that begins like S7. Output: PduTable with Wireshark's tpkt.*,
cotp.* and s7comm.* fields, and the s7comm-plus.* of its public plugin; variables and entries of lists as rows below the TPKT.

RFC 1006 (TPKT); ISO 8073, class 0 (COTP). S7 has no public standard: its parts are as Wireshark's dissector describes them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import Cells, DeclaredTable
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.s7comm_fields import (
    ANOMALIES,
    COTP,
    DECLARED,
    ENTRIES,
    ENTRY,
    ENTRY_KIND,
    ENTRY_STOP,
    FRAMES,
    LAYOUT,
    NUMBER,
    PDU,
    PIECES,
    PLUS,
    S7,
    TPKT,
    UNIT_FRAMES,
    UNITS,
)
from detector.protocols.s7comm_words import VOCABULARY
from detector.protocols.table import OWN, general_fields, kept_numbers, listed

kernels = Kernels("detector.protocols.s7comm_kernels")
object_kernels = Kernels("detector.protocols.s7comm_objects_kernels")

STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS, OBJECT_COLUMNS = 17, 4, OWN + 46, 18
PROTOCOLS = {
    "s7comm": (S7, "the row has an S7 PDU"), "s7comm-plus": (PLUS, "the row has an S7-plus PDU"), "tpkt": (TPKT, "the row is a TPKT"),
    "cotp": (COTP, "the row has a COTP header"),
}  # fmt: skip
NUMBERS = {
    "cotp.segment": (FRAMES, PIECES, "frames of the pieces that the PDU came in"),
    "s7comm.fragment": (UNIT_FRAMES, UNITS, "frames of the PDUs that the data came in"),
}
MONTHS = np.array(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
YEAR_ZERO = np.datetime64("1984-01-01T00:00:00.000")


def timestamps(raw: Array) -> Array:
    """Milliseconds of a day and days since 1984, as text."""
    milliseconds = raw[:, :4].astype(np.int64) @ (256 ** np.arange(3, -1, -1))
    days = raw[:, 4].astype(np.int64) * 256 + raw[:, 5]
    moments = (YEAR_ZERO + (days * 86_400_000 + milliseconds).astype("timedelta64[ms]")).astype("datetime64[ms]")
    months = moments.astype("datetime64[M]")
    day = ((moments.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1).astype(np.int64)
    text = np.char.add(MONTHS[months.astype(np.int64) % 12], np.char.mod(" %2d, ", day))
    text = np.char.add(text, np.char.mod("%d ", moments.astype("datetime64[Y]").astype(np.int64) + 1970))
    return np.char.add(
        text, np.array([one[11:] for one in np.datetime_as_string(moments)], dtype="U12")
    )  # per timestamp


def versions(raw: Array) -> Array:
    """A version in two nibbles, as text."""
    high, low = np.char.mod("%d", raw[:, 0] >> 4), np.char.mod(".%d", raw[:, 0] & 15)
    return np.char.add(high, low)


# Texts that are made of bytes of a block's description: where they stand, how many, what makes the text.
TEXTS = {
    "s7comm.blockinfo.code_timestamp": (22, 6, timestamps, "when a block's code was changed"),
    "s7comm.blockinfo.interface_timestamp": (28, 6, timestamps, "when a block's interface was changed"),
    "s7comm.blockinfo.headerversion": (66, 1, versions, "version of a block"),
}
FIELDS = (
    *(Field(name, "protocol", meaning) for name, (_, meaning) in PROTOCOLS.items()),
    *DECLARED.fields.values(),
    *(Field(name, "uint", meaning) for name, (_, _, meaning) in NUMBERS.items()),
    *(Field(name, "string", meaning, level="object") for name, (_, _, _, meaning) in TEXTS.items()),
    *general_fields(NUMBER, ANOMALIES),
)
BY_NAME = {field.name: field for field in FIELDS}
SPANS = {"s7comm": 7, "s7comm-plus": 7, "tpkt": 0, "cotp": 4}


class S7Table(DeclaredTable):
    """TPKTs. cells: int64[tpkts, 52], columns named in s7comm_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("s7comm", packets, cells, BY_NAME)

    def _make(self, name: str) -> Column:
        if name in PROTOCOLS:
            return Column(BY_NAME[name], self.cells[:, PROTOCOLS[name][0]] >= 0)
        return super()._make(name)

    def _make_own(self, field: Field) -> Column:
        if field.name in NUMBERS:
            starts, counts = (self.cells[:, column] for column in NUMBERS[field.name][:2])
            return kept_numbers(field, starts, np.where(starts >= 0, counts, 0), self.packets.batch.buffer)
        return super()._make_own(field)

    def list_objects(self) -> tuple[Cells, NDArray[np.int64]]:
        """(cells of the objects, the TPKT of each)."""
        fill = partial(object_kernels.list_objects, self.cells, self.packets.batch.buffer, LAYOUT)
        cells = listed(fill, self.rows * 4 + 64, OBJECT_COLUMNS)
        return cells, cells[:, PDU]

    @classmethod
    def object_column(cls, field: Field, cells: Cells, buffer: NDArray[np.uint8]) -> Column:
        """The column of a field over objects."""
        return described(field, cells, buffer) if field.name in TEXTS else super().object_column(field, cells, buffer)


def described(field: Field, cells: Cells, buffer: NDArray[np.uint8]) -> Column:
    """A text of TEXTS over objects, in a buffer of its own."""
    skip, size, make, _ = TEXTS[field.name]
    starts = cells[:, ENTRY] + skip
    present = (cells[:, ENTRY_KIND] == ENTRIES.index("block_info")) & (starts + size <= cells[:, ENTRY_STOP])
    spans = np.zeros((len(cells), 2), np.int64)
    texts = make(buffer[starts[present][:, None] + np.arange(size)]).astype("S32")
    spans[present, 0] = np.arange(len(texts)) * 32
    spans[present, 1] = spans[present, 0] + np.char.str_len(texts)
    return Column(field, spans, present, None, texts.view(np.uint8))


def make_reader() -> FramingReader:
    """A reader for a run."""
    return FramingReader((STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS), kernels, S7Table)


S7COMM = Protocol(
    name="s7comm",
    title="S7comm",
    also=("tpkt", "cotp", "s7comm-plus"),
    tcp_ports=(102,),
    udp_ports=(),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=S7Table,
    vocabulary=VOCABULARY,
    scapy={"to_server": "detector.protocols.s7comm_layers.TPKT", "to_client": "detector.protocols.s7comm_layers.TPKT"},
)
