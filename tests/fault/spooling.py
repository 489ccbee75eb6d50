"""A process that spools and delivers until it is killed: run by test_spool_faults.py."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from detector.sinks.delivery import DeliverySettings
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.jsonfile import JsonFile, JsonFileSettings
from tests.sinks.spooled import delivery_of, numbered, spool_at

SPOOL = {"segment": 20_000, "size": 100 << 20}


class Stumbling(JsonFile):
    """A file that is away at times, loses answers, takes a part, and refuses every 17th record for good."""

    def __init__(self, folder: Path) -> None:
        path = str(folder / "alerts.jsonl")
        super().__init__(JsonFileSettings(path, rotate=60_000, keep=1000, sync=False, batch=7))
        self._chance = random.Random()

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        mood = self._chance.random()
        if mood < 0.05:
            raise Unavailable("unreachable", "away")
        refused = [(one, "every 17th") for one in records if is_bad(one.id)]
        good = [one for one in records if not is_bad(one.id)]
        taken = good[: self._chance.randint(0, len(good))] if mood < 0.15 else good
        super().deliver(taken, is_resent=is_resent)
        if mood > 0.9:
            raise Unavailable("timeout", "the answer was lost")
        return Receipt(len(taken), refused, good[len(taken) :], "busy", "took a part")


def is_bad(name: str) -> bool:
    """Whether a record is refused."""
    return int(name[3:]) % 17 == 0


def child(folder: Path) -> None:
    """Appends records whose ids are their numbers in the spool, delivers them to a file, until it is killed."""
    chance = random.Random()
    with (
        spool_at(folder, ["checkpoint"], sync="never", **SPOOL) as spool,
        delivery_of(spool, Stumbling(folder), settings=DeliverySettings(10**6, 10**7)),
    ):
        print("ready", flush=True)
        while True:
            spool.append(numbered(chance.randint(1, 20), spool.end.number, size=chance.randint(0, 300)))
            spool.retain("checkpoint", spool.end)
            os.write(1, f"{spool.end.number}\n".encode())
            time.sleep(chance.random() * 0.004)
