"""What Linux knows of its network interfaces. Asking needs no privileges."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

from detector.errors import InputError, nearest

if sys.platform != "win32":
    import fcntl  # elsewhere nothing here is called, but the module is imported

GET_FLAGS, GET_HARDWARE = 0x8913, 0x8927  # SIOCGIFFLAGS, SIOCGIFHWADDR
REQUEST = struct.Struct("16sH22x")  # struct ifreq: the name, then flags or the address's family
IS_UP, IS_LOOPBACK, IS_RUNNING = 0x1, 0x8, 0x40
COUNTERS = Path("/proc/self/net/dev")
LONGEST_NAME = 15


def ask(request: int, name: str) -> int:
    """The number that the kernel answers about an interface. OSError where there is none of that name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, request, REQUEST.pack(name.encode(), 0))
    return int(REQUEST.unpack(answer)[1])


def exists(name: str) -> bool:
    """Whether there is an interface of that name now."""
    try:
        ask(GET_FLAGS, name)
    except OSError:
        return False
    return True


def state_of(name: str) -> str:
    """up, down (switched off), no carrier (the cable or the other side is away) or gone."""
    try:
        flags = ask(GET_FLAGS, name)
    except OSError:
        return "gone"
    if not flags & IS_UP:
        return "down"
    return "up" if flags & IS_RUNNING else "no carrier"


def is_loopback(name: str) -> bool:
    """Whether what is sent there comes back at once."""
    return bool(ask(GET_FLAGS, name) & IS_LOOPBACK)


def hardware_of(name: str) -> int:
    """ARPHRD_ number of an interface's kind."""
    return ask(GET_HARDWARE, name)


def check_name(name: str) -> None:
    """InputError where no interface has that name now, with the nearest one that there is."""
    if len(name.encode()) > LONGEST_NAME or not exists(name):
        known = [found for _, found in socket.if_nameindex()]
        guess = nearest(name, known)
        hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(known)}"
        raise InputError(f"there is no network interface {name!r}", hint=hint)


def lost_before_capture(name: str) -> int:
    """Packets that the interface says it had no room for, since it was made (rx_dropped and rx_missed_errors); 0 if gone.

    /proc is asked and not /sys, because /sys shows the network namespace in which it was mounted.
    """
    for line in COUNTERS.read_text().splitlines():  # per interface
        found, _, numbers = line.partition(":")
        if found.strip() == name and numbers:
            return int(numbers.split()[3])
    return 0
