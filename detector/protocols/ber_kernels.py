"""ASN.1's Basic Encoding Rules (ITU-T X.690) as protocols on Ethernet use them: identifiers of one octet, definite lengths."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, be32, u8
from detector.kernel import kernel

MOST_LENGTH_OCTETS = 4
LONGEST_INTEGER = 9  # octets: 64 bits without a sign take a zero before them
SECOND_NS = 1_000_000_000
UTC_BYTES = 8


@kernel
def read_element(buffer, at, stop):
    """An element (8.1): (identifier octet, where its contents begin, where they end).

    The contents may end behind `stop`: that is for the caller to judge. They begin at -1 where no element can be read.
    """
    if at + 2 > stop or u8(buffer, at) & 31 == 31:
        return np.int64(0), np.int64(-1), np.int64(stop)
    identifier, length, at = u8(buffer, at), u8(buffer, at + 1), at + 2
    if length < 128:
        return identifier, np.int64(at), at + length
    octets = length & 127
    if octets == 0 or octets > MOST_LENGTH_OCTETS or at + octets > stop:
        return np.int64(0), np.int64(-1), np.int64(stop)
    length = np.int64(0)
    for k in range(octets):
        length = (length << 8) | u8(buffer, at + k)
    return identifier, np.int64(at + octets), at + octets + length


@kernel
def is_integer(start, stop):
    """Whether contents are as long as an integer of up to 64 bits."""
    return 0 < stop - start <= LONGEST_INTEGER


@kernel
def integer(buffer, start, stop):
    """An integer (8.3), two's complement."""
    value = np.int64(-1) if u8(buffer, start) & 128 else np.int64(0)
    for at in range(start, stop):
        value = (value << 8) | u8(buffer, at)
    return value


@kernel
def utc_time(buffer, at):
    """ns since 1970 of a UtcTime of IEC 61850-8-1 (8.1.3.6): seconds, a fraction of 24 bits, and an octet on its quality."""
    fraction = (be16(buffer, at + 4) << 8) | u8(buffer, at + 6)
    return be32(buffer, at) * SECOND_NS + ((fraction * SECOND_NS) >> 24)
