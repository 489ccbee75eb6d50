"""A network of one cable for tests: two namespaces, a sender's and a sensor's, joined by a veth pair, and nothing else on it.

    with network() as cable:
        daemon = cable.sensor.start(sys.executable, "-m", "detector", "run", ...)   # a process in the sensor's namespace
        cable.replay(capture, "--mbps", "100")                                      # tcpreplay in the sender's

    with network() as cable, cable.sensor.entered():    # this very process, where a test opens sockets itself
        source = RingSource([InterfaceSettings(SENSOR)])

Needs root, iproute2, procps and tcpreplay; skips loudly where they are missing.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.differential.tshark import require_tool

SENDER, SENSOR = "out0", "mirror0"  # names of the two ends of the cable
TOOLS = ("ip", "sysctl", "ethtool", "tcpreplay")
numbers = itertools.count(1)
libc = ctypes.CDLL(None, use_errno=True)


@cache
def may_make_namespaces() -> bool:
    """Whether this is root, and not in a container that keeps root from it."""
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    )


def require_root() -> None:
    """Skips loudly where namespaces cannot be made; in CI that is a failure."""
    if not may_make_namespaces():
        if os.environ.get("DETECTOR_REQUIRE_TOOLS"):
            pytest.fail("network namespaces need root")
        pytest.skip("network namespaces need root")


def run(*words: str | Path) -> str:
    """What a command prints; the test fails where the command does."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Side:
    """One of the two namespaces, and its end of the cable."""

    namespace: str
    interface: str

    def command(self, *words: str | Path) -> list[str]:
        """The words of a command that runs there."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]

    def run(self, *words: str | Path) -> str:
        """Runs a command there to its end; what it prints."""
        return run(*self.command(*words))

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Starts a command there; options as of Popen."""
        return subprocess.Popen(self.command(*words), text=True, **options)

    def link(self, *words: str) -> None:
        """`ip link` there: link("set", SENSOR, "down")."""
        run("ip", "-n", self.namespace, "link", *words)

    def wait_until_up(self, seconds: float = 5.0) -> None:
        """Until Linux has noticed that the other end is there."""
        until = time.monotonic() + seconds
        while "state UP" not in run("ip", "-n", self.namespace, "link", "show", self.interface):
            assert time.monotonic() < until, f"{self.interface} does not come up"
            time.sleep(0.01)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread in the namespace; sockets and processes that are made meanwhile belong there for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/var/run/netns/{self.namespace}", os.O_RDONLY)
            try:
                enter(there)
            finally:
                os.close(there)
            yield
        finally:
            enter(home)
            os.close(home)


def enter(descriptor: int) -> None:
    """Moves this thread to a network namespace."""
    if libc.setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Sent:
    """What tcpreplay says of itself."""

    packets: int
    per_second: float


@dataclass(frozen=True)
class Cable:
    """The two ends."""

    sender: Side
    sensor: Side

    def replay(self, capture: Path, *options: str) -> Sent:
        """Sends a capture as fast as it goes, or as tcpreplay's options say ("--multiplier", "10"); returns when it is sent."""
        chosen = options or ("--topspeed",)
        said = self.sender.run("tcpreplay", "--preload-pcap", "-i", self.sender.interface, *chosen, capture)
        return sent(said)

    def start_replay(self, capture: Path, *options: str) -> subprocess.Popen[str]:
        """As replay, without waiting; `sent` reads what the process printed."""
        return self.sender.start("tcpreplay", "--preload-pcap", "-i", self.sender.interface, *options, capture,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip

    def connect(self) -> None:
        """Lays the cable, anew where it was taken away."""
        run("ip", "-n", self.sender.namespace, "link", "add", self.sender.interface, "type", "veth",
            "peer", "name", self.sensor.interface, "netns", self.sensor.namespace)  # fmt: skip
        for side in (self.sender, self.sensor):
            quieten(side, side.interface)
        for side in (self.sender, self.sensor):
            side.wait_until_up()

    def disconnect(self) -> None:
        """Takes the cable away, with both of its ends."""
        self.sender.link("del", self.sender.interface)

    def send(self, *frames: bytes) -> None:
        """Sends frames, one after the other."""
        with self.sender.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
            opened.bind((self.sender.interface, 0))
            for frame in frames:
                opened.send(frame)

    def second(self) -> Cable:
        """Another cable between the same namespaces: its ends are called out1 and mirror1."""
        other = Cable(Side(self.sender.namespace, "out1"), Side(self.sensor.namespace, "mirror1"))
        other.connect()
        return other


def sent(said: str) -> Sent:
    """What tcpreplay printed."""
    packets, rate = re.search(r"Actual: (\d+) packets", said), re.search(r"([\d.]+) pps", said)
    assert packets and rate, said
    return Sent(int(packets[1]), float(rate[1]))


def quieten(side: Side, interface: str) -> None:
    """Up, with nothing to say of its own: no address resolution, no IPv6, no packets put together or taken apart."""
    side.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1")
    side.run("ethtool", "-K", interface, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
    side.link("set", interface, "arp", "off", "multicast", "off", "up")


@contextmanager
def network() -> Iterator[Cable]:
    """Two namespaces and the cable between them; removed afterwards, whatever happens."""
    require_root()
    for tool in TOOLS:
        require_tool(tool)
    name = f"detector{os.getpid()}-{next(numbers)}"
    cable = Cable(Side(f"{name}-a", SENDER), Side(f"{name}-b", SENSOR))
    try:
        for side in (cable.sender, cable.sensor):
            run("ip", "netns", "add", side.namespace)
            run("ip", "-n", side.namespace, "link", "set", "lo", "up")
        cable.connect()
        yield cable
    finally:
        for side in (cable.sender, cable.sensor):
            subprocess.run(["ip", "netns", "del", side.namespace], capture_output=True, check=False)
