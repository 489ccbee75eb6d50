"""Comparisons of byte strings: one row = one value, a span of a buffer."""

from __future__ import annotations

from detector.bytes_kernels import u8
from detector.kernel import kernel

EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL, CONTAINS, STARTS, ENDS = 0, 1, 2, 3, 4, 5, 6, 7


@kernel
def folded(byte, ignore_case):
    """An ASCII letter in lower case, where case does not matter."""
    return byte + 32 if ignore_case and 65 <= byte <= 90 else byte


@kernel
def is_at(buffer, at, wanted, ignore_case):
    """Whether the wanted bytes stand at a place."""
    for k in range(len(wanted)):
        if folded(u8(buffer, at + k), ignore_case) != folded(u8(wanted, k), ignore_case):
            return False
    return True


@kernel
def order_of(buffer, start, stop, wanted):
    """-1, 0, 1: less, equal, greater, byte by byte, a prefix being less."""
    for k in range(min(stop - start, len(wanted))):
        here, there = u8(buffer, start + k), u8(wanted, k)
        if here != there:
            return -1 if here < there else 1
    size = stop - start - len(wanted)
    return 0 if size == 0 else -1 if size < 0 else 1


@kernel
def compare_spans(buffer, spans, wanted, how, ignore_case, out):
    """out[i] = whether value i compares with the wanted bytes as `how` says.

    Args:
        spans: int64[values, 2], start and stop.
        wanted: uint8[bytes].
    """
    for i in range(len(spans)):
        start, stop = spans[i, 0], spans[i, 1]
        size, holds = stop - start, False
        if how == EQUAL:
            holds = size == len(wanted) and is_at(buffer, start, wanted, ignore_case)
        elif how == STARTS:
            holds = size >= len(wanted) and is_at(buffer, start, wanted, ignore_case)
        elif how == ENDS:
            holds = size >= len(wanted) and is_at(buffer, stop - len(wanted), wanted, ignore_case)
        elif how == CONTAINS:
            for at in range(start, stop - len(wanted) + 1):
                if is_at(buffer, at, wanted, ignore_case):
                    holds = True
                    break
        else:
            order = order_of(buffer, start, stop, wanted)
            holds = (
                (how == LESS and order < 0)
                or (how == LESS_OR_EQUAL and order <= 0)
                or (how == GREATER and order > 0)
                or (how == GREATER_OR_EQUAL and order >= 0)
            )
        out[i] = holds
