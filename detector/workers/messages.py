"""What the coordinator and a worker say to each other, in the order in which it is said.

Begin                     once
Work -> Found             for each batch
Told -> Drafts            for each batch, once all workers' findings are judged; no Drafts where none of its rows alert
Rules                     before a batch
Save -> Saved             between batches
Restore -> Restored       before the first batch

A worker that has a ring of its own hears nothing of batches; it tells of them:

Join                      once, in place of Begin
Listen -> Listening       once, behind Restore
Seen                      at every turn: before a batch, and where nothing came
Made                      for each batch
Judged -> Drafts          for each time that something is judged in which it has a part; no Drafts where nothing alerts
Rules -> Exchanged        between its batches
Stop -> Ended             when what has arrived is told of
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import Fanout, Opener
from detector.capture.source import SourceReport
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


class Join(NamedTuple):
    """Of what run a worker with rings of its own is, and what it is to listen on.

    opener: who opens its sockets, made of the one socket that it is handed; None: itself, and it is handed none.
    """

    settings: PipelineSettings
    ruleset: Ruleset
    interfaces: Sequence[InterfaceSettings]
    fanout: Fanout
    opener: Callable[[socket.socket], Opener] | None


class Listen(NamedTuple):
    """Packets are to be taken from now on. is_again: in the place of a worker that has died."""

    is_again: bool


class Listening(NamedTuple):
    """Why it cannot listen, with a hint; "" where it does."""

    problem: str = ""
    hint: str = ""


class Seen(NamedTuple):
    """What has passed so far. watermark: rows before this clock have all been told of.

    reports: by interface.  unclaimed: as of RingSource.  said: level and text of lines for the log.
    """

    watermark: int
    reports: Mapping[str, SourceReport]
    unclaimed: Mapping[str, int]
    said: Sequence[tuple[int, str]]


class Made(NamedTuple):
    """What the rules found in a batch of the worker's own, its rows and last clock; what it has counted so far."""

    sequence: int
    selection: Selection
    packets: int
    rows: int
    clock: int
    totals: Totals


class Judged(NamedTuple):
    """Which of its rows alert. sequences: its batch behind each origin of the verdicts. done: batches needed no longer."""

    number: int
    verdicts: Verdicts
    sequences: Mapping[int, int]
    done: Sequence[int]


class Exchanged(NamedTuple):
    """All that was told of before is of the rules of before, all that follows of the others."""


class Stop(NamedTuple):
    """No more packets."""


class Ended(NamedTuple):
    """Everything that had arrived has been told of."""
