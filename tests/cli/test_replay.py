"""`detector replay` as its users run it: what it shows, what it writes, when it ends, and with which exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import (
    ATTACK,
    COLOUR,
    COLUMNS,
    EVERYTHING,
    MASTERS,
    POLLING,
    detector,
    environment,
    inside,
    left_on_screen,
    on_terminal,
    refused,
    widths,
    without_privileges,
)
from tests.runs import RULES, SCENARIOS, frames_of, pcap_bytes
from tests.service.running import until

SECOND = 10**9
WRITES = RULES / "modbus" / "modbus-write-from-unknown-master.yml"
IDENTIFICATION = RULES / "modbus" / "modbus-device-identification.yml"
FEW = ("--rules", str(WRITES), str(IDENTIFICATION), "--var", MASTERS)
FRAMES = frames_of(Path(ATTACK))


def alerts_in(path: Path) -> list[dict[str, Any]]:
    """The documents of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def numbers_in(path: Path) -> list[int]:
    """Which packets alerted."""
    return [alert["packet"]["number"] for alert in alerts_in(path)]


def test_alerts_a_summary_and_what_was_not_judged(tmp_path: Path) -> None:
    """The whole output of a replay in a pipe, and the documents beside it."""
    done = detector("replay", ATTACK, *EVERYTHING[2:4], "--alerts", tmp_path / "alerts.jsonl")
    assert done.code == 0 and done.err == ""
    lines = done.out.splitlines()
    assert lines[:9] == [
        f"2024-05-01 UTC  {ATTACK}",
        "10:00:20.006 low      Modbus device identification           10.20.0.66 > 10.20.0.21:502",
        "packet 137            10.20.0.66 asked 10.20.0.21 who it is",
        "10:00:29.052 high     Modbus write from unknown master       10.20.0.66 > 10.20.0.21:502",
        "packet 214            10.20.0.66 wrote to unit 1 of 10.20.0.21 with Write Single Register (6), and is no known master",
        "",
        "level          alerts  first                last                 rule",
        "high                1  2024-05-01 10:00:29  2024-05-01 10:00:29  Modbus write from unknown master",
        "low                 1  2024-05-01 10:00:20  2024-05-01 10:00:20  Modbus device identification",
    ]
    assert lines[10].startswith("393 packets, 26,676 bytes, 8 flows, PDUs: 252 modbus; 2 alerts from ")
    assert lines[11] == "3 more matches held back by the rules' limits"
    assert "not everything was seen or judged:" in lines
    assert (
        "  - 2 rules are inactive, $HOME_NET is not set: Control protocol from outside, Cleartext remote administration"
        in lines
    )
    assert numbers_in(tmp_path / "alerts.jsonl") == [137, 214]


def test_on_a_terminal_there_are_colours_by_level_and_nothing_is_wider_than_it() -> None:
    """Readable at 100 columns: folded between words; the progress bar is gone when the replay ends."""
    code, written = on_terminal("replay", ATTACK, "--var", MASTERS)
    left = left_on_screen(written)
    assert code == 0
    assert max(widths("\n".join(left))) <= COLUMNS
    assert any("\x1b[31mhigh" in line for line in left) and any("\x1b[36mlow" in line for line in left)
    assert "reading" in written and "100%" in written
    assert not any("reading" in line or "100%" in line for line in left)
    assert "\x1b[?25h" in written, "the cursor is shown again"


def test_long_reasons_are_folded_between_words_on_a_terminal_and_whole_in_a_pipe() -> None:
    words = ("replay", ATTACK, "--rules", str(RULES / "modbus"))
    _, written = on_terminal(*words)
    left = [COLOUR.sub("", line) for line in left_on_screen(written)]
    first = next(at for at, line in enumerate(left) if "$MODBUS_MASTERS is not set" in line)
    assert left[first].startswith("  - 5 rules are inactive, ") and left[first + 1].startswith("    identification, ")
    whole = next(line for line in inside(*words).out.splitlines() if "$MODBUS_MASTERS is not set" in line)
    last = next(at for at in range(first + 1, len(left)) if not left[at].startswith("    "))
    assert " ".join([left[first], *(line.strip() for line in left[first + 1 : last])]) == whole


