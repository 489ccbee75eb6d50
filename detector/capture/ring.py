"""Live capture on Linux: rings of packet sockets (TPACKET_V3), mapped into this process, to batches.

The Linux kernel fills a ring block by block and hands a block over when it is full or `block_timeout` has passed; a
compiled loop (ring_kernels.py) copies its packets into the batch, and the block is handed back. What is ready is taken
at once: while the stages work on a batch, the next one gathers in the ring, so batches grow with the load by themselves.

Packets of several interfaces are put in time order. A block comes up to `block_timeout` after its first packet, so with
several interfaces a packet stays in its ring until every packet before it must have arrived.

One row = one packet. Every packet that reached a ring is counted: yielded, or dropped and why.
"""

from __future__ import annotations

import logging
import mmap
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from detector.capture import bpf, packet_socket
from detector.capture.batch import Batch, Origin, no_packets
from detector.capture.devices import exists, lost_before_capture, state_of
from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import DirectOpener, Fanout, Opener
from detector.capture.reader import SLACK_BYTES
from detector.capture.source import BATCH_PACKETS, OfInterfaces, SourceReport
from detector.errors import InputError
from detector.kernel import Kernels

kernels = Kernels("detector.capture.ring_kernels")
capture_kernels = Kernels("detector.capture.capture_kernels")
log = logging.getLogger(__name__)

BATCH_BYTES = 8 * 2**20
LATEST = 2**62
STATUS, BLOCK_WORDS = 2, 4  # word of a block that says whose it is; bytes of a word
WATCH_SECONDS = 0.5  # how often interfaces are looked after
HELD_SECONDS = 0.005  # how long to sleep while packets wait for those of other interfaces
SLACK_NS = 10 * 10**6  # by which a block may come later than its timeout, on a busy machine
NO_PACKET = {"gone": "there is no such interface now", "down": "it is down", "no carrier": "it has no carrier"}


class Columns:
    """The columns of a batch that is being filled."""

    def __init__(self, packets: int, size: int) -> None:
        self.buffer = np.zeros((size + SLACK_BYTES + 7) & ~7, np.uint8)
        self.used = 0
        self.rows = 0
        self.starts, self.stops, self.wire_lengths, self.times = (np.empty(packets, np.int64) for _ in range(4))
        self.is_unsummed = np.empty(packets, np.bool_)


