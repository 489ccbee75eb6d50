"""The two capture formats as readers of blocks: pcap here, pcapng beside it in pcapng.py, and how each is recognised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Found:
    """Packets found in a block. packets: int64[n, 5] of start, stop, wire length, time (ns), interface."""

    packets: NDArray[np.int64]
    link_types: NDArray[np.int32]
    position: int  # first byte not used
    damaged: bool = False
    comments: dict[int, list[str]] = field(default_factory=dict)


class Format(Protocol):
    """Finds packets in the bytes of one file, block after block; keeps what earlier blocks declared."""

    def find(self, buffer: NDArray[np.uint8], position: int, stop: int, limit: int) -> Found:
        """At most `limit` packets of buffer[position:stop]."""
        ...
