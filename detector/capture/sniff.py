"""Live capture through Scapy's own sockets: on systems without rings, and where the configuration asks for it.

Slower than a ring, since every packet passes through Python one by one: 30 µs each, measured over a veth pair, where a
ring takes 0.05. Times are known to a microsecond. One row = one packet.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from detector.capture import bpf
from detector.capture.batch import Batch, Origin, batch_of, no_packets
from detector.capture.interface import InterfaceSettings
from detector.capture.source import BATCH_PACKETS, BATCH_SECONDS, OfInterfaces, SourceReport
from detector.errors import InputError, nearest
from detector.layers import scapy_module

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LINK_TYPES = {
    "Ether": 1,
    "IP": 101,
    "IPv6": 101,
    "CookedLinux": 113,
    "CookedLinuxV2": 276,
    "Loopback": 0,
    "LoopbackOpenBSD": 108,
}
SOL_PACKET, STATISTICS, IGNORE_OUTGOING = 263, 6, 23  # linux/if_packet.h
RECEIVE_BUFFER_FORCE = 33  # SO_RCVBUFFORCE of asm-generic/socket.h
UNKNOWN_LINK = 147  # LINKTYPE_USER0: counted as not decoded


class Tap:
    """One interface: a socket of Scapy's and the counters."""

    def __init__(self, settings: InterfaceSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.report = SourceReport()
        self.socket: Any = None
        self.link_type = 1
        self._tried = 0.0

    def open(self) -> None:
        """Opens the socket. InputError where that cannot be."""
        scapy_module("scapy.layers.inet")  # link layers and IP, by which Scapy names what a socket gives
        scapy_module("scapy.layers.inet6")
        arch, conf = scapy_module("scapy.arch"), scapy_module("scapy.config").conf
        conf.ifaces.reload()  # else those that were there when Scapy was imported
        known = arch.get_if_list()
        if self.name not in known:
            guess = nearest(self.name, known)
            hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(known)}"
            raise InputError(f"there is no network interface {self.name!r}", hint=hint)
        if self.settings.filter:
            bpf.compile_filter(self.settings.filter, 1, self.settings.snaplen)  # for libpcap's own message
        try:
            self.socket = conf.L2listen(iface=self.name, promisc=self.settings.promiscuous,
                                        filter=self.settings.filter or None)  # fmt: skip
        except (OSError, scapy_module("scapy.error").Scapy_Exception) as error:
            raise InputError(f"{self.name}: cannot be captured from: {error}") from None
        if (opened := packet_socket_of(self.socket)) is not None:
            enlarge(opened, self.settings.ring)
            if self.name == "lo" or self.settings.direction == "in":  # on loopback each packet would come twice
                opened.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        layer = getattr(self.socket, "LL", None)
        self.link_type = LINK_TYPES.get(getattr(layer, "__name__", ""), UNKNOWN_LINK)

    def close(self) -> None:
        """Closes the socket."""
        if self.socket is not None:
            self.count()
            self.socket.close()
            self.socket = None

    def read(self) -> tuple[bytes, int, int] | None:
        """(bytes, length on the wire, time in ns) of one packet; None where the interface has just gone down."""
        try:
            _, data, seconds = self.socket.recv_raw()
        except OSError as error:
            log.warning("%s: nothing is captured: %s", self.name, error.strerror)
            self.close()
            self.report.is_up = False
            self._tried = time.monotonic()
            return None
        if not data:
            return None
        cut = bytes(data[: self.settings.snaplen])
        self.report.packets += 1
        self.report.bytes += len(cut)
        return cut, len(data), int(float(seconds) * 10**9)

    def count(self) -> None:
        """Packets that found no room in the socket, where the system says so (Linux)."""
        if (opened := packet_socket_of(self.socket)) is not None:
            _, dropped = struct.unpack("=2I", opened.getsockopt(SOL_PACKET, STATISTICS, 8))
            if dropped:
                self.report.dropped["ring"] += dropped

    def retry(self) -> None:
        """Opens the interface anew, now and then, where it has gone."""
        if self.socket is not None or time.monotonic() - self._tried < RETRY_SECONDS:
            return
        self._tried = time.monotonic()
        try:
            self.open()
        except InputError:  # not yet
            return
        self.report.is_up = True
        self.report.reconnects += 1
        log.warning("%s: opened anew", self.name)


