"""Tells systemd how the daemon is: sd_notify(3) over $NOTIFY_SOCKET. Without the variable nothing is said."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

LONGEST_STATUS = 500


class Notifier:
    """Messages to the service manager. None of them ever fails: what cannot be sent is logged."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = watchdog_of(environment) if self._address else 0.0

    def ready(self, status: str = "") -> None:
        """Started, or reloading is over."""
        self._send("READY=1", *status_lines(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The daemon drains and ends."""
        self._send("STOPPING=1", *status_lines(status))

    def status(self, status: str) -> None:
        """A line for `systemctl status`."""
        self._send(*status_lines(status))

    def watchdog(self) -> None:
        """The loop turns. To be said more often than every `watchdog_seconds`, where that is above 0."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), address)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the variable
            log.warning("systemd cannot be told: %s", error, extra={"notify_socket": self._address})


def status_lines(status: str) -> tuple[str, ...]:
    """STATUS=..., one line, where there is something to say."""
    return (f"STATUS={' '.join(status.split())[:LONGEST_STATUS]}",) if status else ()


def watchdog_of(environment: Mapping[str, str]) -> float:
    """Half of the time after which systemd takes the daemon for hung; 0: it does not watch, or watches another process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    value = environment.get("WATCHDOG_USEC", "")
    return int(value) / 2e6 if value.isascii() and value.isdigit() else 0.0