def test_no_colour_in_a_pipe_and_none_where_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org: NO_COLOR with any value."""
    assert "\x1b" not in inside("replay", ATTACK, *FEW).out
    monkeypatch.setattr("tests.cli.command.environment", lambda: {**environment(), "NO_COLOR": "1"})
    _, written = on_terminal("replay", ATTACK, *FEW)
    assert "Modbus write" in written
    assert not any(colour in written for colour in ("\x1b[31m", "\x1b[36m", "\x1b[33m", "38;5"))


def test_captures_and_options_in_any_order(tmp_path: Path) -> None:
    """Between two captures an option is nothing unusual."""
    found = []
    for words in ([ATTACK, POLLING, "--strict"], ["--strict", ATTACK, POLLING], [ATTACK, "--strict", POLLING]):
        done = inside("replay", *words, "--alerts", tmp_path / "a", "--rules", WRITES, "--var", MASTERS)
        assert done.code == 0 and "754 packets" in done.out
        found.append((tmp_path / "a").read_bytes())
    assert found == [found[0]] * 3 and found[0]


def test_a_folder_and_several_captures_are_one_run(tmp_path: Path) -> None:
    """In time order, each alert with its own file and number; a capture that is named twice is read once."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    half = len(FRAMES) // 2
    (tmp_path / "in" / "deep" / "a.pcap").write_bytes(pcap_bytes(FRAMES[half:]))
    (tmp_path / "in" / "z.pcap").write_bytes(pcap_bytes(FRAMES[:half]))
    (tmp_path / "in" / "notes.txt").write_text("no capture")
    (tmp_path / "in" / "latest.pcap").symlink_to(tmp_path / "in" / "z.pcap")
    done = detector("replay", tmp_path / "in", tmp_path / "in" / "z.pcap", *FEW, "--alerts", tmp_path / "alerts.jsonl")
    assert done.code == 0
    assert "393 packets, 26,676 bytes" in done.out and "packet.repeat" not in done.out
    found = [
        (Path(alert["log"]["file"]["path"]).name, alert["packet"]["number"])
        for alert in alerts_in(tmp_path / "alerts.jsonl")
    ]
    assert found == [("z.pcap", 137), ("a.pcap", 214 - half)] or found == [("latest.pcap", 137), ("a.pcap", 214 - half)]


def test_standard_input(tmp_path: Path) -> None:
    """A capture through a pipe gives the alerts of the file; standard input can be read only once."""
    done = detector("replay", "-", *FEW, "--alerts", tmp_path / "alerts.jsonl", stdin=Path(ATTACK).read_bytes())
    assert done.code == 0 and numbers_in(tmp_path / "alerts.jsonl") == [137, 214]
    empty = detector("replay", "-", *FEW)
    assert empty.code == 0 and "0 packets, 0 bytes, 0 flows, PDUs: none; 0 alerts" in empty.out
    assert "  - no packet was read" in empty.out
    said = refused(inside("replay", "-", "--learn-from", "-", *FEW))
    assert said == "standard input can be read only once (hint: give --learn-from a file)"


def test_alerts_on_standard_output_are_documents_only() -> None:
    """`detector replay --alerts - | jq`: what is for people goes to standard error."""
    done = detector("replay", ATTACK, *FEW, "--alerts", "-")
    assert [json.loads(line)["packet"]["number"] for line in done.out.splitlines()] == [137, 214]
    assert "393 packets" in done.err and "Modbus write from unknown master" in done.err


def test_a_reader_that_leaves_costs_no_alert(tmp_path: Path) -> None:
    """`detector replay --alerts FILE | head -1` still writes every alert to the file."""
    out = subprocess.run(f"{sys.executable} -m detector replay {ATTACK} {' '.join(FEW)} --alerts {tmp_path}/alerts.jsonl | head -1; "
                         "echo ${PIPESTATUS[0]}", shell=True, executable="/bin/bash", capture_output=True, text=True, env=environment())  # fmt: skip
    assert out.stdout.splitlines() == [f"2024-05-01 UTC  {ATTACK}", "0"]
    assert out.stderr == "" and numbers_in(tmp_path / "alerts.jsonl") == [137, 214]


