"""The loss budget adds up: under load and faults, every packet and every alert is in exactly one of its counters.

Live traffic that overruns its ring, a receiver of HTTP POST that refuses some alerts, fails, and loses answers, a spool that is so
small that it drops its oldest. The counters are compared with one another, and with what was sent and what has arrived.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import pytest

from tests.live.network import Cable, network
from tests.live.network import sent as said_of
from tests.runs import pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.writes import RULE, write_rule, writes

QUIET_SECONDS = 1.5  # longer than counts are published apart, and than the longest wait of a delivery
LIMITED = (
    RULE.replace("Every write", "The first writes of a station")
    .replace("8d1b7a54", "8d1b7a55")
    .replace("limit: none", "limit: {by: [ip.src], count: 3, every: 12h}")
)


class Receiver:
    """Takes alerts, as it is told: `well` takes them, `flaky` fails often or loses its answer, `away` takes none.

    Every tenth alert, by its id, is refused whenever it is looked at.
    """

    def __init__(self) -> None:
        self.mood = "well"
        self.taken: set[str] = set()
        self.refused: set[str] = set()
        self.answers = Counter[str]()
        self._requests = 0
        self._lock = Lock()

    def answer(self, alerts: list[str]) -> int:
        """The status of HTTP for a request, 0 for none."""
        with self._lock:
            self._requests += 1
            status = self._judge(alerts, self._requests)
            self.answers[str(status)] += 1
            return status

    def _judge(self, alerts: list[str], number: int) -> int:
        if self.mood == "away" or (self.mood == "flaky" and number % 11 == 0):
            return 503
        if any(is_refused(alert) for alert in alerts):
            self.refused |= set(alerts) if len(alerts) == 1 else set()
            return 422
        self.taken |= set(alerts)
        return 0 if self.mood == "flaky" and number % 7 == 0 else 201


def is_refused(event_id: str) -> bool:
    """Whether the receiver does not like an alert."""
    return int(event_id, 16) % 10 == 0


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    """A receiver and its address."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if status := receiver.answer(ids_of(body)):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver, f"http://127.0.0.1:{server.server_address[1]}/alerts"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Page:
    """The sums of one scrape; of a sink, where it has one."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.values: Counter[tuple[str, str]] = Counter()
        for name, labels, value in daemon.samples():
            self.values[name.removeprefix("detector_"), labels.get("sink", "")] += value  # type: ignore[assignment]
            if "cause" in labels:
                self.values[f"{name.removeprefix('detector_')} {labels['cause']}", labels.get("sink", "")] += value  # type: ignore[assignment]

    def __getitem__(self, name: str) -> float:
        return self.values[name, ""]

    def of(self, sink: str, name: str) -> float:
        """A number of a sink."""
        return self.values[name, sink]

    def assert_within(self) -> None:
        """What adds up at every moment: packets, and each sink's alerts."""
        assert self["packets_seen_total"] == self["packets_decoded_total"] + self["packets_dropped_total"]
        for sink in ("jsonl", "webhook"):
            assert self.of(sink, "sink_due_total") == (
                self.of(sink, "sink_delivered_total") + self.of(sink, "spool_waiting")
                + self.of(sink, "quarantine_alerts") + self.of(sink, "alerts_lost_total")
            ), sink  # fmt: skip

    def assert_whole(self) -> None:
        """What adds up between batches, all along the way from a packet to a sink."""
        self.assert_within()
        assert self["matches_total"] == self["alerts_total"] + self["suppressed_total"]
        # Two rules, both for every packet, save those that they did not see because the daemon had switched them off.
        assert self["matches_total"] + self["rule_shed_rows_total"] == 2 * self["packets_decoded_total"]
        assert self["alerts_total"] == self["spooled_total"]
        for sink in ("jsonl", "webhook"):
            assert self.of(sink, "sink_due_total") == self["spooled_total"], sink


