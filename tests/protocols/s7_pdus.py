"""PDUs of S7comm with every function and every list, built by the Scapy layers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from scapy.packet import Packet, Raw

from detector.protocols.s7comm_layers import (
    S7,
    TPKT,
    COTPData,
    S7Block,
    S7Code,
    S7Function,
    S7Item,
    S7OtherItem,
    S7Service,
    S7Setup,
    S7Stop,
    S7UserData,
    S7UserFunction,
    S7Value,
    S7Variables,
)
from detector.protocols.s7comm_szl import KINDS, LINES, LISTS


def tpkt(pdu: Packet) -> bytes:
    """A PDU in one TPKT."""
    return bytes(TPKT() / COTPData() / pdu)


def s7(pdu: S7, reference: int = 0) -> bytes:
    """An S7 PDU with its reference."""
    pdu.pduref = reference
    return tpkt(pdu)


def cut(pdu: bytes, size: int) -> list[bytes]:
    """A PDU in several TPKTs."""
    parts = [pdu[at : at + size] for at in range(0, len(pdu), size)]
    return [bytes(TPKT() / COTPData(eot=int(place == len(parts) - 1)) / Raw(part)) for place, part in enumerate(parts)]


def items() -> Iterator[list[Packet]]:
    """Variables in every syntax."""
    areas = (0x03, 0x05, 0x06, 0x07, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x1C, 0x1D, 0x1E, 0x1F)
    yield [S7Item(area=area, db=area, address=area * 773, transp_size=place + 1) for place, area in enumerate(areas)]
    others = ("b0 02 08 000a 0010 04 000b 0020", "b2 ff 0000 0052 01020304 20000005 40000006", "b2 ff 8a0e 0007 01020304 20000005",
              "b2 ff 1234 0007 01020304 20000005", "82 b1 0102 0304 7f 05", "83 21 0102 0304 7f 05", "84 e1 0102 0304 7f 05",
              "a2 01 0203 0405 0607 0809", "99 0102")  # fmt: skip
    yield [S7OtherItem(address=bytes.fromhex(text)) for text in others]
    yield [S7OtherItem(address=bytes.fromhex("99 01")), S7Item(), S7OtherItem(address=bytes.fromhex("99"))]


def values(chosen: random.Random, codes: Sequence[int] = (0xFF,)) -> list[Packet]:
    """Values of every type, of even and odd length."""
    made = []
    for code in codes:
        for kind, size in ((3, 1), (4, 1), (4, 2), (5, 3), (6, 4), (7, 4), (9, 5), (9, 6)):
            is_bit = kind == 3
            fill = {"fill": b"\0"} if size % 2 else {}
            made.append(S7Value(returncode=code, transportsize=kind, value=chosen.randbytes(size), **fill,
                                **({"length": 1} if is_bit else {})))  # fmt: skip
    return [
        *made,
        S7Value(returncode=0x0A, transportsize=0, length=0, value=b""),
        S7Value(transportsize=4, value=b"\1\2"),
    ]


def jobs(chosen: random.Random) -> Iterator[tuple[str, S7]]:
    """Jobs and answers with every function."""
    for asked in items():
        yield "c", S7(param=S7Variables(func=4, items=asked))
    told = values(chosen)
    written = [S7Value(value.build()) for value in told]
    for value in written:
        value.returncode = 0
    yield "c", S7(param=S7Variables(func=5, items=[S7Item()] * len(told)), data=[one for one in written if one.length])
    yield "s", S7(rosctr=3, param=S7Variables(func=4, itemcount=len(told)), data=told)
    yield (
        "s",
        S7(
            rosctr=3,
            param=S7Variables(func=5, itemcount=3),
            data=[S7Code(), S7Code(returncode=10), S7Code(returncode=5)],
        ),
    )
    yield "s", S7(rosctr=2, errcls=0x85, errcod=4)
    yield "s", S7(rosctr=2)
    yield "c", S7(param=S7Setup(maxamq_calling=3, maxamq_called=5))
    yield "s", S7(rosctr=3, param=S7Setup(pdu_length=240))
    tail = b"\x0d1000120000098"
    for name in (b"_0A00123P", b"$0800001A", b"_XY12345B", b"_0800001", b"/_N_MPF_DIR/_N_A_MPF"):
        for function in (0x1A, 0x1B, 0x1C, 0x1D):
            data = tail if function == 0x1A and len(name) == 9 else b""
            yield (
                "cssc"[function - 0x1A],
                S7(param=S7Block(func=function, filename=name, data=data, functionstatus=function & 3)),
            )
    yield "c", S7(param=S7Function(func=0x1E, data=bytes.fromhex("00 0000 00000007")))
    yield "c", S7(param=S7Function(func=0x1F, data=bytes.fromhex("00 8104 00000007")))
    yield "s", S7(rosctr=3, param=S7Function(func=0x1D, data=bytes.fromhex("01 0100 00000007 07 30303030323134")))
    yield "s", S7(rosctr=3, param=S7Function(func=0x1D, data=bytes.fromhex("01 0100 00000007")))
    for function in (0x1A, 0x1B, 0x1C, 0x1E, 0x1F, 0x28):
        block = [Raw(b"\0\x08\0\xfb" + chosen.randbytes(8))] if function in (0x1B, 0x1E) else []
        yield "s", S7(rosctr=3, param=S7Function(func=function, data=b"\x03"), data=block)
        yield "s", S7(rosctr=3, param=S7Function(func=function))
    blocks = b"\x02\x000800001P0E00017A"
    for service, block in ((b"_INSE", blocks), (b"_INS2", blocks), (b"_DELE", blocks), (b"P_PROGRAM", b""), (b"P_PROGRAM", b"C "),
                           (b"_MODU", b"EP"), (b"_GARB", b""), (b"_UNKNOWN", b"ab")):  # fmt: skip
        yield "c", S7(param=S7Service(servicename=service, parameterblock=block))
    yield "c", S7(param=S7Stop())
    yield "c", S7(param=S7Function(func=0x77, data=b"abc"), data=[Raw(b"defg")])
    yield "s", S7(rosctr=3, param=S7Function(func=0x77, data=b"abc"), data=[Raw(b"defg")])


def moment(chosen: random.Random, year: int | None = None) -> bytes:
    """A date and time in eight bytes."""
    parts = [chosen.randrange(100) if year is None else year, chosen.randrange(1, 13), chosen.randrange(1, 28), *(chosen.randrange(n) for n in (24, 60, 60))]  # fmt: skip
    return bytes(part // 10 * 16 + part % 10 for part in parts) + bytes.fromhex(
        f"{chosen.randrange(1000):03d}{chosen.randrange(1, 8)}"
    )


def texts(size: int, chosen: random.Random) -> bytes:
    """Letters, and zero bytes behind them."""
    return bytes(chosen.choices(b"ABC abc123", k=chosen.randrange(1, size + 1))).ljust(size, b"\0")


def lists(chosen: random.Random) -> Iterator[tuple[int, int, int, bytes]]:
    """(id, index, entries, their bytes) of every system status list that is taken apart, and of one that is not."""
    sizes = dict.fromkeys(KINDS, 0)
    has_text = set()
    for line in LINES.splitlines():
        _, kind, where, place, _ = line.split(None, 4)
        start, width = place.removesuffix("le")[1:].split(":")
        entry = where.split(":")[1]
        sizes[entry] = max(sizes[entry], int(start) + int(width))
        if kind == "string":
            has_text.add(entry)
    for (number, index), kind in LISTS.items():
        size = 258 if kind == "list94" else sizes[kind] // 8  # a bit for each of 2047 stations
        entry = [
            b"\0\1" + texts(20, chosen) + chosen.randbytes(6) if kind in has_text else chosen.randbytes(size)
            for _ in range(2)
        ]
        yield number, max(index, 0), 2, b"".join(entry)
    for inner in range(1, 12):
        if inner != 6:
            body = chosen.randbytes(32) if inner == 9 else texts(32, chosen)
            yield 0x001C, 0, 1, inner.to_bytes(2, "big") + body
    yield 0x00A0, 0, 2, b"".join(chosen.randbytes(12) + moment(chosen, 14) for _ in range(2))
    yield 0x011C, 12, 1, b"\0\x0c" + chosen.randbytes(32)
    yield 0x0022, 4, 1, chosen.randbytes(28)
    yield 0x0232, 4, 1, chosen.randbytes(40)
    yield 0x0999, 0, 2, chosen.randbytes(16)


def told(group: int, subfunction: int, data: bytes, way: int = 8, **more: int) -> S7:
    """A userdata PDU with data; way: 4 asks, 8 answers, 0 is sent without being asked."""
    is_long = {"dataunitref": 0, "lastdataunit": 0, "errcod": 0} if way != 4 else {}
    function = S7UserFunction(
        reqres1=0x11 if way == 4 else 0x12, type=way, funcgroup=group, subfunc=subfunction, **(is_long | more)
    )
    return S7(
        rosctr=7,
        param=function,
        data=[S7UserData(data=data, **({} if data else {"returncode": 10, "transportsize": 0}))],
    )


def tests_of(chosen: random.Random) -> Iterator[tuple[int, int, bytes]]:
    """(subfunction, way, data) of test jobs and what answers them."""

    def job(parameters: bytes, data: bytes) -> bytes:
        return len(parameters).to_bytes(2, "big") + len(data).to_bytes(2, "big") + parameters + data

    asked = [chosen.randbytes(size) for size in (4, 20, 26, 28)]
    calls = [
        bytes(28) + kind + chosen.randbytes(size - 30) for kind, size in ((b"\0\2", 36), (b"\0\3", 36), (b"\0\3", 38))
    ]
    two = bytes.fromhex("0002 00 07 0000 0005 01 03 0009 0006")
    values = bytes.fromhex("ff040010 1234 ff040008 5600")
    lines = bytes.fromhex("01 02 00 7f 0010 00 55 0020 00 2a")
    for parameters in (*asked, *calls):
        yield 0x02, 4, job(parameters, two)
    answer = chosen.randbytes(4)
    yield 0x02, 0, job(answer, bytes.fromhex("0002") + values)
    for function in (0x08, 0x09):
        yield function, 4, job(asked[1], two + values)
        yield function, 0, job(answer, bytes.fromhex("0003 ff ff 0a 00"))
        yield function, 0, job(answer, bytes.fromhex("0002 ff 0a"))
    yield 0x13, 4, job(asked[1], lines)
    yield 0x01, 4, job(asked[1], bytes.fromhex("00 7f 00 55 00 2a"))
    yield 0x13, 0, job(answer, chosen.randbytes(20))
    yield 0x13, 8, job(answer, chosen.randbytes(6))
    for function, size in (
        (0x0D, 2),
        (0x0E, 2),
        (0x11, 2),
        (0x0F, 4),
        (0x10, 4),
        (0x03, 2),
        (0x05, 2),
        (0x0A, 2),
        (0x0B, 2),
        (0x07, 6),
    ):
        yield function, 4, job(asked[0], chosen.randbytes(size))
    yield 0x10, 8, job(answer, chosen.randbytes(12))
    yield 0x11, 8, job(answer, job(asked[2], chosen.randbytes(7)))
    yield 0x12, 4, job(asked[0], bytes.fromhex("0000 02 05") + job(asked[1], two))
    yield 0x05, 8, job(answer, chosen.randbytes(6) + b"\0\4" + chosen.randbytes(8) + moment(chosen, 20))
    yield 0x0A, 8, job(answer, chosen.randbytes(38))


def alarms(chosen: random.Random) -> Iterator[tuple[int, int, bytes]]:
    """(subfunction, way, data) of alarms and messages."""
    head = bytes.fromhex("01 02")
    value = bytes.fromhex("ff040010 1234 ff090002 5678")
    state = [bytes.fromhex("12 08 16 02") + chosen.randbytes(8) + value for _ in range(2)]
    notify = [bytes.fromhex("12 0c 1c 02") + chosen.randbytes(12) + value for _ in range(2)]
    ack = [bytes.fromhex("12 08 19 00") + chosen.randbytes(6) for _ in range(2)]
    lock = [bytes.fromhex("12 06 15 00") + chosen.randbytes(4) for _ in range(2)]
    for function in (0x05, 0x11, 0x12):
        yield function, 0, moment(chosen, 14) + head + b"".join(state)
    for function in (0x06, 0x16):
        yield function, 0, moment(chosen, 14) + head + b"".join(notify)
    yield 0x0C, 0, moment(chosen, 14) + head + b"".join(ack)
    yield 0x09, 0, b"\1\2" + moment(chosen, 14) + b"\3\4" + head + b"".join(notify)
    yield 0x0B, 4, head + b"".join(ack)
    yield 0x0B, 8, head + b"\xff\x0a"
    for function in (0x07, 0x08):
        yield function, 4, head + b"".join(lock)
        yield function, 8, head + b"\xff\xff"
    for function in (0x0D, 0x0E):
        yield function, 0, head + b"".join(lock)
    for kind in (1, 3, 8):
        yield 0x13, 4, bytes.fromhex("00 01 12 08 1a 00") + bytes([kind]) + b"\x34" + chosen.randbytes(4)
    one = b"\x0a\0\0\x02" + chosen.randbytes(8)
    come = b"\x20\0\0\x04" + chosen.randbytes(8)
    came = moment(chosen, 14) + bytes.fromhex("ff040010 1234")
    both = one + come + came + came
    yield 0x13, 8, b"\0\1\xff\x09" + len(both).to_bytes(2, "big") + both
    yield 0x13, 8, b"\0\1\xff\x09\xff\xff" + both + b"\0"
    yield 0x13, 8, b"\0\1\x0a\0\0\0"
    yield 0x02, 4, bytes.fromhex("07 00") + b"HmiRtm  "
    yield 0x02, 4, bytes.fromhex("83 00") + b"HmiRtm\0\0" + bytes.fromhex("04 00")
    yield 0x02, 8, bytes.fromhex("02 00")
    yield 0x02, 8, bytes.fromhex("02 00 02 01 02")
    yield 0x03, 0, chosen.randbytes(12) + moment(chosen, 14)


def userdata(chosen: random.Random) -> Iterator[tuple[str, S7]]:
    """Userdata PDUs of every group."""
    for number, index, count, entries in lists(chosen):
        ends = number.to_bytes(2, "big") + index.to_bytes(2, "big")
        yield "c", told(4, 1, ends, 4)
        yield "s", told(4, 1, ends + (len(entries) // count).to_bytes(2, "big") + count.to_bytes(2, "big") + entries)
    yield "s", told(4, 1, b"", errcod=0xD401)
    yield "s", told(0, 2, b"", 0)
    yield "s", told(3, 1, b"080\0\0010A\0\7")
    yield "c", told(3, 2, b"0A", 4)
    yield "s", told(3, 2, bytes.fromhex("0001 22 05 0007 22 06"))
    yield "c", told(3, 3, b"0A00001A", 4)
    info = b"0A\0\x4a\0\0pp\1\x0b" + chosen.randbytes(2) + chosen.randbytes(10)
    days = (
        (86_399_999).to_bytes(4, "big")
        + (9000).to_bytes(2, "big")
        + (7).to_bytes(4, "big")
        + (10957).to_bytes(2, "big")
    )
    info += days + chosen.randbytes(8) + b"SIMATIC\0FAMILY  NAME\0\0\0\0" + b"\x13" + chosen.randbytes(11)
    yield "s", told(3, 3, info)
    for subfunction in (1, 3):
        yield "c", told(7, subfunction, b"", 4)
        yield "s", told(7, subfunction, b"\0\x19" + moment(chosen))
    yield "c", told(7, 2, b"\0\x20" + moment(chosen), 4)
    yield "c", told(5, 1, chosen.randbytes(8), 4)
    yield "c", told(2, 1, bytes.fromhex("0001 01 05") + bytes(S7Item()), 4)
    yield "s", told(2, 1, bytes.fromhex("0002 ff040008 0100 ff040008 02"), 8)
    yield "s", told(2, 1, bytes.fromhex("0001 ff040008 01"), 0)
    yield "c", told(2, 4, bytes.fromhex("0505"), 4)
    for group, made in ((1, tests_of(chosen)), (4, alarms(chosen))):
        for subfunction, way, data in made:
            yield "c" if way == 4 else "s", told(group, subfunction, data, way)
