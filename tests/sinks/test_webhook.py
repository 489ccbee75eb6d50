"""Webhook: what an HTTP server receives, and what its answers mean for the alerts."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.settings import Secret, settings_of
from detector.sinks.destination import Record, Unavailable
from detector.sinks.webhook import Webhook, WebhookSettings, seconds_after
from tests.sinks.certificates import Certificates
from tests.sinks.spooled import adds_up, defaults_within_bounds, delivery_of, ids, numbered, spool_at, until


class Receiver:
    """A real server on a free port. `answer` gives status, headers and text for the bodies that come."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[bytes], tuple[int, dict[str, str], bytes]] = lambda body: (200, {}, b"thanks")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 5

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers.items()), body))
                status, headers, text = outer.answer(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *arguments: object) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            def get_request(self) -> tuple[socket.socket, object]:
                connection, address = super().get_request()
                if context is None:
                    return connection, address
                try:
                    return context.wrap_socket(connection, server_side=True), address
                except OSError:
                    connection.close()
                    raise

            def handle_error(self, request: object, client_address: object) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"{'https' if context else 'http'}://localhost:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    made = Receiver(context)
    try:
        yield made
    finally:
        made.close()


def test_documents_are_posted(certificates: Certificates) -> None:
    secret = Secret("Bearer s3cret", "file /etc/token")
    with receiver() as there:
        webhook = Webhook(
            WebhookSettings(f"{there.url}/alerts?team=soc", headers={"X-Team": "a"}, secrets={"Authorization": secret})
        )
        records = numbered(3)
        assert webhook.deliver(records, is_resent=False).delivered == 3
        path, headers, body = there.requests[0]
        assert path == "/alerts?team=soc" and json.loads(body) == [json.loads(one.body) for one in records]
        assert headers["Content-Type"] == "application/json" and headers["X-Team"] == "a"
        assert headers["Authorization"] == "Bearer s3cret" and headers["Detector-Alert-Ids"] == ",".join(ids(records))
        webhook.deliver(records, is_resent=True)
        webhook.deliver(numbered(2), is_resent=False)
        keys = [request[1]["Idempotency-Key"] for request in there.requests]
        assert keys[0] == keys[1] != keys[2], "a resend can be told from further alerts"
        assert [request[1]["Detector-Resent"] for request in there.requests] == ["false", "true", "false"]
        webhook.close()


def test_or_one_a_line() -> None:
    with receiver() as there:
        Webhook(WebhookSettings(there.url, format="ndjson")).deliver(numbered(3), is_resent=False)
        path, headers, body = there.requests[0]
        assert path == "/" and headers["Content-Type"] == "application/x-ndjson"
        assert body == b"".join(one.body + b"\n" for one in numbered(3))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    with receiver() as there:
        there.answer = lambda body: (status, {}, b"")
        assert Webhook(WebhookSettings(there.url)).deliver(numbered(2), is_resent=False).delivered == 2


@pytest.mark.parametrize(
    ("status", "cause"),
    [(408, "busy"), (429, "busy"), (500, "busy"), (502, "busy"), (503, "busy"), (301, "refused"), (302, "refused"),
     (401, "refused"), (403, "refused"), (404, "refused"), (407, "refused")],
)  # fmt: skip
def test_what_is_not_the_document_s_fault_is_tried_again(status: int, cause: str) -> None:
    with receiver() as there:
        there.answer = lambda body: (status, {"Retry-After": "7", "Location": there.url}, b"come back")
        with pytest.raises(Unavailable, match=f"HTTP {status} .*come back") as failure:
            Webhook(WebhookSettings(there.url)).deliver(numbered(2), is_resent=False)
        assert (failure.value.cause, failure.value.after) == (cause, 7.0)
        assert len(there.requests) == 1, "no redirect is followed with our secrets"


def test_documents_at_fault_are_found_among_the_others() -> None:
    bad = {"id-3", "id-7"}

    def answer(body: bytes) -> tuple[int, dict[str, str], bytes]:
        found = [one["event"]["id"] for one in json.loads(body) if one["event"]["id"] in bad]
        return (400, {}, b"no\nsuch field") if found else (200, {}, b"")

    with receiver() as there:
        there.answer = answer
        receipt = Webhook(WebhookSettings(there.url)).deliver(numbered(10), is_resent=False)
        assert receipt.delivered == 8 and not receipt.again
        assert [(record.id, why) for record, why in receipt.refused] == [
            ("id-3", "HTTP 400 Bad Request no such field"), ("id-7", "HTTP 400 Bad Request no such field")
        ]  # fmt: skip


def test_a_request_that_is_too_large_is_halved() -> None:
    with receiver() as there:
        there.answer = lambda body: (413, {}, b"") if len(body) > 1000 else (200, {}, b"")
        receipt = Webhook(WebhookSettings(there.url)).deliver(numbered(20, size=100), is_resent=False)
        assert receipt.delivered == 20 and len(there.requests) > 4


