"""The daemon's page for Prometheus and for probes: /metrics, /healthz, /readyz, over HTTP or HTTPS.

One thread, one event loop. What an attacker can choose is bounded: how many connections are open (the oldest gives way to
a new one, so that slow ones cannot keep others out), the size of a request, its time, the passwords that may be tried in a
second. A connection carries one request.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, make_wsgi_app

from detector import __version__
from detector.errors import InputError
from detector.service.passwords import Users, password_of
from detector.service.status import Check
from detector.settings import Secret, setting

log = logging.getLogger(__name__)

CONNECTIONS = 64  # open at once
LONGEST_LINE, LONGEST_HEAD, MOST_HEADERS = 2048, 8192, 64
HEAD_SECONDS, WHOLE_SECONDS = 5.0, 15.0  # until the request has come, until the answer has gone
LINGER_SECONDS, LINGER_BYTES = 1.0, 2**22  # reading what a client still sends, so that it gets its answer
GUESSES = 5  # wrong passwords in a second
BACKLOG = 128
PART, SEND_BUFFER = 2**16, 2**18  # bytes handed on at a time; that the kernel keeps of an answer which nobody reads
START_SECONDS = 30.0
PAUSE_SECONDS = 0.2  # after a connection that could not be accepted
REQUEST = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,2000}) HTTP/1\.([01])\r\n")
OTHER_VERSION = re.compile(rb"[A-Z]{1,16} [!-~]{1,2000} HTTP/[0-9.]{1,8}\r\n")
HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
Form = tuple[str, str]  # Accept and Accept-Encoding, as far as they matter
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
REUSE = 15.0  # times as long as it took to make an answer
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
           414: "URI Too Long", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
           503: "Service Unavailable", 505: "HTTP Version Not Supported"}  # fmt: skip
PAGE = f"""detector {__version__}

/metrics   counts for Prometheus
/healthz   200 while packets are being judged, 503 where the loop stands still
/readyz    200 while every source is open, rules are loaded and the spool can be written
"""


@dataclass(frozen=True)
class MetricsSettings:
    """The page for Prometheus and for probes."""

    listen: tuple[str, int] = setting("address", "where /metrics, /healthz and /readyz are served; 0.0.0.0:9108 opens them to others",
                                      ("127.0.0.1", 9108))  # fmt: skip
    certificate: str = setting(
        "path", "PEM file, the chain as well: HTTPS in place of HTTP", "", example="/etc/detector/metrics.crt"
    )
    key: str = setting(
        "path", "PEM file of the certificate's key, without a passphrase", "", example="/etc/detector/metrics.key"
    )
    client_ca: str = setting("path", "PEM file: only clients with a certificate of this authority are served", "",
                             example="/etc/detector/clients.crt")  # fmt: skip
    users: dict[str, Secret] = setting("secrets", "names and passwords, or scrypt hashes of them, of basic authentication", {},
                                       example="{prometheus: {file: /etc/detector/prometheus.password}}")  # fmt: skip

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of settings together."""
        if bool(self.certificate) != bool(self.key):
            yield (
                ("certificate" if self.certificate else "key"),
                "a certificate and its key go together",
                "give certificate: and key:",
            )
        if self.client_ca and not self.certificate:
            yield "client_ca", "client_ca asks for a certificate of the server too", "give certificate: and key:"
        for name, secret in self.users.items():
            if ":" in name or not name.isprintable():
                yield (
                    "users",
                    f"a user cannot be called {name!r}",
                    "basic authentication ends a name at the first colon",
                )
            try:
                password_of(secret)
            except InputError as error:
                yield "users", f"the password of user {name} {error.problem}", error.hint


class Heartbeat:
    """Whether a loop still turns: it beats in each turn."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """The loop turns."""
        self._last = self._clock()

    def why(self) -> str:
        """Empty while the last beat is young enough, else a sentence."""
        age = self._clock() - self._last
        return "" if age <= self._seconds else f"the loop has stood still for {age:.0f} seconds"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Request:
    """What of a request matters. headers: by small name, the first of each."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


