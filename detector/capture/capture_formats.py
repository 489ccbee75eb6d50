"""The two capture formats as readers of blocks: pcap here, pcapng beside it in pcapng.py, and how each is recognised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Origin, no_notes


@dataclass(slots=True)
class Found:
    """Packets found in a block. packets: int64[n, 5] of start, stop, wire length, time (ns), interface.

    comments, notes, origins: as in Batch; origins are rows of the format's `described`.
    """

    packets: NDArray[np.int64]
    link_types: NDArray[np.int32]
    position: int  # first byte not used
    damaged: bool = False
    comments: dict[int, list[str]] = field(default_factory=dict)
    notes: NDArray[np.int64] = field(default_factory=no_notes)
    origins: NDArray[np.int32] | None = None


class Format(Protocol):
    """Finds packets in the bytes of one file, block after block; keeps what earlier blocks declared."""

    described: list[Origin]

    def find(self, buffer: NDArray[np.uint8], position: int, stop: int, limit: int) -> Found:
        """At most `limit` packets of buffer[position:stop]."""
        ...