class Ring:
    """The memory of a ring, and how far it was read."""

    def __init__(self, memory: NDArray[np.uint8], block_bytes: int, tag_at: int) -> None:
        self._views = (memory, memory.view(np.uint16), memory.view(np.uint32), memory.view(np.uint64))
        self._block_bytes = block_bytes
        self._tag_at = tag_at
        self._state = np.zeros(3, np.int64)
        self._blocks = len(memory) // block_bytes

    @property
    def fill(self) -> float:
        """Part of the blocks that wait to be read."""
        statuses = self._views[2][STATUS :: self._block_bytes // BLOCK_WORDS]
        return float((statuses & 1).mean())  # TP_STATUS_USER

    def survey(self, most_packets: int, most_bytes: int) -> tuple[int, int, int, int]:
        """(blocks, packets, bytes, time up to which one may read) that are ready, as of ring_kernels.survey."""
        found = kernels.survey(self._views[2], self._block_bytes, self._state, most_packets, most_bytes)
        return found[0], found[1], found[2], found[3]

    def walk(self, columns: Columns, ready: int, until: int, now: int) -> int:
        """Takes packets of the first `ready` blocks into columns; returns how many the host had no taker for.

        Whether blocks are ready was asked in a call before this one, and they are handed back after it: between calls
        the interpreter's lock orders memory, which a compiled loop would not do on every machine.
        """
        first = int(self._state[0])
        columns.used, columns.rows, done, unclaimed = kernels.walk(
            *self._views, self._block_bytes, self._state, ready, until, now, self._tag_at,
            columns.buffer, columns.buffer.view(np.uint64), columns.used, columns.starts, columns.stops,
            columns.wire_lengths, columns.times, columns.is_unsummed, columns.rows, len(columns.starts),
        )  # fmt: skip
        blocks = (first + np.arange(done)) % self._blocks
        self._views[2][blocks * (self._block_bytes // BLOCK_WORDS) + STATUS] = 0
        return int(unclaimed)


class Lane:
    """One interface: its socket, ring and counters; it goes away and comes back."""

    def __init__(self, settings: InterfaceSettings, opener: Opener, fanout: Fanout | None) -> None:
        self.settings = settings
        self.name = settings.name
        self.report = SourceReport()
        self.link_type = packet_socket.LINK_ETHERNET
        self.ring: Ring | None = None
        self.socket: socket.socket | None = None
        self._opener = opener
        self._fanout = fanout
        self._memory: mmap.mmap | None = None
        self._said = self._seen = "up"
        self._received = self._walked = self._unclaimed = 0  # packets of this ring
        self._unclaimed_earlier = 0  # of rings before
        self._watched = 0  # of them, when the interface was looked after last
        self._overrun = self._freezes = 0  # of which the log does not tell yet
        self._lost_earlier = self._lost = 0  # by the interface: before it was opened, since then

    def open(self) -> None:
        """Opens the socket and maps its ring. InputError where that cannot be."""
        opened = self._opener.open(self.name, self._fanout)
        try:
            self._memory = packet_socket.map_ring(opened, self.settings)
            self.link_type = packet_socket.link_type_of(opened.getsockname()[3])
        except OSError as error:
            opened.close()
            raise packet_socket.refusal(self.name, error) from None
        tag_at = {packet_socket.LINK_ETHERNET: kernels.ETHERNET_TAG, packet_socket.LINK_COOKED: kernels.COOKED_TAG}
        memory = np.frombuffer(self._memory, np.uint8)
        self.ring = Ring(memory, self.settings.block, tag_at.get(self.link_type, kernels.NO_TAG))
        self.socket = opened
        self._unclaimed_earlier += self._unclaimed
        self._received = self._walked = self._watched = self._unclaimed = self._lost = 0
        self._lost_earlier = lost_before_capture(self.name)

    def close(self) -> None:
        """Gives the ring back. What was still in it is counted as dropped."""
        if self.socket is None or self._memory is None:
            return
        self.count()
        self.count_lost()
        self.tell_of_overruns()
        if left := self._received - self._walked:
            self.report.dropped["shutdown"] += left
        self.ring = None
        with suppress(BufferError):  # an error on its way up still holds the arrays: it is unmapped when they go
            self._memory.close()
        self.socket.close()
        self.socket = self._memory = None

    @property
    def unclaimed(self) -> int:
        """Packets so far that Linux counts as dropped by the interface though they were captured."""
        return self._unclaimed_earlier + self._unclaimed

    def take(self, columns: Columns, ready: int, until: int, now: int) -> int:
        """Walks the ring; returns how many packets came out."""
        assert self.ring is not None
        first, before = columns.rows, columns.used
        self._unclaimed += self.ring.walk(columns, ready, until, now)
        taken = columns.rows - first
        self._walked += taken
        self.report.packets += taken
        if columns.used > before:
            rows = slice(first, columns.rows)
            self.report.bytes += int((columns.stops[rows] - columns.starts[rows]).sum())
        return taken

    def count(self) -> None:
        """Reads the counters of the ring."""
        assert self.socket is not None
        packets, dropped, freezes = packet_socket.statistics(self.socket)
        self._received += packets - dropped
        if dropped:
            self.report.dropped["ring"] += dropped
            self._overrun += dropped
            self._freezes += freezes

    def count_lost(self) -> None:
        """Reads the counters of the interface."""
        # A tagged packet that no protocol of this host takes (GOOSE in a VLAN) is one that Linux counts as dropped by
        # the interface after it was captured: those are known, and taken off.
        lost = lost_before_capture(self.name) - self._lost_earlier - self._unclaimed
        if lost > self._lost:
            self.report.dropped["interface"] += lost - self._lost
            self._lost = lost

    def tell_of_overruns(self) -> None:
        """Logs what found no room in the ring since the last look."""
        if self._overrun:
            log.warning("%s: %d packets dropped: the ring was full, %d times", self.name, self._overrun, self._freezes)
            self._overrun = self._freezes = 0

    def is_drained(self) -> bool:
        """Whether everything that reached the ring was taken out of it."""
        return self._walked >= self._received

    def shut(self) -> None:
        """Lets nothing more in."""
        if self.socket is not None:
            bpf.attach(self.socket, bpf.NOTHING)
            self.count()

    def watch(self) -> None:
        """Looks after the interface: says what became of it, and opens it anew where another one has its name."""
        self.tell_of_overruns()
        if self.socket is not None:
            packet_socket.clear_error(self.socket)
            bound = packet_socket.bound_name(self.socket)
            if bound == self.name:
                self.count_lost()
                self._say(self._state_of(bound))
                return
            if bound and not exists(self.name):
                state = state_of(bound)
                self._say(f"renamed to {bound}" + ("" if state == "up" else f", {state}"), is_up=state == "up")
                return
        self._reopen()

    def _state_of(self, bound: str) -> str:
        """The interface's state. That it has no carrier is believed at the second look, and not while packets come:
        Linux tells of a new carrier up to a second late, and a card on a tap that only receives may never know of one."""
        state, received = state_of(bound), self._received
        is_doubtful = state == "no carrier" and (self._seen != state or received > self._watched)
        self._seen, self._watched = state, received
        return self._said if is_doubtful else state

    def _reopen(self) -> None:
        """Opens the interface that has the name now, if there is one."""
        if not exists(self.name):
            self._say("gone")
            return
        self.close()
        try:
            self.open()
        except InputError as error:
            self._say(error.problem, is_up=False)
            return
        self.report.reconnects += 1
        log.warning("%s: opened anew", self.name)
        self._said = self._seen = "up"
        self._say(self._state_of(self.name))

    def _say(self, state: str, is_up: bool | None = None) -> None:
        """Logs what has changed."""
        self.report.is_up = state == "up" if is_up is None else is_up
        if state == self._said:
            return
        self._said = state
        if state == "up":
            log.warning("%s: up again", self.name)
        elif self.report.is_up:
            log.warning("%s: %s; it is still captured from", self.name, state)
        else:
            log.warning("%s: nothing is captured: %s", self.name, NO_PACKET.get(state, state))


class RingSource(OfInterfaces):
    """A LiveSource of one or several interfaces. `fanout` takes a share of their packets: group `group + n` of the nth."""

    def __init__(
        self, settings: Sequence[InterfaceSettings], *, opener: Opener | None = None, fanout: Fanout | None = None
    ) -> None:
        """Opens every interface. InputError where one is not there (save it is waited for) or cannot be opened."""
        opener = opener or DirectOpener(settings)
        self._lanes = [
            Lane(one, opener, fanout and Fanout(fanout.group + index, fanout.number))
            for index, one in enumerate(settings)
        ]
        self._described = [Origin(1, lane.name, "") for lane in self._lanes]
        self._hold = max(one.block_timeout for one in settings) + SLACK_NS
        self._is_holding = False
        self._watched = time.monotonic()
        try:
            for lane in self._lanes:  # per interface
                if not lane.settings.wait or exists(lane.name):
                    lane.open()
                lane.watch()
                lane.report.reconnects = 0
        except InputError:
            self.close()
            raise

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """What was captured so far on each interface."""
        return {lane.name: lane.report for lane in self._lanes}

    @property
    def unclaimed(self) -> Mapping[str, int]:
        """Of each interface, packets that came here and that Linux counts as dropped by it: taken off that cause already.

        Whoever shares an interface with others has taken off its own only.
        """
        return {lane.name: lane.unclaimed for lane in self._lanes}

    def close(self) -> None:
        """Closes all sockets: for a source whose packets are not read to the end."""
        for lane in self._lanes:  # per interface
            lane.close()

    def batches(self) -> Iterator[Batch]:
        """The packets as they come."""
        try:
            while not self._is_stopped:  # per batch
                yield self._next(time.monotonic() + self.idle_seconds)
            yield from self._drain()
        finally:
            self.close()

    def _next(self, deadline: float) -> Batch:
        """Packets as soon as there are some; none at the deadline."""
        while True:  # per wait
            self._watch()
            if (batch := self._take(time.time_ns())) is not None:
                return batch
            left = deadline - time.monotonic()
            if left <= 0 or self._is_stopped:
                return no_packets()
            self._wait(left)

    def _drain(self) -> Iterator[Batch]:
        """What has reached the rings until now. Blocks that are not full come with their timeout."""
        for lane in self._lanes:  # per interface
            lane.shut()
        until = time.monotonic() + 4 * self._hold / 10**9
        while not all(lane.is_drained() for lane in self._lanes) and time.monotonic() < until:  # per batch
            if (batch := self._take(LATEST)) is not None:
                yield batch
            else:
                time.sleep(HELD_SECONDS)

    def _wait(self, seconds: float) -> None:
        """Until a ring has a block, an interface changes, or the time is over."""
        if self._is_holding:  # the block that is held would end each wait at once
            time.sleep(min(HELD_SECONDS, seconds))
            return
        poll = select.poll()
        for lane in self._lanes:  # per interface
            if lane.socket is not None:
                poll.register(lane.socket, select.POLLIN | select.POLLERR)
        if any(event & select.POLLERR for _, event in poll.poll(seconds * 1000)):
            self._watched = 0.0

    def _watch(self) -> None:
        """Reads counters; now and then looks after the interfaces."""
        for lane in self._lanes:  # per interface
            if lane.socket is not None:
                lane.count()
                lane.report.fill = lane.ring.fill if lane.ring else 0.0
        if time.monotonic() - self._watched >= WATCH_SECONDS:
            for lane in self._lanes:  # per interface
                lane.watch()
            self._watched = time.monotonic()

    def _take(self, now: int) -> Batch | None:
        """A batch of what is ready."""
        lanes = [(index, lane) for index, lane in enumerate(self._lanes) if lane.ring is not None]
        share = max(1, len(lanes))
        found = [lane.ring.survey(BATCH_PACKETS // share, BATCH_BYTES // share) for _, lane in lanes if lane.ring]
        packets = sum(count for _, count, _, _ in found)
        self._is_holding = packets > 0
        if not any(blocks for blocks, _, _, _ in found):
            return None
        columns = Columns(min(packets, BATCH_PACKETS), sum(size for _, _, size, _ in found))
        until = LATEST if len(self._lanes) == 1 else min(now - self._hold, *(bound for _, _, _, bound in found))
        parts = []
        for (index, lane), (ready, _, _, _) in zip(lanes, found, strict=True):  # per interface
            before = lane.report.packets
            count = lane.take(columns, ready, until, now)
            parts.append((index, before, count, lane.link_type))
        return self._batch(columns, parts) if columns.rows else None

    def _batch(self, columns: Columns, parts: Sequence[tuple[int, int, int, int]]) -> Batch:
        """The batch of packets that stand interface by interface; parts: (interface, number before, packets, link type)."""
        rows = columns.rows
        counts = [count for _, _, count, _ in parts]
        interfaces = np.repeat(np.array([index for index, _, _, _ in parts], np.int32), counts)
        links = np.repeat(np.array([link for _, _, _, link in parts], np.int32), counts)
        numbers = np.concatenate([np.arange(before + 1, before + count + 1) for _, before, count, _ in parts])
        batch = Batch(
            columns.buffer, columns.used, columns.starts[:rows], columns.stops[:rows], columns.wire_lengths[:rows],
            columns.times[:rows], links, numbers, np.zeros(rows, np.int32), interfaces, [""],
            origins=interfaces, described=self._described, is_unsummed=columns.is_unsummed[:rows],
        )  # fmt: skip
        return batch if sum(count > 0 for count in counts) <= 1 else in_order(batch, counts)


def in_order(batch: Batch, counts: Sequence[int]) -> Batch:
    """The packets of several interfaces in time order, the bytes too. Each one's own order is kept, as MergedSource does."""
    stops = np.cumsum(counts)
    keys = np.concatenate([
        np.maximum.accumulate(batch.times[stop - count : stop]) for count, stop in zip(counts, stops, strict=True)
    ])  # fmt: skip
    found = batch.take(np.argsort(keys, kind="stable"))
    lengths = found.stops - found.starts
    ends = np.cumsum(lengths)
    buffer = np.zeros(int(lengths.sum()) + SLACK_BYTES, np.uint8)
    capture_kernels.scatter_packets(buffer, ends - lengths, batch.buffer, found.starts, found.stops)
    found.buffer, found.used, found.starts, found.stops = buffer, int(lengths.sum()), ends - lengths, ends
    return found
