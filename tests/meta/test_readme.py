"""What the README shows is what a stranger gets: the demo's lines, the rule that authors copy, the commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.cli.main import COMMANDS
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules
from detector.service.config import Config
from detector.settings import settings_of
from detector.testing.rule_tests import run_tests
from tests.cli.command import detector, environment
from tests.differential.tshark import require_tool
from tests.runs import ROOT, SCENARIOS
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import Server
from tests.servers.ports import free_ports
from tests.servers.prometheus import Prometheus
from tests.service.running import until
from tests.sinks.elastic import a_namespace

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(words: str) -> list[str]:
    """The lines of the first indented block behind some words, without their indentation."""
    lines = README[README.index(words) :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    "))
    stop = next((n for n, line in enumerate(lines) if n > first and line and not line.startswith("    ")), len(lines))
    return [line[4:] for line in lines[first:stop] if line]


def test_the_demo_shows_what_the_readme_promises() -> None:
    make = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    command = re.search(r"^\t\$\(BIN\)/detector (replay .*)$", make, re.MULTILINE)
    assert command is not None
    words = shlex.split(command[1].replace("--alerts alerts.jsonl", ""))
    done = detector(*words, cwd=ROOT)
    assert done.code == 0, done.err
    shown = [re.sub(r"; [\d.]+ s$", "", line) for line in done.out.splitlines()]
    promised = [re.sub(r"; [\d.]+ s$", "", line) for line in block_after("What `make demo` shows") if line != "..."]
    assert len(promised) > 10
    assert [line for line in promised if line not in shown] == []


def test_the_example_rule_lints_and_passes_its_test(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    lines = block_after("### For rule authors")
    text = "\n".join(lines[: next(n for n, line in enumerate(lines) if line.startswith("detector "))])
    rule.write_text(text + "\n")
    assert [str(warning) for warning in lint_rules(load_rules([rule], variables={"MODBUS_MASTERS": "10.0.0.10"}))] == []
    outcomes = list(run_tests(rule))
    assert outcomes and all(outcome.passed for outcome in outcomes)


@pytest.mark.parametrize("kind", ["as it is", "all switched on"])
def test_the_example_configuration_is_fine(kind: str, tmp_path: Path) -> None:
    """docs/detector.yml, on a machine that has what it names; and with every setting that it has switched off."""
    require_tool("openssl")
    text = (ROOT / "docs" / "detector.yml").read_text()
    if kind == "all switched on":
        text = re.sub(r"^( *)#(?=[^ \n#])", r"\1", text, flags=re.MULTILINE)
    for name in ("/etc/detector", "/var/spool/captures", "/var/log/detector", "/var/lib/detector", "/run/detector"):
        place = tmp_path / name.strip("/").replace("/", "-")
        place.mkdir()
        text = text.replace(name, str(place))
    etc = tmp_path / "etc-detector"
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("metrics")
    for source, name in (
        (authority.certificate, "ca.pem"),
        (pair.certificate, "metrics.crt"),
        (pair.key, "metrics.key"),
    ):
        shutil.copy(source, etc / name)
    for name in ("elasticsearch.key", "webhook.token", "prometheus.password"):
        (etc / name).write_text("secret\n")
    shutil.copytree(ROOT / "rules", etc / "rules")
    rule = yaml.safe_load((etc / "rules" / "modbus" / "modbus-broadcast-write.yml").read_text())["id"]
    (etc / "overrides.yml").write_text(f"- {{rule: {rule}, reason: known, until: 2999-12-31, level: low}}\n")
    text = text.replace("/var/spool/known-good.pcap", str(SCENARIOS / "minute-polling" / "capture.pcap"))
    text = text.replace("name: mirror0", "name: lo").replace("run_as: {user: detector}\n", "")
    config = tmp_path / "detector.yml"
    config.write_text(text)
    done = detector("config", "check", "--config", config)
    assert done.code == 0, done
    assert "inactive, " not in done.out.split("\n", 1)[1]
    given = yaml.safe_load(text)
    if kind == "all switched on":
        assert set(settings_of(Config)) - set(given) == {"run_as", "suricata_yaml"}
        for what in ("sources", "alerts"):
            assert {kind for one in given[what] for kind in one} == set(settings_of(Config)[what].among or {})


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in place of the machine's root."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def on_path(root: Path) -> dict[str, str]:
    """An environment in which `detector` is this one."""
    program = root / "bin" / "detector"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m detector "$@"\n')
    program.chmod(0o755)
    return environment() | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_by_hand_from_nothing_to_an_alert_in_elasticsearch_and_a_graph(elasticsearch: Server, root: Path) -> None:
    """The README's own commands, on its own configuration: only addresses, folders and the namespace are others."""
    require_tool("curl")
    port, namespace = free_ports(1)[0], a_namespace()
    places = {"/etc/detector": root / "etc", "/var/spool/captures": root / "captures"}

    def here(text: str) -> str:
        for named, place in places.items():
            text = text.replace(named, str(place))
        text = text.replace("alert-default", f"alert-{namespace}").replace("localhost:9108", f"127.0.0.1:{port}")
        return text.replace("http://localhost:9200", elasticsearch.url).replace("localhost:9200", elasticsearch.url)

    installing = block_after("Install it once:")
    assert installing[-1] == "mkdir -p /etc/detector /var/spool/captures"
    subprocess.run(here(installing[-1]), shell=True, check=True)
    config = root / "etc" / "detector.yml"
    text = here("\n".join(block_after("A first `/etc/detector/detector.yml`")))
    text = text.replace(f'"{elasticsearch.url}"', f'"{elasticsearch.url}", namespace: {namespace}')
    # What the README leaves at its usual place.
    config.write_text(
        f"{text}\nstate: {root}/state\ncontrol: {root}/control.sock\nmetrics: {{listen: '127.0.0.1:{port}'}}\n"
    )
    commands = [re.sub(r"\s+#.*", "", line) for line in block_after("Check it, put the templates on the server")]
    shown: dict[str, str] = {}
    daemon: subprocess.Popen[bytes] | None = None
    surroundings = on_path(root)

    def run(command: str) -> subprocess.CompletedProcess[str]:
        words = f"{here(command)} --config {config}" if command.startswith("detector ") else here(command)
        return subprocess.run(
            words, shell=True, cwd=ROOT, env=surroundings, text=True, capture_output=True, timeout=300, check=False
        )

    try:
        for command in commands:
            if command.endswith("&"):
                words = ["detector", "run", "--config", str(config)]
                with (root / "log").open("wb") as log:
                    daemon = subprocess.Popen(words, env=surroundings, stdout=log, stderr=log)
                until(lambda: run("detector status").returncode == 0, 300, "the daemon, whose kernels may be cold")
                continue
            done = run(command)
            assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
            shown[command] = done.stdout
        ask = commands[-1]
        promised = json.loads("".join(block_after("The last two lines are an attack")))
        assert ask.startswith("curl ")
        until(lambda: json.loads(run(ask).stdout) == promised, 120, f"the alert; the last answer was {run(ask).stdout}")
        assert "healthy\n" in shown["detector status"] and "not healthy" not in shown["detector status"]
        assert re.search(r"^  elasticsearch  delivered$", shown["detector test-alert"], re.MULTILINE)
        (target,) = yaml.safe_load(
            here("\n".join(block_after("`/etc/prometheus/targets/sensors.yml` names the sensor")))
        )
        graph_has_data(root, target)
    finally:
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0, (root / "log").read_text()


