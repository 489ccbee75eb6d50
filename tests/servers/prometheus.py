"""A real Prometheus (Debian's), started by tests with the shipped configuration and rules, only faster.

server = Prometheus(folder); server.start({"127.0.0.1:9108": {"sensor": "a", "namespace": "default"}})
server.wait_for_targets(); server.query("up"); server.stop()
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.differential.tshark import require_tool
from tests.runs import ROOT
from tests.servers.ports import free_ports, wait_until

SHIPPED = ROOT / "dashboards" / "prometheus"
START_SECONDS, STOP_SECONDS = 30, 20
INTERVAL = "1s"


class Refused(Exception):
    """Prometheus' own words about a query."""


@dataclass
class Prometheus:
    """One server in a folder. The job `detector` scrapes `targets`: {host:port: labels}."""

    folder: Path
    targets: dict[str, Mapping[str, str]] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, targets: Mapping[str, Mapping[str, str]] | None = None) -> Prometheus:
        """Writes the configuration, starts the server and waits until it answers."""
        self.targets |= targets or {}
        [self.port] = free_ports(1)
        self.write()
        with (self.folder / "prometheus.log").open("ab") as log:
            self.process = subprocess.Popen([
                "prometheus", f"--config.file={self.folder / 'prometheus.yml'}", f"--web.listen-address=127.0.0.1:{self.port}",
                f"--storage.tsdb.path={self.folder / 'data'}", "--log.level=warn",
            ], stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip
        process = self.process
        if (
            not wait_until(lambda: self.is_ready() or process.poll() is not None, START_SECONDS)
            or process.poll() is not None
        ):
            self.stop()
            raise RuntimeError(f"Prometheus did not start:\n{(self.folder / 'prometheus.log').read_text()}")
        return self

    def write(self) -> None:
        """The shipped files, with short intervals and our targets."""
        shutil.copytree(SHIPPED, self.folder, dirs_exist_ok=True)
        path = self.folder / "prometheus.yml"
        settings = yaml.safe_load(path.read_text())
        settings["global"] = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL}
        settings["scrape_configs"] = [one for one in settings["scrape_configs"] if one["job_name"] == "detector"]
        path.write_text(yaml.safe_dump(settings))
        entries = [{"targets": [address], "labels": dict(labels)} for address, labels in self.targets.items()]
        (self.folder / "targets" / "sensors.yml").write_text(yaml.safe_dump(entries))

    def reload(self) -> None:
        """Reads files anew, after `targets` or a file in the folder was changed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of the API. Raises Refused."""
        data = urllib.parse.urlencode(parameters).encode() if parameters else None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=30) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(json.loads(error.read()).get("error", "")) from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: [{metric, value}]. Raises Refused."""
        found = self.ask("query", query=expression)["result"]
        return found if isinstance(found, list) else [found]

    def query_range(self, expression: str, start: float, stop: float, step: float = 1) -> list[dict[str, Any]]:
        """The result of a query over time: [{metric, values}]. Raises Refused."""
        found: list[dict[str, Any]] = self.ask("query_range", query=expression, start=str(start), end=str(stop), step=str(step))["result"]  # fmt: skip
        return found

    def number(self, expression: str) -> float:
        """The one number that a query gives."""
        [sample] = self.query(expression)
        return float(sample["value"][1])

    def rules(self) -> list[dict[str, Any]]:
        """Recording and alerting rules with their health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def wait_for_targets(self, scrapes: int = 3, seconds: float = 30) -> None:
        """Waits until every target answered a few times, so that rates can be made."""
        wanted = f'count(count_over_time(up{{job="detector"}}[10m]) >= {scrapes} and up{{job="detector"}} == 1)'
        enough = wait_until(
            lambda: [float(one["value"][1]) for one in self.query(wanted)] == [len(self.targets)], seconds
        )
        assert enough, self.ask("targets")["activeTargets"]

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs promtool; standard error follows standard output."""
    return subprocess.run(["promtool", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, env={**os.environ, "NO_COLOR": "1"})  # fmt: skip


@contextmanager
def prometheus_in(folder: Path) -> Iterator[Prometheus]:
    """A server that is not started yet; skips loudly where there is none. Ended afterwards."""
    require_tool("prometheus")
    server = Prometheus(folder)
    folder.mkdir(exist_ok=True)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """A server of one test, not started yet."""
    with prometheus_in(tmp_path / "prometheus") as server:
        yield server
