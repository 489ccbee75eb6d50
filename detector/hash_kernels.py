"""Hashing for tables in kernels: steps that stay within 62 bits, so that plain Python overflows nowhere."""

from __future__ import annotations

import numpy as np

from detector.kernel import kernel

LOW_BITS = np.uint64(0x3FFFFFFFFFFFFFFF)


@kernel
def mix(value, word):
    """A 62-bit hash step: `value` with a non-negative word of up to 62 bits mixed in."""
    value = (value ^ word) & 0x3FFFFFFFFFFFFFFF
    value = ((value & 0x7FFFFFFF) * 0x1B873593 + (value >> 29) * 3) & 0x3FFFFFFFFFFFFFFF
    return value ^ (value >> 31)


@kernel
def mix_word(value, word):
    """`value` with the low 62 bits of a uint64 mixed in: of an address that is all that two of one site differ in."""
    return mix(value, np.int64(word & LOW_BITS))
