"""Which protocols the chunks of a stream are for: the one place where all protocols are asked."""

from __future__ import annotations

from detector.flows.columns import FLOW, IS_FIRST, ROW, START, STOP, STREAM
from detector.kernel import kernel
from detector.protocols import dnp3_kernels, enip_kernels, iec104_kernels, modbus_kernels, s7comm_kernels
from detector.protocols.framing_kernels import M_FLOW, M_OTHERS, M_SPOKEN, SPOKEN


@kernel
def put(places, counts, protocol, i, mode):
    """Gives chunk i to a protocol that its stream speaks."""
    if mode == SPOKEN:
        places[protocol, counts[protocol]] = i
        counts[protocol] += 1


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
        mode = modbus_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, modbus_kernels.NUMBER, i, mode)
        mode = dnp3_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop, table)
        put(places, counts, dnp3_kernels.NUMBER, i, mode)
        mode = iec104_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, iec104_kernels.NUMBER, i, mode)
        mode = s7comm_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, s7comm_kernels.NUMBER, i, mode)
        mode = enip_kernels.mode_of(marks, chunks, i, cells, flows, buffer, start, stop)
        put(places, counts, enip_kernels.NUMBER, i, mode)
