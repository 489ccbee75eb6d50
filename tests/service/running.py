"""The daemon as a process of its own, for tests: started from a configuration, asked over its own listeners, killed."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.runs import HOME_NET, ROOT, VARIABLES
from tests.servers.ports import free_ports

READY_SECONDS = 60.0
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"


def until(condition: Callable[[], Any], seconds: float, what: str, pause: float = 0.1) -> Any:
    """The condition's value, once it is true. Fails, saying what was waited for, after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(pause)
    return value


class RunningDaemon:
    """`detector run` on a configuration in a folder; state, control socket and log lie there as well.

    namespace: the network namespace it runs in. options: further settings, over the defaults below.
    """

    def __init__(self, folder: Path, options: dict[str, Any], *, namespace: str = "") -> None:
        self.folder = folder
        self.namespace = namespace
        [self.port] = free_ports(1)
        self.config = folder / "detector.yml"
        self.options = {
            "sensor": "test", "state": str(folder / "state"), "control": str(folder / "control.sock"),
            "home_net": HOME_NET, "variables": dict(VARIABLES), "metrics": {"listen": f"127.0.0.1:{self.port}"},
            "log": {"format": "json"},
        } | options  # fmt: skip
        self.log = folder / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, **options: Any) -> None:
        """Writes the configuration, with these settings changed."""
        self.options |= options
        self.config.write_text(yaml.safe_dump(self.options, sort_keys=False))

    def start(self, *, wait: bool = True) -> Self:
        """Starts the daemon; waits until it says that it is ready."""
        self.configure()
        words = [sys.executable, "-m", "detector", "run", "--config", str(self.config)]
        if self.namespace:
            words = ["ip", "netns", "exec", self.namespace, *words]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until it is ready, by its own word."""
        until(lambda: self._is_ready(), seconds, f"the daemon to be ready; its log:\n{self.log_text()[-3000:]}")

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log_text()}"
        with contextlib.suppress(OSError, AssertionError):
            return bool(self.ask("status")["ready"])
        return False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """Of the daemon itself."""
        return self.process.pid

    def ask(self, command: str, timeout: float = 30.0, **request: Any) -> dict[str, Any]:
        """The daemon's answer over its control socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(timeout)
            control.connect(str(self.options["control"]))
            control.sendall(json.dumps({"command": command, **request}).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = control.recv(65536)
                if not part:
                    break
                answer += part
        found: dict[str, Any] = json.loads(answer)
        assert found["ok"], found
        return found

    def page(self, path: str = "/metrics") -> tuple[int, str]:
        """Status and text of a page of its HTTP server."""
        if self.namespace:
            asked = [
                "ip",
                "netns",
                "exec",
                self.namespace,
                sys.executable,
                "-c",
                ASK,
                f"http://127.0.0.1:{self.port}{path}",
            ]
            return 200, subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Every sample of /metrics."""
        for family in text_string_to_metric_families(self.page()[1]):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        found = [value for other, has, value in self.samples() if other == name and labels.items() <= has.items()]
        assert found, f"no sample of {name} {labels}"
        return sum(found)

    def log_text(self) -> str:
        """What it has logged so far, of all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 60.0) -> int:
        """Asks it to end, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        if kind is not None:
            print(self.log_text()[-6000:])


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The documents of a JSON lines file and of the files it was rotated to, a last half line left out."""
    found = []
    for file in sorted(path.parent.glob(path.name + "*")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            found.append(json.loads(line))
    return found


def ids_of(documents: Sequence[dict[str, Any]]) -> list[str]:
    """event.id of documents."""
    return [document["event"]["id"] for document in documents]
