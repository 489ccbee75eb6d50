"""Numbers out of a byte buffer, widened to int64 as they are loaded.

`int()` of a uint8 is a uint64 to Numba, and a uint64 beside an int64 becomes a float64: so bytes are widened by np.int64.
"""

from __future__ import annotations

import numpy as np

from detector.kernel import kernel


@kernel
def u8(buffer, at):
    """The byte at `at`."""
    return np.int64(buffer[at])


@kernel
def be16(buffer, at):
    """Two bytes, big-endian."""
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@kernel
def le16(buffer, at):
    """Two bytes, little-endian."""
    return (np.int64(buffer[at + 1]) << 8) | np.int64(buffer[at])


@kernel
def be32(buffer, at):
    """Four bytes, big-endian."""
    return (be16(buffer, at) << 16) | be16(buffer, at + 2)


@kernel
def le32(buffer, at):
    """Four bytes, little-endian."""
    return (le16(buffer, at + 2) << 16) | le16(buffer, at)
