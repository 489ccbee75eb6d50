"""Destination: a syslog server, RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425).

Syslog has no answers. Over TCP and TLS alerts count as delivered when the other system's kernel has acknowledged their
bytes (on Linux; elsewhere when ours has taken them); over UDP when they have been sent. A resend writes them once more:
`id` in the structured data tells a receiver which it has.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import select
import socket
import ssl
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detector.errors import InputError
from detector.settings import setting
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.tls import client_context, reason

log = logging.getLogger(__name__)

FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit",
              "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")  # fmt: skip
SEVERITIES = {"informational": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}  # RFC 5424, 6.2.1
NOTICE = 5
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*Z", re.ASCII)
UNPRINTABLE = re.compile(r"[^!-~]")


@dataclass(frozen=True)
class SyslogSettings:
    """What the configuration says of a syslog server."""

    server: tuple[str, int] = setting("address", "host and port", example="syslog.example.org:6514")
    name: str = setting("text", "name of this destination in metrics and in the spool", "syslog")
    protocol: str = setting("text", "how alerts travel", "tls", choices=("udp", "tcp", "tls"))
    content: str = setting(
        "text", "what the message is: the alert's sentence, or its whole document as JSON", "json",
        choices=("json", "sentence"),
    )  # fmt: skip
    facility: str = setting("text", "facility of every alert", "local0", choices=FACILITIES)
    hostname: str = setting("text", "HOSTNAME field; this machine's name where it is not given", "")
    enterprise: int = setting(
        "number", "number behind the @ of the structured data's name; yours, where you have one (IANA private enterprise "
        "numbers)", 32473, least=0,
    )  # fmt: skip
    largest: int = setting(
        "size", "largest datagram over UDP; an alert that is longer is sent as its sentence, cut where that is too long "
        "as well, and marked `shortened`", 2048, least=480, most=65507,
    )  # fmt: skip
    ca: str = setting("path", "certificates to trust, in PEM; those of the system where it is not given", "")
    certificate: str = setting("path", "our certificate, in PEM", "")
    key: str = setting("path", "the key of our certificate, in PEM", "")
    timeout: int = setting("span", "longest wait for the server", 10 * 10**9, least=10**8)
    batch: int = setting("number", "alerts that are sent at once", 100, least=1, most=10_000)


class Syslog:
    """Sends each alert as one message, over one connection that is kept.

    Raises:
        InputError: a certificate or key cannot be used.
    """

    def __init__(self, settings: SyslogSettings) -> None:
        self.name = settings.name
        self.batch = settings.batch
        self._settings = settings
        self._timeout = settings.timeout / 1e9
        self._hostname = field(settings.hostname or socket.gethostname(), 255)
        self._context = self._make_context()
        self._socket: socket.socket | None = None

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        """Sends them in their order.

        Raises:
            Unavailable: there is no connection, or it ended.
        """
        try:
            if self._socket is None or has_ended(self._socket):
                self._disconnect()
                self._socket = self._connect()
            if self._settings.protocol == "udp":
                for record in records:
                    self._socket.send(self._fitting(record))
            else:
                self._socket.sendall(b"".join(map(counted, map(self._message, records))))
                wait_for_acknowledgement(self._socket, self._timeout)
        except OSError as error:
            self._disconnect()
            raise Unavailable(cause_of(error), f"{self._where()}: {reason(error)}") from None
        return Receipt(len(records))

    def reopen(self) -> None:
        """Connects anew, with the certificates as they are now; with those of before where they cannot be used."""
        self._disconnect()
        try:
            self._context = self._make_context()
        except InputError as error:
            log.error("%s: goes on with the certificates of before: %s", self.name, error)

    def close(self) -> None:
        """Ends the connection."""
        self._disconnect()

    def _make_context(self) -> ssl.SSLContext | None:
        told = self._settings
        return client_context(told.ca, told.certificate, told.key) if told.protocol == "tls" else None

    def _where(self) -> str:
        return "{}:{}".format(*self._settings.server)

    def _connect(self) -> socket.socket:
        host, port = self._settings.server
        if self._settings.protocol == "udp":
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, socket.SOCK_DGRAM)
            try:
                made.settimeout(self._timeout)
                made.connect(address)
            except OSError:
                made.close()
                raise
            return made
        made = socket.create_connection((host, port), self._timeout)
        if self._context is None:
            return made
        try:
            return self._context.wrap_socket(made, server_hostname=host)
        except OSError:
            made.close()
            raise

    def _disconnect(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _message(self, record: Record, *, content: str = "", shortened: bool = False) -> bytes:
        """RFC 5424, 6: header, structured data, message."""
        document = parsed(record.body)
        rule, detector = part(document, "rule"), part(document, "detector")
        level = str(detector.get("level", ""))
        priority = FACILITIES.index(self._settings.facility) * 8 + SEVERITIES.get(level, NOTICE)
        said = {"id": record.id, "rule": rule.get("id", ""), "title": rule.get("name", ""), "level": level}
        if shortened:
            said["shortened"] = "true"
        data = "".join(f' {name}="{escaped(str(value))}"' for name, value in said.items() if value)
        head = (
            f"<{priority}>1 {timestamp(document)} {self._hostname} detector {os.getpid()} alert "
            f"[detector@{self._settings.enterprise}{data}] "
        )
        if (content or self._settings.content) == "json":
            return head.encode() + record.body
        return head.encode() + " ".join(str(document.get("message", "")).split()).encode()

    def _fitting(self, record: Record) -> bytes:
        """A message that fits into a datagram."""
        message = self._message(record)
        if len(message) > self._settings.largest:
            message = self._message(record, content="sentence", shortened=True)
        return message[: self._settings.largest].decode(errors="ignore").encode()


def counted(message: bytes) -> bytes:
    """RFC 6587, 3.4.1: length, blank, message."""
    return b"%d %b" % (len(message), message)


def parsed(body: bytes) -> dict[str, Any]:
    """A document; empty where it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def part(document: dict[str, Any], name: str) -> dict[str, Any]:
    """An object in a document."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def timestamp(document: dict[str, Any]) -> str:
    """RFC 5424, 6.2.3: six digits of a second at most."""
    found = MOMENT.fullmatch(str(document.get("@timestamp", "")))
    return f"{found[1]}Z" if found else "-"


def field(text: str, most: int) -> str:
    """A field of the header: printable ASCII without blanks, "-" for none."""
    return UNPRINTABLE.sub("_", text)[:most] or "-"


def escaped(value: str) -> str:
    """RFC 5424, 6.3.3: the value of a parameter. Control characters become blanks."""
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return re.sub(r'(["\\\]])', r"\\\1", text)


def has_ended(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection: what is sent then is lost without an error."""
    if connection.type == socket.SOCK_DGRAM:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if not poll.poll(0):
        return False
    timeout = connection.gettimeout()
    connection.settimeout(0)
    try:
        return connection.recv(1024) == b""
    except (BlockingIOError, ssl.SSLWantReadError):  # something of TLS itself
        return False
    finally:
        connection.settimeout(timeout)


def wait_for_acknowledgement(connection: socket.socket, seconds: float) -> None:
    """Waits until the other system has all that was sent.

    Raises:
        OSError: it took too long, or the connection ended.
    """
    if not sys.platform.startswith("linux"):
        return
    deadline = time.monotonic() + seconds
    pause = 0.0001
    while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
        if time.monotonic() > deadline:
            raise TimeoutError(None, "sent, but not acknowledged")
        time.sleep(pause)
        pause = min(0.05, pause * 2)
    if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):  # what was on its way is forgotten then
        raise OSError(error, os.strerror(error))


def cause_of(error: OSError) -> str:
    """The cause of a failure, as metrics name it."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "timeout" if isinstance(error, TimeoutError) else "unreachable"
