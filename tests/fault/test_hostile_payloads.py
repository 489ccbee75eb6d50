"""Traffic made to cost a rule's engine time and memory: bounded work, and what was not looked at is counted and said.

Each prints its time of processor, its peak of memory and what was counted; see hostile.py for the sizes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from tests.fault.hostile import SCALE, datagram, replayed, rule
from tests.flows.frames import ACK, PUSH, SYN, tcp

SOURCES = 100_000 * SCALE
MOST_MEGABYTES = 600  # of the whole process: 200 before the first packet, tables that are full, and a batch
EVERY_STEP = "\n".join(
    (
        rule(1, 'content:"needle"; content:"thread"; distance:0;', "tcp"),
        rule(2, 'flow:established; content:"ab"; content:"a"; distance:0; content:"x"; within:2;', "tcp"),
        rule(3, "stream_size:client,>,100000; threshold:type limit, track by_src, count 1, seconds 60;", "tcp"),
        rule(4, "stream-event:est_packet_out_of_window;", "tcp"),
        rule(5, 'pcre:"/needle[0-9]+thread/";', "tcp"),
    )
)


def spread(frame: bytes, places: int = SOURCES) -> Iterator[bytes]:
    """A frame from so many different senders."""
    changed = bytearray(frame)
    for source in np.random.default_rng(5).permutation(places).tolist():
        struct.pack_into(">I", changed, 26, 0x0B000000 + source)
        yield bytes(changed)


def test_a_million_hosts_of_which_something_is_remembered(tmp_path: Path) -> None:
    """Bits, numbers and thresholds by sender: the oldest give way, and how many is said."""
    rules = (
        rule(1, 'content:"hello"; xbits:set,seen,track ip_src,expire 3600; noalert;')
        + rule(2, 'content:"hello"; hostbits:set,also,src; noalert;')
        + rule(3, 'content:"hello"; flowint:many,+,1; flowbits:set,here; noalert;')
        + rule(4, 'content:"hello"; xbits:set,both,track ip_pair,expire 3600; noalert;')
        + rule(5, 'content:"hello"; threshold:type threshold, track by_src, count 2, seconds 3600;')
        + rule(6, 'content:"hello"; detection_filter:track by_src, count 2, seconds 3600;')
    )
    done = replayed("a million hosts", tmp_path, rules, spread(datagram(b"hello")))
    forgotten = done.counted("states that rules keep by host were forgotten before their time")
    assert forgotten >= 3 * SOURCES - 262_144
    assert "forgot" in done.said and "groups before their time" in done.said
    assert done.megabytes < MOST_MEGABYTES and done.seconds < 10 + 5 * SCALE


def test_a_hundred_thousand_names_of_flowbits(tmp_path: Path) -> None:
    """Each of many flows with thousands of bits."""
    names = 4_000 * SCALE
    rules = "".join(
        rule(number, f'content:"hello"; flowbits:set,bit{number}; noalert;') for number in range(1, names + 1)
    )
    done = replayed("names of flowbits", tmp_path, rules, spread(datagram(b"hello"), 80))
    assert done.counted("states that rules keep by flow were forgotten before their time") >= 80 * names - 262_144
    assert done.megabytes < MOST_MEGABYTES + 200 * SCALE and done.seconds < 20 + 20 * SCALE


def test_a_million_half_open_connections(tmp_path: Path) -> None:
    """And as many with some bytes that nobody acknowledges."""
    syn = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), SYN, 999)
    data = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), PUSH | ACK, 1000, 1, payload=b"needle and" * 20)
    for name, frames in (("half-open connections", spread(syn)), ("connections with data", spread(data))):
        done = replayed(name, tmp_path, EVERY_STEP, frames)
        assert done.megabytes < MOST_MEGABYTES and done.seconds < 10 + 8 * SCALE
        assert f"{SOURCES:,} packets" in done.said


def test_streams_made_to_be_put_together_at_a_cost(tmp_path: Path) -> None:
    """Segments of one byte, segments that overlap by all but one, and a hole before each."""
    count = 20_000 * SCALE
    begin, other = ("10.0.0.1", 40000), ("10.0.0.2", 502)

    def sent(number: int, sequence: int, payload: bytes) -> bytes:
        return tcp((begin[0], 40000 + number), other, PUSH | ACK, sequence, 1, payload=payload)

    ones = (sent(0, 1000 + place, b"ab"[place % 2 : place % 2 + 1]) for place in range(count))
    overlapping = (sent(1, 1000 + place, b"abab" * 300) for place in range(count))
    holes = (sent(2 + place % 100, 1000 + 7 * (place // 100), b"abc") for place in range(count))
    backwards = (sent(200, 1000 + 2 * (count - place), b"ab") for place in range(count))
    done = replayed("segments", tmp_path, EVERY_STEP, chain(ones, overlapping, holes, backwards))
    assert done.megabytes < MOST_MEGABYTES and done.seconds < 15 + 15 * SCALE
    assert f"{4 * count:,} packets" in done.said


def test_packets_full_of_what_a_thousand_rules_look_for(tmp_path: Path) -> None:
    """Each byte of 64 KB ends a literal of some rule; then no more than one candidate is left of a rule and packet."""
    letters = np.random.default_rng(6).integers(97, 123, 1000, np.uint8).tobytes()
    twice = letters * 2
    rules = "".join(
        rule(number + 1, f'content:"{twice[number : number + 8].decode()}"; content:"never"; distance:0;')
        for number in range(1000)
    )
    done = replayed("full of hits", tmp_path, rules, [datagram(letters * 65)] * (30 * SCALE))
    assert done.megabytes < MOST_MEGABYTES + 200 and done.seconds < 15 + 10 * SCALE


def test_packets_that_hundreds_of_rules_match(tmp_path: Path) -> None:
    """Nothing is left out, and what was found is never there of more than some packets at a time."""
    rules, packets = 200 * SCALE, 16_384
    once = "threshold:type limit, track by_src, count 1, seconds 3600;"
    text = "".join(rule(number, f'content:"hello"; {once}') for number in range(1, rules + 1))
    done = replayed("packets that many rules match", tmp_path, text, [datagram(b"hello")] * packets)
    assert done.counted("alerts from") == rules
    assert done.megabytes < 350


def test_a_batch_in_which_every_rule_has_a_candidate_everywhere(tmp_path: Path) -> None:
    """Hundreds of rules that look for the same common bytes, each of which then needs more: one after the other, not at once."""
    count = 200 * SCALE
    rules = "".join(
        rule(number, f'content:"hello"; fast_pattern; isdataat:{500 + number};') for number in range(1, count + 1)
    )
    done = replayed(
        "candidates everywhere", tmp_path, rules, (datagram(b"hello%08d" % number) for number in range(16384))
    )
    assert done.megabytes < 350 and done.seconds < 10 + 10 * SCALE


def test_contents_that_can_match_in_a_million_ways(tmp_path: Path) -> None:
    """What is nowhere behind any match is looked for once; what is here and there is given up after 3000 steps, counted."""
    absent = rule(1, 'content:"aaaa"; content:"zq"; distance:0;') + rule(2, 'content:"aaaa"; pcre:"/aaz+q/R";')
    frames = [datagram(b"a" * 1400)] * (3000 * SCALE)
    done = replayed("absent contents", tmp_path, absent, frames)
    assert "given up" not in done.said and done.seconds < 10 + 3 * SCALE
    present = rule(1, 'content:"aaaa"; content:"a"; distance:0; content:"a"; distance:1; content:"b"; within:1;')
    done = replayed("contents here and there", tmp_path, present, [datagram(b"a" * 4000)] * len(frames))
    assert done.counted("packets or streams were given up") == len(frames)
    assert done.seconds < 10 + 3 * SCALE


def test_expressions_that_take_for_ever_or_just_not(tmp_path: Path) -> None:
    """One second for a rule and two for all of them, then they are left alone for a while, counted."""
    frames = [datagram(b"a" * 1400)] * (1000 * SCALE)
    endless = (
        "(a+)+(?=b)",
        "(a|aa)+(?=b)",
        r"(a)(\\1|a)*b(?=c)",
        "(?<=a{100})(a|aa)+b",
        "((a{1,100}){1,100}){1,100}(?=b)",
    )
    rules = "".join(rule(number, f'content:"aaaa"; pcre:"/{one}/";') for number, one in enumerate(endless, 1))
    done = replayed("expressions without end", tmp_path, rules, frames)
    assert done.counted("times a rule's expression was not tried") > 3 * len(frames)
    assert done.said.count("failed") >= 4 and done.seconds < 10 + 3 * SCALE
    just = rule(1, 'content:"aaaa"; pcre:"/^(?:.*a){3}(?=b)/";')  # 0.03 s each
    done = replayed("expressions just under the limit", tmp_path, just, frames)
    assert done.counted("times a rule's expression was not tried") > len(frames) // 2 and done.seconds < 10 + SCALE
    many = "".join(rule(number, f'content:"aaaa"; pcre:"/(a+)+(?=b{number})/";') for number in range(1, 301))
    done = replayed("hundreds of them", tmp_path, many, frames[: 50 * SCALE])
    assert done.counted("times a rule's expression was not tried") > 0 and done.seconds < 10 + 3 * SCALE


def test_numbers_at_their_ends(tmp_path: Path) -> None:
    """Jumps out of the packet and round the world, numbers that overflow, places that a packet chooses."""
    steps = (
        "byte_jump:8,0,multiplier 65535,post_offset 65535;",
        "byte_jump:8,0,from_end,post_offset -65535;",
        "byte_jump:4,-4,relative;" * 50,
        "byte_extract:8,0,far,multiplier 65535; byte_test:1,=,1,far;",
        "byte_extract:8,0,far; byte_jump:1,far,relative; isdataat:far,relative;",
        "byte_math:bytes 8, offset 0, oper *, rvalue 4294967295, result far; byte_test:4,>,far,0;",
        "byte_math:bytes 8, offset 0, oper <<, rvalue 63, result far; content:\"a\"; offset:far;",
        "byte_math:bytes 4, offset 0, oper /, rvalue 1, result one; byte_math:bytes 4, offset 0, oper /, rvalue one, result far;",
        "byte_test:8,>,18446744073709551615,0; isdataat:65535;",
        "content:\"a\"; distance:-65535; within:65535;",
        "byte_test:10,=,18446744073709551615,0,string,dec;",
        "base64_decode:bytes 65535, offset 0; base64_data; content:\"never\";",
    )  # fmt: skip
    rules = "".join(
        rule(number, f'content:"start"; {step} content:"never"; distance:0;')
        if "base64" not in step
        else rule(number, step)
        for number, step in enumerate(steps, 1)
    )
    bodies = [
        b"\xff" * 8,
        b"\x7f" + b"\xff" * 7,
        b"\x80" + bytes(7),
        bytes(8),
        b"99999999999999999999",
        b"QUFB" * 16_000,
    ]
    frames = [datagram(body + b"start" + body * 4) for body in bodies[:5]] + [datagram(bodies[5])]
    done = replayed("numbers", tmp_path, rules, frames * (50 * SCALE))
    assert "failed" not in done.said and done.seconds < 15 + 5 * SCALE
    assert "refused" not in done.said, done.said