def graph_has_data(root: Path, target: dict[str, Any]) -> None:
    """A real Prometheus with the shipped configuration and the README's target answers what the overview asks."""
    require_tool("prometheus")
    server = Prometheus(root / "prometheus")
    server.folder.mkdir()
    (address,) = target["targets"]
    try:
        server.start({address: target["labels"]})
        server.wait_for_targets()
        labels = 'sensor="first",namespace="default"'
        until(lambda: server.query(f"detector_packets_seen_total{{{labels}}} > 0"), 120, "packets in a graph")
        until(lambda: server.query(f"detector_sink_delivered_total{{{labels}}} > 0"), 120, "alerts in a graph")
    finally:
        server.stop()


def test_files_and_services_that_the_readme_names_are_there() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for line in block_after("**Everything at once with compose**"):
        words = line.split("#")[0].split()
        if "exec" in words:
            assert words[words.index("exec") + 1] in compose["services"] and words[-1] in COMMANDS, line
        if "--profile" in words:
            assert any(
                words[words.index("--profile") + 1] in one.get("profiles", ()) for one in compose["services"].values()
            ), line
    for name in re.findall(r"(?<!-o )(?:docs|compose|dashboards|replay_pcaps|rules)/[\w./-]*\w", README):
        assert (ROOT / name).exists() or name.startswith("compose/secrets/"), name


def test_every_command_is_told_of() -> None:
    for name in COMMANDS:
        assert f"detector {name}" in README, name
