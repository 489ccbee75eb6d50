"""`detector spool`: what waits and what was refused, beside a running daemon and without one; delivered again, or dropped."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.command import Done, inside, refused, without_privileges
from tests.live.network import require_root
from tests.runs import pcap_bytes
from tests.service.running import RunningDaemon, until
from tests.service.writes import write_rule, writes
from tests.sinks.spooled import Keeping, Receipt, delivery_of, numbered, spool_at
from tests.sinks.spooled import until as soon


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder of state: of 20 alerts `picky` has refused three, two of them for one reason; `away` has taken none."""
    away, picky = Keeping("away"), Keeping("picky")

    def refuse(records: list[object]) -> Receipt:  # type: ignore[misc]
        bad = [
            (one, "too long" if one.id == "id-3" else "no such field")
            for one in records
            if one.id in ("id-1", "id-2", "id-3")
        ]  # type: ignore[attr-defined]
        return Receipt(len(records) - len(bad), bad)

    picky.behave = refuse  # type: ignore[assignment]
    with spool_at(tmp_path / "spool") as spool:
        with delivery_of(spool, away, picky, is_started=False):
            pass  # both begin here
        spool.append(numbered(20))
        with delivery_of(spool, picky) as delivery:
            soon(lambda: delivery.counts()["picky"].waiting == 0)
    return tmp_path


def spool(state: Path, *words: str) -> Done:
    return inside("spool", *words, "--state", state)


def lines(done: Done) -> list[str]:
    assert done.err == ""
    return [" ".join(line.split()) for line in done.out.splitlines()]


def test_each_destination_is_listed(state: Path) -> None:
    done = spool(state, "list")
    head, heading, away, picky, *reasons = lines(done)
    assert done.code == 0 and head.startswith(f"{state}/spool: ") and head.endswith(" alerts 0 to 20")
    assert heading == "destination position waiting oldest delivered lost quarantined to be retried"
    assert away.startswith("away 0 20 ") and away.endswith(" s ago 0 0 0 0")
    assert picky == "picky 20 0 - 17 0 3 0"
    assert reasons == ["picky: 2 refused: no such field", "picky: 1 refused: too long"]


def test_json_is_the_same_for_scripts(state: Path) -> None:
    found = json.loads(spool(state, "list", "--json").out)
    assert (found["first"], found["end"]) == (0, 20)
    away, picky = found["destinations"]
    assert away | {"oldest": 0} == {"name": "away", "position": 0, "waiting": 20, "oldest": 0, "delivered": 0, "lost": 0, "quarantined": 0,
                                    "to_be_retried": 0, "reasons": {}, "problem": ""}  # fmt: skip
    assert picky["reasons"] == {"no such field": 2, "too long": 1}
    one, *_ = json.loads(spool(state, "list", "picky", "--json").out)["quarantine"]
    assert (one["id"], one["reason"], one["document"]["message"]) == ("id-1", "no such field", "alert 1")


def test_what_was_refused_is_retried_and_dropped_by_id(state: Path) -> None:
    head, _, *rows = lines(spool(state, "list", "picky"))
    assert head == "picky: 3 alerts in quarantine"
    assert [row.split()[0] for row in rows] == ["id-1", "id-2", "id-3"] and rows[2].endswith(" UTC kept too long")
    again = spool(state, "retry", "picky", "id-3", "id-99")
    assert again.code == 1 and again.out == (
        "picky: 1 alert to be delivered again, by the daemon that runs or the next one\nnot in its quarantine: id-99\n"
    )
    assert lines(spool(state, "list", "picky"))[4].endswith(" to be retried too long")
    dropped = spool(state, "drop", "picky")
    assert (dropped.code, dropped.out) == (0, "picky: 2 alerts dropped, counted as lost\n"), (
        "what is to be retried stays"
    )
    assert lines(spool(state, "list"))[3] == "picky 20 1 - 17 2 0 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("retry",), "`spool retry` needs a destination (hint: detector spool list names them)"),
        (("drop", "pciky"), "{state}/spool: no destination 'pciky' (hint: there are: away, picky)"),
        (("list", "picky", "id-1"), "`spool list` takes a destination and no ids"),
        (("drop", "picky", "--json"), "--json goes with `spool list`"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str, state: Path) -> None:
    assert refused(spool(state, *words)) == said.replace("{state}", str(state))