@pytest.mark.parametrize("words", [["--alerts", "/dev/full"], ["--alerts", "-"], []])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    """An alert that could not be kept is no success."""
    with open("/dev/full", "w") as full:
        out = subprocess.DEVNULL if "/dev/full" in words else full
        done = subprocess.run([sys.executable, "-m", "detector", "replay", ATTACK, *FEW, *words], stdout=out, stderr=subprocess.PIPE,
                              text=True, env=environment(), check=False)  # fmt: skip
    assert done.returncode == 2
    *before, last = done.stderr.splitlines()
    assert last.partition(" (hint")[0] in ("/dev/full: cannot write alerts: No space left on device",
                                           "-: cannot write alerts: No space left on device",
                                           "standard output: No space left on device")  # fmt: skip
    assert not before


def test_since_is_included_and_until_is_not(tmp_path: Path) -> None:
    """Half-open, so that two runs whose borders touch see every packet once; to the nanosecond, in any zone."""
    first, second = FRAMES[136][0], FRAMES[213][0]  # the packets that alert
    exact = f"{second // SECOND}.{second % SECOND:09d}"
    cases = [
        (["--since", f"{first / SECOND:.3f}", "--until", exact], [137]),
        (["--since", exact], [214]),
        (["--since", "2024-05-01T12:00:20.5+02:00"], [214]),
        (["--until", "2024-05-01T10:00:20"], []),
        (["--since", "2024-05-01", "--until", "2024-05-02"], [137, 214]),
    ]
    for words, expected in cases:
        done = inside("replay", ATTACK, *FEW, *words, "--alerts", tmp_path / "alerts.jsonl")
        assert done.code == 0 and numbers_in(tmp_path / "alerts.jsonl") == expected, words
    assert "0 packets" in inside("replay", ATTACK, *FEW, "--since", "2025-01-01").out


def test_speed_keeps_the_captures_time(tmp_path: Path) -> None:
    """Ten times as fast: a tenth of the time between first and last packet, and an alert when its packet is due."""
    part = tmp_path / "part.pcap"
    chosen = [frame for frame in FRAMES if 19 * SECOND <= frame[0] - FRAMES[0][0] <= 34 * SECOND]
    part.write_bytes(pcap_bytes(chosen))
    span = (chosen[-1][0] - chosen[0][0]) / SECOND
    plain = inside("replay", part, *FEW, "--alerts", tmp_path / "plain")
    paced = detector("replay", part, *FEW, "--speed", "10", "--alerts", tmp_path / "paced")
    assert paced.code == 0 and (tmp_path / "paced").read_bytes() == (tmp_path / "plain").read_bytes()
    took = float(paced.out.split(" rules; ")[1].split(" s")[0])
    assert span / 10 <= took + 0.05 and took < span / 10 + 1.5
    assert plain.seconds < paced.seconds


def waits(process: int) -> bool:
    """Whether a process that handles SIGTERM sleeps, and has done so for a while."""
    folder = Path("/proc") / str(process)
    caught = int((folder / "status").read_text().split("SigCgt:")[1].split()[0], 16)
    before = (folder / "stat").read_text()
    time.sleep(0.5)
    after = (folder / "stat").read_text()
    return bool(caught >> signal.SIGTERM - 1 & 1) and ") S " in after and after == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_waiting(number: signal.Signals) -> None:
    """In the capture's own time there are minutes without a packet: nobody waits for the next one after Ctrl-C."""
    with subprocess.Popen([sys.executable, "-m", "detector", "replay", ATTACK, *FEW, "--speed", "0.01"], stdout=subprocess.PIPE,
                          text=True, env=environment()) as program:  # fmt: skip
        until(lambda: waits(program.pid), 60, "the program waits for the next packet")
        program.send_signal(number)
        out, _ = program.communicate(timeout=60)  # what is left of the capture would take an hour
    assert program.returncode == 0
    assert " packets, " in out


def test_a_run_has_its_name_in_every_alert_and_ids_of_its_own(tmp_path: Path) -> None:
    """Two teams that replay one scenario must not overwrite each other's documents."""
    found = {}
    for name in ("", "blue-1", "blue-2", "blue-1"):
        words = ["--run", name] if name else []
        assert inside("replay", ATTACK, *FEW, *words, "--alerts", tmp_path / "alerts.jsonl").code == 0
        documents = alerts_in(tmp_path / "alerts.jsonl")
        assert not name or all(name in json.dumps(document) for document in documents)
        ids = tuple(document["event"]["id"] for document in documents)
        assert found.setdefault(name, ids) == ids, "the same run gives the same ids"
    assert len({one for ids in found.values() for one in ids}) == 6


