"""What a configuration may say of a network interface that is listened on."""

from __future__ import annotations

from dataclasses import dataclass

from detector.settings import setting

MILLISECOND = 10**6
SMALLEST_BLOCK = 64 * 2**10  # holds the longest packet of a network without offloads many times


@dataclass(frozen=True)
class InterfaceSettings:
    """One interface that is listened on."""

    interface: str = setting("text", "name of the network interface", example="mirror0")
    capture: str = setting(
        "text", "ring: memory shared with the Linux kernel; scapy: Scapy's sockets, on any system", "ring",
        choices=("ring", "scapy"),
    )  # fmt: skip
    filter: str = setting("text", "packets to take, in tcpdump's language; empty: all", "", example="not port 22")
    snaplen: int = setting("number", "bytes taken of a packet at most", 262144, least=64, most=262144)
    promiscuous: bool = setting("flag", "take packets for other machines as well", True)
    direction: str = setting("text", "both, or in: only what the interface receives", "both", choices=("both", "in"))
    ring: int = setting(
        "size", "memory for packets that wait to be read", 64 * 2**20, least=2 * SMALLEST_BLOCK, most=2**31
    )
    block: int = setting("size", "the piece of the ring that is handed over at a time, a power of two", 2**20,
                         least=SMALLEST_BLOCK, most=2**24)  # fmt: skip
    block_timeout: int = setting("span", "how long a piece that is not full waits for more packets", 20 * MILLISECOND,
                                 least=MILLISECOND, most=1000 * MILLISECOND)  # fmt: skip
    wait: bool = setting("flag", "start also where there is no such interface yet", False)
