"""`detector decode`: rows of packets and of PDUs, values as tshark prints them, filters, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ATTACK, COLOUR, detector, inside, on_terminal, refused
from tests.differential import tshark
from tests.differential.test_modbus import EXEMPT
from tests.runs import frames_of, pcap_bytes

FRAMES = frames_of(Path(ATTACK))


def rows(*words: str, capture: str = ATTACK) -> list[dict[str, Any]]:
    """The objects that --json prints."""
    done = inside("decode", capture, *words, "--json")
    assert done.code == 0 and done.err == "", done
    return [json.loads(line) for line in done.out.splitlines()]


def test_packet_fields_make_a_row_for_each_packet() -> None:
    found = rows("--fields", "ip.src,tcp.dstport,frame.len")
    assert [row["frame.number"] for row in found] == list(range(1, len(FRAMES) + 1))
    assert found[0] == {"frame.number": 1, "frame.len": 60}, "ARP has no IP fields: they are left out"
    assert found[4] == {"frame.number": 5, "ip.src": "10.20.0.10", "tcp.dstport": 502, "frame.len": 60}


@pytest.mark.differential
def test_rows_are_what_tshark_prints() -> None:
    """An independent program's values of packet, PDU and object fields; a write's object is ours alone (see EXEMPT)."""
    tshark.require_tool("tshark")
    names = ["ip.src", "modbus.func_code", "modbus.regnum16", "modbus.regval_uint16"]
    theirs = {}
    for values in tshark.values(Path(ATTACK), ["frame.number", *names], len(FRAMES)):
        if values.get("modbus.func_code"):
            theirs[int(values["frame.number"][0])] = {name: values[name] for name in names if values.get(name)}
    ours = {}
    for row in rows("--fields", ",".join(names)):
        number = row.pop("frame.number")
        ours[number] = {
            name: [str(value) for value in (values if isinstance(values, list) else [values])]
            for name, values in row.items()
        }
        if ours[number]["modbus.func_code"] != ["3"]:
            ours[number] = {name: values for name, values in ours[number].items() if name not in EXEMPT}
    assert ours == theirs and len(ours) > 200


def test_pdu_fields_make_a_row_for_each_pdu(tmp_path: Path) -> None:
    """Two PDUs in one packet are two rows; packet fields beside them are those of their packet; names are said once."""
    two = bytearray(FRAMES[7][1][:54])
    payload = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 10) + struct.pack(">HHHBBHH", 2, 0, 6, 1, 6, 7, 99)
    struct.pack_into(">H", two, 16, 40 + len(payload))
    capture = tmp_path / "two.pcap"
    capture.write_bytes(pcap_bytes([*FRAMES[4:7], (FRAMES[7][0], bytes(two) + payload)]))
    found = rows(
        "--fields", "frame.number,modbus.func_code,ip.dst,mbtcp.trans_id,pdu.kind,ip.dst", capture=str(capture)
    )
    shared = {"frame.number": 4, "ip.dst": "10.20.0.21", "pdu.kind": "request"}
    assert found == [
        {**shared, "modbus.func_code": 3, "mbtcp.trans_id": 1},
        {**shared, "modbus.func_code": 6, "mbtcp.trans_id": 2},
    ]


def test_a_filter_selects_frames() -> None:
    found = rows("--fields", "modbus.func_code", "--filter", "modbus.func_code == 6 and tcp.dstport == 502")
    assert {row["modbus.func_code"] for row in found} == {6} and found[0]["frame.number"] == 211
    assert rows("--fields", "ip.src", "--filter", "arp") == [{"frame.number": number} for number in range(1, 5)] + [
        {"frame.number": row["frame.number"]} for row in rows("--fields", "ip.src", "--filter", "arp")[4:]
    ]


def test_aligned_text() -> None:
    """Under a line of names, columns one below the other; a field without a value is a dash."""
    done = inside(
        "decode", ATTACK, "--fields", "ip.src,modbus.func_code,modbus.regval_uint16", "--filter", "frame.number < 16"
    )
    assert done.out.splitlines() == [
        "frame.number  ip.src      modbus.func_code  modbus.regval_uint16",
        "8             10.20.0.10  3                 -",
        "9             10.20.0.21  3                 443,806,757,333,578,818,685,840,794,267",
        "14            10.20.0.10  3                 -",
        "15            10.20.0.22  3                 680,465,764,439,396,681",
    ]


def test_one_long_value_moves_its_own_line_only() -> None:
    """A payload of a kilobyte must not push every other line to the right."""
    done = inside("decode", ATTACK, "--fields", "tcp.options,tcp.payload,ip.ttl")
    lines = [line for line in done.out.splitlines() if len(line) < 80]
    assert len(lines) > 200 and len({line.rindex(" ") for line in lines[1:]}) <= 3


def test_no_row_is_said() -> None:
    """Nothing at all leaves one wondering what was wrong; standard output stays clean for the program that reads it."""
    cases = [
        (["--fields", "ip.src", "--filter", "udp.port == 1"], "warning: no row: no frame of 393 is selected by 'udp.port == 1'\n"),
        (["--fields", "modbus.func_code", "--filter", "arp"], "warning: no row: no frame of 393 is selected by 'arp'\n"),
    ]  # fmt: skip
    for words, said in cases:
        done = inside("decode", ATTACK, *words)
        assert (done.code, done.out, done.err) == (0, "", said)
    done = detector("decode", "-", "--fields", "modbus.func_code", stdin=pcap_bytes(FRAMES[:7]))
    assert done.code == 0 and done.err == "warning: no row: no modbus PDU in 7 packets\n"
    assert detector("decode", "-", "--fields", "ip.src").err == "warning: no row: no packet was read\n"


def test_a_cut_capture_is_a_warning(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(pcap_bytes(FRAMES[:6])[:-1])
    done = inside("decode", cut, "--fields", "ip.src")
    assert done.code == 0 and len(done.out.splitlines()) == 6
    assert done.err == f"warning: {cut}: cut short in packet 6; read up to packet 5\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fields", "modbus.funccode"], "--fields: unknown field 'modbus.funccode' (hint: did you mean modbus.func_code?)"),
        (["--fields", "ip.src,IP.DST"], "--fields: unknown field 'IP.DST' (hint: did you mean ip.dst?)"),
        (["--fields", "xyzzy"], "--fields: unknown field 'xyzzy' (hint: all of them: detector fields)"),
        (["--fields", " , "], "--fields: no field given (hint: for example --fields ip.src,ip.dst,modbus.func_code)"),
        (["--fields", "pdu.kind,ip.src"], "--fields: pdu.kind needs a protocol (hint: name one beside it: --fields modbus,pdu.kind)"),
        (["--fields", "ip.src", "--filter", "pdu.kind"], "--filter: pdu.kind is a field of a PDU, the filter selects frames "
         "(hint: --fields with a protocol's field and pdu.kind shows it)"),
        (["--fields", "ip.src", "--filter", "ip.src in $HOME_NET"], "--filter: $HOME_NET has no value here "
         "(hint: write the values: in {10.0.0.1, 10.0.0.2})"),
        (["--fields", "ip.src", ATTACK], f"detector decode: unrecognized arguments: {ATTACK} (hint: detector decode --help)"),
    ],
)  # fmt: skip
def test_what_is_refused(words: list[str], said: str) -> None:
    assert refused(inside("decode", ATTACK, *words)) == said


def test_fields_of_two_protocols_are_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one protocol so far: another is lent the fields of MBAP."""
    monkeypatch.setattr(
        "detector.cli.decode.table_of", lambda name: "other" if name.startswith("mbtcp") else name.partition(".")[0]
    )
    assert refused(inside("decode", ATTACK, "--fields", "modbus.func_code,mbtcp.len")) == (
        "--fields: fields of two protocols: modbus.func_code (modbus) and mbtcp.len (other) "
        "(hint: a line is a PDU of one protocol: run decode once for each)"
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("ip.src = 10.0.0.1", ["--filter:1:8: unexpected character '='", "     1 | ip.src = 10.0.0.1", "       |        ^",
                               "hint: equality is written =="]),
        ("ip and tcp.dstprt == 1", ["--filter:1:8: unknown field 'tcp.dstprt'", "     1 | ip and tcp.dstprt == 1",
                                    "       |        ^^^^^^^^^^", "hint: did you mean tcp.dstport?"]),
    ],
)  # fmt: skip
def test_a_bad_filter_shows_where(text: str, lines: list[str]) -> None:
    done = detector("decode", ATTACK, "--fields", "ip.src", "--filter", text)
    assert done.code == 2 and done.out == "" and done.err.splitlines() == lines


def test_bytes_of_the_network_steer_no_terminal(tmp_path: Path) -> None:
    """A comment with an escape sequence is shown, not obeyed: in text and in JSON."""
    from tests.pcapng import blocks, interface, packet, section

    capture = tmp_path / "comment.pcapng"
    capture.write_bytes(blocks(section(), interface(), packet(FRAMES[4][1], comment="\x1b[2J\u009b31m\u202egone")))
    for more in ([], ["--json"]):
        _, written = on_terminal("decode", capture, "--fields", "frame.comment", *more)
        assert "gone" in written
        assert written.replace("\r\n", "").isprintable(), written
    assert rows("--fields", "frame.comment", capture=str(capture))[0]["frame.comment"] == "\x1b[2J\u009b31m\u202egone"


def test_text_is_the_same_on_a_terminal() -> None:
    code, written = on_terminal("decode", ATTACK, "--fields", "ip.src", "--filter", "frame.number == 5")
    assert code == 0 and COLOUR.search(written) is None
    assert written.split("\r\n") == ["frame.number  ip.src", "5             10.20.0.10", ""]
