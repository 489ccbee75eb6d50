"""Syslog: what a server receives over UDP, TCP and TLS, and what becomes of alerts when there is none."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from detector.alerts.alert import Alert
from detector.sinks.destination import Record, Unavailable
from detector.sinks.jsonl import line_of
from detector.sinks.syslog import SEVERITIES, Syslog, SyslogSettings
from tests.alerts.made import hostile, made
from tests.flows.frames import SYN, tcp
from tests.sinks.certificates import Certificates
from tests.sinks.rsyslog import rsyslog
from tests.sinks.spooled import defaults_within_bounds, numbered, until

# RFC 5424, 6: the grammar of a message, with the parts that we fill in.
MESSAGE = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z) (?P<host>[!-~]{1,255}) detector "
    rb'(?P<pid>\d{1,128}) alert \[detector@(?P<enterprise>\d+)(?P<data>( [a-z]+="([^"\\\]]|\\["\\\]])*")*)\] (?P<text>.*)',
    re.DOTALL,
)


class Server:
    """A real one on a free port. Keeps what it gets, connection by connection."""

    def __init__(self, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.connections: list[bytearray] = []
        self.open: list[socket.socket] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                received = bytearray()
                outer.connections.append(received)
                try:
                    connection = context.wrap_socket(self.request, server_side=True) if context else self.request
                except OSError:
                    return
                outer.open.append(connection)
                with connection:
                    while True:
                        try:
                            data = connection.recv(65536)
                        except OSError:
                            return
                        if not data:
                            return
                        received.extend(data)

        class Threaded(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Threaded((host, 0), Handler)
        self.address = ("localhost" if host == "127.0.0.1" else host, self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def messages(self) -> list[bytes]:
        return [message for received in self.connections for message in unframed(bytes(received))]

    def hang_up(self) -> None:
        for connection in self.open:
            connection.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextmanager
def server(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    made = Server(context, host)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def syslog(settings: SyslogSettings) -> Iterator[Syslog]:
    destination = Syslog(settings)
    try:
        yield destination
    finally:
        destination.close()


@contextmanager
def datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def unframed(data: bytes) -> list[bytes]:
    """RFC 6587, 3.4.1."""
    found = []
    while data:
        length, _, data = data.partition(b" ")
        assert length.isdigit() and not length.startswith(b"0")
        found.append(data[: int(length)])
        data = data[int(length) :]
    return found


def recorded(alert: Alert) -> Record:
    return Record(alert.document["event"]["id"], line_of(alert)[:-1])


def parts(message: bytes) -> dict[str, bytes]:
    found = MESSAGE.fullmatch(message)
    assert found, message
    return {name: value for name, value in found.groupdict().items() if value is not None}


def test_an_alert_over_tcp(tmp_path: Path) -> None:
    record = recorded(made(tmp_path, tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN)))
    document = json.loads(record.body)
    with server() as there, syslog(SyslogSettings(there.address, protocol="tcp", hostname="sensor 1")) as destination:
        assert destination.deliver([record, record], is_resent=False).delivered == 2
        until(lambda: len(there.messages()) == 2)
        found = parts(there.messages()[0])
        assert json.loads(found["text"]) == document
        assert int(found["priority"]) == 16 * 8 + SEVERITIES[document["detector"]["level"]]
        assert found["time"].decode()[:-1] == document["@timestamp"][:26] and found["host"] == b"sensor_1"
        said = f' id="{record.id}" rule="{document["rule"]["id"]}" title="'.encode()
        assert found["data"].startswith(said) and found["enterprise"] == b"32473"
        assert len(there.connections) == 1, "one connection is kept"


def test_what_the_network_sent_breaks_no_message(tmp_path: Path) -> None:
    alert = hostile(tmp_path)
    document = dict(alert.document) | {"rule": {"id": 'a"]\\b', "name": "line\nbreak \u202e Ł"}}
    record = Record("1", json.dumps(document, ensure_ascii=False).encode())
    with server() as there:
        for content in ("json", "sentence"):
            with syslog(SyslogSettings(there.address, protocol="tcp", content=content)) as destination:
                destination.deliver([record], is_resent=False)
        until(lambda: len(there.messages()) == 2)
        whole, sentence = map(parts, there.messages())
        assert json.loads(whole["text"]) == document
        assert 'rule="a\\"\\]\\\\b" title="line break   Ł"' in whole["data"].decode()
        assert sentence["text"].decode() == " ".join(document["message"].split())
        assert b"\n" not in sentence["text"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"rule":5,"detector":[],"@timestamp":7}', b"\xff"])
def test_any_document_can_be_sent(body: bytes) -> None:
    with server() as there, syslog(SyslogSettings(there.address, protocol="tcp")) as destination:
        destination.deliver([Record("1", body)], is_resent=False)
        until(lambda: there.messages())
        assert parts(there.messages()[0])["text"] == body


def test_facility_and_severity() -> None:
    with server() as there:
        with syslog(SyslogSettings(there.address, protocol="tcp", facility="local5", enterprise=1)) as destination:
            levels = [Record("1", b'{"detector":{"level":"%b"}}' % level.encode()) for level in [*SEVERITIES, "none"]]
            destination.deliver(levels, is_resent=False)
            until(lambda: len(there.messages()) == 6)
        assert [int(parts(message)["priority"]) - 21 * 8 for message in there.messages()] == [6, 5, 4, 3, 2, 5]


def test_over_udp_each_alert_is_a_datagram(tmp_path: Path) -> None:
    record = recorded(made(tmp_path, tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN)))
    with datagrams() as receiver:
        port = receiver.getsockname()[1]
        with syslog(SyslogSettings(("127.0.0.1", port), protocol="udp", largest=65507)) as destination:
            destination.deliver([record, *numbered(2)], is_resent=False)
            texts = [parts(receiver.recv(65536))["text"] for _ in range(3)]
            assert texts == [one.body for one in [record, *numbered(2)]]


def test_a_long_alert_over_udp_is_shortened_to_what_can_be_read() -> None:
    """Half a document is no JSON; a cut inside a character is no UTF-8."""
    long = Record("1", json.dumps({"message": "Łódź " * 300, "detector": {"level": "high"}}).encode())
    middling = Record("2", json.dumps({"message": "short", "filling": "x" * 3000}).encode())
    with (
        datagrams() as receiver,
        syslog(SyslogSettings(receiver.getsockname(), protocol="udp", largest=600)) as destination,
    ):
        destination.deliver([long, middling], is_resent=False)
        first, second = receiver.recv(65536), receiver.recv(65536)
    assert 598 <= len(first) <= 600 and parts(first)["text"].decode().startswith("Łódź Łódź")
    assert b'shortened="true"' in parts(first)["data"] and parts(second)["text"] == b"short"


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = taken.getsockname()
        with syslog(SyslogSettings(address, protocol="tcp")) as destination:
            with pytest.raises(Unavailable, match="Connection refused") as failure:
                destination.deliver(numbered(1), is_resent=False)
            assert failure.value.cause == "unreachable"
    with datagrams() as receiver:
        address = receiver.getsockname()
    with syslog(SyslogSettings(address, protocol="udp")) as destination:
        destination.deliver(numbered(1), is_resent=False)  # nobody can know yet
        with pytest.raises(Unavailable, match="Connection refused"):
            destination.deliver(numbered(1), is_resent=False)
    with syslog(SyslogSettings(("no-such-host.invalid", 514), protocol="udp")) as destination:
        with pytest.raises(Unavailable) as failure:
            destination.deliver(numbered(1), is_resent=False)
        assert failure.value.cause == "unreachable"


def test_a_server_that_went_away_is_noticed_before_sending() -> None:
    """TCP takes what is sent to a peer that has gone, and says nothing."""
    with server() as there, syslog(SyslogSettings(there.address, protocol="tcp")) as destination:
        for number in range(3):
            destination.deliver(numbered(1, number), is_resent=False)
            until(lambda: len(there.messages()) == number + 1)  # noqa: B023
            there.hang_up()
        assert len(there.connections) == 3


def test_a_server_that_reads_nothing_gets_no_receipt() -> None:
    """What fits into buffers of kernels is not delivered: here it fills them."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with syslog(SyslogSettings(listening.getsockname(), protocol="tcp", timeout=300_000_000)) as destination:
            with pytest.raises(Unavailable) as failure:
                destination.deliver(numbered(200, size=1000), is_resent=False)
            assert failure.value.cause == "timeout"


