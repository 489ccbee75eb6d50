"""The page for Prometheus and for probes, over real connections: answers, formats, TLS, passwords, certificates at reload."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from detector.errors import InputError
from detector.service.exporter import Board
from detector.service.health import HealthServer, Heartbeat, MetricsSettings
from detector.service.passwords import hash_password
from detector.service.status import Check
from detector.settings import Secret
from tests.servers.certificates import Authority
from tests.service.served import Reply, ask, served

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def test_metrics_come_in_the_format_that_was_asked_for() -> None:
    board = Board()
    board.add("detector_flows_created_total", 5)
    with served(board=board) as server:
        plain = ask(server, "/metrics")
        assert plain.status == 200 and plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        names = {family.name for family in text_string_to_metric_families(plain.body.decode())}
        assert "detector_flows_created" in names and b"detector_flows_created_total 5.0\n" in plain.body
        zipped = ask(server, "/metrics", Accept_Encoding="gzip")
        assert zipped.headers[
            "content-encoding"
        ] == "gzip" and b"detector_flows_created_total 5.0\n" in gzip.decompress(zipped.body)
        opened = ask(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert {family.name for family in open_metrics(opened.body.decode())} >= {
            "detector_flows_created",
            "detector_sink_seconds",
        }


def test_many_scrapes_share_one_answer() -> None:
    """Making the text of thousands of rules takes a tenth of a second, in which nothing else of Python runs."""
    board, asked = Board(), 0

    def refresh() -> None:
        nonlocal asked
        asked += 1
        time.sleep(0.05)

    with served(board=board, refresh=refresh) as server:
        began = time.monotonic()
        while time.monotonic() - began < 2:
            for accept in (
                "",
                "application/openmetrics-text; version=1.0.0",
                f"application/openmetrics-text; version={time.monotonic()}",
            ):
                assert ask(server, f"/metrics?{time.monotonic()}", Accept=accept).status == 200
        assert 2 <= asked <= 2 * (time.monotonic() - began) / 0.8 + 2
        board.add("detector_flows_created_total", 1)
        time.sleep(1.2)
        assert b"detector_flows_created_total 1.0" in ask(server, "/metrics").body


def test_an_accept_header_that_nobody_understands_gets_the_plain_format() -> None:
    with served() as server:
        for accept in (
            "application/openmetrics-text; version=x",
            "text/plain; version=;;=",
            "\xff" * 100,
            "application/openmetrics-text;version=1.x.y",
        ):
            reply = ask(server, "/metrics", Accept=accept)
            assert reply.status == 200 and b"detector_build_info" in reply.body, accept


def test_head_has_the_headers_only_and_other_methods_are_refused() -> None:
    with served() as server:
        head = ask(server, "/metrics", method="HEAD")
        assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 1000
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            reply = ask(server, "/metrics", method=method)
            assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD"
        assert ask(server, "/secret").status == 404
        assert b"/readyz" in ask(server, "/").body


def test_healthz_follows_the_heartbeat() -> None:
    now = [0.0]
    heart = Heartbeat(10, lambda: now[0])
    with served(health=heart.why) as server:
        assert (ask(server, "/healthz").status, ask(server, "/healthz").json) == (200, {"status": "ok"})
        now[0] = 11.0
        reply = ask(server, "/healthz")
        assert reply.status == 503 and reply.json == {
            "status": "failed",
            "why": "the loop has stood still for 11 seconds",
        }
        heart.beat()
        assert ask(server, "/healthz").status == 200


def test_readyz_names_what_is_missing() -> None:
    checks: list[Check] = [
        {"name": "rules", "ok": True, "why": ""},
        {"name": "source eth1", "ok": False, "why": "it is down"},
    ]
    with served(checks=lambda: checks) as server:
        reply = ask(server, "/readyz")
        assert reply.status == 503 and reply.json == {"ready": False, "checks": checks}
        checks.pop()
        assert ask(server, "/readyz").json == {"ready": True, "checks": checks}


def test_a_failure_inside_tells_the_client_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> str:
        raise RuntimeError("the secret of the house")

    with served(health=fail) as server, caplog.at_level(logging.ERROR):
        reply = ask(server, "/healthz")
        assert reply.status == 500 and reply.body == b"500 Internal Server Error\n"
        assert "the secret of the house" in caplog.text
        assert ask(server, "/readyz").status == 200


@pytest.mark.parametrize("kept", ["clear", "hash"])
def test_basic_authentication(kept: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(PASSWORD if kept == "clear" else hash_password(PASSWORD))
    with served(users={"prometheus": secret}) as server, caplog.at_level(logging.WARNING):
        refused = ask(server, "/metrics")
        assert (
            refused.status == 401
            and refused.headers["www-authenticate"].startswith("Basic ")
            and b"detector_" not in refused.body
        )
        assert ask(server, "/healthz").status == 401
        assert ask(server, "/metrics", user=f"prometheus:{PASSWORD}").status == 200
        for wrong in ("prometheus:wrong", f"nobody:{PASSWORD}", "prometheus:", ":"):
            assert ask(server, "/metrics", user=wrong).status == 401
        assert ask(server, "/metrics", Authorization="Basic ?").status == 401
        assert ask(server, "/metrics", Authorization="Bearer x").status == 401
    assert PASSWORD not in caplog.text and caplog.records[0].__dict__["client"] == "127.0.0.1"


def test_guessing_is_slowed_down_and_keeps_nobody_out_who_is_known() -> None:
    with served(users={"prometheus": Secret(hash_password(PASSWORD))}) as server:
        assert ask(server, "/", user=f"prometheus:{PASSWORD}").status == 200
        began = time.monotonic()
        statuses = [ask(server, "/", user=f"prometheus:{number}").status for number in range(60)]
        assert 401 in statuses and 429 in statuses
        assert statuses.count(401) <= 5 * (time.monotonic() - began + 1)
        assert ask(server, "/", user=f"prometheus:{PASSWORD}").status == 200


def test_https_and_client_certificates(authority: Authority) -> None:
    certificate, key = authority.issue("server").paths
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with served(certificate=str(certificate), key=str(key)) as server:
        reply = ask(server, "/metrics", tls=trusting)
        assert reply.status == 200 and b"detector_build_info" in reply.body
        with pytest.raises(ssl.SSLError):
            ask(server, "/metrics", tls=ssl.create_default_context())
        with pytest.raises(OSError):  # HTTP where HTTPS is spoken
            ask(server, "/metrics")
    own, own_key = authority.issue("prometheus").paths
    with served(certificate=str(certificate), key=str(key), client_ca=str(authority.certificate)) as server:
        with pytest.raises(OSError):
            ask(server, "/metrics", tls=trusting)
        trusting.load_cert_chain(own, own_key)
        assert ask(server, "/metrics", tls=trusting).status == 200


def serial(server: HealthServer, authority: Authority) -> object:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with (
        socket.create_connection(server.address) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.getpeercert()["serialNumber"]  # type: ignore[index]


def test_certificates_are_read_anew_and_a_broken_one_changes_nothing(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = tmp_path / "metrics.crt", tmp_path / "metrics.key"
    first, second = authority.issue("first").paths, authority.issue("second").paths
    certificate.write_bytes(first[0].read_bytes())
    key.write_bytes(first[1].read_bytes())
    with served(certificate=str(certificate), key=str(key)) as server:
        before = serial(server, authority)
        certificate.write_bytes(second[0].read_bytes())  # of another key: renewed by halves
        with caplog.at_level(logging.ERROR):
            assert "cannot be used" in server.reopen()
        assert "the one from before stays" in caplog.text and serial(server, authority) == before
        for broken in (b"", b"no certificate", None):
            certificate.unlink()
            if broken is not None:
                certificate.write_bytes(broken)
            else:
                certificate.symlink_to("gone")
            assert str(certificate) in server.reopen() and serial(server, authority) == before
        certificate.unlink()
        certificate.write_bytes(second[0].read_bytes())
        key.write_bytes(second[1].read_bytes())
        assert server.reopen() == "" and serial(server, authority) != before


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    def mistakes(**settings: object) -> list[str]:
        return [name for name, _, _ in MetricsSettings(**settings).mistakes()]  # type: ignore[arg-type]

    assert mistakes() == []
    assert mistakes(certificate="a") == ["certificate"]
    assert mistakes(key="a") == ["key"]
    assert mistakes(client_ca="a") == ["client_ca"]
    assert mistakes(users={"a:b": Secret("x")}) == ["users"]
    assert mistakes(users={"a": Secret("scrypt$nonsense")}) == ["users"]
    assert mistakes(users={"a": Secret(hash_password("x"))}) == []


def test_an_address_that_is_taken_is_said_so() -> None:
    taken = r"metrics.listen: 127.0.0.1:\d+ cannot be used: Address already in use"
    with served() as server, pytest.raises(InputError, match=taken), served(listen=server.address):
        pass
    with pytest.raises(InputError, match="cannot be used"), served(listen=("192.0.2.1", 0)):
        pass


def test_ipv6_and_passwords_in_the_clear(caplog: pytest.LogCaptureFixture) -> None:
    with served(listen=("::1", 0)) as server:
        assert server.address[0] == "::1" and ask(server, "/healthz").status == 200
    with caplog.at_level(logging.WARNING), served(listen=("0.0.0.0", 0), users={"a": Secret("x")}):
        assert "in the clear" in caplog.text


def test_a_client_that_still_sends_gets_its_answer() -> None:
    """Bytes that are unread at the end of a connection would take the answer with them."""
    with served() as server, socket.create_connection(server.address, timeout=5) as client:
        client.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50000)
        parts = b""
        while part := client.recv(65536):
            parts += part
    assert parts.startswith(b"HTTP/1.1 405 ")


def test_closing_frees_the_address() -> None:
    with served() as server:
        address = server.address
        assert isinstance(ask(server, "/"), Reply)
    with served(listen=address) as server:
        assert server.address == address
