"""Which protocols the chunks of a stream are for: the one place where all protocols are asked."""

from __future__ import annotations

from detector.flows.columns import FLOW, IS_FIRST, ROW, START, STOP, STREAM
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
def deal_chunks(chunks, cells, flows, buffer, table, marks, places, counts):
    """The chunks of each protocol.

    Args:
        table: int64[256], of DNP3's checksum.
        marks: int64[streams, MARKS], what streams were found to be so far, columns M_* of framing_kernels.py.
        places: int64[protocols, chunks], set to the places of each protocol's chunks.  counts: int64[protocols], all 0.
    """
    for i in range(len(chunks)):
        stream, number = chunks[i, STREAM], flows[chunks[i, ROW], FLOW] + 1
        start, stop = chunks[i, START], chunks[i, STOP]
        if chunks[i, IS_FIRST] or marks[stream, M_FLOW] != number:
            marks[stream, M_FLOW], marks[stream, M_SPOKEN], marks[stream, M_OTHERS] = number, 0, 0
        spoken = marks[stream, M_SPOKEN]
        if spoken | marks[stream, M_OTHERS] == ALL:
            for protocol in range(len(counts)):
                if spoken >> protocol & 1:
                    places[protocol, counts[protocol]] = i
                    counts[protocol] += 1
            continue
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
