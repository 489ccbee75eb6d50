"""Free ports of this machine, and waiting until somebody listens."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has at the moment."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def listens(port: int) -> bool:
    """Whether a connection to the port is taken."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], seconds: float, step: float = 0.1) -> bool:
    """Whether something came to hold within some seconds."""
    stop = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > stop:
            return False
        time.sleep(step)
    return True
