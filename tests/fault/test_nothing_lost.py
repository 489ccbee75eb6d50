"""No alert is lost and none is there twice, whatever happens to Elasticsearch and to the daemon.

20,000 alerts (50,000 the long way) from a watched folder, while the server is killed, paused, blocked, full, refusing and rolled over in turn, and
the daemon is killed ten times. The ids in the data stream must be those of a replay of the same captures.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from detector.cli.main import main
from detector.pipeline import replay
from detector.rules.loader import load_rules
from tests.samples import IS_LONG, sample
from tests.servers.elasticsearch import RELEASES, Server, server_for
from tests.servers.nginx import Nginx
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.writes import write_captures, write_rule

ALERTS, FILES = 50_000 if IS_LONG else 12_000, 50
STREAM = "logs-detector.alert-chaos"
KILLS = 10
Fault = Callable[["World"], AbstractContextManager[None]]


class World:
    """The server, what stands before it, the daemon, and the captures that are still to come."""

    def __init__(self, folder: Path, server: Server, nginx: Nginx) -> None:
        self.server, self.nginx = server, nginx
        self.rule = write_rule(folder)
        self.captures = write_captures(folder / "captures", ALERTS, FILES)
        self.watched = folder / "watched"
        self.watched.mkdir()
        self.coming = list(self.captures)
        self.daemon = RunningDaemon(folder, {
            "rules": [str(self.rule)], "checkpoint": "2s", "delivery": {"first_wait": "200ms", "longest_wait": "2s"},
            "sources": [{"folder": {"name": "captures", "path": str(self.watched), "finished": "keep"}}],
            "alerts": [{"elasticsearch": {"hosts": [nginx.url], "timeout": "4s", "namespace": "chaos"}},
                       {"jsonl": {"path": str(folder / "alerts.jsonl")}}],
        })  # fmt: skip
        self.kills = 0

    def bring(self, files: int) -> None:
        """Lets the next captures appear in the watched folder."""
        now, self.coming = self.coming[:files], self.coming[files:]
        for path in now:
            aside = self.watched / f".{path.name}.part"
            shutil.copy(path, aside)
            aside.rename(self.watched / path.name)

    def kill_daemon(self) -> None:
        """kill -9 at whatever it is doing, and up again."""
        self.kills += 1
        self.daemon.kill()
        self.daemon.start()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.server.call(method, path, body)


@contextmanager
def killed(world: World) -> Iterator[None]:
    """The server ends without a word, and is started again."""
    world.server.kill()
    yield
    world.server.start()


@contextmanager
def paused(world: World) -> Iterator[None]:
    """Requests are taken and not answered; the server executes them later, when the sender has given up."""
    world.server.pause()
    yield
    world.server.resume()


@contextmanager
def rolled_over_while_paused(world: World) -> Iterator[None]:
    """What a lost answer was about lies in another backing index than what is sent again."""
    world.server.pause()
    yield
    world.server.resume()
    until(lambda: rollover(world), 30, "a rollover")


def rollover(world: World) -> bool:
    with suppress(OSError, urllib.error.HTTPError):
        return bool(world.call("POST", f"/{STREAM}/_rollover")["rolled_over"])
    return False


@contextmanager
def blocked(world: World) -> Iterator[None]:
    """An index block, as an operator sets it."""
    world.call("PUT", f"/{STREAM}/_settings", {"index.blocks.write": True})
    yield
    world.call("PUT", f"/{STREAM}/_settings", {"index.blocks.write": False})


@contextmanager
def full(world: World) -> Iterator[None]:
    """The disk is above the flood stage."""
    world.server.fill()
    until(lambda: "read_only_allow_delete" in str(world.call("GET", f"/{STREAM}/_settings")), 60, "the flood stage")
    yield
    world.server.free()


@contextmanager
def refusing(world: World) -> Iterator[None]:
    """Credentials are no longer taken."""
    world.nginx.__exit__(None, None, None)
    world.nginx.authorization = "ApiKey of somebody else"
    world.nginx.__enter__()
    yield
    world.nginx.__exit__(None, None, None)
    world.nginx.authorization = ""
    world.nginx.__enter__()


@contextmanager
def unreachable(world: World) -> Iterator[None]:
    """Nobody listens, and a rollover happens meanwhile."""
    world.nginx.__exit__(None, None, None)
    rollover(world)
    yield
    world.nginx.__enter__()


FAULTS: tuple[Fault, ...] = (
    killed,
    paused,
    blocked,
    rolled_over_while_paused,
    refusing,
    full,
    unreachable,
    rolled_over_while_paused,
)


@pytest.mark.slow
@pytest.mark.parametrize("major", sample(sorted(RELEASES), 1), ids=lambda major: f"elasticsearch{major}")
def test_nothing_is_lost_and_nothing_is_twice(major: int, tmp_path: Path) -> None:
    with contextlib.contextmanager(server_for)(major, tmp_path / "server") as server:
        server.require_own()
        with Nginx(tmp_path / "nginx", server.url) as nginx:
            world = World(tmp_path, server, nginx)
            world.daemon.configure()
            assert main(["setup", "elasticsearch", "--config", str(world.daemon.config)]) == 0
            with world.daemon.start():
                expected = run_through(world)
                assert_same(expected, stored(world))
                assert world.daemon.metric("detector_alerts_lost_total", sink="elasticsearch") == 0
                assert world.daemon.metric("detector_spool_waiting", sink="jsonl") == 0
                assert world.daemon.stop() == 0
    written = Counter(ids_of(lines_of(tmp_path / "alerts.jsonl")))
    assert_same(expected, written)


def run_through(world: World) -> set[str]:
    """All faults in turn, the daemon killed within and between them; the ids that a replay gives."""
    expected = {
        alert.document["event"]["id"] for alert in replay([str(world.captures[0].parent)], load_rules([world.rule]))
    }
    assert len(expected) == ALERTS
    world.bring(3)
    until(lambda: count(world) > 0, 60, "the first alert to arrive")
    for fault in FAULTS:
        world.bring(4)
        with fault(world):
            time.sleep(1.5)
            world.bring(1)
            if world.kills < KILLS:
                world.kill_daemon()
            time.sleep(4.0)
        if world.kills < KILLS:
            time.sleep(0.5)
            world.kill_daemon()
    world.bring(len(world.coming))
    assert world.kills >= KILLS
    until(
        lambda: world.daemon.metric("detector_spool_waiting") == 0 and count(world) >= ALERTS,
        180,
        f"all to arrive, {count(world)} have",
    )
    return expected


def count(world: World) -> int:
    """Documents that can be searched."""
    with suppress(OSError, urllib.error.HTTPError):
        world.call("POST", f"/{STREAM}/_refresh")
        return int(world.call("GET", f"/{STREAM}/_count")["count"])
    return 0


def stored(world: World) -> Counter[str]:
    """How often each id is there, over all backing indices."""
    found: Counter[str] = Counter()
    world.call("POST", f"/{STREAM}/_refresh")
    answer = world.call("POST", f"/{STREAM}/_search?scroll=1m", {"size": 5000, "_source": False})
    indices = set()
    while answer["hits"]["hits"]:
        found.update(hit["_id"] for hit in answer["hits"]["hits"])
        indices.update(hit["_index"] for hit in answer["hits"]["hits"])
        answer = world.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})
    assert len(indices) > 1, "the data stream was not rolled over"
    return found


def assert_same(expected: set[str], found: Counter[str]) -> None:
    """Every id once, none too many, none missing."""
    assert not (twice := {name for name, times in found.items() if times > 1}), f"{len(twice)} are there twice"
    assert not (missing := expected - found.keys()), f"{len(missing)} are missing"
    assert not (strange := found.keys() - expected), f"{len(strange)} are strange"
