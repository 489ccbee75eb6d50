"""A real Elasticsearch 8 or 9 on this machine, started by tests: jars by Maven, kept between runs, a launcher of our own.

DETECTOR_ELASTICSEARCH_8 and DETECTOR_ELASTICSEARCH_9 name servers (URLs) to be used instead; tests that must kill or pause
theirs then skip. A run takes one of the two, `make test-long` both. DETECTOR_TESTS_CACHE is where jars are kept, by default ~/.cache/detector-tests.

The jars lack security, TLS, ILM, ES|QL, `GET /` and `_data_stream`. In exchange they start in seconds without a container.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.samples import sample
from tests.servers.ports import free_ports, wait_until

FOLDER = Path(__file__).parent / "elasticsearch_node"
JVMS = Path("/usr/lib/jvm")
MAVEN_SECONDS, START_SECONDS, STOP_SECONDS = 600, 120, 30


@dataclass(frozen=True)
class Release:
    """Which Java it runs on: at least `least`, below `below`."""

    version: str
    least: int
    below: int
    options: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


RELEASES = {
    8: Release("8.19.9", 17, 24),
    9: Release("9.2.0", 21, 100, ("--add-modules", "jdk.incubator.vector")),
}
# Small and quick to start; the C2 compiler would cost more than a test's few requests give back.
JAVA_OPTIONS = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
# How full this machine's disk is must not decide about tests; one that wants a full disk calls `fill`.
DISK = {"cluster.routing.allocation.disk.threshold_enabled": "false"}
WATERMARKS = ("low", "high", "flood_stage")


class Missing(Exception):
    """Something that cannot be had on this machine."""


class NoJava(Missing):
    """No JDK that a release runs on."""


def cache_folder() -> Path:
    """Where jars and compiled classes are kept between runs."""
    return Path(os.environ.get("DETECTOR_TESTS_CACHE", Path.home() / ".cache" / "detector-tests"))


def java_home(release: Release) -> Path:
    """The lowest JDK that a release runs on."""
    found = []
    for home in {path.resolve() for path in [*JVMS.glob("*"), Path(os.environ.get("JAVA_HOME", JVMS))]}:
        said = home / "release"
        version = re.search(r'^JAVA_VERSION="(\d+)', said.read_text(), re.MULTILINE) if said.is_file() else None
        if version and (home / "bin" / "javac").is_file() and release.least <= int(version[1]) < release.below:
            found.append((int(version[1]), home))
    if not found:
        raise Missing(
            f"Elasticsearch {release.version} needs a JDK {release.least} or newer below {JVMS}: none is there"
        )
    return min(found)[1]


def prepared(release: Release) -> Path:
    """The folder with lib/, classes/ and modules/ of a release; made once, by one process at a time."""
    sources = [FOLDER / "pom.xml", FOLDER / "Launcher.java"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = cache_folder() / f"elasticsearch-{release.version}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fetch(release, folder)
    return folder


def fetch(release: Release, folder: Path) -> None:
    """Jars by Maven, the launcher compiled, the network module apart; complete or not there at all."""
    if shutil.which("mvn") is None:
        raise Missing("Maven is not installed: tests/install_tools.sh installs it")
    home = java_home(release)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    lib, classes, module = unfinished / "lib", unfinished / "classes", unfinished / "modules" / "transport-netty4"
    classes.mkdir(parents=True)
    module.mkdir(parents=True)
    maven = ["mvn", "-q", "-B", "-f", str(FOLDER / "pom.xml"), f"-Delasticsearch.version={release.version}",
             "dependency:copy-dependencies", f"-DoutputDirectory={lib}"]  # fmt: skip
    checked(maven, MAVEN_SECONDS)
    for jar in [*lib.glob("netty-*.jar"), *lib.glob("transport-netty4-*.jar")]:
        jar.rename(module / jar.name)
    said = {"name": "transport-netty4", "description": "HTTP and transport", "version": release.version,
            "elasticsearch.version": release.version, "java.version": release.least,
            "classname": "org.elasticsearch.transport.netty4.Netty4Plugin"}  # fmt: skip
    (module / "plugin-descriptor.properties").write_text("".join(f"{key}={value}\n" for key, value in said.items()))
    checked([str(home / "bin" / "javac"), "-cp", f"{lib}/*", "-d", str(classes), str(FOLDER / "Launcher.java")], 120)
    unfinished.rename(folder)


def checked(command: list[str], seconds: float) -> None:
    """Runs a command to its end; Missing with its last lines where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
    if done.returncode:
        last = "\n".join(done.stdout.decode(errors="replace").splitlines()[-15:])
        raise Missing(f"{command[0]} failed ({done.returncode}):\n{last}")


