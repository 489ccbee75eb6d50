"""Which protocols the chunks of a stream are for: the one place where all protocols are asked."""

from __future__ import annotations

import numpy as np

from detector.flows.columns import FLOW, IS_DATAGRAM, IS_FIRST, ROW, START, STOP, STREAM
from detector.kernel import kernel
from detector.protocols import dnp3_kernels, enip_kernels, iec104_kernels, modbus_kernels, s7comm_kernels
from detector.protocols.framing_kernels import M_FLOW, M_OTHERS, M_SPOKEN, OTHER, SPOKEN

ALL = (
    1 << modbus_kernels.NUMBER
    | 1 << dnp3_kernels.NUMBER
    | 1 << iec104_kernels.NUMBER
    | 1 << s7comm_kernels.NUMBER
    | 1 << enip_kernels.NUMBER
)  # protocols that streams speak
SETTLED = 128


@kernel
def put(places, counts, marks, stream, protocol, i, mode):
    """Gives chunk i to a protocol that its stream speaks, and keeps what was found."""
    if mode == SPOKEN:
        marks[stream, M_SPOKEN] |= 1 << protocol
        places[protocol, counts[protocol]] = i
        counts[protocol] += 1
    elif mode == OTHER:
        marks[stream, M_OTHERS] |= 1 << protocol


@kernel
def deal_chunks(chunks, cells, flows, buffer, table, marks, settled, places, counts):
    """The chunks of each protocol.

    Args:
        table: int64[256], of DNP3's checksum.
        marks: int64[streams, MARKS], what streams were found to be so far, columns M_* of framing_kernels.py.
        settled: uint8[streams], of those of which all is known SETTLED and a bit for each protocol that is spoken: a byte where
            marks are several words, since streams lie far from each other in memory.
        places: int64[protocols, chunks], set to the places of each protocol's chunks.  counts: int64[protocols], all 0.
    """
    for i in range(len(chunks)):
        stream = chunks[i, STREAM]
        if settled[stream] and chunks[i, IS_FIRST] == 0 and chunks[i, IS_DATAGRAM] == 0:  # nearly every chunk
            spoken, protocol = np.int64(settled[stream]) & ALL, 0
            while spoken:
                if spoken & 1:
                    places[protocol, counts[protocol]] = i
                    counts[protocol] += 1
                spoken, protocol = spoken >> 1, protocol + 1
            continue
        start, stop, number = chunks[i, START], chunks[i, STOP], flows[chunks[i, ROW], FLOW] + 1
        if chunks[i, IS_FIRST] or marks[stream, M_FLOW] != number:
            marks[stream, M_FLOW], marks[stream, M_SPOKEN], marks[stream, M_OTHERS] = number, 0, 0
        mode = modbus_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, marks, stream, modbus_kernels.NUMBER, i, mode)
        mode = dnp3_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop, table)
        put(places, counts, marks, stream, dnp3_kernels.NUMBER, i, mode)
        mode = iec104_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, marks, stream, iec104_kernels.NUMBER, i, mode)
        mode = s7comm_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, marks, stream, s7comm_kernels.NUMBER, i, mode)
        mode = enip_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, marks, stream, enip_kernels.NUMBER, i, mode)
        known = marks[stream, M_SPOKEN] | marks[stream, M_OTHERS]
        settled[stream] = SETTLED | marks[stream, M_SPOKEN] if known == ALL else 0