def packet_socket_of(opened: Any) -> socket.socket | None:
    """Linux's socket within one of Scapy's; None on other systems, or through libpcap."""
    inner = getattr(opened, "ins", None)
    return inner if sys.platform == "linux" and isinstance(inner, socket.socket) else None


def enlarge(opened: socket.socket, size: int) -> None:
    """Gives a socket the memory that a ring would have; without CAP_NET_ADMIN no more than net.core.rmem_max."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER_FORCE, size)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


class SniffSource(OfInterfaces):
    """A LiveSource of one or several interfaces, each through a socket of Scapy's."""

    def __init__(self, settings: Sequence[InterfaceSettings]) -> None:
        """Opens every interface. InputError where one is not there (save it is waited for) or cannot be opened."""
        self._taps = [Tap(one) for one in settings]
        self._described = [Origin(1, tap.name, "") for tap in self._taps]
        try:
            for tap in self._taps:  # per interface
                try:
                    tap.open()
                except InputError:
                    if not tap.settings.wait:
                        raise
                    tap.report.is_up = False
        except InputError:
            self.close()
            raise

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """What was captured so far on each interface."""
        return {tap.name: tap.report for tap in self._taps}

    def close(self) -> None:
        """Closes all sockets."""
        for tap in self._taps:  # per interface
            tap.close()

    def batches(self) -> Iterator[Batch]:
        """The packets as they come."""
        try:
            while not self._is_stopped:  # per batch
                yield self._next()
        finally:
            self.close()

    def _next(self) -> Batch:
        """What comes within idle_seconds, or is there already."""
        began = time.monotonic()
        found: list[tuple[int, int, int, bytes, int]] = []  # time, interface, number, bytes, length on the wire
        while len(found) < BATCH_PACKETS and not self._is_stopped:  # per wait
            for tap in self._taps:  # per interface
                tap.retry()
            left = began + self.idle_seconds - time.monotonic()
            ready = self._ready(max(0.0, left))
            for index in ready:  # per interface
                tap = self._taps[index]
                if (one := tap.read()) is not None:
                    found.append((one[2], index, tap.report.packets, one[0], one[1]))
            if left <= 0 and (not ready or time.monotonic() >= began + BATCH_SECONDS):
                break
        for tap in self._taps:  # per interface
            if tap.socket is not None:
                tap.count()
        return self._batch(sorted(found)) if found else no_packets()

    def _ready(self, seconds: float) -> list[int]:
        """The interfaces that have a packet now, waited for no longer than that."""
        by_socket = {tap.socket: index for index, tap in enumerate(self._taps) if tap.socket is not None}
        if not by_socket:
            time.sleep(min(seconds, BATCH_SECONDS))
            return []
        first = next(iter(by_socket))
        return [by_socket[ready] for ready in first.select(list(by_socket), seconds)]

    def _batch(self, found: Sequence[tuple[int, int, int, bytes, int]]) -> Batch:
        """The batch of packets in time order."""
        times, interfaces, numbers, packets, wire_lengths = zip(*found, strict=True)
        batch = batch_of(packets, times)
        batch.interfaces = batch.origins = np.array(interfaces, np.int32)
        batch.numbers = np.array(numbers, np.int64)
        batch.wire_lengths = np.array(wire_lengths, np.int64)
        batch.link_types = np.array([tap.link_type for tap in self._taps], np.int32)[batch.interfaces]
        batch.described = self._described
        return batch
