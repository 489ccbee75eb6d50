"""Where alerts go: the interface of every sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from detector.alerts.alert import Alert


class Sink(Protocol):
    """Takes alerts in their order. A sink is one short file and one line in SINKS."""

    name: str

    def write(self, alerts: Sequence[Alert]) -> None:
        """Takes these alerts; they are visible to a reader when it returns."""
        ...

    def close(self) -> None:
        """No more alerts will come."""
        ...
