"""The daemon's own listeners under attack: a good request is still answered, and nothing is left behind.

They run in a process of their own, as in the daemon, so that its threads, descriptors and memory can be counted.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.service.control import ControlClient
from tests.differential.tshark import require_tool
from tests.servers.certificates import Authority
from tests.servers.ports import wait_until

PROGRAM = """
import json, resource, sys
from detector.service.control import ControlServer
from detector.service.exporter import Board, registry_of
from detector.service.health import HealthServer, MetricsSettings
from detector.service.logs import Logs, LogSettings

if int(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
logs = Logs(LogSettings(level="debug"))
board = Board()
board.declare_rules([(f"rule-{number}", "A rule with a title", "high") for number in range(2000)])
server = HealthServer(MetricsSettings(listen=("127.0.0.1", 0), certificate=sys.argv[3], key=sys.argv[4]), registry_of(board), lambda: "", lambda: ())
server.start()
control = ControlServer(sys.argv[2], {"echo": lambda request: {"said": request.get("text")}})
control.start()
print(server.address[1], flush=True)
sys.stdin.read()
control.close()
server.close()
logs.close()
"""
ANSWER_SECONDS = 5.0  # a good request is answered within; on this machine it takes some milliseconds


@dataclass
class Listeners:
    """The process under attack."""

    program: subprocess.Popen[str]
    port: int
    control: Path
    log: Path
    trusting: ssl.SSLContext | None

    def answers(self, path: str = "/metrics") -> float:
        """Seconds that a good request takes."""
        began = time.monotonic()
        connection = (
            http.client.HTTPSConnection("localhost", self.port, timeout=ANSWER_SECONDS, context=self.trusting)
            if self.trusting
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        )
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200 and response.read()
        return time.monotonic() - began

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.program.pid}/fd"))

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.program.pid}/task"))

    @property
    def memory(self) -> int:
        return int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def listening(folder: Path, *, files: int = 0, authority: Authority | None = None) -> Iterator[Listeners]:
    certificate, key = authority.issue("server").paths if authority else ("", "")
    trusting = ssl.create_default_context(cafile=str(authority.certificate)) if authority else None
    log = folder / "log"
    with log.open("w") as errors:
        program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(files), str(folder / "control"), str(certificate), str(key)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)  # fmt: skip
        try:
            assert program.stdout is not None
            port = int(program.stdout.readline() or log.read_text())
            yield Listeners(program, port, folder / "control", log, trusting)
            program.communicate(timeout=20)
            assert program.returncode == 0
        finally:
            program.kill()
            program.communicate()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[Listeners]:
    """Listeners that are as they were, after whatever a test has done to them."""
    with listening(tmp_path) as found:
        found.answers()
        with ControlClient(found.control) as client:
            client.ask("echo")
        before = unchanging(lambda: (found.descriptors, found.threads))
        memory = found.memory
        yield found
        assert found.answers() < ANSWER_SECONDS
        assert unchanging(lambda: (found.descriptors, found.threads), before) == before
        assert found.memory < memory + 32 * 2**20
        assert found.log.stat().st_size < 64 * 2**10, "the log has no limit"


def unchanging(
    look: Callable[[], tuple[int, int]], wanted: tuple[int, int] | None = None, seconds: float = 12
) -> tuple[int, int]:
    """What is found once it no longer changes; where something is wanted, as soon as it is found."""
    until, last = time.monotonic() + seconds, look()
    while time.monotonic() < until:
        time.sleep(0.2)
        now = look()
        if now == (wanted or last):
            return now
        last = now
    return last


def whole_reply(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts += part
    return parts


def status_of(listeners: Listeners, request: bytes) -> bytes:
    """The status of the reply to some bytes, after which the client says no more."""
    with listeners.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        return whole_reply(connection)[9:12]


HEAD = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(("request_bytes", "status"), [
    (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", b"414"), (b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\n\r\n", b"414"),
    (HEAD + b"A: " + b"a" * 10**6 + b"\r\n\r\n", b"431"), (HEAD + b"A: b\r\n" * 10_000 + b"\r\n", b"431"), (HEAD + b"A:b\r\n" * 65 + b"\r\n", b"431"),
    (HEAD + b"A: " + b" " * 8000 + b"\x01\r\n\r\n", b"400"), (HEAD + b"A: b\x00\r\n\r\n", b"400"), (HEAD + b"no colon\r\n\r\n", b"400"),
    (HEAD + b": b\r\n\r\n", b"400"), (HEAD + b" folded: b\r\n\r\n", b"400"), (b"GET / HTTP/2.0\r\n\r\n", b"505"), (b"GET /\r\n\r\n", b"400"),
    (b"get / HTTP/1.1\r\n\r\n", b"400"), (b"\r\n\r\n", b"400"), (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
    (b"GET http://[::1/metrics HTTP/1.1\r\n\r\n", b"400"), (b"GET //// HTTP/1.1\r\n\r\n", b"404"), (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
    (b"GET http://localhost/metrics?name[]=%00%ff HTTP/1.1\r\n\r\n", b"200"), (b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"405"),
    (b"GET /metrics HTTP/1.1\r\nAuthorization: Basic " + b"A" * 4000 + b"\r\n\r\n", b"200"), (b"GET /metrics?" + b"name[]=a&" * 200 + b" HTTP/1.1\r\n\r\n", b"200"),
])  # fmt: skip
def test_oversized_and_malformed_requests_are_refused(shared: Listeners, request_bytes: bytes, status: bytes) -> None:
    began = time.monotonic()
    assert status_of(shared, request_bytes) == status
    assert time.monotonic() - began < ANSWER_SECONDS


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    """One process for all requests of the table."""
    with listening(tmp_path_factory.mktemp("shared")) as found:
        yield found
        found.answers()


def test_a_thousand_requests_of_random_bytes(listeners: Listeners) -> None:
    chosen = random.Random(20261125)
    for number in range(1000):
        data = chosen.randbytes(chosen.randrange(0, 600))
        if number % 3 == 0:  # past the first line
            data = HEAD + data.replace(b"\n", b"\r\n") + b"\r\n\r\n"
        assert status_of(listeners, data) in (b"", b"200", b"400", b"405", b"414", b"431", b"505")
    listeners.answers()


def test_slow_requests_keep_nobody_out(listeners: Listeners) -> None:
    """Twice as many as may be open send one byte a second; a probe comes through each time."""
    idle = listeners.descriptors
    slow = [listeners.connect() for _ in range(128)]
    try:
        for at in range(6):
            for connection in slow:
                with contextlib.suppress(OSError):  # it was closed, to make room
                    connection.send(HEAD[at : at + 1])
            assert listeners.answers("/healthz") < ANSWER_SECONDS
            assert listeners.descriptors <= idle + 64, "more connections than may be open"
            time.sleep(1)
        assert all(is_closed(connection) for connection in slow), "a slow request was waited for beyond its time"
    finally:
        for connection in slow:
            connection.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, perhaps with a last word, within a short time."""
    connection.settimeout(3)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def test_connections_that_say_nothing_and_floods_keep_nobody_out(listeners: Listeners) -> None:
    silent = [listeners.connect() for _ in range(100)]
    ending = threading.Event()

    def flood() -> None:
        while not ending.is_set():
            with contextlib.suppress(OSError), listeners.connect() as connection:
                connection.send(b"GET /metrics HTTP/1.1\r\n")

    flooding = [threading.Thread(target=flood) for _ in range(4)]
    for thread in flooding:
        thread.start()
    try:
        times = [listeners.answers() for _ in range(20)]
    finally:
        ending.set()
        for thread in flooding:
            thread.join()
        for connection in silent:
            connection.close()
    assert sorted(times)[10] < 2.0


def test_answers_that_nobody_reads_hold_nothing_up(listeners: Listeners) -> None:
    stuck = []
    try:
        for _ in range(30):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the answer does not fit into it
            stuck.append(connection)
            connection.connect(("127.0.0.1", listeners.port))
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert listeners.answers() < ANSWER_SECONDS
        time.sleep(0.5)
        assert listeners.descriptors > 30, "the answers went out, so that this test shows nothing"
        assert listeners.answers("/healthz") < ANSWER_SECONDS
    finally:
        for connection in stuck:
            connection.close()


def test_a_port_scan(listeners: Listeners) -> None:
    """nmap connects, sends half a handshake, flags that make no sense, and, for some seconds, probes for the service."""
    require_tool("nmap")
    scan = ["nmap", "-n", "-Pn", "-p", str(listeners.port), "--max-retries", "0", "127.0.0.1"]
    done = subprocess.run([*scan, "-sT"], check=True, capture_output=True, text=True)
    assert f"{listeners.port}/tcp open" in done.stdout
    for kind in ["-sS", "-sX"] if os.geteuid() == 0 else []:
        subprocess.run([*scan, kind], check=True, capture_output=True)
    subprocess.run([*scan, "-sT", "-sV", "--host-timeout", "8s"], check=True, capture_output=True)
    assert listeners.answers() < ANSWER_SECONDS


def test_no_descriptors_left(tmp_path: Path) -> None:
    """The process may open fewer files than there are connections; it says so and goes on."""
    with listening(tmp_path, files=40) as found:
        opened = [found.connect() for _ in range(100)]
        time.sleep(0.5)
        for connection in opened:
            connection.close()
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                found.answers()
                break
            assert time.monotonic() < until
        assert "could not be accepted: [Errno 24]" in found.log.read_text()


def test_handshakes_that_are_half_open_or_none(tmp_path: Path) -> None:
    with listening(tmp_path, authority=Authority(tmp_path)) as found:
        found.answers()
        before = unchanging(lambda: (found.descriptors, found.threads))
        chosen = random.Random(7)
        opened = [found.connect() for _ in range(100)]
        for number, connection in enumerate(opened):
            with contextlib.suppress(OSError):
                connection.send(
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" if number % 2 else chosen.randbytes(100)
                )
        for _ in range(5):
            assert found.answers() < ANSWER_SECONDS
        for connection in opened:
            assert is_closed_in_time(connection)
            connection.close()
        for _ in range(100):
            assert status_of(found, chosen.randbytes(200)) not in (b"200", b"500")
        assert unchanging(lambda: (found.descriptors, found.threads), before) == before


def is_closed_in_time(connection: socket.socket) -> bool:
    """Whether the server ends a connection within the time of a request."""
    connection.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return True


def is_answered(listeners: Listeners) -> bool:
    """Whether a good request is, now."""
    try:
        with ControlClient(listeners.control) as client:
            return client.ask("echo", text=1) == {"said": 1}
    except InputError:
        return False


def test_the_control_socket_bears_nonsense_and_silence(listeners: Listeners) -> None:
    chosen = random.Random(11)
    silent: list[socket.socket] = []
    try:
        for _ in range(6):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(str(listeners.control))
        for _ in range(200):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(listeners.control))
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(chosen.randbytes(chosen.randrange(1, 200)) + b"\n")
                with contextlib.suppress(ConnectionResetError):
                    reply = connection.recv(4096)
                    assert json.loads(reply.split(b"\n")[0])["ok"] is False
        assert wait_until(lambda: is_answered(listeners), 10)  # those before may take a moment to be let go
    finally:
        for connection in silent:
            connection.close()