def test_strict_fails_on_what_was_not_judged() -> None:
    done = detector("replay", ATTACK, "--rules", WRITES, "--strict")
    assert done.code == 1
    assert done.out.splitlines()[-2:] == [
        "  - 1 rule is inactive, $MODBUS_MASTERS is not set: Modbus write from unknown master",
        "--strict: 1 reason why silence cannot be trusted",
    ]
    assert inside("replay", ATTACK, "--rules", WRITES, "--var", MASTERS, "--strict").code == 0


def test_home_net_takes_both_versions_of_ip(tmp_path: Path) -> None:
    """A rule on $HOME_NET sees IPv4 and IPv6 stations of it, and $EXTERNAL_NET the others."""
    rule = tmp_path / "rule.yml"
    rule.write_text("""
title: Own station
id: 2f0c7f0e-8b57-4c6e-9ac0-0a6f2f1d7a11
level: low
detection:
  four: {ip.src: $HOME_NET}
  six: {ipv6.src: $HOME_NET}
  condition: four or six
alert: {limit: none}
""")
    capture = tmp_path / "six.pcap"
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether

    ends = ["10.0.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1"]
    packets = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / (IPv6 if ":" in end else IP)(src=end, dst=end) / UDP()
               for end in ends]  # fmt: skip
    capture.write_bytes(pcap_bytes([(number * SECOND, bytes(packet)) for number, packet in enumerate(packets)]))
    alerts = tmp_path / "alerts.jsonl"
    done = detector("replay", capture, "--rules", rule, "--home-net", "10.0.0.0/8, 2001:db8::/32", "--alerts", alerts)
    assert done.code == 0 and numbers_in(alerts) == [1, 3]
    done = inside("replay", capture, "--rules", rule, "--home-net", "10.0.0.0/8", "--alerts", alerts)
    assert done.code == 0 and numbers_in(alerts) == [1]
    twice = ("--home-net", "10.0.0.0/8", "--home-net", "2001:db9::/32")
    assert inside("replay", capture, "--rules", rule, *twice, "--alerts", alerts).code == 0
    assert numbers_in(alerts) == [1, 4], "one after the other adds up"


def test_a_variable_from_a_file(tmp_path: Path) -> None:
    """One entry a line, comments aside, mixed with others on the command line; a wrong one is said once."""
    masters = tmp_path / "masters.txt"
    masters.write_text("# masters of the pump station\n10.20.0.10  # the old one\n\n10.20.0.66\n")
    done = inside("replay", ATTACK, "--rules", WRITES, "--var", f"MODBUS_MASTERS=10.20.0.11,@{masters}")
    assert done.code == 0 and "0 alerts from 1 rule" in done.out
    masters.write_text("10.20.0.10\nplc-7\n")
    said = refused(inside("replay", ATTACK, "--rules", WRITES, "--var", f"MODBUS_MASTERS=@{masters}"))
    assert said.startswith("--var MODBUS_MASTERS: 'plc-7' is no value of ip.src")


def test_known_good_traffic_teaches_new_value_rules() -> None:
    """Without it they learn for a day; with it the unknown master is told at once."""
    words = ("replay", ATTACK, "--rules", RULES / "modbus" / "new-modbus-master.yml")
    plain, taught = inside(*words), inside(*words, "--learn-from", POLLING)
    assert "0 alerts from 1 rule" in plain.out
    assert "still learning, --learn-from gives them known good traffic: New Modbus master" in plain.out
    assert "New Modbus master" in taught.out and "still learning" not in taught.out
    assert "0 alerts" not in taught.out


def test_the_batch_size_changes_nothing(tmp_path: Path) -> None:
    found = set()
    for size in ("1", "50", "100000000000"):
        done = inside("replay", ATTACK, *FEW, "--batch-packets", size, "--alerts", tmp_path / "alerts.jsonl")
        assert done.code == 0
        found.add((tmp_path / "alerts.jsonl").read_bytes())
    assert len(found) == 1


