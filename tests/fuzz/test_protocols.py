"""Damaged PDUs of every protocol, for as long as the time lasts: nothing raises, hangs or grows.

DETECTOR_FUZZ: seconds for each protocol, 17 where it is not set: two minutes in all. What fails is written to tests/fuzz/found as a
capture, which is to stay there: every run begins with them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.flows.followed import Watched
from detector.flows.streams import StreamSettings
from detector.flows.table import FlowSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.protocols.fields import FIELDS, table_of
from tests.differential import test_dnp3, test_enip, test_goose, test_iec104, test_modbus, test_s7comm
from tests.flows.frames import SECOND, batches
from tests.runs import frames_of, pcap_bytes

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("DETECTOR_FUZZ", "17"))
SEED = int(os.environ.get("DETECTOR_SEED", random.SystemRandom().randrange(2**31)))
FOUND = Path(__file__).parent / "found"
BUILT: dict[str, Callable[[Path], Path]] = {
    "modbus": test_modbus.built, "dnp3": test_dnp3.built, "iec60870_104": test_iec104.built, "s7comm": test_s7comm.built,
    "enip": test_enip.built, "goose": test_goose.built_goose, "sv": test_goose.built_sv,
}  # fmt: skip
# Numbers that are none, without end, or at an end, of four and eight bytes: what a chance byte at a time seldom makes.
ODD_NUMBERS = [
    number
    for each in ("7f800001", "ff850101", "7fc00000", "7f800000", "ff800000", "7fffffff", "80000000", "ffffffff", "00000000",
                 "7ff0000000000001", "fff8000000000000", "7ff0000000000000", "7fffffffffffffff", "8000000000000000")
    for number in (bytes.fromhex(each), bytes.fromhex(each)[::-1])
]  # fmt: skip
IPV4 = b"\x08\0"
MOST_FIELDS = 60  # of a case: a protocol has up to 700
SMALL = PipelineSettings(flows=FlowSettings(flows=4096), streams=StreamSettings(memory_bytes=2**20, pieces=4096))
LONGEST_CASE, MOST_GROWTH = 10.0, 96 * 2**20  # seconds on a busy machine; bytes, once tables are warm
NAMES = {
    owner: [name for name in FIELDS if table_of(name) == owner] for owner in (*(one.name for one in PROTOCOLS), "ics")
}


def damaged(frames: list[bytes], chance: random.Random) -> list[bytes]:
    """A run of frames with some bytes changed, behind their headers mostly; some come twice, some not at all."""
    first = chance.randrange(len(frames))
    made = []
    for frame in frames[first : first + chance.randrange(1, 40)]:
        data = bytearray(frame)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 8))):
            at = min(len(data) - 1, int(chance.triangular(12, len(data), chance.choice((14, 54, len(data))))))
            match chance.randrange(5):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
                case 2:
                    data[at] = (data[at] + chance.choice((-1, 1))) % 256
                case 3:
                    other = chance.choice(frames)
                    size = chance.randrange(1, 9)
                    data[at : at + size] = other[-size:][: len(data) - at]
                case _:
                    data = data[:at] if chance.random() < 0.3 else data
        made += [bytes(data)] * chance.choice((1, 1, 1, 1, 0, 2))
    return made or frames[:1]


def swept(frames: list[bytes], chance: random.Random) -> list[bytes]:
    """A few frames again and again, between ends of their own each time, with an odd number at one place after another of one."""
    first = chance.randrange(len(frames))
    few = frames[first : first + chance.randrange(1, 8)]
    chosen, odd, made = chance.randrange(len(few)), chance.choice(ODD_NUMBERS), []
    for at in range(34 if few[chosen][12:14] == IPV4 else 14, len(few[chosen])):
        for number, frame in enumerate(few):
            data = bytearray(frame)
            if number == chosen:
                data[at : at + len(odd)] = odd[: len(data) - at]
            for place in (27, 31) if frame[12:14] == IPV4 else (8,):
                data[place : place + 2] = at.to_bytes(2, "big")
            made.append(bytes(data))
    return made


def look_at(decoding: Decoding, name: str, frames: list[bytes], size: int, most: int = 10_000) -> None:
    """What rules and people can see of the frames: every field of the protocol, or `most` of them, and all of `ics`."""
    for batch in batches(frames, [SECOND] * len(frames), size):
        tables = decoding.tables(batch)[1]
        for owner in (name, "ics"):
            table = tables[owner]
            names = NAMES[owner]
            for field in names if len(names) <= most else random.Random(len(frames[0])).sample(names, most):
                table.column(field).flat()
            for row in range(min(table.rows, 3)):
                table.values_at("ics.target" if owner == "ics" else "pdu.kind", row)


def memory_bytes() -> int:
    """What the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fresh() -> Decoding:
    """A run with small tables, that makes `ics` too."""
    decoding = Decoding(SMALL)
    decoding.following.watch(Watched(ics=True))
    return decoding


@pytest.mark.parametrize("name", BUILT)
def test_damage(name: str, tmp_path: Path) -> None:
    frames = [data for _, data in frames_of(BUILT[name](tmp_path))]
    chance, decoding = random.Random(f"{SEED} {name}"), fresh()
    print(f"DETECTOR_SEED={SEED}")
    look_at(decoding, name, frames, 1000)
    for _ in range(5):  # what these compile is no part of the time
        look_at(decoding, name, damaged(frames, chance), 7)
    end, cases, before = time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end:
        case, began = chance.choice((damaged, damaged, swept))(frames, chance), time.monotonic()
        try:
            look_at(decoding, name, case, chance.choice((7, 1000)), MOST_FIELDS)
            assert time.monotonic() - began < LONGEST_CASE
        except BaseException:
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"{name}-{SEED}-{cases}.pcap").write_bytes(pcap_bytes([(SECOND, data) for data in case]))
            raise
        cases += 1
        if cases == 200:
            before = memory_bytes()
    print(f"{cases} cases")
    assert cases > 5
    assert cases < 400 or memory_bytes() - before < MOST_GROWTH


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.pcap")), ids=lambda path: path.name)
def test_what_was_found(path: Path) -> None:
    frames = [data for _, data in frames_of(path)]
    for size in (1, 1000):
        look_at(fresh(), path.name.partition("-")[0], frames, size)


def test_every_protocol_is_fuzzed() -> None:
    assert set(BUILT) == {protocol.name for protocol in PROTOCOLS}
