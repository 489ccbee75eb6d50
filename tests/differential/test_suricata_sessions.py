"""Stream events and sizes of streams, packet by packet, beside Suricata's: conversations with segments that do not fit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.flows.events import StreamEvent
from detector.flows.followed import Watched
from detector.pipeline import Decoding, PipelineSettings
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.program import events
from tests.differential.suricata.wire import Conversation, Wire

pytestmark = pytest.mark.differential

MOST = 120  # bytes of a stream whose size is asked for: each number is a rule
CLIENT, SERVER = ("10.0.0.1", 1111), ("10.0.0.2", 7777)
HELLO = ["c S 0 -", "s SA 0 1", "c A 1 1"]
# Who sends, flags, sequence and acknowledgement number relative to the first of each side, bytes of data, window.
CONVERSATIONS = {
    "handshake": """c S 0 -|c SA 1 1|s SA 0 4000|s SA 0 1|c SA 0 1|s SA 0 -994|s SA -100000 1|c S 1000 -|s S -899997 -|s A 1 1
        |s A 1 1 6|c A 1 500|c A 1 1 2""",
    "SYN/ACKs of somebody else": "c S 0 -|s SA 0 1|s SA 50 1|s SA 60 1|s SA 70 1|s SA 80 1|s SA 90 1|s SA 95 1|c A 1 71|c PA 1 71 9",
    "numbers that do not end a handshake": "c S 0 -|s SA 0 1|c A 1 9|c A 7 9|c A 1 1|c PA 1 1 4",
    "open": """c S 0 -|s SA 0 1|c A 1 1|c S 0 -|c S 7 -|s S 0 -|c SA 0 1|s SA 0 1|s SA 0 0|s SA 5 1|c PA 1 1 20|s A 1 21|s SA 0 1|s SA 0 21
        |c PA 1 1 5|c PA 16 1 5|c A 21 100001|c A 21 -100000|c PA 21 9001 5|c SF 21 -|c - 21 - 6|c PA 21 1 6|s A 1 27|c PA 26 1|c PA 26 1 1
        |c PA 100001 1 5""",
    "small windows": "c S 0 - 0 20|s SA 0 1 0 30|c A 1 1 0 20|c PA 1 1 25 20|c PA 26 1 25|s A 1 26 0 10|s PA 1 26 15|s PA 16 26 15|c A 26 31",
    "the client closes": """c S 0 -|s SA 0 1|c A 1 1|c FA -100 1|c FA 1 100000|c FA 20000 1|c FA 1 1|c FA 1 1|c S 0 -|s PA 1 99999 1
        |s PA 1 2 4|s FA 9000 2|s FA 5 2|s FA 5 2|c A 2 6|c PA 2 6 1""",
    "the server closes": """c S 0 -|s SA 0 1|c A 1 1|s FA -100000 1|s FA 100000 1|s FA 1 50000|s FA 1 1|s FA 1 1|c S 0 -|c A 99999 2|c A 1 -50
        |c A -100 2|s PA 2 1 4|c FA 99999 2|c FA -100 2|c FA 1 -899991|c A 1 2|c A 99999 2|c A 1 -50|s A -100 1|c FA 99999 2|c FA 1 -899991|c S 0 -
        |c FA 1 2|c FA 1 2|s A -100 2|s A 2 -995|c A -95 2|s A 2 2|c PA 2 2 5""",
    "both close at once": "c S 0 -|s SA 0 1|c A 1 1|s F 1 -|c F 1 -|s A 2 2|c A 2 2|c PA 2 2 3",
    "no handshake": "s RA 0 5|c FA 3 3|s PA 0 0 9|c A 0 9|c PA 0 9 5|s PA 9 5 4|c RA 5 13",
    "SYN/ACK first": "s SA 0 0|c A 0 1|c PA 0 1 10|s A 1 10|s FA 1 10|c A 10 2|c PA 10 2 3|c FA 13 2|s A 2 14",
    "reset that does not fit": "c S 0 -|s SA 0 1|c A 1 1|c PA 1 1 12|s A 1 13|s R 4 -|c R 16 -|s PA 1 13 9",
    "the end of the handshake is lost": "c S 0 -|s SA 0 1|c A 31 1|c PA 31 1 5|s A 1 36|c PA 1 1 9",
    "the end of the handshake comes late": "c S 0 -|s SA 0 1|c PA 31 1 5|c PA 1 1 30|s A 1 36|c A 0 1",
    "reset": "c S 0 -|s SA 0 1|c A 1 1|c PA 1 1 9|s RA 5 10|s RA 1 9000|s RA 1 10|c PA 10 1 5",
    "again on the same ports": "c S 0 -|s SA 0 1|c A 1 1|c FA 1 1|s FA 1 2|c A 2 2|c S 5000 -|s SA 7000 5001|c A 5001 7001|c PA 5001 7001 3",
    "lost bytes": "c S 0 -|s SA 0 1|c A 1 1|c PA 1 1 10|c PA 31 1 10|s A 1 41|s PA 20 41 5|c A 41 25|s PA 25 41 5",
}  # fmt: skip


def segments(text: str) -> list[tuple[int, str, int, int | None, int, int]]:
    """(side, flags, sequence, acknowledgement, bytes, window) of a conversation."""
    made = []
    for line in text.split("|"):
        side, flags, sequence, acknowledged, *rest = line.split()
        made.append((
            int(side == "s"), flags.strip("-"), int(sequence), None if acknowledged == "-" else int(acknowledged), int((*rest, 0)[0]),
            int(rest[1]) if len(rest) > 1 else 8192,
        ))  # fmt: skip
    return made


def send(wire: Wire, number: int, parts: Sequence[tuple[int, str, int, int | None, int, int]]) -> None:
    """Puts a conversation on the wire."""
    talk = Conversation(wire, (CLIENT[0], CLIENT[1] + number), SERVER)
    first = list(talk.sequences)
    for side, flags, sequence, acknowledged, size, window in parts:
        talk.sequences[side] = first[side] + sequence
        talk.sequences[1 - side] = first[1 - side] + (acknowledged or 0)
        wire.send(talk.segment(side, flags, b"x" * size, window=window))


def regular(seed: int) -> list[tuple[int, str, int, int | None, int, int]]:
    """A conversation as it should be, of which some segments are missing: begun in the middle, closed by either side."""
    generator = random.Random(seed)
    at, made = [0, 0], []
    begin = generator.choice(([(0, "S"), (1, "SA"), (0, "A")], [], [(1, "SA"), (0, "A")]))
    talk = [(generator.randrange(2), generator.choice(("PA", "A"))) for _ in range(generator.randrange(8))]
    end = generator.choice((
        [(0, "FA"), (1, "A"), (1, "FA"), (0, "A")], [(1, "FA"), (0, "A"), (0, "FA"), (1, "A")], [(0, "FA"), (1, "FA"), (0, "A")],
        [(0, "FA"), (1, "PA"), (0, "A"), (1, "FA"), (0, "A")], [(1, "RA")], [],
    ))  # fmt: skip
    for side, flags in [*begin, *talk, *end]:
        size = generator.randrange(1, 12) if "P" in flags else 0
        if generator.random() > 0.1:
            made.append((side, flags, at[side], at[1 - side] if "A" in flags else None, size, 8192))
        at[side] += size + ("S" in flags) + ("F" in flags)
    return made


def stamped(seeds: Sequence[int]) -> tuple[Wire, list[str]]:
    """Connections whose segments have timestamps that step back, stand still and pass 2**32, or none; what each packet is."""
    wire, names = Wire(), []
    for seed in seeds:
        generator = random.Random(seed)
        first = generator.choice((0, 1, 100, 2**31 - 4, 2**32 - 12))
        talk = Conversation(wire, (CLIENT[0], CLIENT[1] + seed), SERVER)
        parts = [(0, "S", 0, 0), (1, "SA", 0, 0), (0, "A", generator.choice((0, 4)), generator.randrange(1, 40))]
        for _ in range(generator.randrange(2, 10)):
            step = generator.choice((*range(40), 2**31, generator.randrange(2**32)))
            parts.append((generator.randrange(2), "A", generator.randrange(6), step))
        for side, flags, size, step in parts:
            stamp = (first + step) % 2**32
            options = [("Timestamp", (stamp, 0))] if "S" in flags or generator.random() < 0.95 else []
            shift = 0 if "S" in flags or generator.random() < 0.9 else 3
            talk.send(side, flags, b"x" * size, shift, options=options)
            names.append(f"seed {seed}, side {side}, {flags}, {size} bytes, shifted by {shift}: {options}")
    return wire, names


def theirs(path: Path, folder: Path) -> dict[int, tuple[set[str], dict[str, int]]]:
    """{packet: (events, sizes)} as Suricata's rules tell them."""
    rules = folder / "sessions.rules"
    lines = [
        f'alert tcp any any -> any any (msg:"{event.label}"; stream-event:{event.label}; sid:{event + 1};)'
        for event in StreamEvent
    ]
    lines += [
        f'alert tcp any any -> any any (msg:"{side} {size}"; stream_size:{side},=,{size}; sid:{base + size};)'
        for side, base in (("client", 1000), ("server", 5000))
        for size in range(MOST)
    ]
    rules.write_text("\n".join(lines) + "\n")
    found: dict[int, tuple[set[str], dict[str, int]]] = {}
    for event in events(configuration(), rules, path, folder):
        if event["event_type"] == "alert" and "pcap_cnt" in event:
            name, _, size = event["alert"]["signature"].partition(" ")
            named, sizes = found.setdefault(event["pcap_cnt"], (set(), {}))
            if size:
                sizes[name] = int(size)
            else:
                named.add(name)
    return found


