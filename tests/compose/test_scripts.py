"""What the one-shot services and the demo's player do."""

from __future__ import annotations

import email
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detector.capture import open_source
from tests.compose.scripts import script
from tests.runs import ROOT, SCENARIOS, alerts_of, frames_of


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    """Two short scenarios."""
    folder = tmp_path / "scenarios"
    for name in ("minute-attack", "minute-polling"):
        (folder / name).mkdir(parents=True)
        (folder / name / "capture.pcap").write_bytes((SCENARIOS / name / "capture.pcap").read_bytes())
    return folder


def test_the_player_writes_captures_of_now(scenarios: Path, tmp_path: Path) -> None:
    """Every packet comes round once, in order, with a time at which dashboards look, and rules find the attack in it."""
    folder = tmp_path / "captures"
    folder.mkdir()
    began = time.time()
    words = [
        sys.executable,
        ROOT / "compose" / "player.py",
        scenarios,
        folder,
        "--rounds",
        "1",
        "--most",
        "2",
        "--seconds",
        "0.5",
    ]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    files = sorted(folder.iterdir())
    assert len(files) > 6 and {path.suffix for path in files} == {".pcap"}
    played = [frame for path in files for frame in frames_of(path)]
    wanted = [
        frame for name in ("minute-attack", "minute-polling") for frame in frames_of(SCENARIOS / name / "capture.pcap")
    ]
    assert [data for _, data in played] == [data for _, data in wanted]
    times = [when / 1e9 for when, _ in played]
    assert times == sorted(times)
    assert began <= times[0] and times[-1] <= time.time() + 1
    found = {alert.rule.title for alert in alerts_of(open_source([str(path) for path in files]))}
    assert "Modbus write from unknown master" in found


def test_a_file_is_complete_when_it_appears(scenarios: Path, tmp_path: Path) -> None:
    """The daemon reads what has the pattern's ending, and a part has another."""
    player = script("player")
    packets = player.packets_of(scenarios / "minute-attack" / "capture.pcap")
    player.write(tmp_path, "1.pcap", 1_700_000_000.0, packets[:3])
    assert [path.name for path in tmp_path.glob("*") if path.is_file()] == ["1.pcap"]
    assert len(frames_of(tmp_path / "1.pcap")) == 3


def test_a_folder_without_scenarios_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no scenario"):
        script("player").play(tmp_path, tmp_path, 1, 1, 1)


def test_the_import_is_a_form_with_one_file() -> None:
    """What Kibana's interface reads; a browser's form would look the same."""
    objects = (ROOT / "dashboards" / "kibana" / "detector.ndjson").read_bytes()
    request = script("import_kibana").request("http://kibana:5601", "secret", objects)
    assert request.full_url == "http://kibana:5601/api/saved_objects/_import?overwrite=true"
    assert request.get_method() == "POST" and request.get_header("Kbn-xsrf")
    kind = str(request.get_header("Content-type"))
    form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.data)
    [part] = form.get_payload()
    assert part.get_filename() == "detector.ndjson"
    assert part.get_payload(decode=True).strip() == objects.strip()


def test_setup_imports_what_is_there() -> None:
    """A name that moved would end the service, and with it everything that waits for it."""
    setup = script("setup_elasticsearch")
    assert {role for role, _, _ in setup.USERS.values()} == {"detector-sensor", "detector-reader"}
    for _, privileges, _ in setup.USERS.values():
        assert not {"all", "write", "manage", "delete"} & set(privileges["indices"][0]["privileges"])