def test_overrides_and_their_ends(tmp_path: Path) -> None:
    """A rule that a site disables says why; one whose end has passed is said, too."""
    overrides = tmp_path / "site.yml"
    rule = next(line.partition(": ")[2].strip() for line in WRITES.read_text().splitlines() if line.startswith("id:"))
    overrides.write_text(f"- {{rule: {rule}, reason: maintenance, until: 2999-12-31, disable: true}}\n")
    done = inside("replay", ATTACK, *FEW, "--overrides", overrides)
    assert "1 rule is inactive, disabled until 2999-12-31: maintenance: Modbus write from unknown master" in done.out
    overrides.write_text(f"- {{rule: {rule}, reason: maintenance, until: 2020-01-01, disable: true}}\n")
    done = inside("replay", ATTACK, *FEW, "--overrides", overrides)
    assert "this override ended on 2020-01-01: maintenance" in done.out
    assert "10.20.0.66 wrote to unit 1" in done.out


def test_checksums_and_repeats_on_request(tmp_path: Path) -> None:
    """A mirror port's second copy is counted, and left out on request; a wrong checksum is seen on request only."""
    damaged = bytearray(FRAMES[7][1])
    damaged[50] ^= 1  # in the TCP header: the checksum itself
    capture = tmp_path / "odd.pcap"
    frames = [FRAMES[4], FRAMES[4], (FRAMES[7][0], bytes(damaged))]
    capture.write_bytes(pcap_bytes(frames))
    plain = inside("replay", capture, "--rules", WRITES, "--var", MASTERS)
    assert "anomalies: packet.repeat 1" in plain.out and "csum" not in plain.out
    checked = inside("replay", capture, "--rules", WRITES, "--var", MASTERS, "--check-checksums", "--drop-repeats")
    assert "tcp.csum_invalid 1" in checked.out


def test_a_capture_cut_short_says_at_which_packet(tmp_path: Path) -> None:
    """Read up to the cut; --strict fails."""
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(pcap_bytes(FRAMES[:20])[:-7])
    done = detector("replay", cut, "--rules", WRITES, "--var", MASTERS, "--strict")
    assert done.code == 1
    assert f"  - {cut}: cut short in packet 20; read up to packet 19" in done.out


@pytest.mark.parametrize("command", ["replay", "decode", "lint", "test"])
def test_what_may_not_be_read_is_one_line(command: str, tmp_path: Path) -> None:
    """Permissions, as another user than root: a file, a folder of captures with one such file, a folder one may not enter."""
    folder = tmp_path / "captures"
    folder.mkdir()
    shutil.copy(ATTACK, folder / "open.pcap")
    secret = folder / ("secret.pcap" if command in ("replay", "decode") else "secret.yml")
    secret.write_bytes(Path(ATTACK).read_bytes() if "pcap" in secret.name else WRITES.read_bytes())
    secret.chmod(0)
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "a.pcap").write_bytes(b"")
    closed.chmod(0o600)
    more = {"decode": ["--fields", "ip.src"]}.get(command, [])
    said = refused(without_privileges(command, secret, *more))
    assert said.startswith(f"{secret}: ") and "Permission denied" in said
    behind = refused(without_privileges(command, closed / "a.pcap", *more))
    assert str(closed) in behind and "Permission denied" in behind
    if command == "replay":
        assert refused(without_privileges(command, folder)) == f"{secret}: cannot be read: Permission denied"
        closed.chmod(0o500)
        said = refused(without_privileges(command, folder / "open.pcap", "--alerts", closed / "alerts.jsonl"))
        assert said == f"{closed}/alerts.jsonl: cannot write alerts: Permission denied (hint: --alerts takes a file)"
    closed.chmod(0o700)


def test_names_that_no_file_can_have() -> None:
    said = refused(detector("replay", "a" * 300))
    assert said.startswith("aaa") and "File name too long" in said


def test_no_capture() -> None:
    hint = "(hint: captures come before --rules, which takes all paths behind it)"
    assert refused(detector("replay")) == f"no capture is given {hint}"
    assert refused(inside("replay", "--rules", RULES, ATTACK)) == f"no capture is given {hint}"