def tls(address: tuple[str, int], ca: str, **settings: str) -> SyslogSettings:
    return SyslogSettings(address, ca=ca, timeout=3 * 10**9, **settings)  # type: ignore[arg-type]


def test_over_tls_with_a_client_certificate(certificates: Certificates) -> None:
    with server(certificates.server_context(asks=True)) as there:
        settings = tls(there.address, certificates.ca, certificate=certificates.client, key=certificates.client_key)
        with syslog(settings) as destination:
            destination.deliver(numbered(2), is_resent=False)
            destination.deliver(numbered(300, 2, size=1000), is_resent=False)
            until(lambda: len(there.messages()) == 302)
            assert [parts(message)["text"] for message in there.messages()] == [
                one.body for one in [*numbered(2), *numbered(300, 2, size=1000)]
            ]
            assert len(there.connections) == 1
            destination.reopen()
            destination.deliver(numbered(1, 400), is_resent=False)
            until(lambda: len(there.connections) == 2 and len(there.messages()) == 303)


@pytest.mark.parametrize(
    ("host", "authority", "said"),
    [("127.0.0.1", "other_ca", "certificate"), ("127.0.0.2", "ca", "IP address mismatch")],
    ids=["another authority", "another name"],
)
def test_a_server_that_cannot_prove_itself_gets_nothing(
    host: str, authority: str, said: str, certificates: Certificates
) -> None:
    with server(certificates.server_context(), host) as there:
        with syslog(tls(there.address, getattr(certificates, authority))) as destination:
            with pytest.raises(Unavailable, match=said) as failure:
                destination.deliver(numbered(1), is_resent=False)
            assert failure.value.cause == "tls"
        assert there.messages() == []


