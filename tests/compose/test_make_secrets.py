"""compose/make-secrets makes every secret that docker-compose.yml asks for, readable by whom it should be."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.differential.tshark import require_tool
from tests.runs import ROOT

SECRETS = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["secrets"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder where it has run."""
    require_tool("openssl")
    (tmp_path / "compose").mkdir()
    shutil.copy(ROOT / "compose" / "make-secrets", tmp_path / "compose")
    run(tmp_path)
    return tmp_path


def run(folder: Path, *words: str) -> None:
    done = subprocess.run([folder / "compose" / "make-secrets", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "compose" / "secrets").iterdir()}


def test_every_secret_is_made(made: Path) -> None:
    for name, secret in SECRETS.items():
        path = made / secret["file"]
        assert path.stat().st_size > 20, name
        public = path.name in ("ca.pem", "elasticsearch.pem")
        # Elasticsearch refuses to start with a password file that others can read.
        assert path.stat().st_mode & 0o777 == (0o644 if public else 0o600), name


def test_files_belong_to_whom_containers_run_as(made: Path) -> None:
    [line] = [line for line in (made / ".env").read_text().splitlines() if line.startswith("DETECTOR_UID=")]
    user = int(line.removeprefix("DETECTOR_UID="))
    assert user != 0
    assert {path.stat().st_uid for path in (made / "compose" / "secrets").iterdir()} == {user}


def test_the_certificate_is_elasticsearchs(made: Path) -> None:
    folder = made / "compose" / "secrets"
    for host in ("elasticsearch", "localhost"):
        done = subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.pem", "-verify_hostname", host, "-purpose", "sslserver",
                               folder / "elasticsearch.pem"], capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_nothing_changes_when_it_runs_again(made: Path) -> None:
    """New passwords would lock every service out of a data folder that has the old ones."""
    before = contents(made)
    (made / ".env").write_text((made / ".env").read_text() + "OTHER=1\n")
    run(made)
    assert contents(made) == before
    assert "OTHER=1" in (made / ".env").read_text()
    run(made, "--renew-certificate")
    assert {name for name, text in contents(made).items() if text != before[name]} == {
        "elasticsearch.pem",
        "elasticsearch.key",
    }


def test_passwords_differ(made: Path) -> None:
    passwords = [text for name, text in contents(made).items() if name.endswith(("password", "_key"))]
    assert len(set(passwords)) == len(passwords) > 4
    assert contents(made)["kibana_password"].decode() in contents(made)["kibana.yml"].decode()
