"""Rules made from traffic at random: bytes of real payloads, asked for at places where they stand or nearly stand.

The same seed and capture give the same rules. They stand for the rules that nobody here has seen.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import NamedTuple

FIRST_SID = 8_000_000
SPECIAL = b';"\\:|'


class Payload(NamedTuple):
    """What a packet carried. data is never empty."""

    protocol: str  # tcp, udp
    source_port: int
    destination_port: int
    data: bytes


def payload_of(frame: bytes) -> Payload | None:
    """The payload of an Ethernet frame with IPv4 and TCP or UDP; None for all others, and for none."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45 or frame[20] & 0x3F or frame[21]:
        return None
    end = min(len(frame), 14 + struct.unpack_from(">H", frame, 16)[0])
    source, destination = struct.unpack_from(">HH", frame, 34)
    match frame[23]:
        case 6 if len(frame) > 46:
            data, protocol = frame[34 + (frame[46] >> 4) * 4 : end], "tcp"
        case 17:
            data, protocol = frame[42:end], "udp"
        case _:
            return None
    return Payload(protocol, source, destination, data) if data else None


def quoted(data: bytes) -> str:
    """Bytes as content spells them."""
    parts, is_hex = [], False
    for byte in data:
        plain = 32 < byte < 127 and byte not in SPECIAL
        if plain == is_hex:
            parts.append("|")
            is_hex = not plain
        parts.append(chr(byte) if plain else f"{byte:02x} ")
    return "".join(parts).replace(" |", "|").strip() + ("|" if is_hex else "")