def test_what_was_not_sent_of_the_halves_is_tried_again() -> None:
    answers = iter([(400, {}, b""), (200, {}, b""), (429, {}, b"slowly")])
    with receiver() as there:
        there.answer = lambda body: next(answers)
        receipt = Webhook(WebhookSettings(there.url)).deliver(numbered(4), is_resent=False)
        assert (receipt.delivered, ids(receipt.again), receipt.cause) == (2, ["id-2", "id-3"], "busy")
        assert "slowly" in receipt.why


def test_through_the_spool_every_alert_arrives_once_though_it_stumbles(tmp_path: Path) -> None:
    answers = iter([(503, {}, b""), (429, {"Retry-After": "0"}, b""), (200, {}, b""), (500, {}, b"")])
    with receiver() as there:
        there.answer = lambda body: next(answers, (200, {}, b""))
        webhook = Webhook(WebhookSettings(there.url, batch=10))
        with spool_at(tmp_path) as spool, delivery_of(spool, webhook) as delivery:
            spool.append(numbered(30))
            assert delivery.drain(10)
            counts = delivery.counts()["webhook"]
            assert counts.failures == {"busy": 3} and adds_up(counts)
        seen = [request[1]["Detector-Resent"] for request in there.requests]
        assert seen == ["false", "true", "true", "false", "true", "false"]


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match="Connection refused") as failure:
            Webhook(WebhookSettings(url)).deliver(numbered(1), is_resent=False)
        assert failure.value.cause == "unreachable"
        silent.listen()
        with pytest.raises(Unavailable, match="no answer") as failure:
            Webhook(WebhookSettings(url, timeout=200_000_000)).deliver(numbered(1), is_resent=False)
        assert failure.value.cause == "timeout"
    with pytest.raises(Unavailable) as failure:
        Webhook(WebhookSettings("http://no-such-host.invalid")).deliver(numbered(1), is_resent=False)
    assert failure.value.cause == "unreachable"


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2xx ok\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000]
)
def test_an_answer_that_is_none_is_not_a_receipt(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unavailable) as failure:
            Webhook(WebhookSettings(f"http://127.0.0.1:{listening.getsockname()[1]}")).deliver(
                numbered(1), is_resent=False
            )
        thread.join()
        assert failure.value.cause == "unreachable" and failure.value.why


def test_https_with_a_client_certificate(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(Path(certificates.ca).read_text())
    settings = {"certificate": certificates.client, "key": certificates.client_key}
    with receiver(certificates.server_context(asks=True)) as there:
        webhook = Webhook(WebhookSettings(there.url, ca=str(ca), **settings))  # type: ignore[arg-type]
        assert webhook.deliver(numbered(2), is_resent=False).delivered == 2
        ca.write_text("broken")
        webhook.reopen()
        assert webhook.deliver(numbered(2), is_resent=False).delivered == 2, "the certificates of before"
        assert "goes on with the certificates of before" in caplog.text
        stranger = Webhook(WebhookSettings(there.url, ca=certificates.other_ca))
        with pytest.raises(Unavailable) as failure:
            stranger.deliver(numbered(1), is_resent=False)
        assert failure.value.cause == "tls" and "certificate" in failure.value.why
        until(lambda: len(there.requests) == 2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://host"}, "is no address"),
        ({"url": "https://"}, "is no address"),
        ({"url": "https://host:x/"}, "is no address"),
        ({"url": "https://host/a b"}, "is no address"),
        ({"url": "https://[::1"}, "is no address"),
        ({"url": "https://user:secret@host/"}, "a password does not belong into an address"),
        ({"url": "http://host", "headers": {"A b": "c"}}, "cannot be the name of a header"),
        ({"url": "http://host", "headers": {"A": "b\r\nC: d"}}, "the header A has characters"),
        ({"url": "http://host", "secrets": {"A": Secret("s3cret\n")}}, "the header A has characters"),
        ({"url": "https://host", "ca": "/none.pem"}, "/none.pem: cannot be used as ca"),
    ],
)
def test_mistakes_in_the_configuration_are_one_line_without_secrets(settings: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as mistake:
        Webhook(WebhookSettings(**settings))  # type: ignore[arg-type]
    assert "s3cret" not in str(mistake.value) and "\n" not in str(mistake.value)


def test_retry_after() -> None:
    """RFC 9110, 10.2.3."""
    assert [seconds_after(text) for text in (None, "120", "-5", "soon", "")] == [None, 120.0, 0.0, None, None]
    later = seconds_after(formatdate(time.time() + 60, usegmt=True))
    assert later is not None and 57 < later <= 61
    assert seconds_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0


def test_settings_have_defaults_that_they_allow() -> None:
    assert defaults_within_bounds(WebhookSettings)


def test_the_largest_batch_has_headers_that_servers_take() -> None:
    """8 KB a line is what they take as they are shipped."""
    most = settings_of(WebhookSettings)["batch"].most
    assert most is not None
    with receiver() as there:
        records = [Record(f"{number:040d}", b"{}") for number in range(most)]
        assert Webhook(WebhookSettings(there.url)).deliver(records, is_resent=False).delivered == most
        assert max(len(name) + len(value) for name, value in there.requests[0][1].items()) < 8000
