"""Kernels that find packet records in a block of a capture. One row = one packet."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, be32, le16, le32
from detector.kernel import kernel

LATEST_SECOND = 2**32
LARGEST_PACKET = 262144  # libpcap's MAXIMUM_SNAPLEN: a longer record is not a packet but a damaged length

# Why indexing stopped.
NEED_MORE = 0  # the record at `position` is not whole yet
FULL = 1  # `limit` packets were found
DAMAGED = 2  # the bytes at `position` cannot be a record
META = 3  # pcapng: a block that Python reads (section, interface)

FLAGS, DROPPED, PACKET_ID, QUEUE = 2, 4, 5, 6  # options of a packet block that are numbers
SECTION, INTERFACE, OLD_PACKET, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6


@kernel
def load_u32(buffer, at, is_big):
    """Four bytes at `at` in the file's byte order."""
    return be32(buffer, at) if is_big else le32(buffer, at)


@kernel
def load_u16(buffer, at, is_big):
    """Two bytes at `at` in the file's byte order."""
    return be16(buffer, at) if is_big else le16(buffer, at)


@kernel
def index_pcap(buffer, position, stop, is_big, tick_ns, header_bytes, out, limit):
    """Finds pcap records in buffer[position:stop].

    Args:
        out: int64[limit, 5]: start, stop, wire length, time (ns), interface of each packet.
        tick_ns: 1000 or 1, nanoseconds of a unit of the fraction.
        header_bytes: 16, or 24 in Kuznetzov's variant.

    Returns:
        (packets found, position of the first byte not used, why it stopped).
    """
    found = 0
    while True:
        if found == limit:
            return found, position, FULL
        if stop - position < header_bytes:
            return found, position, NEED_MORE
        captured = load_u32(buffer, position + 8, is_big)
        if captured > LARGEST_PACKET:
            return found, position, DAMAGED
        start = position + header_bytes
        if stop - start < captured:
            return found, position, NEED_MORE
        seconds = load_u32(buffer, position, is_big)
        fraction = load_u32(buffer, position + 4, is_big)
        out[found, 0] = start
        out[found, 1] = start + captured
        out[found, 2] = load_u32(buffer, position + 12, is_big)
        out[found, 3] = seconds * 1000000000 + fraction * tick_ns
        out[found, 4] = -1
        found += 1
        position = start + captured


