"""`detector setup elasticsearch`: shows what it would do, does it once, and says in a line why it could not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.command import detector
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import Server
from tests.servers.nginx import Nginx
from tests.servers.ports import free_ports
from tests.sinks.elastic import a_namespace


def configured(folder: Path, **elasticsearch: Any) -> Path:
    """A daemon's configuration whose alerts go to Elasticsearch."""
    path = folder / "detector.yml"
    alerts = [{"elasticsearch": elasticsearch}] if elasticsearch else [{"jsonl": {"path": "alerts.jsonl"}}]
    path.write_text(yaml.safe_dump({"sources": [{"folder": {"path": str(folder)}}], "alerts": alerts}))
    return path


def test_templates_are_shown_put_and_kept(elasticsearch: Server, tmp_path: Path) -> None:
    """Through TLS with a client certificate, with an administrator's key in place of the sensor's; the templates may be
    there already."""
    authority = Authority(tmp_path / "ca")
    server, client = authority.issue("server"), authority.issue("setup")
    (tmp_path / "key").write_text("aWQ6a2V5\n")
    with Nginx(tmp_path / "nginx", elasticsearch.url, server, authority.certificate, "ApiKey aWQ6a2V5") as proxy:
        tls = {
            "ca": str(authority.certificate),
            "client_certificate": str(client.certificate),
            "client_key": str(client.key),
        }
        config = configured(tmp_path, hosts=proxy.url, namespace=a_namespace(), bearer="the-sensors-own", **tls)
        words = ["setup", "elasticsearch", "--config", config, "--api-key-file", tmp_path / "key"]
        shown = detector(*words, "--dry-run")
        assert shown.code == 0 and shown.err == "" and "aWQ6a2V5" not in shown.out
        assert detector(*words).code == 0
        again = detector(*words)
        assert again.code == 0 and again.err == ""
        assert again.out.splitlines()[-1] == f"{proxy.url}: nothing to change"
        refused = detector("setup", "elasticsearch", "--config", config)
        assert refused.code == 1 and refused.out.startswith(f"{proxy.url}: refused: 401: ")
    config = configured(tmp_path, hosts=elasticsearch.url, retention="7d")
    shorter = detector("setup", "elasticsearch", "--config", config, "--dry-run")
    assert [line.split()[0] for line in shorter.out.splitlines() if "data_retention" in line] == ["-", "+"]
    assert shorter.out.endswith(f"{elasticsearch.url}: 1 change would be made\n")


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = detector("setup", "elasticsearch", "--config", configured(tmp_path, hosts=url))
    assert done.code == 1 and done.out.startswith(f"{url}: unreachable: ") and len(done.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--username", "admin"], "username is given without password"),
        (["--api-key-file", "/gone/key"], "/gone/key: cannot be used as secret: No such file or directory"),
        (["--api-key-file", "/gone/key", "--username", "a", "--password-file", "b"], "api_key and username are given"),
    ],
)
def test_wrong_credentials_are_told_in_a_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = detector("setup", "elasticsearch", "--config", configured(tmp_path, hosts="http://127.0.0.1:9"), *words)
    assert done.code == 2 and done.out == "" and done.err.startswith(said) and len(done.err.splitlines()) == 1


def test_a_configuration_without_elasticsearch(tmp_path: Path) -> None:
    config = configured(tmp_path)
    done = detector("setup", "elasticsearch", "--config", config)
    assert done.code == 2 and done.err.startswith(f"{config}: no alerts go to Elasticsearch")


def test_mistakes_have_their_place_in_the_configuration(tmp_path: Path) -> None:
    config = configured(tmp_path, hosts="es.example", namespace="A")
    done = detector("setup", "elasticsearch", "--config", config)
    assert done.code == 2 and f"{config}:" in done.err
    assert "the host 'es.example' is no URL of http or https" in done.err and "namespace 'A' cannot end" in done.err


def test_roles_are_least_privilege() -> None:
    """A sensor's key adds alerts and reads them; it can neither change nor delete what is there, nor any template."""
    done = detector("setup", "elasticsearch", "--show-role")
    roles = json.loads(done.out)
    assert done.code == 0 and set(roles) == {"detector-setup", "detector-sensor"}
    assert roles["detector-sensor"] == {
        "cluster": ["monitor"],
        "indices": [{"names": ["logs-detector.alert-*"], "privileges": ["create_doc", "read", "maintenance"]}],
    }
