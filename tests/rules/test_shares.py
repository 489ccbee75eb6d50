"""Rules made by several processes are those that one makes, whatever becomes of the others."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.rules import shares
from detector.rules.keywords import Context
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.shares import Partner, Piece, Work, finish, make_pieces, partners_for
from detector.rules.suricata_text import PIECE
from tests.bench.signatures import write_rules

pytestmark = pytest.mark.slow

CONTEXT = Context(
    {"HOME_NET": "10.0.0.0/8", "EXTERNAL_NET": "any"},
    {"trojan-activity": ("A Trojan", 1)},
    {"cve": "https://cve.example/"},
)
HEADER = "alert tcp any any -> any any"
OTHERS = (
    f'{HEADER} (msg:"broken"; content:"a; sid:{{}};)',
    f'{HEADER} (msg:"unsupported"; content:"a"; http.uri; sid:{{}};)',
    'drop tcp any any -> any any (msg:"warned"; content:"abc"; sid:{};)',
    f'{HEADER} (msg:"asks"; content:"abc"; flowbits:isset,never; flowbits:isset,seen; sid:{{}};)',
    f'{HEADER} (msg:"remembers"; content:"abcd"; flowbits:set,seen; flowbits:noalert; sid:{{}};)',
    f'{HEADER} (msg:"once"; content:"abcde"; threshold:type both, track by_dst, count 5, seconds 60; sid:{{}};)',
    f'{HEADER} (msg:"the same number"; content:"abcde"; sid:2000001; rev:{{}};)',
    'alert ip $NOWHERE any -> any any (msg:"inactive"; ttl:5; reference:cve,2015-5374; classtype:trojan-activity; sid:{};)',
    f'{HEADER} (msg:"goes on"; \\\n    content:"abcdef"; pcre:"/a+/"; \\\n    sid:{{}};)',
    "# a comment \\\n  that goes on",
    "nonsense {}",
)  # fmt: skip


def write_file(path: Path, count: int = 5000) -> Path:
    """A file of several pieces: rules, and among them all kinds of others."""
    write_rules(path, count)
    lines = path.read_text().splitlines()
    for number in range(count // 7):
        lines[number * 7] += "\n" + OTHERS[number % len(OTHERS)].format(1 + number)
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size > 4 * PIECE
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_file(tmp_path_factory.mktemp("rules") / "large.rules")


@pytest.fixture(scope="module")
def expected(large: Path) -> dict[Path, shares.Made]:
    work = Work([large])
    finish(work, CONTEXT)
    return work.result()


def ready(work: Work) -> Partner:
    """A partner that has begun with the work."""
    partner = Partner(work, pickle.dumps(CONTEXT))
    for _ in range(600):
        if partner._is_ready:
            return partner
        time.sleep(0.1)
    raise AssertionError("it never begins")


def test_what_partners_make_is_the_same(large: Path, expected: dict[Path, shares.Made]) -> None:
    """Bytes and all, so also order, places, mistakes and warnings: here two partners make everything."""
    work = Work([large])
    for partner in [ready(work), ready(work)]:
        partner.end()
        assert partner._process.poll() is not None
    assert work.take() is None and work.result() == expected


def test_a_partner_lets_packets_go_first(large: Path) -> None:
    partner = ready(Work([large]))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, partner._process.pid) == min(19, own + 5)
    partner.end(at_once=True)


def test_a_ruleset_is_the_same(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    small = tmp_path / "rules" / "small.rules"
    small.write_text(f'{HEADER} (msg:"newer"; content:"x"; sid:2000002; rev:9;)\n{HEADER} (msg:"wrong"; content:"x)\n')
    (tmp_path / "rules" / "z.rules").write_bytes(large.read_bytes())
    found = []
    for count in (0, 2):
        monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path / f"cache{count}"))
        monkeypatch.setattr(shares, "partners_for", lambda paths, count=count: count)
        found.append(load_rules([tmp_path / "rules"], home_net=["10.0.0.0/8"]))
        kept = [path.read_bytes() for path in sorted(tmp_path.glob(f"cache{count}/rules/*"))]
        assert len(kept) == 2
        found.append(load_rules([tmp_path / "rules"], home_net=["10.0.0.0/8"]))
    for other in found[1:]:
        assert other == found[0] and told(other) == told(found[0])
    assert {one.why for one in found[0].refused} == {"mistake", "unsupported", "replaced"}
    assert any("never" in warning for warning in found[0].warnings) and any(rule.inactive for rule in found[0].rules)


def told(ruleset: Ruleset) -> list[str]:
    """What equality leaves out."""
    errors = [str(one.error()) for one in ruleset.refused]
    return errors + [f"{rule.source} {rule.position} {rule.signature}" for rule in ruleset.rules]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_partner_leaves_is_made_here(
    large: Path, expected: dict[Path, shares.Made], signum: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work = Work([large])
    partner = ready(work)
    partner._process.send_signal(signum)
    finish(work, CONTEXT)
    partner.end()
    finish(work, CONTEXT)
    assert work.result() == expected and "has ended, this one goes on without it" in caplog.text


def test_a_partner_that_stands_still_is_not_waited_for_for_ever(
    large: Path, expected: dict[Path, shares.Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "GRACE_SECONDS", 0.1)
    work = Work([large])
    partner = ready(work)
    partner._process.send_signal(signal.SIGSTOP)
    finish(work, CONTEXT)
    partner.end()
    finish(work, CONTEXT)
    assert work.result() == expected


@pytest.mark.parametrize("program", ["", "/nowhere/python", "/bin/false", "/bin/true"])
def test_where_no_process_can_be_started_this_one_makes_all(
    large: Path, expected: dict[Path, shares.Made], program: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(shares, "partners_for", lambda paths: 2)
    assert make_pieces([large], CONTEXT) == expected
    said = "has ended" if program.startswith("/bin") else "no other process can be started"
    assert said in caplog.text and all(record.levelno == logging.INFO for record in caplog.records)


def test_a_partner_that_is_not_needed_is_not_waited_for(
    large: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "executable", write_program(large.parent / "slow", "sleep 1000"))
    monkeypatch.setattr(shares, "partners_for", lambda paths: 1)
    assert len(make_pieces([large], CONTEXT)) == 1 and not caplog.records


def write_program(path: Path, text: str) -> str:
    """A program of one line of shell."""
    path.write_text(f"#!/bin/sh\nexec {text}\n")
    path.chmod(0o755)
    return str(path)


def test_when_loading_is_broken_off_partners_end(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Partner] = []

    class Watched(Partner):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]
            started.append(self)

    def broken_off(work: Work, context: Context) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shares, "Partner", Watched)
    monkeypatch.setattr(shares, "finish", broken_off)
    monkeypatch.setattr(shares, "partners_for", lambda paths: 2)
    with pytest.raises(KeyboardInterrupt):
        make_pieces([large], CONTEXT)
    assert len(started) == 2 and all(partner._process.poll() is not None for partner in started)


def test_a_partner_ends_with_its_process(large: Path) -> None:
    """Also where that is killed and can say nothing."""
    code = f"""