def test_where_there_is_no_spool(tmp_path: Path) -> None:
    for words in (("list",), ("drop", "x")):
        assert refused(spool(tmp_path, *words)).startswith(f"{tmp_path}/spool: no spool is there (hint: ")


def test_the_configuration_names_the_folder_and_its_secrets_are_not_read(state: Path) -> None:
    config = state / "detector.yml"
    config.write_text("alerts: [{webhook: {url: x, secrets: {A: {file: /nobody/reads/this}}}}]\nstate: .\n")
    assert len(json.loads(inside("spool", "list", "--json", "--config", config).out)["destinations"]) == 2
    config.write_text("state: [a]\n")
    assert inside("spool", "list", "--config", config).err.startswith(f"{config}:1:8: state must be one value\n")


def test_other_users_are_kept_out(state: Path) -> None:
    require_root()
    for path in (state / "spool").rglob("*"):
        path.chmod(0)
    (state / "spool").chmod(0)
    said = refused(without_privileges("spool", "list", "--state", state))
    assert said.endswith(": Permission denied") and str(state) in said


def test_what_root_changes_the_daemons_user_can_still_read() -> None:
    """A quarantine that root rewrites as root would be lost to a daemon that has become another user."""
    require_root()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        picky = Keeping("picky")
        picky.behave = lambda records: Receipt(0, [(one, "no") for one in records])
        with spool_at(home / "spool") as written, delivery_of(written, picky) as delivery:
            written.append(numbered(2))
            soon(lambda: delivery.counts()["picky"].quarantined == 2)
        for path in (home / "spool", *(home / "spool").rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
        assert spool(home, "retry", "picky").code == 0
        assert {path.owner() for path in (home / "spool").rglob("*")} == {"nobody"}
        assert os.geteuid() == 0


class Picky(BaseHTTPRequestHandler):
    """Refuses everything until `takes` is set."""

    takes = False

    def do_POST(self) -> None:
        """Answers a request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if Picky.takes else 422, "fine" if Picky.takes else "no such field")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """The URL of a webhook."""
    Picky.takes = False
    with HTTPServer(("127.0.0.1", 0), Picky) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_beside_a_running_daemon(receiver: str, tmp_path: Path) -> None:
    """Refused, mended at the other side, delivered again: without a restart. test-alert says what is the matter."""
    (tmp_path / "watched").mkdir()
    (tmp_path / "watched" / "a.pcap").write_bytes(pcap_bytes(writes(3)))
    daemon = RunningDaemon(tmp_path, {
        "rules": [str(write_rule(tmp_path))], "sources": [{"folder": {"path": str(tmp_path / "watched")}}],
        "alerts": [{"webhook": {"url": receiver}}],
    })  # fmt: skip
    with daemon.start():
        words = ("--config", daemon.config)
        until(lambda: "3 refused: HTTP 422 no such field" in inside("spool", "list", *words).out, 30, "three refusals")
        tried = inside("test-alert", *words, "--seconds", "20")
        assert tried.code == 1 and "webhook      refused: HTTP 422 no such field" in tried.out
        Picky.takes = True
        assert inside("spool", "retry", "webhook", *words).out.startswith("webhook: 4 alerts to be delivered again")
        until(lambda: daemon.metric("detector_sink_delivered_total") == 4, 30, "them to be delivered")
        assert lines(inside("spool", "list", *words))[2] == "webhook 4 0 - 4 0 0 0"
        assert daemon.stop() == 0
    assert lines(inside("spool", "list", *words))[2] == "webhook 4 0 - 4 0 0 0"