def quiet(daemon: RunningDaemon, sent: int) -> Page:
    """The page once all that was sent is seen and nothing goes on any more; pages on the way are looked at as well."""

    def seen() -> bool:
        page = Page(daemon)
        page.assert_within()
        return page["packets_seen_total"] >= sent

    until(seen, 60, f"{sent} packets to be seen")
    while True:
        before = Page(daemon)
        time.sleep(QUIET_SECONDS)
        page = Page(daemon)
        page.assert_within()
        if all(before.of(sink, "spool_waiting") == page.of(sink, "spool_waiting") for sink in ("jsonl", "webhook")):
            assert page["packets_seen_total"] == sent
            page.assert_whole()
            return page


def under_load(daemon: RunningDaemon, sending: subprocess.Popen[str]) -> int:
    """Looks at pages while packets are sent; how many were."""
    looks = 0
    while sending.poll() is None:
        Page(daemon).assert_within()
        looks += 1
        time.sleep(0.2)
    assert looks > 5
    return said_of(sending.communicate()[0]).packets


@pytest.fixture
def cable() -> Iterator[Cable]:
    with network() as cable:
        yield cable


@pytest.mark.alone
def test_every_packet_and_every_alert_is_accounted_for(cable: Cable, tmp_path: Path) -> None:
    limited = tmp_path / "limited.yml"
    limited.write_text(LIMITED)
    capture = tmp_path / "traffic.pcap"
    capture.write_bytes(pcap_bytes(writes(40_000)))
    sensor = cable.sensor
    with sensor.entered(), receiving() as (receiver, url):
        daemon = RunningDaemon(tmp_path, {
            "rules": [str(write_rule(tmp_path)), str(limited)],
            "sources": [{"interface": {"name": sensor.interface, "ring": "1MB", "block": "64KB"}}],
            "alerts": [{"jsonl": {"path": str(tmp_path / "alerts.jsonl")}},
                       {"webhook": {"url": url, "batch": 20}}],
            "spool": {"size": "1MB", "segment": "64KB"},
            "delivery": {"first_wait": "50ms", "longest_wait": "500ms", "quarantine": "64KB"},
        })  # fmt: skip
        with daemon.start():
            receiver.mood = "flaky"
            sent = cable.replay(capture, "--pps", "1000", "--limit", "600").packets
            page = quiet(daemon, sent)
            assert page.of("webhook", "spool_waiting") == page["packets_dropped_total"] == 0
            assert page.of("webhook", "quarantine_alerts") > 0
            assert page.of("webhook", "sink_failures_total") > 0
            assert receiver.answers["503"] and receiver.answers["0"]

            receiver.mood = "away"
            sent += under_load(daemon, cable.start_replay(capture, "--pps", "4000", "--limit", "20000"))
            page = quiet(daemon, sent)
            assert page.of("webhook", "alerts_lost_total oldest") > 1000
            assert page.of("webhook", "spool_waiting") > 0

            daemon.process.send_signal(signal.SIGSTOP)
            sent += cable.replay(capture).packets
            daemon.process.send_signal(signal.SIGCONT)
            page = quiet(daemon, sent)
            assert page["packets_dropped_total ring"] > 0

            receiver.mood = "well"
            until(lambda: Page(daemon).of("webhook", "spool_waiting") == 0, 60, "the spool to be empty")
            sent += cable.replay(capture, "--pps", "1000", "--limit", "4000").packets
            page = quiet(daemon, sent)
            assert page.of("webhook", "spool_waiting") == 0
            assert page.of("webhook", "alerts_lost_total dropped") > 0, "the quarantine was not full"
            assert page["suppressed_total"] > 0

            # The same from outside.
            assert page.of("jsonl", "sink_delivered_total") == len(lines_of(tmp_path / "alerts.jsonl"))
            assert page.of("webhook", "sink_delivered_total") == len(receiver.taken)
            assert page.of("webhook", "sink_quarantined_total") == len(receiver.refused)
            assert daemon.stop() == 0
