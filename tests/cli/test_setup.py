"""`detector setup elasticsearch`: shows what it would do, does it once, and says in a line why it could not."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import detector
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import Server
from tests.servers.nginx import Nginx
from tests.servers.ports import free_ports
from tests.sinks.elastic import a_namespace


def test_templates_are_shown_put_and_kept(elasticsearch: Server, tmp_path: Path) -> None:
    """Through TLS with a client certificate and an API key from a file; the templates may be there already."""
    authority = Authority(tmp_path / "ca")
    server, client = authority.issue("server"), authority.issue("setup")
    (tmp_path / "key").write_text("aWQ6a2V5\n")
    with Nginx(tmp_path / "nginx", elasticsearch.url, server, authority.certificate, "ApiKey aWQ6a2V5") as proxy:
        words = ["setup", "elasticsearch", "--host", proxy.url, "--namespace", a_namespace(), "--ca", authority.certificate,
                 "--client-certificate", client.certificate, "--client-key", client.key, "--api-key-file", tmp_path / "key"]  # fmt: skip
        shown = detector(*words, "--dry-run")
        assert shown.code == 0 and shown.err == "" and "aWQ6a2V5" not in shown.out
        assert detector(*words).code == 0
        again = detector(*words)
    assert again.code == 0 and again.err == ""
    assert again.out.splitlines()[-1] == "nothing to change"
    assert detector("setup", "elasticsearch", "--host", elasticsearch.url, "--dry-run").out.endswith(
        "0 changes would be made\n"
    )
    shorter = detector("setup", "elasticsearch", "--host", elasticsearch.url, "--dry-run", "--retention-days", "7")
    assert [line.split()[0] for line in shorter.out.splitlines() if "data_retention" in line] == ["-", "+"]
    assert shorter.out.endswith("1 change would be made\n")


def test_a_server_that_does_not_answer() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = detector("setup", "elasticsearch", "--host", url)
    assert done.code == 1 and done.out.startswith(f"{url}: unreachable: ") and len(done.out.splitlines()) == 1


def test_wrong_arguments_are_told_in_a_line(tmp_path: Path) -> None:
    for words, said in (
        (("--host", "es.example"), "hosts: not a URL of http or https: 'es.example'"),
        ((), "hosts: none is given"),
        (("--host", "http://es.example", "--namespace", "A"), "namespace: 'A'"),
        (("--host", "http://es.example", "--retention-days", "-1"), "--retention-days: below zero"),
        (("--host", "http://es.example", "--api-key-file", tmp_path / "gone"), f"{tmp_path / 'gone'}: No such file"),
    ):
        done = detector("setup", "elasticsearch", *words)
        assert done.code == 2 and done.out == "" and done.err.startswith(said) and len(done.err.splitlines()) == 1


def test_roles_are_least_privilege() -> None:
    """A sensor's key adds alerts and reads them; it can neither change nor delete what is there, nor any template."""
    done = detector("setup", "elasticsearch", "--show-role")
    roles = json.loads(done.out)
    assert done.code == 0 and set(roles) == {"detector-setup", "detector-sensor"}
    assert roles["detector-sensor"] == {
        "cluster": ["monitor"],
        "indices": [{"names": ["logs-detector.alert-*"], "privileges": ["create_doc", "read", "maintenance"]}],
    }