import os, pickle, signal
from pathlib import Path
from detector.rules.keywords import Context
from detector.rules.shares import Partner, Work
partner = Partner(Work([Path({str(large)!r})]), pickle.dumps(Context()))
while not partner._is_ready: pass
print(partner._process.pid, os.getsid(partner._process.pid) != os.getsid(0), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    pid, is_apart = done.stdout.split()
    assert done.returncode == -signal.SIGKILL and is_apart == "True"  # apart: no signal from a terminal reaches it
    wait_for(lambda: not is_running(int(pid)))


def is_running(pid: int) -> bool:
    """Whether a process runs, and is not dead and unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never holds")


def test_a_partner_needs_no_numba() -> None:
    code = "import sys, detector.rules.shares; sys.exit('numba' in sys.modules or 'hyperscan' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("partners", [0, 2])
def test_a_file_of_something_else_is_not_read_to_its_end(
    tmp_path: Path, partners: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the first mistake that is one too many, whoever met it."""
    path = tmp_path / "a.rules"
    path.write_text("".join(f"{number} {'nonsense ' * 10}\n" for number in range(1, 100_001)))
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shares, "partners_for", lambda paths: partners)
    with pytest.raises(InputErrors) as error:
        load_rules([path])
    assert f"{path}:10001:1: more than 10,000 mistakes: the rest is not read" in str(error.value)
    work = Work([path])
    finish(work, CONTEXT)
    made = work.result()[path]
    assert isinstance(made, list) and 4 <= len(made) <= 6  # pieces, of 37; each has some 2,700 lines


def test_what_goes_wrong_while_files_are_read_is_not_lost(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread meets it."""

    def no_memory(text: str) -> object:
        yield 0, "# nothing"
        raise MemoryError("none left")

    monkeypatch.setattr(shares, "pieces", no_memory)
    work = Work([large])
    assert isinstance(work.take(), Piece) and work.take() is None and work.take() is None
    with pytest.raises(MemoryError, match="none left"):
        work.result()


def test_partners_are_for_large_rulesets_and_free_cores(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 4})
    few = large.stat().st_size
    assert partners_for([large]) == 0 and partners_for([]) == 0 and partners_for([Path("/nowhere.rules")]) == 0
    monkeypatch.setattr(shares, "SHARED_FROM", few + few // 2)
    assert partners_for([large]) == 0 and partners_for([large, large]) == 1 and partners_for([large] * 90) == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(100)))
    assert partners_for([large] * 90) == shares.MOST_PARTNERS
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert partners_for([large] * 90) == 0
