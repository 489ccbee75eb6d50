"""Every kind of destination can be named in a configuration, and is made of its settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from detector.settings import settings_of
from detector.sinks.destinations import DESTINATIONS, make
from detector.sinks.jsonfile import JsonFileSettings


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_every_setting_is_declared_with_its_meaning(kind: str) -> None:
    """What is not declared cannot be configured, and is in no documentation."""
    declared, _ = DESTINATIONS[kind]
    told = settings_of(declared)
    assert list(told) == [field.name for field in dataclasses.fields(declared)]
    assert all(one.meaning for one in told.values()) and {"name", "batch"} <= told.keys()
    assert next(field.default for field in dataclasses.fields(declared) if field.name == "name") == kind


def test_settings_make_their_destination(tmp_path: Path) -> None:
    made = make(JsonFileSettings(str(tmp_path / "alerts.jsonl"), name="mine", batch=3))
    assert (made.name, made.batch) == ("mine", 3)
    with pytest.raises(TypeError, match="no settings of a destination"):
        make(object())
