"""The shared kernels that load fields of headers, and those that walk lists of options and tags."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, u8
from detector.kernel import kernel


@kernel
def load_bits(buffer, starts, stops, offset, width, is_little, values, present):
    """values[i] = `width` bits at bit `offset` of the header at starts[i], 0 where it is not captured as far as that.

    Bits are numbered as in the RFCs, the most significant first; little-endian fields are whole bytes. Fields of one and
    two whole bytes, which most are, have loops of their own: 2 ns a row in place of 5.
    """
    first, last = offset >> 3, (offset + width + 7) >> 3
    shift = last * 8 - offset - width
    mask = (np.int64(1) << width) - 1 if width < 63 else np.int64(-1)
    if last - first == 1:
        for i in range(len(starts)):
            start = np.int64(starts[i])
            present[i] = start >= 0 and start + last <= stops[i]
            values[i] = (u8(buffer, start + first) >> shift) & mask if present[i] else 0
        return
    if last - first == 2 and not is_little:
        for i in range(len(starts)):
            start = np.int64(starts[i])
            present[i] = start >= 0 and start + last <= stops[i]
            values[i] = (be16(buffer, start + first) >> shift) & mask if present[i] else 0
        return
    for i in range(len(starts)):
        start = np.int64(starts[i])
        present[i] = start >= 0 and start + last <= stops[i]
        value = np.int64(0)
        if present[i]:
            for k in range(last - first):
                at = start + (last - 1 - k if is_little else first + k)
                value = (value << 8) | np.int64(buffer[at])
        values[i] = (value >> shift) & mask


@kernel
def load_bytes(buffer, starts, stops, offset, values, present):
    """values[i] = the bytes at `offset` of the header at starts[i], as many as values has columns."""
    size = values.shape[1]
    for i in range(len(starts)):
        start = np.int64(starts[i]) + offset
        if starts[i] < 0 or start + size > stops[i]:
            continue
        for k in range(size):
            values[i, k] = buffer[start + k]
        present[i] = True


# Columns of items, and of the numbers in items.Shape.
ROW, KIND, START, LENGTH = range(4)
KIND_AT, LENGTH_AT, LENGTH_BYTES, UNIT, ADDED, SINGLES, COUNT_AT, COUNT_UNIT, LEAST, KEEPS_SHORT, OVERRUNS, ENDS = (
    range(12)
)


@kernel
def skip_zeros(buffer, start, stop):
    """Where the first byte that is not 0 stands, or stop."""
    while start < stop and buffer[start] == 0:
        start += 1
    return start


@kernel
def find_zeros(buffer, starts, stops, out):
    """out[i] = whether all bytes of buffer[starts[i]:stops[i]] are 0."""
    for i in range(len(starts)):
        out[i] = skip_zeros(buffer, starts[i], stops[i]) == stops[i]


@kernel
def limit_headers(buffer, ip, ipv6, tcp, stops):
    """Moves stops of IP and TCP rows whose header contradicts itself to where its fields end: what follows means nothing.

    Args:
        ip, ipv6, tcp: int32[rows], where the row's header of each begins, -1 for none.
        stops: int32[3, rows], of the same three.
    """
    for row in range(len(ip)):
        at = np.int64(ip[row])
        if 0 <= at < stops[0, row]:
            if u8(buffer, at) >> 4 != 4:
                stops[0, row] = at
            elif u8(buffer, at) & 15 < 5:
                stops[0, row] = at + 1
            elif at + 4 <= stops[0, row] and 0 < be16(buffer, at + 2) < 4 * (u8(buffer, at) & 15):
                stops[0, row] = at + 4
        at = np.int64(ipv6[row])
        if 0 <= at < stops[1, row] and u8(buffer, at) >> 4 != 6:
            stops[1, row] = at + 1
        at = np.int64(tcp[row])
        if at >= 0 and at + 13 <= stops[2, row] and u8(buffer, at + 12) >> 4 < 5:
            stops[2, row] = at + 8


@kernel
def find_equal(buffer, firsts, seconds, sizes, out):
    """out[i] = whether sizes[i] bytes, at least one, are the same at firsts[i] and seconds[i]; a start below 0 is none."""
    for i in range(len(firsts)):
        k = 0
        while firsts[i] >= 0 and k < sizes[i] and buffer[firsts[i] + k] == buffer[seconds[i] + k]:
            k += 1
        out[i] = k > 0 and k == sizes[i]


@kernel
def find_lldp_stops(buffer, starts, stops):
    """Moves each stop to where Wireshark has an LLDP packet end (IEEE 802.1AB 8.5): one byte before its end-of-packet item."""
    for i in range(len(starts)):
        at = starts[i]
        while at + 2 <= stops[i]:
            head = be16(buffer, at)
            if head >> 9 == 0:
                stops[i] = at - 1
            at += 2 + (head & 0x1FF)


@kernel
def has_ip_options(buffer, starts, stops):
    """Whether any IPv4 header is longer than 20 bytes: what is asked of every batch, and mostly answered by no."""
    for i in range(len(starts)):
        start = np.int64(starts[i])
        if start >= 0 and start < stops[i] and u8(buffer, start) & 15 > 5:
            return True
    return False


@kernel
def walk_items(buffer, spans, shape, out):
    """Items that lie one behind the other (items.Shape says how) in each of spans: fills out int64[n, 4].

    Returns:
        How many there are; where that is more than len(out), the rest was counted only.
    """
    found = 0
    header = max(shape[KIND_AT] + 1, shape[LENGTH_AT] + shape[LENGTH_BYTES], shape[COUNT_AT] + 2)
    for i in range(len(spans)):
        at = spans[i, START]
        stop = at + spans[i, LENGTH]
        while at + shape[KIND_AT] < stop:
            kind = u8(buffer, at + shape[KIND_AT])
            length = np.int64(1)
            if kind > shape[SINGLES]:
                if at + header > stop:
                    break
                place = at + shape[LENGTH_AT]
                size = u8(buffer, place) if shape[LENGTH_BYTES] == 1 else be16(buffer, place)
                length = size * shape[UNIT] + shape[ADDED]
                if shape[COUNT_AT] >= 0:
                    length += be16(buffer, at + shape[COUNT_AT]) * shape[COUNT_UNIT]
                if length < shape[LEAST] and shape[KEEPS_SHORT]:
                    length, stop = header, at + header
                if length < shape[LEAST] and not shape[KEEPS_SHORT]:
                    break
                if at + length > stop and not shape[OVERRUNS]:
                    break
            if found < len(out):
                out[found, ROW] = spans[i, ROW]
                out[found, KIND] = kind
                out[found, START] = at
                out[found, LENGTH] = length
            found += 1
            at += length
            if kind == 0 and shape[ENDS] and (shape[ENDS] == 1 or (at < stop and buffer[at] != 0)):
                break
    return found


@kernel
def walk_extensions(buffer, starts, stops, headers, out):
    """IPv6 extension headers (RFC 8200 4): as walk_options. headers: int32[rows], where the IPv6 header begins."""
    found = 0
    for row in range(len(starts)):
        at, stop = np.int64(starts[row]), np.int64(stops[row])
        if at < 0:
            continue
        kind = u8(buffer, headers[row] + 6)
        while kind in (0, 43, 44, 51, 60, 135, 139, 140) and at + 8 <= stop:
            length = (u8(buffer, at + 1) + 1) * 8
            if kind == 44:
                length = np.int64(8)
            elif kind == 51:
                length = (u8(buffer, at + 1) + 2) * 4
            if at + length > stop:
                break
            if found < len(out):
                out[found, 0] = row
                out[found, 1] = kind
                out[found, 2] = at
                out[found, 3] = length
            found += 1
            middle = kind == 44 and be16(buffer, at + 2) & 0xFFF8 > 0
            kind = u8(buffer, at)
            at += length
            if middle:
                break
    return found
