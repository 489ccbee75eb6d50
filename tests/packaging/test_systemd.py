"""The systemd unit: what systemd itself says of it, and the daemon started with just what the unit gives it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.kernel import cache_folder
from tests.differential.tshark import require_tool
from tests.runs import ROOT
from tests.servers.ports import free_ports, wait_until

UNIT = ROOT / "packaging" / "systemd" / "detector.service"
TEXT = UNIT.read_text()
MOST_EXPOSURE = 2.1
START_SECONDS = 300  # where the cache is cold kernels are compiled first, beside whatever else the machine does


def values(key: str) -> list[str]:
    """Words that the unit gives a key, all lines together."""
    return [word for line in re.findall(rf"^{key}=(.*)$", TEXT, re.MULTILINE) for word in line.split()]


def test_exposure_is_low() -> None:
    """`systemd-analyze security`: 0 is a service that can do nothing, 10 one that can do anything."""
    require_tool("systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for detector\.service: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE
    assert f"{found[1]} " in (ROOT / "docs" / "systemd.md").read_text(), "docs/systemd.md gives another score"


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """A misspelt key is only a warning in a log, and the protection is not there."""
    require_tool("systemd-analyze")
    program = tmp_path / "detector"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name, text in (("right", TEXT), ("wrong", TEXT.replace("ProtectHome=", "ProtectHomes="))):
        (tmp_path / name).mkdir()
        unit = tmp_path / name / "detector.service"
        unit.write_text(text.replace("/usr/lib/detector/bin/detector", str(program)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if "detector.service" in line]
        assert bool(said) == (name == "wrong"), said


def test_the_unit_agrees_with_the_daemon() -> None:
    assert values("Type") == ["notify"] and int(values("WatchdogSec")[0]) >= 10
    assert values("AmbientCapabilities") == values("CapabilityBoundingSet")
    assert values("User") == ["detector"]
    assert "MemoryDenyWriteExecute" not in "".join(re.findall(r"^\w+=", TEXT, re.MULTILINE)), (
        "Numba's code could not be loaded"
    )
    assert "AF_PACKET" in values("RestrictAddressFamilies")


@pytest.fixture
def namespace_script(tmp_path: Path) -> Iterator[Path]:
    """A script that makes this Python readable for everybody, in a mount namespace that ends with it."""
    for tool in ("unshare", "setpriv", "mount"):
        require_tool(tool)
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        message = "needs root and mount namespaces"
        pytest.fail(message) if os.environ.get("DETECTOR_REQUIRE_TOOLS") else pytest.skip(message)
    home, behind = Path.home(), tmp_path / "home"
    behind.mkdir()
    script = tmp_path / "start.sh"
    # Interpreters often live in root's home folder, which nobody else may enter: it is put in place again, open to all.
    script.write_text(
        f"set -e\nmount --bind {home} {behind}\nmount -t tmpfs -o mode=755 none {home}\n"
        f"for path in $(cd {behind} && ls -A); do [ ! -d {behind}/$path ] || "
        f'{{ mkdir {home}/$path; mount --bind {behind}/$path {home}/$path; }}; done\ncd /\nexec "$@"\n'
    )
    yield script


@pytest.mark.slow
def test_it_starts_without_root_and_ends_up_without_capabilities(namespace_script: Path) -> None:
    """User and capabilities as the unit gives them, and its environment: the interface is opened, then nothing is left."""
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    [port] = free_ports(1)
    (folder / "detector.yml").write_text(
        f"sensor: t\nsources: [{{interface: {{name: lo}}}}]\nstate: {folder}/state\ncontrol: {folder}/control.sock\n"
        f"metrics: {{listen: '127.0.0.1:{port}'}}\nrun_as: {{user: nobody}}\nrules: [{ROOT}/rules/network]\n"
    )
    (folder / "state").mkdir()
    if cache_folder().is_dir():  # or it compiles for minutes
        shutil.copytree(cache_folder(), folder / "cache" / cache_folder().name)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "nobody")
    # NUMBA_CACHE_DIR: a test before this one that loaded kernels has left root's folder in it.
    capabilities = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in values("AmbientCapabilities"))
    environment = [word for word in values("Environment") if not word.startswith("DETECTOR_CACHE=")]
    command = ["unshare", "-m", "bash", namespace_script, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
               f"--inh-caps=-all,{capabilities}", f"--ambient-caps=-all,{capabilities}", f"--bounding-set=-all,{capabilities}",
               "--no-new-privs", "env", "-u", "NUMBA_CACHE_DIR", *environment, f"PYTHONPATH={ROOT}",
               f"DETECTOR_CACHE={folder}/cache", f"HOME={folder}", sys.executable, "-m", "detector", "run", "--config", folder / "detector.yml"]  # fmt: skip
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        said = lambda: (folder / "log").read_text()  # noqa: E731
        assert wait_until(lambda: is_ready(port) or daemon.poll() is not None, START_SECONDS), said()
        assert daemon.poll() is None, said()
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert "0" not in status["Uid"].split() and status["NoNewPrivs"] == "1"
        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, (name, status[name])
        assert "privileges are dropped" in said()
    finally:
        daemon.terminate()
        daemon.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def is_ready(port: int) -> bool:
    """Whether the interface is open and rules are loaded."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.2)
        return False
