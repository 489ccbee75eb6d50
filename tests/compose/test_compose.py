"""docker-compose.yml: read by the Compose specification's own library and schema, and held to what it promises.

No container engine can be had where these tests run: what they cannot show is said in docs/compose.md.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from detector.service.config import read_config
from tests.differential.tshark import require_tool
from tests.runs import ROOT
from tests.servers.elasticsearch import cache_folder

COMPOSE = ROOT / "docker-compose.yml"
LOADER = Path(__file__).parent / "load"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
ONCE = {"setup", "kibana-import", "player"}
each_service = pytest.mark.parametrize("name", SERVICES)


def go(*words: str) -> str:
    """Go's output in the folder of the loader; the test is skipped, loudly, where modules cannot be had."""
    done = subprocess.run(["go", *words], cwd=LOADER, capture_output=True, text=True, check=False, timeout=300,
                          env={**os.environ, "GOFLAGS": "-mod=readonly"})  # fmt: skip
    if done.returncode:
        message = f"go {words[0]} failed: {done.stderr[-500:]}"
        pytest.fail(message) if os.environ.get("DETECTOR_REQUIRE_TOOLS") else pytest.skip(message)
    return done.stdout


@functools.cache
def loader() -> Path:
    """The program of load/, compiled once for each version of it."""
    require_tool("go")
    digest = hashlib.sha256(b"".join((LOADER / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")))
    program = cache_folder() / f"compose-{digest.hexdigest()[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        go("build", "-o", str(program), ".")
    return program


def loaded(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [loader(), path], capture_output=True, text=True, check=False, env={**os.environ, "DETECTOR_UID": "1000"}
    )


def test_compose_itself_reads_the_file() -> None:
    done = loaded(COMPOSE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(SERVICES)


@pytest.mark.parametrize(("old", "new", "complaint"), [
    ("networks: [data, metrics]", "networks: [data, nowhere]", "nowhere"),
    ("source: ca_pem", "source: ca_pen", "ca_pen"),
    ("read_only: true", "read_only: perhaps", "read_only"),
    ("prometheus: {condition: service_healthy}", "prometheus: {condition: service_happy}", "condition"),
    ("- captures:/captures", "- captured:/captures", "captured"),
])  # fmt: skip
def test_the_reader_notices_mistakes(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """Else the test above would prove nothing."""
    broken = tmp_path / "docker-compose.yml"
    assert old in COMPOSE.read_text()
    broken.write_text(COMPOSE.read_text().replace(old, new))
    done = loaded(broken)
    assert done.returncode == 1 and complaint in done.stderr, done


def test_the_file_fits_the_schema_of_the_specification() -> None:
    """compose-spec.json, as it comes with the library."""
    require_tool("go")
    folder = Path(go("list", "-m", "-f", "{{.Dir}}", "github.com/compose-spec/compose-go/v2").strip())
    schema = json.loads((folder / "schema" / "compose-spec.json").read_text())
    assert "draft-07" in schema["$schema"]
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(COMPOSE.read_text()))


@each_service
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])
    assert "privileged" not in service
    if name != "sensor":
        assert "cap_add" not in service
        assert not str(service["user"]).startswith("0:"), "runs as root"
    assert any(where.startswith("/tmp") for where in service["tmpfs"]), "a read-only service without /tmp"


def test_only_the_sensor_is_root_and_only_to_drop_it() -> None:
    assert SERVICES["sensor"]["profiles"] == ["live"] and "NET_RAW" in SERVICES["sensor"]["cap_add"]
    assert not set(SERVICES["sensor"]["cap_add"]) & {"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE"}
    assert yaml.safe_load((ROOT / "compose" / "sensor.yml").read_text())["run_as"] == {"user": "detector"}


@each_service
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "detector:local" or re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image), image


def test_elastic_is_of_one_version() -> None:
    versions = {SERVICES[name]["image"].rpartition(":")[2] for name in ("elasticsearch", "kibana")}
    assert len(versions) == 1


@each_service
def test_a_service_is_watched(name: str) -> None:
    """A health check in the file or the image; services that run once have none."""
    service = SERVICES[name]
    if name in ONCE:
        assert service["healthcheck"] == {"disable": True}
    elif service["image"] == "detector:local":
        assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@each_service
def test_nothing_listens_to_the_world(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    """A path that is not there becomes an empty folder, and the service a riddle."""
    for volume in SERVICES[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert rest.endswith(":ro"), f"{source} can be written to"


def test_secrets_are_files_and_nothing_else() -> None:
    """No password in the file, in an environment or on a command line."""
    text = COMPOSE.read_text()
    for line in text.splitlines():
        assert not re.search(r"(?i)(password|secret|token|key)\w*:\s*['\"]?[A-Za-z0-9]{8,}$", line), line
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or str(value).startswith("/run/secrets/"), variable


@pytest.mark.parametrize("name", ["detector.yml", "sensor.yml"])
def test_configurations_are_right(name: str, tmp_path: Path) -> None:
    """Read as the daemon does, with secrets that are there."""
    for secret in ("detector_es_password", "ca.pem"):
        (tmp_path / secret).write_text("x")
    path = tmp_path / name
    path.write_text((ROOT / "compose" / name).read_text().replace("/run/secrets", str(tmp_path)))
    config = read_config(path)
    assert config.sensor == {"detector.yml": "demo", "sensor.yml": "live"}[name]


def test_prometheus_scrapes_the_service() -> None:
    """Address, sensor and namespace agree in three files."""
    [target] = yaml.safe_load((ROOT / "dashboards" / "prometheus" / "targets" / "sensors.yml").read_text())
    config = yaml.safe_load((ROOT / "compose" / "detector.yml").read_text())
    assert target["targets"] == [f"detector:{config['metrics']['listen'].rpartition(':')[2]}"]
    assert target["labels"] == {"sensor": config["sensor"], "namespace": "default"}
    assert set(SERVICES["prometheus"]["networks"]) & set(SERVICES["detector"]["networks"]) == {"metrics"}
    assert set(SERVICES["prometheus"]["networks"]) & set(SERVICES["grafana"]["networks"]) == {"pages"}


def test_users_are_those_that_setup_makes() -> None:
    setup = (ROOT / "compose" / "setup_elasticsearch.py").read_text()
    assert f'"{SERVICES["grafana"]["environment"]["DETECTOR_ELASTICSEARCH_USER"]}": (' in setup
    assert (
        f'"{yaml.safe_load((ROOT / "compose" / "detector.yml").read_text())["alerts"][0]["elasticsearch"]["username"]}": ('
        in setup
    )