def ours(path: Path) -> dict[int, tuple[set[str], dict[str, int]]]:
    """The same from our columns."""
    decoding, found = Decoding(PipelineSettings()), {}
    decoding.following.watch(Watched(sessions=True))
    for batch in open_source([str(path)]).batches():
        packets, _ = decoding.tables(batch)
        columns = {name: packets.column(name) for name in ("stream.event", "stream.client_size", "stream.server_size")}
        for row in range(packets.rows):
            sizes = {side: columns[f"stream.{side}_size"].at(row) for side in ("client", "server")}
            found[row + 1] = (
                set(columns["stream.event"].at(row)),
                {side: size[0] for side, size in sizes.items() if size and size[0] < MOST},
            )
    return found


def differences(
    parts: Sequence[tuple[str, Sequence[tuple[int, str, int, int | None, int, int]]]], folder: Path
) -> list[str]:
    """What differs, packet by packet."""
    wire, names = Wire(), []
    for number, (name, segments_) in enumerate(parts):
        send(wire, number, segments_)
        names += [f"{name}, segment {place}: {segment}" for place, segment in enumerate(segments_, 1)]
    return compared(wire, names, folder)


def compared(wire: Wire, names: Sequence[str], folder: Path) -> list[str]:
    """What differs, packet by packet; names say what the packets are."""
    path = wire.write(folder / "sessions.pcap")
    mine, their = ours(path), theirs(path, folder)
    return [
        f"{name}: we {mine[packet]}, Suricata {their.get(packet, (set(), {}))}"
        for packet, name in enumerate(names, 1)
        if mine[packet] != their.get(packet, (set(), {}))
    ]


def test_segments_that_do_not_fit(tmp_path: Path) -> None:
    """Each conversation has the events and sizes that Suricata gives it, whatever came before in it."""
    assert differences([(name, segments(text)) for name, text in CONVERSATIONS.items()], tmp_path) == []


def test_segments_that_fit(tmp_path: Path) -> None:
    """Conversations as they are on a network, some of whose segments were not captured."""
    assert differences([(f"seed {seed}", regular(seed)) for seed in range(1500)], tmp_path) == []


def test_timestamps(tmp_path: Path) -> None:
    """A segment that is older than the last one of its side by its timestamp is not taken (RFC 7323 5.3)."""
    wire, names = stamped(range(600))
    assert compared(wire, names, tmp_path) == []
