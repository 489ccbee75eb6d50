"""suricata.yaml, classification.config, reference.config and threshold.config."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.rules.signature import Subject, Threshold
from detector.rules.suricata_config import SuppressEntry, ThresholdEntry, read_suricata_yaml
from detector.rules.suricata_tables import CLASSIFICATIONS, REFERENCES

YAML = """%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: "[192.168.0.0/16,!192.168.1.0/24]"
    EXTERNAL_NET: "!$HOME_NET"
    SERVERS: [10.0.0.1, 10.0.0.2]
  port-groups:
    SSH_PORTS: 22
    FILE_PORTS: "[$SSH_PORTS,110]"
classification-file: classes.config
reference-config-file: refs.config
threshold-file: thresholds.config
default-rule-path: rules
rule-files:
  - a.rules
  - "b*.rules"
  - none.rules
include: more.yaml
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "suricata.yaml").write_text(YAML)
    (tmp_path / "more.yaml").write_text("vars:\n  port-groups:\n    MORE: '1:5'\n")
    (tmp_path / "classes.config").write_text(
        "# classes\nconfig classification: Mine,What it is, 2\nconfig classification: mine,again,1\n"
    )
    (tmp_path / "refs.config").write_text("config reference: Tracker https://tracker.example/\n")
    (tmp_path / "thresholds.config").write_text(
        "# t\nsuppress gen_id 1, sig_id 5\nsuppress gen_id 1, sig_id 5, track by_src, ip [10.0.0.1,10.0.0.2]\n"
        "threshold gen_id 1, sig_id 6, type limit, \\\n   track by_dst, count 2, seconds 60\n"
        "event_filter gen_id 0, sig_id 0, type both, track by_rule, count 5, seconds 10\n"
        "rate_filter gen_id 1, sig_id 6, track by_src, count 1, seconds 1, new_action drop, timeout 5\n"
        "suppress gen_id 0, sig_id 0, track by_either, ip $HOME_NET\n"
    )
    (tmp_path / "rules").mkdir()
    for name in ("a", "b1", "b2", "c"):
        (tmp_path / "rules" / f"{name}.rules").write_text("")
    return tmp_path


def test_policies_of_hosts(folder: Path) -> None:
    """The rest of the world is BSD to Suricata."""
    path = folder / "suricata.yaml"
    path.write_text("host-os-policy:\n  windows: [10.1.0.0/16, 10.2.0.1]\n  bsd: []\n")
    assert read_suricata_yaml(path).policies == (
        ("10.1.0.0/16", "windows"), ("10.2.0.1", "windows"), ("0.0.0.0/0", "bsd"), ("::/0", "bsd"),
    )  # fmt: skip
    path.write_text("host-os-policy:\n  windoms: [10.1.0.0/16]\n  linux: [10.1.0.300]\n")
    with pytest.raises(InputErrors) as caught:
        read_suricata_yaml(path)
    assert [error.problem for error in caught.value.errors] == [
        "host-os-policy: unknown policy 'windoms'", "host-os-policy: '10.1.0.300' is no network",
    ]  # fmt: skip


def test_all_of_it(folder: Path) -> None:
    config = read_suricata_yaml(folder / "suricata.yaml")
    assert config.addresses == {
        "HOME_NET": "[192.168.0.0/16,!192.168.1.0/24]",
        "EXTERNAL_NET": "!$HOME_NET",
        "SERVERS": "[10.0.0.1,10.0.0.2]",
    }
    assert config.ports == {"SSH_PORTS": "22", "FILE_PORTS": "[$SSH_PORTS,110]", "MORE": "1:5"}
    assert config.classifications == {"mine": ("What it is", 2)} and config.references == {
        "tracker": "https://tracker.example/"
    }
    assert [path.name for path in config.rules] == ["a.rules", "b1.rules", "b2.rules"]
    assert (
        len(config.warnings) == 1 and "none.rules" in config.warnings[0] and "suricata.yaml:18:" in config.warnings[0]
    )
    assert {path.name for path in config.files} == {
        "suricata.yaml",
        "more.yaml",
        "classes.config",
        "refs.config",
        "thresholds.config",
    }
    found = [
        (one.gid, one.sid, one.threshold if isinstance(one, ThresholdEntry) else (one.subject, one.addresses))
        for one in config.thresholds
    ]
    assert found == [
        (1, 5, (Subject.RULE, "")), (1, 5, (Subject.SOURCE, "[10.0.0.1,10.0.0.2]")),
        (1, 6, Threshold("limit", Subject.DESTINATION, 2, 60)), (0, 0, Threshold("both", Subject.RULE, 5, 10)),
        (0, 0, (Subject.PAIR, "$HOME_NET")),
    ]  # fmt: skip
    assert isinstance(config.thresholds[0], SuppressEntry) and config.thresholds[2].position.line == 4


@pytest.mark.parametrize(
    ("file", "line", "problem", "hint"),
    [
        ("classes.config", "config clasification: a,b,1", "not a classification", "config classification:"),
        ("refs.config", "config reference: cve", "not a reference system", "config reference:"),
        ("thresholds.config", "supress gen_id 1, sig_id 2", "not an entry of a threshold file", "did you mean suppress?"),
        ("thresholds.config", "suppress gen_id 1, sig_id 2, track by_src", "suppress has either track and ip, or neither", "track by_src, ip"),
        ("thresholds.config", "suppress gen_id 1, sig_id 2, track by_source, ip 10.0.0.1", "track cannot be 'by_source'", "did you mean by_src?"),
        ("thresholds.config", "threshold gen_id 1, sig_id 2, type limit, track by_src, count 1", "seconds is missing", "seconds 60"),
        ("thresholds.config", "threshold gen_id 1, sig_id 2, type limit, track by_src, count 0, seconds 1", "above zero", "count 60"),
        ("thresholds.config", "threshold gen_id 1, sig_id 2, type limt, track by_src, count 1, seconds 1", "type cannot be 'limt'", "did you mean limit?"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_a_hint(folder: Path, file: str, line: str, problem: str, hint: str) -> None:
    (folder / file).write_text(f"# first\n{line}\n")
    with pytest.raises(InputErrors) as refused:
        read_suricata_yaml(folder / "suricata.yaml")
    (error,) = refused.value.errors
    assert problem in error.problem and hint in error.hint
    assert error.position is not None and (error.position.path, error.position.line) == (str(folder / file), 2)


def test_what_is_not_there_is_a_warning(folder: Path) -> None:
    (folder / "classes.config").unlink()
    config = read_suricata_yaml(folder / "suricata.yaml")
    assert config.classifications == CLASSIFICATIONS and any("classes.config" in one for one in config.warnings)


def test_files_that_include_each_other_end(folder: Path) -> None:
    (folder / "more.yaml").write_text("include: more.yaml\n")
    with pytest.raises(InputErrors) as refused:
        read_suricata_yaml(folder / "suricata.yaml")
    assert "include each other" in refused.value.errors[0].problem


@pytest.mark.differential
@pytest.mark.skipif(not Path("/etc/suricata/classification.config").exists(), reason="no suricata here")
def test_our_tables_know_what_suricata_ships(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "classification-file: /etc/suricata/classification.config\nreference-config-file: /etc/suricata/reference.config\n"
    )
    config = read_suricata_yaml(path)
    assert {name: priority for name, (_, priority) in config.classifications.items()} == {
        name: priority for name, (_, priority) in CLASSIFICATIONS.items()
    }
    assert set(config.references) <= set(REFERENCES)
