"""A process that spools and delivers until it is killed: run by test_spool_faults.py."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from detector.sinks.delivery import DeliverySettings
from detector.sinks.jsonfile import JsonFile, JsonFileSettings
from tests.sinks.spooled import delivery_of, numbered, spool_at

SPOOL = {"segment": 20_000, "size": 100 << 20}


def file_of(folder: Path) -> JsonFile:
    return JsonFile(JsonFileSettings(str(folder / "alerts.jsonl"), rotate=60_000, keep=1000, sync=False, batch=7))


def child(folder: Path) -> None:
    """Appends records whose ids are their numbers in the spool, delivers them to a file, until it is killed."""
    chance = random.Random()
    with (
        spool_at(folder, ["checkpoint"], sync="never", **SPOOL) as spool,
        delivery_of(spool, file_of(folder), settings=DeliverySettings(10**6, 10**7)),
    ):
        print("ready", flush=True)
        while True:
            spool.append(numbered(chance.randint(1, 20), spool.end.number, size=chance.randint(0, 300)))
            spool.retain("checkpoint", spool.end)
            os.write(1, f"{spool.end.number}\n".encode())
            time.sleep(chance.random() * 0.004)
