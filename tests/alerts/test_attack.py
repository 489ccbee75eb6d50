"""ATT&CK for ICS names of a rule's tags."""

from __future__ import annotations

import pytest

from detector.alerts.attack import TACTICS, TECHNIQUES, threat_of


def test_a_tag_names_technique_and_tactic() -> None:
    threat = threat_of(["attack.ics.t0855", "cve.2021.1"])
    assert threat["framework"] == "MITRE ATT&CK for ICS"
    assert threat["technique"]["id"] == ["T0855"]
    assert threat["technique"]["name"] == ["Unauthorized Command Message"]
    assert threat["technique"]["reference"] == ["https://attack.mitre.org/techniques/T0855/"]
    assert threat["tactic"] == {"id": ["TA0106"], "name": ["Impair Process Control"]}


@pytest.mark.parametrize("tags", [[], ["attack.t1046"], ["attack.ics.t9999"]])
def test_tags_that_name_no_ics_technique_give_nothing(tags: list[str]) -> None:
    assert threat_of(tags) == {}


def test_every_technique_has_known_tactics() -> None:
    assert len(TECHNIQUES) == 83  # ATT&CK for ICS v18
    assert {tactic for _, tactics in TECHNIQUES.values() for tactic in tactics} == set(TACTICS)