def test_broken_certificates_at_a_reopening_change_nothing(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(Path(certificates.ca).read_text())
    with server(certificates.server_context()) as there, syslog(tls(there.address, str(ca))) as destination:
        ca.write_text("broken")
        destination.reopen()
        destination.deliver(numbered(1), is_resent=False)
        until(lambda: len(there.messages()) == 1)
        assert "goes on with the certificates of before" in caplog.text


@pytest.mark.differential
@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_rsyslog_understands_what_was_sent(protocol: str, certificates: Certificates, tmp_path: Path) -> None:
    alert = hostile(tmp_path)
    document = dict(alert.document) | {"rule": {"id": 'a"]\\b', "name": "Łódź"}}
    record = Record("an-id", line_of(replace(alert, document=document))[:-1])
    told = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    with rsyslog(tmp_path, protocol, certificates) as there:
        settings = SyslogSettings(there.address, protocol=protocol, hostname="sensor-1", largest=65507, **told)  # type: ignore[arg-type]
        with syslog(settings) as destination:
            destination.deliver([record, *numbered(20)], is_resent=False)
            until(lambda: len(there.messages()) == 21)
        found = there.messages()
    assert [one["msg"] for one in found[1:]] == [one.body.decode() for one in numbered(20)]
    first = found[0]
    assert json.loads(first["msg"]) == document
    assert (first["hostname"], first["app-name"], first["msgid"]) == ("sensor-1", "detector", "alert")
    assert int(first["pri"]) == 16 * 8 + SEVERITIES[document["detector"]["level"]]
    level = document["detector"]["level"]
    assert first["structured-data"] == f'[detector@32473 id="an-id" rule="a\\"\\]\\\\b" title="Łódź" level="{level}"]'
    assert first["timereported"][:19] == document["@timestamp"][:19]


def test_settings_have_defaults_that_they_allow() -> None:
    assert defaults_within_bounds(SyslogSettings)
