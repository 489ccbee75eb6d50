"""PDUs a second of each protocol on one core: `python -m tests.bench.protocols`.

Framing with the header's fields, and with every object: what rules on such traffic cause. The streams are those of the
protocol's tests, again and again; following flows and streams is not counted, `make bench` measures that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from detector.pipeline import Decoding, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.protocols.table import PduTable
from tests.flows.frames import SECOND, batches
from tests.protocols import test_dnp3, test_enip, test_goose, test_iec104, test_modbus, test_s7comm, test_sv
from tests.protocols.streams import Turn, segments

PACKETS, PASSES = 16_384, 7
CONVERSATIONS: dict[str, tuple[Sequence[Turn], int]] = {
    "modbus": (test_modbus.conversation(), 502), "dnp3": (test_dnp3.typical(), 20000),
    "iec60870_104": (test_iec104.typical(), 2404),
    "s7comm": (test_s7comm.typical(), 102),
    "enip": (test_enip.typical(), 44818),
}  # fmt: skip
FRAMES: dict[str, Sequence[bytes]] = {"goose": test_goose.typical(), "sv": test_sv.typical()}  # without streams
HEADERS = {
    "modbus": ("mbtcp.trans_id", "mbtcp.unit_id", "modbus.func_code"), "dnp3": ("dnp3.src", "dnp3.dst", "dnp3.al.func", "dnp3.al.iin"),
    "iec60870_104": ("iec60870_104.tx", "iec60870_asdu.typeid", "iec60870_asdu.causetx", "iec60870_asdu.addr"),
    "s7comm": ("cotp.type", "s7comm.header.rosctr", "s7comm.header.pduref", "s7comm.param.func"),
    "enip": ("enip.command", "enip.session", "enip.status"),
    "goose": ("goose.appid", "goose.gocbRef", "goose.stNum", "goose.sqNum", "goose.t"), "sv": ("sv.appid", "sv.noASDU"),
}  # fmt: skip
OBJECTS = {
    "modbus": ("modbus.regnum16", "modbus.regval_uint16"), "dnp3": ("dnp3.al.obj", "dnp3.al.index", "dnp3.al.ana.int"),
    "iec60870_104": ("iec60870_asdu.ioa", "iec60870_asdu.scalval", "iec60870_asdu.qds"),
    "s7comm": ("s7comm.param.item.area", "s7comm.param.item.address", "s7comm.data.returncode"),
    "enip": ("cip.sc", "cip.class", "cip.instance"),
    "goose": ("goose.Data", "goose.boolean", "goose.bit_string"), "sv": ("sv.svID", "sv.smpCnt", "sv.seqData"),
}  # fmt: skip


def least(work: Any) -> float:
    """Seconds, the least of some passes."""
    spent = []
    for _ in range(PASSES):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def frames_of(name: str) -> list[bytes]:
    """Packets of a protocol."""
    if name in FRAMES:
        return (list(FRAMES[name]) * (PACKETS // len(FRAMES[name]) + 1))[:PACKETS]
    turns, port = CONVERSATIONS[name]
    return segments(list(turns) * (PACKETS // len(turns)), [1400], ("10.0.0.1", 40000), ("10.0.0.2", port))[:PACKETS]


def measured(name: str) -> tuple[float, float, float]:
    """(PDUs a second with their header's fields, PDUs and objects a second with all objects)."""
    frames = frames_of(name)
    batch = next(iter(batches(frames, [SECOND + number for number in range(len(frames))], PACKETS)))
    decoding = Decoding(PipelineSettings())
    packets = decoding.decoder.decode(batch)
    following = decoding.following
    flows = following.flows.follow(packets)
    chunks = following.streams.follow(packets, flows)
    reader = next(protocol for protocol in PROTOCOLS if protocol.name == name).reader()
    everything = np.arange(len(chunks.cells))
    used = batch.used
    made: list[PduTable] = []

    def headers() -> None:
        batch.used = used
        made[:] = [reader.frame(packets, flows, chunks, everything)]
        for field in HEADERS[name]:
            made[0].column(field)

    seconds = least(headers)
    table = made[0]
    own = type(table)

    def objects() -> None:
        fresh = own(packets, np.ascontiguousarray(table.cells))  # type: ignore[attr-defined, call-arg]
        below = fresh.objects()
        assert below is not None
        for field in OBJECTS[name]:
            below.column(field)
        counted[:] = [below.rows]

    counted: list[int] = [0]
    spent = least(objects)
    return table.rows / seconds, table.rows / spent, counted[0] / spent


def main() -> None:
    """Prints a line for each protocol."""
    print(f"{'':14}{'PDUs/s, header':>18}{'PDUs/s, objects':>18}{'objects/s':>16}")
    for protocol in PROTOCOLS:
        headers, pdus, objects = measured(protocol.name)
        print(f"{protocol.name:14}{headers:18,.0f}{pdus:18,.0f}{objects:16,.0f}")


if __name__ == "__main__":
    main()
