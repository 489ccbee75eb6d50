"""pcap files: one row = one record.

draft-ietf-opsawg-pcap: a header of 24 bytes, then records of 16 bytes and the packet. The magic number tells byte order
and whether fractions are micro- or nanoseconds; 0xa1b2cd34 (Kuznetzov's libpcap patch) has records of 24 bytes.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Origin
from detector.capture.capture_formats import Found
from detector.kernel import Kernels

kernels = Kernels("detector.capture.capture_kernels")

HEADER_BYTES = 24
MAGICS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}  # ns of a unit, record header bytes


def recognise(first: bytes) -> str | None:
    """The struct byte order of a file that begins with a pcap magic number."""
    if len(first) < 4:
        return None
    return next((order for order in "<>" if struct.unpack(f"{order}I", first[:4])[0] in MAGICS), None)


class Pcap:
    """Finds records; the header is taken at construction."""

    def __init__(self, header: bytes) -> None:
        self.described: list[Origin] = []
        order = recognise(header)
        magic, *_, link_type = struct.unpack(f"{order}IHHiIII", header)
        self._is_big = order == ">"
        self._tick_ns, self._record_bytes = MAGICS[magic]
        self.link_type = link_type & 0xFFFF  # the upper bits tell the length of frame checksums

    def find(self, buffer: NDArray[np.uint8], position: int, stop: int, limit: int) -> Found:
        """At most `limit` packets of buffer[position:stop]."""
        out = np.empty((min(limit, (stop - position) // self._record_bytes + 1), 5), np.int64)
        count, position, why = kernels.index_pcap(
            buffer, position, stop, self._is_big, self._tick_ns, self._record_bytes, out, len(out)
        )
        return Found(out[:count], np.full(count, self.link_type, np.int32), position, why == kernels.DAMAGED)