class HealthServer:
    """Listens from the moment it is made, which may need privileges; answers from `start` to `close`.

    health: why the loop is not well, empty where it is. checks: the conditions of being ready. Both are called for each
    probe, from the server's thread, and so must be quick.
    """

    def __init__(
        self, settings: MetricsSettings, registry: CollectorRegistry, health: Callable[[], str], checks: Callable[[], Sequence[Check]],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._context = tls_context(settings)
        self._users = Users(settings.users)
        self._metrics = make_wsgi_app(registry)
        self._health = health
        self._checks = checks
        self._guesses: deque[float] = deque(maxlen=GUESSES)
        self._made: dict[Form, tuple[Answer, float]] = {}  # the last answers, and until when they are given again
        self._open: dict[asyncio.Task[None], None] = {}  # oldest first
        self._listener = listening_socket(settings.listen)
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._is_running = threading.Event()
        if self._users and not self._context and not is_loopback(settings.listen[0]):
            log.warning("metrics: passwords cross the network in the clear: give metrics.certificate and metrics.key")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port that was chosen where the settings say 0."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        if not self._is_running.wait(START_SECONDS):
            raise RuntimeError("the thread of the metrics page did not start: the log says why")
        host, port = self.address
        log.info("metrics are served", extra={"address": f"{host}:{port}", "tls": self._context is not None})

    def reopen(self) -> str:
        """Reads certificates anew. What is wrong with them, in which case those from before stay; empty: nothing."""
        try:
            self._context = tls_context(self._settings)
        except InputError as error:
            log.error("metrics: the certificate could not be read anew, the one from before stays: %s", error)
            return str(error)
        return ""

    def close(self) -> None:
        """Ends every connection."""
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(log_loop_failure)
        self._ending = asyncio.Event()
        accepting = self._loop.create_task(self._accept())
        self._is_running.set()
        await self._ending.wait()
        tasks = [accepting, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # no descriptors, no memory: it may pass
                log.warning("metrics: a connection could not be accepted: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            while len(self._open) >= CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.cancel()
            task = loop.create_task(self._answer(connection))
            self._open[task] = None
            task.add_done_callback(lambda done: self._open.pop(done, None))
            await asyncio.sleep(0)  # connections that wait in a row must not keep the open ones from their turn

    async def _answer(self, connection: socket.socket) -> None:
        """One connection from its first byte to its end, whatever comes."""
        writer: asyncio.StreamWriter | None = None
        context = self._context
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                request: Request | int = 408
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEAD_SECONDS):
                        reader, writer = await open_streams(connection, context)
                        request = await read_request(reader)
                if writer is None:
                    return
                answer = (
                    plain_answer(request) if isinstance(request, int) else self.respond(request, peer_of(connection))
                )
                await send(writer, answer, is_head=isinstance(request, Request) and request.method == "HEAD")
                if context is None:
                    await linger(reader, writer)
                else:
                    writer.close()
                    await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:  # OSError: of TLS as well
            log.debug("metrics: a connection ended early: %s", error or type(error).__name__)
        except Exception:
            log.exception("metrics: a connection failed")
        finally:
            if writer is not None:
                writer.transport.abort()
            connection.close()

    def respond(self, request: Request, client: str = "") -> Answer:
        """The answer to a request; of a failure the client learns no more than that."""
        if request.method not in ("GET", "HEAD"):
            return Answer(405, b"only GET and HEAD\n", headers=[("Allow", "GET, HEAD")])
        if (refusal := self._refusal(request, client)) is not None:
            return refusal
        pages = {"/": self._front, "/metrics": self._scrape, "/healthz": self._alive, "/readyz": self._ready}
        if request.path not in pages:
            return plain_answer(404)
        try:
            return pages[request.path](request)
        except Exception:
            log.exception("metrics: %s failed", request.path)
            return plain_answer(500)

    def _refusal(self, request: Request, client: str) -> Answer | None:
        """Why a request is not answered, None where it may be."""
        if not self._users:
            return None
        given = credentials(request.headers.get("authorization", ""))
        if given is not None and self._users.is_known(*given):
            return None
        now = time.monotonic()
        if given is not None and len(self._guesses) == GUESSES and now - self._guesses[0] < 1.0:
            return Answer(429, b"too many wrong passwords\n", headers=[("Retry-After", "1")])
        if given is not None and self._users.admits(*given):
            return None
        if given is not None:
            self._guesses.append(now)
            log.warning("metrics: a wrong name or password", extra={"client": client})
        return Answer(401, b"a name and a password are needed\n",
                      headers=[("WWW-Authenticate", 'Basic realm="detector", charset="UTF-8"')])  # fmt: skip

    def _front(self, request: Request) -> Answer:
        return Answer(200, PAGE.encode())

    def _scrape(self, request: Request) -> Answer:
        """The counts, in one of four forms. An answer is given again for fifteen times as long as making it took: however
        often and by however many they are asked for, at most a quarter of one core's time goes into all four."""
        form = form_of(request.headers)
        began = time.monotonic()
        if form not in self._made or self._made[form][1] < began:
            answer = self._exposition(form)
            now = time.monotonic()
            self._made[form] = answer, now + REUSE * (now - began)
        return self._made[form][0]

    def _exposition(self, form: Form) -> Answer:
        started: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/metrics",
            "HTTP_ACCEPT": form[0],
            "HTTP_ACCEPT_ENCODING": form[1],
        }
        body = b"".join(self._metrics(environ, lambda status, headers: started.extend((status, headers))))
        status, headers = started
        kind = next(value for name, value in headers if name == "Content-Type")
        return Answer(int(status.split()[0]), body, kind, [pair for pair in headers if pair[0] != "Content-Type"])

    def _alive(self, request: Request) -> Answer:
        why = self._health()
        return json_answer(503 if why else 200, {"status": "failed", "why": why} if why else {"status": "ok"})

    def _ready(self, request: Request) -> Answer:
        checks = list(self._checks())
        is_ready = all(check["ok"] for check in checks)
        return json_answer(200 if is_ready else 503, {"ready": is_ready, "checks": checks})


def peer_of(connection: socket.socket) -> str:
    """The client's address, empty where it has gone."""
    try:
        return str(connection.getpeername()[0])
    except OSError:
        return ""


def form_of(headers: Mapping[str, str]) -> Form:
    """What prometheus_client is told of the two headers: OpenMetrics or its own text, packed or not."""
    accepts = [part.split(";")[0].strip().lower() for part in headers.get("accept", "").split(",")]
    codings = [part.split(";")[0].strip().lower() for part in headers.get("accept-encoding", "").split(",")]
    return OPEN_METRICS if "application/openmetrics-text" in accepts else "", "gzip" if "gzip" in codings else ""


async def open_streams(
    connection: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Reader and writer of an accepted connection, after its TLS handshake."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    reader = asyncio.StreamReader(limit=LONGEST_HEAD)
    protocol = asyncio.StreamReaderProtocol(reader)
    timeouts = {"ssl_handshake_timeout": HEAD_SECONDS, "ssl_shutdown_timeout": LINGER_SECONDS} if context else {}
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context, **timeouts)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def read_request(reader: asyncio.StreamReader) -> Request | int:
    """The head of a request, or the status that it gets where it is none or too large. A body is not read."""
    line = await read_line(reader, LONGEST_LINE)
    if not line:
        return 414
    found = REQUEST.fullmatch(line)
    if found is None:
        return 505 if OTHER_VERSION.fullmatch(line) else 400
    headers: dict[str, str] = {}
    left = LONGEST_HEAD
    for _ in range(MOST_HEADERS + 1):
        line = await read_line(reader, left)
        if line == b"\r\n":
            break
        left -= len(line)
        name, colon, value = line[:-2].partition(b":")
        if not line:
            return 431
        if not colon or not HEADER_NAME.fullmatch(name) or CONTROL.search(value):
            return 400
        headers.setdefault(name.decode("ascii").lower(), value.strip().decode("latin-1"))
    else:
        return 431
    try:
        target = urlsplit(found[2].decode("ascii"))
    except ValueError:
        return 400
    return Request(found[1].decode("ascii"), target.path or "/", headers)


async def read_line(reader: asyncio.StreamReader, most: int) -> bytes:
    """A line with its end; empty where it is longer."""
    try:
        line = await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError:
        return b""
    return line if len(line) <= most else b""


async def send(writer: asyncio.StreamWriter, answer: Answer, *, is_head: bool) -> None:
    """Writes an answer."""
    lines = [f"HTTP/1.1 {answer.status} {REASONS[answer.status]}", f"Content-Type: {answer.kind}",
             f"Content-Length: {len(answer.body)}", *(f"{name}: {value}" for name, value in answer.headers),
             "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Connection: close", "", ""]  # fmt: skip
    writer.write("\r\n".join(lines).encode("latin-1"))
    for start in range(0, 0 if is_head else len(answer.body), PART):  # a whole one would be copied for each slow reader
        writer.write(answer.body[start : start + PART])
        await writer.drain()


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends our side and reads the other to its end, for a short while: bytes unread at a close would destroy the answer."""
    writer.write_eof()
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (part := await reader.read(8192)):
                left -= len(part)


def plain_answer(status: int) -> Answer:
    """A status and its name."""
    return Answer(status, f"{status} {REASONS[status]}\n".encode())


def json_answer(status: int, content: Mapping[str, Any]) -> Answer:
    """An object and a line's end."""
    return Answer(status, json.dumps(content).encode() + b"\n", JSON)


def credentials(header: str) -> tuple[str, str] | None:
    """Name and password of an Authorization header, None where it holds none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def listening_socket(address: tuple[str, int]) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address is not ours or is in use.
    """
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"metrics.listen: {host}:{port} cannot be used: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # of every connection
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InputError(f"metrics.listen: {host}:{port} cannot be used: {error.strerror or error}",
                         hint=f"who has it: ss -ltnp 'sport = :{port}'") from None  # fmt: skip
    listener.setblocking(False)
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(settings: MetricsSettings) -> ssl.SSLContext | None:
    """What HTTPS is spoken with, None where HTTP is.

    Raises:
        InputError: a file cannot be read or does not hold what it should.
    """
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    path = settings.certificate
    try:
        context.load_cert_chain(path, settings.key, password="")  # a key with a passphrase must not ask for it
        if settings.client_ca:
            path = settings.client_ca
            context.load_verify_locations(path)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        what = f"{path} with {settings.key}" if path == settings.certificate else path
        raise InputError(f"metrics: {what} cannot be used: {reason}", hint="openssl x509 -noout -text -in FILE shows a certificate") from None  # fmt: skip
    return context


def log_loop_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio could hand to nobody: a handshake that broke off, mostly."""
    log.debug("metrics: %s", context.get("message", ""), exc_info=context.get("exception"))
