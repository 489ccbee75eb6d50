"""Kernels that look for literals in a batch's bytes, and that say whose bytes a hit lies in.

find_literals does what Hyperscan does, at a tenth of its speed without hits and at many times its speed with them: each
hit of Hyperscan calls back into Python. It hashes the four bytes that end at each place, letters folded; a bit for each
hash says whether a literal has it.
"""

from __future__ import annotations

import numpy as np

from detector.kernel import kernel

HASH_BITS = 18
MULTIPLIER, SHIFT = 506952113, 14  # of 31 bits, so that the product of four bytes fits
# Columns of literals: where its bytes begin in the pool, how many there are, whether letters are folded, how many bytes
# stand behind the four that are hashed, the next literal of the same hash.
L_START, L_LENGTH, L_NOCASE, L_BEHIND, L_NEXT = 0, 1, 2, 3, 4


@kernel
def folded(byte):
    """A byte, an upper case letter as lower case."""
    return byte | 32 if 65 <= byte <= 90 else byte


@kernel
def is_literal_at(buffer, start, pool, at, length, nocase):
    """Whether a literal's bytes stand at a place."""
    for i in range(length):
        byte = np.int64(buffer[start + i])
        if nocase:
            byte = folded(byte)
        if byte != np.int64(pool[at + i]):
            return False
    return True


@kernel
def hash_four(word):
    """A place among 2**18 of four bytes."""
    return ((word * MULTIPLIER) >> SHIFT) & ((1 << HASH_BITS) - 1)


@kernel
def find_literals(buffer, begin, stop, fold, bits, heads, literals, pool, out, found):
    """Every occurrence of every literal in buffer[begin:stop].

    Args:
        fold: uint8[256], letters as lower case.
        bits: uint8[2**18 / 8]; heads: int32[2**18], first literal of a hash or -1; literals: int64[n, 5]; pool: uint8[...].
        out: int64[capacity, 2]: place behind the occurrence, literal.

    Returns:
        (occurrences so far, where to go on): less than stop where out is full.
    """
    word = np.int64(0)
    for i in range(max(0, begin - 3), min(begin, stop)):
        word = (word << 8) | np.int64(fold[buffer[i]])
    for i in range(begin, stop):
        word = ((word << 8) | np.int64(fold[buffer[i]])) & 0xFFFFFFFF
        value = hash_four(word)
        if bits[value >> 3] >> (value & 7) & 1:
            if found + len(literals) > len(out):
                return found, i
            literal = np.int64(heads[value])
            while literal >= 0:
                end = i + 1 + literals[literal, L_BEHIND]
                start = end - literals[literal, L_LENGTH]
                if start >= 0 and end <= stop:
                    if is_literal_at(
                        buffer,
                        start,
                        pool,
                        literals[literal, L_START],
                        literals[literal, L_LENGTH],
                        literals[literal, L_NOCASE],
                    ):
                        out[found, 0] = end
                        out[found, 1] = literal
                        found += 1
                literal = literals[literal, L_NEXT]
    return found, stop