@kernel
def ticks_to_ns(high, low, power, is_binary, offset_seconds):
    """A pcapng timestamp in ns since 1970: units of 10**-power or 2**-power seconds (if_tsresol), plus if_tsoffset.

    Ticks are cut to 63 bits and seconds to LATEST_SECOND: no clock reaches them, and int64 holds what is left.
    """
    ticks = ((high & 0x7FFFFFFF) << 32) | low
    if is_binary:
        if power >= 63:
            return offset_seconds * 1000000000
        seconds = ticks >> power
        rest = ticks - (seconds << power)
        if power > 30:
            rest >>= power - 30
            power = 30
        seconds = min(seconds + offset_seconds, LATEST_SECOND)
        return seconds * 1000000000 + ((rest * 1000000000) >> power)
    if power <= 9:
        scale = 1
        for _ in range(9 - power):
            scale *= 10
        units = 1
        for _ in range(power):
            units *= 10
        seconds = min(ticks // units + offset_seconds, LATEST_SECOND)
        return seconds * 1000000000 + (ticks % units) * scale
    scale = 1
    for _ in range(min(power - 9, 18)):
        scale *= 10
    return min(ticks // scale, LATEST_SECOND) + offset_seconds * 1000000000


@kernel
def find_options(buffer, at, stop, is_big, packet, comments, count, notes, noted):
    """Notes the options of a packet block; returns how many comments and notes there are now.

    Args:
        comments: int64[n, 3], of code 1: packet, start, stop.
        notes: int64[n, 3], of NUMBERS: packet, code, value.
    """
    while at + 4 <= stop:
        code, length = load_u16(buffer, at, is_big), load_u16(buffer, at + 2, is_big)
        if code == 0 or at + 4 + length > stop:
            break
        if code == 1 and count < len(comments):
            comments[count, 0] = packet
            comments[count, 1] = at + 4
            comments[count, 2] = at + 4 + length
            count += 1
        is_long = code == DROPPED or code == PACKET_ID
        if (is_long and length == 8) or (code in (FLAGS, QUEUE) and length == 4):
            if noted < len(notes):
                low, high = load_u32(buffer, at + 4, is_big), np.int64(0)
                if is_long:
                    high = load_u32(buffer, at + 8, is_big)
                    if is_big:
                        low, high = high, low
                notes[noted, 0] = packet
                notes[noted, 1] = code
                notes[noted, 2] = (high << 32) | low
                noted += 1
        at += 4 + ((length + 3) & ~3)
    return count, noted


@kernel
def index_pcapng(buffer, position, stop, is_big, interfaces, interface_count, longest, out, comments, notes, limit):
    """Finds packets in pcapng blocks of one section in buffer[position:stop].

    Args:
        interfaces: int64[n, 5]: link type, if_tsresol's power, is binary, if_tsoffset (s), snaplen, of each interface.
        longest: a block longer than this is damaged.
        out: as in index_pcap.
        comments, notes: as in find_options; packets are rows of out.

    Returns:
        (packets found, comments found, notes found, position of the first byte not used, why it stopped).
    """
    found, said, noted = 0, 0, 0
    while True:
        if found == limit:
            return found, said, noted, position, FULL
        if stop - position < 12:
            return found, said, noted, position, NEED_MORE
        kind = load_u32(buffer, position, is_big)
        if kind == SECTION:
            return found, said, noted, position, META
        length = load_u32(buffer, position + 4, is_big)
        if length < 12 or length % 4 or length > longest:
            return found, said, noted, position, DAMAGED
        if stop - position < length:
            return found, said, noted, position, NEED_MORE
        if load_u32(buffer, position + length - 4, is_big) != length:
            return found, said, noted, position, DAMAGED
        if kind == INTERFACE:
            return found, said, noted, position, META
        body, end = position + 8, position + length - 4
        position += length
        interface, captured, wire, start, high, low = -1, -1, 0, 0, 0, 0
        if kind == ENHANCED and end - body >= 20:
            interface = load_u32(buffer, body, is_big)
            high, low = load_u32(buffer, body + 4, is_big), load_u32(buffer, body + 8, is_big)
            captured, wire = load_u32(buffer, body + 12, is_big), load_u32(buffer, body + 16, is_big)
            start = body + 20
        elif kind == OLD_PACKET and end - body >= 20:
            interface = load_u16(buffer, body, is_big)
            high, low = load_u32(buffer, body + 4, is_big), load_u32(buffer, body + 8, is_big)
            captured, wire = load_u32(buffer, body + 12, is_big), load_u32(buffer, body + 16, is_big)
            start = body + 20
        elif kind == SIMPLE and end - body >= 4:
            interface = 0
            wire = load_u32(buffer, body, is_big)
            start = body + 4
            captured = min(wire, end - start)
            if interface_count > 0 and interfaces[0, 4] > 0:
                captured = min(captured, interfaces[0, 4])
        elif kind in (ENHANCED, OLD_PACKET, SIMPLE):
            return found, said, noted, position - length, DAMAGED
        else:
            continue
        if interface >= interface_count or captured > end - start or captured > LARGEST_PACKET:
            return found, said, noted, position - length, DAMAGED
        out[found, 0] = start
        out[found, 1] = start + captured
        out[found, 2] = wire
        out[found, 3] = ticks_to_ns(high, low, interfaces[interface, 1], interfaces[interface, 2] != 0,
                                    interfaces[interface, 3])  # fmt: skip
        out[found, 4] = interface
        if kind == SIMPLE:
            out[found, 3] = 0
        else:
            options = start + ((captured + 3) & ~3)
            said, noted = find_options(buffer, options, end, is_big, found, comments, said, notes, noted)
        found += 1


@kernel
def scatter_packets(target, places, buffer, starts, stops):
    """Copies packets buffer[starts[i]:stops[i]] to target, each to its place."""
    for i in range(len(places)):
        for k in range(stops[i] - starts[i]):
            target[places[i] + k] = buffer[starts[i] + k]
