"""Linux packet sockets with a TPACKET_V3 ring: opened and configured here, by whoever has the privilege to (CAP_NET_RAW)."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from detector.capture import bpf
from detector.capture.devices import check_name, hardware_of, is_loopback
from detector.capture.interface import InterfaceSettings
from detector.errors import InputError

# linux/if_packet.h
SOL_PACKET = 263
ADD_MEMBERSHIP, RX_RING, STATISTICS, VERSION, FANOUT, IGNORE_OUTGOING = 1, 5, 6, 10, 18, 23
PROMISCUOUS = 1  # PACKET_MR_PROMISC
TPACKET_V3 = 2
FANOUT_HASH = 0
EVERY_PROTOCOL = 3  # ETH_P_ALL
FRAME_BYTES = 2048  # of no meaning to a ring of this version, but it must be a part of a block
ETHERNET, LOOPBACK, RAW_IP, NONE = 1, 772, 519, 0xFFFE  # ARPHRD_
LINK_ETHERNET, LINK_RAW, LINK_COOKED = 1, 101, 113
# A filter sees packets of cooked captures from their network header on; 12 is DLT_RAW, LINKTYPE_RAW to libpcap on Linux.
FILTER_LINKS = {LINK_ETHERNET: 1, LINK_RAW: 12, LINK_COOKED: 12}


class Fanout(NamedTuple):
    """Sockets that share an interface's packets, by a hash of the flow. group: 1..65535, another one for each interface;
    number: how many sockets the group has."""

    group: int
    number: int


class Statistics(NamedTuple):
    """Since they were asked last: packets that reached the socket, those of them that found no room, times it was full."""

    packets: int
    dropped: int
    freezes: int


class Opener(Protocol):
    """Whoever opens packet sockets: this process, or the privileged one beside it."""

    def open(self, name: str, fanout: Fanout | None = None) -> socket.socket:
        """A socket of a configured interface, with its ring, filter and all, that receives already.

        Raises:
            InputError: it cannot be opened, or is not configured.
        """
        ...


class DirectOpener:
    """Opens in this process."""

    def __init__(self, settings: Iterable[InterfaceSettings]) -> None:
        self._settings = {one.interface: one for one in settings}

    def open(self, name: str, fanout: Fanout | None = None) -> socket.socket:
        """As of Opener."""
        if name not in self._settings:
            raise InputError(f"{name}: is not a configured interface")
        return open_socket(self._settings[name], fanout)


def link_type_of(hardware: int) -> int:
    """LINKTYPE_ number of what is captured on an interface of an ARPHRD_ kind."""
    if hardware in (ETHERNET, LOOPBACK):
        return LINK_ETHERNET
    return LINK_RAW if hardware in (RAW_IP, NONE) else LINK_COOKED


def ring_shape(settings: InterfaceSettings) -> tuple[int, int]:
    """(bytes of a block, number of blocks)."""
    block = settings.block
    if block % mmap.PAGESIZE or block & (block - 1):
        raise InputError(f"block of {settings.interface}: {block} bytes are not a power of two of at least a page",
                         hint="1MB serves most; the longest packet must fit in")  # fmt: skip
    return block, max(2, settings.ring // block)


def program_of(settings: InterfaceSettings) -> bytes:
    """The filter of an interface that exists, for its link type."""
    link = link_type_of(hardware_of(settings.interface))
    return bpf.compile_filter(settings.filter, FILTER_LINKS[link], settings.snaplen, settings.interface)


def open_socket(settings: InterfaceSettings, fanout: Fanout | None = None) -> socket.socket:
    """A packet socket as its settings say, bound and receiving.

    No packet slips in that the filter would refuse, or that another socket of the group gets: the socket is of no protocol
    until it is bound, and takes nothing until the filter that lets packets in is attached last of all.

    Raises:
        InputError: there is no such interface, its filter is wrong, or the system refuses; says which and why.
    """
    name = settings.interface
    check_name(name)
    shape = ring_shape(settings)
    is_cooked = link_type_of(hardware_of(name)) == LINK_COOKED
    opened: socket.socket | None = None
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if is_cooked else socket.SOCK_RAW, 0)
        program = program_of(settings)
        configure(opened, settings, shape, fanout)
        bpf.attach(opened, program)
    except (OSError, InputError) as error:
        if opened is not None:
            opened.close()
        if isinstance(error, InputError):
            raise
        raise refusal(name, error) from None
    return opened


def configure(
    opened: socket.socket, settings: InterfaceSettings, shape: tuple[int, int], fanout: Fanout | None
) -> None:
    """Everything but the filter that lets packets in."""
    name, (block, blocks) = settings.interface, shape
    opened.setsockopt(SOL_PACKET, VERSION, TPACKET_V3)
    bpf.attach(opened, bpf.NOTHING)
    timeout_ms = max(1, settings.block_timeout // 10**6)
    ring = (block, blocks, FRAME_BYTES, block // FRAME_BYTES * blocks, timeout_ms, 0, 0)
    opened.setsockopt(SOL_PACKET, RX_RING, struct.pack("=7I", *ring))
    if settings.direction == "in" or is_loopback(name):  # on loopback each packet would come twice, sent and received
        opened.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    opened.bind((name, EVERY_PROTOCOL))
    if settings.promiscuous:
        request = struct.pack("=iHH8s", socket.if_nametoindex(name), PROMISCUOUS, 0, b"")
        opened.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, request)
    if fanout is not None:
        opened.setsockopt(SOL_PACKET, FANOUT, struct.pack("=II", fanout.group | FANOUT_HASH << 16, fanout.number))


def refusal(name: str, error: OSError) -> InputError:
    """What the system's refusal means."""
    why, hint = error.strerror or str(error), ""
    if error.errno in (errno.EPERM, errno.EACCES):
        why, hint = "not permitted", "capturing needs root or the capability CAP_NET_RAW"
    elif error.errno == errno.ENOMEM:
        why, hint = "no memory for the ring", "make `ring` or `block` smaller"
    return InputError(f"{name}: cannot be captured from: {why}", hint=hint)


def statistics(opened: socket.socket) -> Statistics:
    """The counters of a ring; asking sets them to zero."""
    return Statistics(*struct.unpack("=3I", opened.getsockopt(SOL_PACKET, STATISTICS, 12)))


def bound_name(opened: socket.socket) -> str:
    """What the interface that a socket is bound to is called now; empty where it has gone."""
    return str(opened.getsockname()[0])


def map_ring(opened: socket.socket, settings: InterfaceSettings) -> mmap.mmap:
    """The ring's memory."""
    block, blocks = ring_shape(settings)
    return mmap.mmap(opened.fileno(), block * blocks, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def clear_error(opened: socket.socket) -> str:
    """The error that waits at a socket ("Network is down"), which is forgotten by asking; empty for none."""
    number = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(number) if number else ""