class Maker:
    """Makes rules from payloads."""

    def __init__(self, payloads: Sequence[Payload], seed: int) -> None:
        self.payloads = [payload for payload in payloads if len(payload.data) >= 4]
        self.chosen = random.Random(seed)

    def rules(self, count: int) -> dict[int, str]:
        """{sid: line}."""
        if not self.payloads:
            return {}
        return {sid: self.rule(sid) for sid in range(FIRST_SID, FIRST_SID + count)}

    def nearly(self, number: int) -> int:
        """A number, in one of four cases a little off."""
        return number if self.chosen.random() < 0.75 else max(0, number + self.chosen.choice((-2, -1, 1, 2)))

    def rule(self, sid: int) -> str:
        """One rule."""
        chosen = self.chosen
        payload = chosen.choice(self.payloads)
        make = chosen.choice(
            (
                self.contents,
                self.contents,
                self.contents,
                self.number,
                self.jump,
                self.extraction,
                self.expression,
                self.ends,
            )
        )
        protocol = payload.protocol
        if protocol == "tcp" and chosen.random() < 0.25:
            protocol = chosen.choice(("tcp-pkt", "tcp-stream"))
        elif chosen.random() < 0.05:
            protocol = "ip"
        options = self.around(payload, is_of_stream=protocol == "tcp-stream") + make(payload.data)
        ports = ["any", "any"]
        if protocol != "ip" and chosen.random() < 0.4:
            side = chosen.randrange(2)
            ports[side] = str((payload.source_port, payload.destination_port)[side])
        way = chosen.choice(("->", "->", "->", "<>"))
        return f'alert {protocol} any {ports[0]} {way} any {ports[1]} (msg:"random {sid}"; {options}sid:{sid}; rev:1;)'

    def around(self, payload: Payload, is_of_stream: bool) -> str:
        """Conditions on flow and, but for streams, on size."""
        chosen = self.chosen
        text = ""
        if chosen.random() < 0.4:
            text += f"flow:{chosen.choice(('established', 'established,to_server', 'established,to_client', 'to_server', 'to_client', 'stateless'))}; "
        if chosen.random() < 0.2 and not is_of_stream:
            size = self.nearly(len(payload.data))
            text += f"dsize:{chosen.choice((str(size), f'<{size + 1}', f'>{max(size - 1, 0)}', f'{max(size - 3, 0)}<>{size + 3}'))}; "
        return text

    def piece(self, data: bytes, least: int = 2) -> tuple[int, int]:
        """A place and a length in the data."""
        length = min(len(data), self.chosen.choice((least, 3, 4, 4, 6, 8, 12)))
        return self.chosen.randrange(len(data) - length + 1), length

    def content(self, data: bytes, at: int, length: int) -> str:
        """A content, in one of eight cases of another spelling or with a wrong byte."""
        body, also = bytearray(data[at : at + length]), ""
        odd = self.chosen.random()
        if odd < 0.08:
            body[self.chosen.randrange(length)] ^= 1
        elif odd < 0.2:
            body, also = bytearray(bytes(body).swapcase()), "nocase; "
        return f'content:"{quoted(bytes(body))}"; {also}'

    def contents(self, data: bytes) -> str:
        """Contents with places, each after the one before or anywhere."""
        chosen = self.chosen
        at, length = self.piece(data)
        text = self.content(data, at, length)
        match chosen.randrange(6):
            case 0:
                text += f"offset:{self.nearly(at)}; "
            case 1:
                text += f"depth:{max(length, self.nearly(at + length))}; "
            case 2:
                text += f"offset:{self.nearly(at)}; depth:{length + chosen.randrange(4)}; "
            case 3 if at == 0:
                text += "startswith; "
            case 4 if at + length == len(data):
                text += "endswith; "
        end = at + length
        for _ in range(chosen.choice((0, 1, 1, 2, 3))):
            if len(data) - end < 2:
                break
            at, length = self.piece(data[end:])
            text += self.content(data, end + at, length)
            match chosen.randrange(5):
                case 0:
                    text += f"distance:{self.nearly(at)}; "
                case 1:
                    text += f"within:{max(length, self.nearly(at + length))}; "
                case 2:
                    text += f"distance:{self.nearly(at)}; within:{length + chosen.randrange(3)}; "
                case 3:
                    text += "distance:0; "
            end += at + length
        if chosen.random() < 0.2:
            text += f'content:!"{quoted(bytes(chosen.choices(data, k=3)))}"; ' + chosen.choice(
                ("", f"within:{chosen.randrange(3, 40)}; ", "distance:0; ")
            )
        return text

    def number(self, data: bytes) -> str:
        """byte_test at a place or after a content."""
        chosen = self.chosen
        at, length = self.piece(data)
        size = chosen.choice((1, 1, 2, 4))
        place = at + length + chosen.randrange(6)
        if place + size > len(data):
            place = max(0, len(data) - size)
        order = chosen.choice(("big", "little"))
        value = int.from_bytes(data[place : place + size], order)  # type: ignore[arg-type]
        operator, other = chosen.choice(
            (
                ("=", value),
                ("!=", value),
                ("<", value + 1),
                (">", value - 1),
                ("<=", value),
                (">=", value),
                ("&", value & 0x81 or 1),
                ("!&", 0x40),
                ("=", value ^ 1),
            )
        )
        relative = chosen.random() < 0.6
        where = place - at - length if relative else place
        return f"{self.content(data, at, length)}byte_test:{size},{operator},{max(other, 0)},{where}{',relative' if relative else ''},{order}; "

    def jump(self, data: bytes) -> str:
        """byte_jump by a number of the data, and what stands there."""
        chosen = self.chosen
        at = chosen.randrange(max(1, len(data) - 2))
        target = at + 1 + data[at]
        if target + 2 > len(data):
            post = chosen.randrange(-3, 3)
            return f"byte_jump:1,{at}{f',post_offset {post}' if post else ''}; isdataat:{'!' if chosen.random() < 0.5 else ''}{chosen.randrange(1, 5)},relative; "
        length = min(3, len(data) - target)
        return f"byte_jump:1,{at}; {self.content(data, target, length)}within:{length + chosen.choice((0, 0, 1, 5))}; "

    def extraction(self, data: bytes) -> str:
        """byte_extract or byte_math, and a use of the variable."""
        chosen = self.chosen
        at = chosen.randrange(len(data))
        value = data[at]
        name = "number"
        first = f"byte_extract:1,{at},{name}; "
        if chosen.random() < 0.5:
            add = chosen.randrange(1, 5)
            first, value = f"byte_math:bytes 1,offset {at},oper +,rvalue {add},result {name}; ", value + add
        start, length = self.piece(data)
        if value + length <= len(data) and chosen.random() < 0.6:
            return first + f"{self.content(data, value, length)}offset:{name}; depth:{length + chosen.randrange(3)}; "
        place = chosen.randrange(len(data))
        return self.content(data, start, length) + first + f"byte_test:1,{chosen.choice('<>=')},{name},{place}; "

    def expression(self, data: bytes) -> str:
        """A content and a regular expression beside it, relative or not."""
        chosen = self.chosen
        at, length = self.piece(data)
        rest = data[at + length : at + length + 3]
        body = "".join(f"\\x{byte:02x}" if chosen.random() < 0.7 else "." for byte in rest)
        text = self.content(data, at, length)
        if body and chosen.random() < 0.5:
            return text + f'pcre:"/^{body}/R{chosen.choice(("", "s", "i", "si"))}"; '
        whole = "".join(f"\\x{byte:02x}" for byte in data[at : at + length])
        gap, last = chosen.randrange(20), chosen.choice(data)
        negation, flags = chosen.choice(("", "", "!")), chosen.choice(("", "s", "si", "m"))
        return text + f'pcre:{negation}"/{whole}.{{0,{gap}}}\\x{last:02x}/{flags}"; '

    def ends(self, data: bytes) -> str:
        """What stands at the end, and how much follows a content."""
        chosen = self.chosen
        at, length = self.piece(data)
        rest = len(data) - at - length
        if chosen.random() < 0.4:
            return f"{self.content(data, max(0, len(data) - length), length)}endswith; "
        return f"{self.content(data, at, length)}isdataat:{'!' if chosen.random() < 0.5 else ''}{max(1, self.nearly(rest))},relative; "
