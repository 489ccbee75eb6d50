"""The daemon's configuration: what a person reads where it is wrong, kept beside each broken file in broken/.

DETECTOR_REFRESH=1 pytest tests/service/test_config.py      writes the messages anew; read the diff before you commit it
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from detector.errors import InputError, InputErrors
from detector.service.config import Config, read_config
from detector.service.settings_reader import shown
from tests.broken import check_message

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yml"))


def mistakes(path: Path) -> list[InputError]:
    with pytest.raises(InputErrors) as refused:
        read_config(path, {})
    return list(refused.value.errors)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_message(path: Path) -> None:
    check_message(path, mistakes(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mistake_has_its_place_and_a_hint(path: Path) -> None:
    """File, line, column, the source line with a mark under it, and what to do."""
    lines = path.read_text().splitlines()
    for error in mistakes(path):
        place = error.position
        assert place is not None and place.path == str(path) and error.hint, error
        assert place.text == lines[place.line - 1] and 1 <= place.column <= len(place.text) + 1, error
        assert re.search(r"\n +\| +\^", str(error)), error


def test_there_are_forty() -> None:
    assert len(FILES) >= 40


def test_no_message_has_a_secret_in_it() -> None:
    """The line that is shown is the user's own; the sentence says nothing that was not in it."""
    (error,) = mistakes(FOLDER / "elasticsearch-password-in-url.yml")
    assert "secret" not in error.problem + error.hint


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    """`detector config show` prints what the daemon takes: as a configuration it means the same, but for secrets."""
    path = tmp_path / "detector.yml"
    path.write_text("sources: [{folder: {path: captures, quiet: 90s}}, {interface: {name: eth1, filter: not port 22}}]\n"
                    "alerts: [{jsonl: {path: a.jsonl, rotate: 10MB}}]\nhome_net: 10.0.0.0/8\nmetrics: {listen: '[::1]:9108'}\n"
                    "variables: {MODBUS_MASTERS: [10.0.0.1, 10.0.0.2]}\noverload: {fill: 0.5}\n")  # fmt: skip
    made = read_config(path, {})

    def given(value: object) -> object:
        """Without what is empty, as a person leaves out what is not set."""
        if isinstance(value, dict):
            return {key: given(one) for key, one in value.items() if one not in ("", None, [], {})}
        return [given(one) for one in value] if isinstance(value, list) else value

    path.write_text(yaml.safe_dump(given(shown(made))))
    assert read_config(path, {}) == made


def test_a_sensor_is_called_by_its_host_unless_named(tmp_path: Path) -> None:
    path = tmp_path / "detector.yml"
    path.write_text("sources: [{folder: {path: .}}]\n")
    made = read_config(path)
    assert isinstance(made, Config) and made.observer == os.uname().nodename
    path.write_text("sensor: plant-a\nsources: [{folder: {path: .}}]\n")
    assert read_config(path).observer == "plant-a"


def test_policies_of_receivers(tmp_path: Path) -> None:
    """This file's own count before those of a suricata.yaml; without both there is none, so that the first bytes count."""
    path = tmp_path / "detector.yml"
    (tmp_path / "suricata.yaml").write_text("host-os-policy: {linux: [10.3.0.0/16]}\n")
    sources = "sources: [{folder: {path: .}}]\n"
    own = "stream_policies: {windows: [10.1.0.0/16, 10.4.0.1], linux: 10.2.0.0/16}\n"
    for text, expected in (
        ("", ()),
        ("suricata_yaml: suricata.yaml\n", (("10.3.0.0/16", "linux"), ("0.0.0.0/0", "bsd"), ("::/0", "bsd"))),
        (
            own + "suricata_yaml: suricata.yaml\n",
            (("10.1.0.0/16", "windows"), ("10.4.0.1", "windows"), ("10.2.0.0/16", "linux")),
        ),
    ):
        path.write_text(sources + text)
        assert read_config(path).pipeline_settings().streams.policies == expected
