"""What the coordinator and a worker say to each other, in the order in which it is said.

Begin                     once
Work -> Found             for each batch
Told -> Drafts            for each batch, once all workers' findings are judged; no Drafts where none of its rows alert
Rules                     before a batch
Save -> Saved             between batches
Restore -> Restored       before the first batch
"""

from __future__ import annotations

from typing import Any, NamedTuple

from detector.detect.judge import Verdicts
from detector.detect.selection import Selection
from detector.pipeline import PipelineSettings, Totals
from detector.rules.model import Ruleset
from detector.workers.shared import Layout


class Begin(NamedTuple):
    """Which worker of how many it is, and of what run."""

    number: int
    workers: int
    settings: PipelineSettings
    ruleset: Ruleset


class Work(NamedTuple):
    """A batch."""

    sequence: int
    layout: Layout


class Found(NamedTuple):
    """What the rules found in the worker's part of a batch, and what it has counted so far."""

    sequence: int
    selection: Selection
    totals: Totals


class Told(NamedTuple):
    """Which of its rows alert; the batch is needed no longer."""

    sequence: int
    verdicts: Verdicts


class Drafts(NamedTuple):
    """Its alerts of a batch, list[Draft] pickled without their rules (worker.pickled)."""

    sequence: int
    drafts: bytes


class Rules(NamedTuple):
    """Other rules from the next batch on."""

    ruleset: Ruleset


class Sparing(NamedTuple):
    """Ids of rules that are switched off from the next batch on, and whether what rules cost is measured."""

    shed: frozenset[str]
    is_measured: bool


class Save(NamedTuple):
    """Asks for the state."""


class Saved(NamedTuple):
    """The state of the worker's stages."""

    state: dict[str, Any]


class Restore(NamedTuple):
    """The state to go on from."""

    state: dict[str, Any]


class Restored(NamedTuple):
    """Why the state could not be taken over; "" where it was."""

    problem: str