@dataclass
class Server:
    """One node. It may be killed and started again: data, port and settings stay."""

    release: Release
    folder: Path  # data and log
    settings: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    transport_port: int = 0

    @classmethod
    def at(cls, major: int, url: str) -> Server:
        """A server that somebody else runs."""
        return cls(RELEASES[major], Path(), url=url.rstrip("/"))

    @property
    def is_own(self) -> bool:
        """Whether it was started here, and so may be killed, paused and filled."""
        return self.folder != Path()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server does not run"
        return self.process.pid

    def require_own(self) -> Server:
        """Skips the test where the server is somebody else's."""
        if not self.is_own:
            pytest.skip(f"needs an Elasticsearch of its own: DETECTOR_ELASTICSEARCH_{self.release.major} is set")
        return self

    def start(self) -> Server:
        """Starts it, again on the same data and port after it was ended, and waits until it answers."""
        prepared_folder, home = prepared(self.release), self.folder / "home"
        (home / "config").mkdir(parents=True, exist_ok=True)
        if not (home / "modules").exists():
            (home / "modules").symlink_to(prepared_folder / "modules")
        if not self.url:
            http, self.transport_port = free_ports(2)
            self.url = f"http://127.0.0.1:{http}"
        given = {"path.home": str(home), "path.data": str(self.folder / "data"), "discovery.type": "single-node",
                 "network.host": "127.0.0.1", "http.port": str(self.port), "transport.port": str(self.transport_port),
                 "cluster.name": f"detector-{os.getpid()}", "logger.level": "warn", **DISK, **self.settings}  # fmt: skip
        command = [str(java_home(self.release) / "bin" / "java"), *self.release.options, *JAVA_OPTIONS,
                   "-cp", f"{prepared_folder}/classes:{prepared_folder}/lib/*", "Launcher",
                   *(f"{key}={value}" for key, value in given.items())]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                                            start_new_session=True)  # fmt: skip
        process = self.process
        if (
            not wait_until(lambda: self.answers() or process.poll() is not None, START_SECONDS)
            or process.poll() is not None
        ):
            tail = self.log_tail()
            self.kill()
            raise RuntimeError(f"Elasticsearch {self.release.version} did not start; the end of its log:\n{tail}")
        return self

    @property
    def log(self) -> Path:
        return self.folder / "elasticsearch.log"

    def log_tail(self, lines: int = 40) -> str:
        """The end of what it logged."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.is_file() else ""

    def answers(self) -> bool:
        """Whether it can be asked, and knows its shards."""
        try:
            self.call("GET", "/_cluster/health?wait_for_no_initializing_shards=true&timeout=1s", seconds=3)
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def call(self, method: str, path: str, body: Any = None, *, seconds: float = 30) -> Any:
        """One request without the client: what it answered, from JSON. Raises urllib.error.HTTPError, OSError."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.loads(answer.read() or b"null")

    def fill(self) -> None:
        """As if the disk were full: within half a minute indices may only be read and deleted."""
        self._watermarks("1%")

    def free(self) -> None:
        """As if there were room again: within half a minute indices can be written."""
        self._watermarks("1b")

    def _watermarks(self, size: str) -> None:
        disk = {f"cluster.routing.allocation.disk.watermark.{name}": size for name in WATERMARKS}
        self.call("PUT", "/_cluster/settings", {"persistent": {
            **disk, "cluster.routing.allocation.disk.threshold_enabled": True, "cluster.info.update.interval": "10s"}})  # fmt: skip

    def kill(self) -> None:
        """kill -9: nothing is flushed, nobody is told."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end."""
        self.end(signal.SIGTERM)

    def end(self, number: int) -> None:
        """Sends a signal and waits for the end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def pause(self) -> None:
        """SIGSTOP: connections are still taken by the kernel, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: what waited in its sockets is read now."""
        os.kill(self.pid, signal.SIGCONT)


def server_for(major: int, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A running server for a fixture; skips loudly, or fails in CI, where it cannot be had."""
    if given := os.environ.get(f"DETECTOR_ELASTICSEARCH_{major}"):
        yield Server.at(major, given)
        return
    server = Server(RELEASES[major], folder, settings or {})
    try:
        server.start()
    except Missing as why:
        # A JDK for version 9 is not in every distribution: that half says so and is left out.
        if os.environ.get("DETECTOR_REQUIRE_TOOLS") and not (major == 9 and isinstance(why, NoJava)):
            pytest.fail(str(why))
        pytest.skip(str(why))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session", params=sample(sorted(RELEASES), 1), ids=lambda major: f"elasticsearch{major}")
def elasticsearch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server of each version, one for all tests: each test takes a namespace of its own."""
    yield from server_for(request.param, tmp_path_factory.mktemp(f"elasticsearch{request.param}"))
