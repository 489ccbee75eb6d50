"""Numbers out of a byte buffer, widened to int64 as they are loaded; copies of bytes.

`int()` of a uint8 is a uint64 to Numba, and a uint64 beside an int64 becomes a float64: so bytes are widened by np.int64.
"""

from __future__ import annotations

import numpy as np

from detector.kernel import kernel, unchecked


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


@unchecked
def copy_inside(source, start, target, at, length):
    """copy_bytes behind its checks. Indices are unsigned, since a negative one would be looked for at each byte."""
    begin, to = np.uint64(start), np.uint64(at)
    for k in range(np.uint64(length)):
        target[to + k] = source[begin + k]


@kernel
def copy_bytes(source, start, target, at, length):
    """target[at : at + length] = source[start : start + length]; ranges that overlap in one array must not be given.

    Raises:
        IndexError: one of the two ranges is not inside its array.
    """
    if length <= 0:
        return
    if start < 0 or at < 0 or start + length > len(source) or at + length > len(target):
        raise IndexError("a copy reaches out of its array")
    copy_inside(source, start, target, at, length)


@unchecked
def find_inside(source, start, stop, one, other):
    """find_byte behind its checks."""
    at, end = np.uint64(start), np.uint64(stop)
    while at < end and source[at] != one and source[at] != other:
        at += np.uint64(1)
    return np.int64(at)


@kernel
def find_byte(source, start, stop, one, other):
    """The first place in source[start:stop] with one of two bytes, or stop.

    Raises:
        IndexError: the range is not inside the array.
    """
    if start >= stop:
        return stop
    if start < 0 or stop > len(source):
        raise IndexError("a search reaches out of its array")
    return find_inside(source, start, stop, np.uint8(one), np.uint8(other))