def test_several_wrong_rules_are_all_said(tmp_path: Path) -> None:
    """More than a line, for each has its place; still exit code 2 and nothing on standard output."""
    rules = tmp_path / "rules.yml"
    rules.write_text("title: A\nlevel: hihg\ndetection: {a: {ip.scr: 10.0.0.1}, condition: b}\n")
    done = detector("replay", ATTACK, "--rules", rules)
    assert done.code == 2 and done.out == ""
    assert done.err.count(f"{rules}:") >= 4 and "Traceback" not in done.err
    assert "did you mean high?" in done.err and "did you mean ip.src?" in done.err


def test_following_sees_what_is_added(tmp_path: Path) -> None:
    """--follow alerts while the file grows, and ends with a summary at SIGINT."""
    growing, alerts = tmp_path / "capture.pcap", tmp_path / "alerts.jsonl"
    growing.write_bytes(pcap_bytes(FRAMES[:150]))
    with subprocess.Popen([sys.executable, "-m", "detector", "replay", growing, "--follow", *FEW, "--alerts", alerts],
                          stdout=subprocess.PIPE, text=True, env=environment()) as program:  # fmt: skip
        for expected, more in ((1, FRAMES[150:]), (2, [])):
            until = time.monotonic() + 30
            while (not alerts.exists() or alerts.read_bytes().count(b"\n") < expected) and time.monotonic() < until:
                time.sleep(0.05)
            with growing.open("ab") as file:
                file.write(pcap_bytes(more)[24:])
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=20)
    assert program.returncode == 0 and "393 packets" in out and numbers_in(alerts) == [137, 214]


def test_the_shipped_demo_alerts(tmp_path: Path) -> None:
    """All scenarios in one run, as make demo does: no capture's alert is lost among the others."""
    done = detector("replay", SCENARIOS, "--var", f"MODBUS_MASTERS=@{SCENARIOS / 'masters.txt'}", "--home-net", "10.0.0.0/8",
                    "--alerts", tmp_path / "alerts.jsonl", cwd=tmp_path)  # fmt: skip
    assert done.code == 0
    files = {Path(alert["log"]["file"]["path"]).parent.name for alert in alerts_in(tmp_path / "alerts.jsonl")}
    assert {"modbus-takeover", "register-scan", "syn-flood", "arp-man-in-the-middle", "mixed-day"} <= files
    assert os.listdir(tmp_path) == ["alerts.jsonl"]


def test_workers_change_nothing_that_is_shown_or_written(tmp_path: Path) -> None:
    """All of the output but the seconds; with captures of several kinds, and from a pipe."""
    captures = [SCENARIOS / name / "capture.pcap" for name in ("mixed-day", "register-scan", "minute-attack")]
    shown, written = [], []
    for workers in (1, 3):
        path = tmp_path / f"{workers}.jsonl"
        done = detector("replay", *captures, *EVERYTHING, "--alerts", path, "--workers", workers, "--strict")
        shown.append(
            (
                done.code,
                done.err,
                [line.rpartition(";")[0] if line.endswith(" s") else line for line in done.out.splitlines()],
            )
        )
        written.append(path.read_bytes())
    assert shown[0] == shown[1] and written[0] == written[1] and written[0]


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    """And fails --strict: silence of what it had at hand means nothing."""
    growing, alerts = tmp_path / "capture.pcap", tmp_path / "alerts.jsonl"
    growing.write_bytes(pcap_bytes(FRAMES))
    program = subprocess.Popen(
        [sys.executable, "-m", "detector", "replay", "--follow", str(growing), "--alerts", str(alerts), "--workers", "2",
         "--strict", *FEW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())  # fmt: skip
    until = time.monotonic() + 60
    while (not alerts.exists() or not alerts.read_bytes()) and time.monotonic() < until:
        time.sleep(0.05)
    server = next(pid for pid in below(program.pid) if below(pid))
    os.kill(below(server)[0], signal.SIGKILL)
    with growing.open("ab") as file:
        file.write(pcap_bytes([(time_ns + 40 * 86400 * SECOND, data) for time_ns, data in FRAMES])[24:])
    before = alerts.stat().st_size
    while alerts.stat().st_size == before and time.monotonic() < until:
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 1, err
    assert "  - 1 times a worker died and was started anew: " in out
    assert "worker" in err and "died (exit code" in err


def below(pid: int) -> list[int]:
    """Child processes of a process, of all its threads."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
