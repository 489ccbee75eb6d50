"""Many captures as one, so that one run of tshark does for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from detector.capture import open_source
from tests.pcapng import blocks, interface, packet, section


def sample(paths: Iterable[Path], most: int, target: Path) -> Path:
    """A pcapng file of the first packets of each capture, with an interface for each link type."""
    interfaces: dict[int, int] = {}
    packets = []
    for path in paths:
        batch = next(iter(open_source([str(path)], batch_packets=most).batches()), None)
        for row in range(len(batch) if batch else 0):
            assert batch is not None
            number = interfaces.setdefault(int(batch.link_types[row]), len(interfaces))
            data = batch.buffer[batch.starts[row] : batch.stops[row]].tobytes()
            packets.append(packet(data, int(batch.times[row]) // 1000, number, int(batch.wire_lengths[row])))
    target.write_bytes(blocks(section(), *map(interface, interfaces), *packets))
    return target
