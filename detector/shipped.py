"""Where the shipped rule packs lie: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path


def rules_folder() -> Path:
    """The folder of the shipped rules."""
    installed = Path(__file__).parent / "shipped_rules"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "rules"
