"""New rules beside the running ones: read, checked, compiled and tried in a thread of their own, then handed to the loop.

What is wrong with them, whatever it is, leaves the running rules as they are. At most one set waits to be swapped in; a
newer one takes its place.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from queue import Empty, SimpleQueue

from detector.capture.batch import batch_of
from detector.detect.engine import Engine
from detector.detect.judge import EngineSettings, same_meaning
from detector.errors import InputError, InputErrors
from detector.flows.streams import StreamSettings
from detector.flows.table import FlowSettings
from detector.pipeline import Decoding, PipelineSettings, Prepared
from detector.rules.loader import load_rules, paths_of
from detector.rules.model import Ruleset
from detector.rules.suricata_config import read_suricata_yaml
from detector.service.config import Config, read_config
from detector.settings import settings_of
from detector.shipped import rules_folder
from detector.silence import refused_rules
from detector.warming import traffic

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0
SETTLE_SECONDS = 0.2  # a file that is being written has not changed alike twice
RELOADED = ("rules", "overrides", "variables", "home_net", "suricata_yaml", "watch_rules")  # what a reload takes over
MOST_NAMED = 20  # rules of each kind that a message names
THOROUGH = 50  # loads, after which garbage is looked for among everything


@dataclass(frozen=True)
class RulesDiff:
    """Titles of rules by what a reload does to them."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()
    inactive: Sequence[str] = ()  # of the new rules
    refused: str = ""  # how many Suricata rules were refused, and why

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        parts = []
        for what in ("added", "removed", "changed", "inactive"):
            titles = getattr(self, what)
            if titles:
                more = f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else ""
                parts.append(f"{len(titles)} {what}: {', '.join(titles[:MOST_NAMED])}{more}")
        parts += [self.refused] if self.refused else []
        return "; ".join(parts) or "no rule has changed"


def difference(old: Ruleset, new: Ruleset) -> RulesDiff:
    """What a reload from one set of rules to another does."""
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    return RulesDiff(
        added=[rule.title for rule in new.rules if rule.id not in before],
        removed=[rule.title for rule in old.rules if rule.id not in after],
        changed=[rule.title for rule in new.rules if rule.id in before and not same_meaning(before[rule.id], rule)],
        inactive=[f"{rule.title} ({rule.inactive})" for rule in new.rules if rule.inactive],
        refused=refused_rules(new),
    )


@dataclass(frozen=True)
class Outcome:
    """What a reload came to. result: ok, unchanged or failed. restart: settings that have changed and wait for a restart."""

    result: str
    message: str
    diff: RulesDiff = field(default_factory=RulesDiff)
    restart: Sequence[str] = ()


def rules_of(config: Config) -> Ruleset:
    """The rules that a configuration asks for. Raises InputErrors with every mistake in them."""
    return load_rules(
        paths_of(config.rules, rules_folder(), config.suricata_yaml),
        variables=config.variables,
        home_net=config.home_net,
        overrides=[Path(path) for path in config.overrides],
        today=date.today(),
        suricata_yaml=config.suricata_yaml,
    )


def try_out(ruleset: Ruleset) -> None:
    """Runs rules on a little made-up traffic: what cannot be compiled, or fails at once, is found before it is let in.

    Raises:
        InputError: a rule failed.
    """
    decoding = Decoding(PipelineSettings(flows=FlowSettings(flows=1024), streams=StreamSettings(memory_bytes=2**20)))
    packets, pdus = decoding.tables(batch_of(traffic(), range(len(traffic()))))
    engine = Engine(ruleset, EngineSettings(groups=64))  # state of full size would be a hundred MB for a moment
    engine.detect({"packet": packets, **pdus})
    if engine.rule_errors:
        titles = [rule.title for rule in ruleset.rules if engine.rule_errors[rule.id]]
        raise InputError(f"failed when they were tried: {', '.join(titles)}", hint="the log has the traceback")


@dataclass
class Waiting:
    """Rules that are ready to be swapped in, and who waits to hear of it."""

    config: Config
    prepared: Prepared
    diff: RulesDiff
    answer: Future[Outcome]


class Collector:
    """Python's search for garbage, which stops every thread: while 2,000 rules were loaded it did so for 0.5 s again and again.

    Held while rules are loaded; then it looks once through what they made (0.1 s), and leaves that alone from then on. Few
    things become garbage later that only a search through everything finds: it is done at every so many loads.
    """

    def __init__(self) -> None:
        self._loads = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """No search meanwhile, one at the end."""
        self._loads += 1
        gc.disable()
        try:
            yield
        finally:
            if self._loads % THOROUGH == 0:
                gc.unfreeze()
            gc.collect()
            gc.freeze()
            gc.enable()


class Reloader:
    """Prepares new rules in a thread of its own. The loop takes them with `take` and says with `done` what became of them.

    `last` is the latest outcome, `last_time` when it came, `loaded_time` when the running rules came (Unix time).
    """

    def __init__(
        self, path: Path, config: Config, ruleset: Ruleset, prepare: Callable[[Ruleset], Prepared],
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._path = path
        self._prepared = prepare
        self._clock = clock
        self._running = config  # what a restart would change is told by this one
        self.config, self.ruleset = config, ruleset
        self.counts = Counter[str]()
        self.last, self.last_time = Outcome("ok", "rules as at the start"), clock()
        self.loaded_time = self.last_time
        self._collector = Collector()
        self._read = config  # the last that could be read: its files are watched
        self._seen = fingerprint(path, config)
        self._requests: SimpleQueue[tuple[str, Future[Outcome]] | None] = SimpleQueue()
        self._waiting: Waiting | None = None
        self._is_swapping = False  # the loop has taken some, and has not said yet what became of them
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="reload", daemon=True)

    def start(self) -> None:
        """Begins to watch files, where the configuration says so, and to take requests."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; who still waits is told."""
        self._requests.put(None)
        self._thread.join()
        if waiting := self.take():
            self.done(waiting, Outcome("failed", "the daemon stops"))

    def request(self, why: str) -> Future[Outcome]:
        """Asks for a reload; its outcome comes once the new rules run, or are refused."""
        answer: Future[Outcome] = Future()
        self._requests.put((why, answer))
        return answer

    def take(self) -> Waiting | None:
        """The rules that wait to be swapped in, if there are some: for the loop, between two batches."""
        if self._waiting is None:  # without the lock: this is asked at every batch
            return None
        with self._changed:
            waiting, self._waiting = self._waiting, None
            self._is_swapping = waiting is not None
        return waiting

    def done(self, waiting: Waiting, outcome: Outcome) -> None:
        """What became of rules that were taken."""
        with self._changed:
            if outcome.result == "ok":
                self.config, self.ruleset = waiting.config, waiting.prepared.ruleset
                self.loaded_time = self._clock()
                outcome = self._with_restart(outcome, waiting.config)
            self._is_swapping = False
            self._changed.notify_all()
        self._tell(outcome, waiting.answer)

    def _work(self) -> None:
        """Waits for requests and changed files."""
        while True:
            try:
                request = self._requests.get(timeout=WATCH_SECONDS)
            except Empty:
                if not self._has_changed():
                    continue
                request = ("a file has changed", Future())
            if request is None:
                return
            self._prepare(*request)

    def _has_changed(self) -> bool:
        """Whether a file is another than when rules were last loaded, and whoever writes it has finished."""
        if not self.config.watch_rules:
            return False
        now = fingerprint(self._path, self._read)
        if now == self._seen:
            return False
        time.sleep(SETTLE_SECONDS)
        return fingerprint(self._path, self._read) == now

    def _prepare(self, why: str, answer: Future[Outcome]) -> None:
        """Reads, checks and tries the rules that the files hold now."""
        log.info("rules are loaded: %s", why)
        with self._collector.held():
            made = self._load(answer)
        if made is not None:
            self._offer(*made, answer)

    def _load(self, answer: Future[Outcome]) -> tuple[Config, Prepared] | None:
        """Configuration and rules, ready to run; None, and the answer is given, where something is wrong with them."""
        self._seen = fingerprint(self._path, self._read)
        try:
            config = read_config(self._path)
            self._read, self._seen = config, fingerprint(self._path, config)
            ruleset = rules_of(config)
            if difference(self.ruleset, ruleset):
                try_out(ruleset)
            prepared = self._prepared(ruleset)
        except (InputError, InputErrors) as error:
            self._tell(Outcome("failed", f"the rules before go on: {error}"), answer)
            return None
        except Exception as error:
            log.exception("reload failed")
            self._tell(Outcome("failed", f"the rules before go on: {type(error).__name__}: {error}"), answer)
            return None
        return config, prepared

    def _offer(self, config: Config, prepared: Prepared, answer: Future[Outcome]) -> None:
        """Has the loop take rules, where they are others than those that run; they take the place of others that wait."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_swapping)  # what runs is not known before
            diff = difference(self.ruleset, prepared.ruleset)
            before, now = self.ruleset, prepared.ruleset
            is_new = bool(diff) or (now.warnings, now.refused) != (before.warnings, before.refused)
            replaced, self._waiting = self._waiting, Waiting(config, prepared, diff, answer) if is_new else None
        if replaced:
            self._tell(Outcome("unchanged", "a later reload took its place", replaced.diff), replaced.answer)
        if not is_new:
            self.config = config
            self._tell(self._with_restart(Outcome("unchanged", str(diff), diff), config), answer)

    def _with_restart(self, outcome: Outcome, config: Config) -> Outcome:
        """An outcome that also says what of the new configuration only a restart takes over."""
        changed = [
            name
            for name in settings_of(Config)
            if name not in RELOADED and getattr(self._running, name) != getattr(config, name)
        ]
        message = f"{outcome.message}; only a restart changes {', '.join(changed)}" if changed else outcome.message
        return replace(outcome, message=message, restart=changed)

    def _tell(self, outcome: Outcome, answer: Future[Outcome]) -> None:
        self.counts[outcome.result] += 1
        self.last, self.last_time = outcome, self._clock()
        (log.error if outcome.result == "failed" else log.info)("reload %s: %s", outcome.result, outcome.message)
        answer.set_result(outcome)


def fingerprint(path: Path, config: Config) -> dict[str, tuple[int, int, int]]:
    """Time, size and number of every file that rules are made of."""
    named = [str(path), *(config.rules or (str(rules_folder()),)), *config.overrides]
    if config.suricata_yaml:
        named.append(config.suricata_yaml)
        with suppress(InputError, InputErrors):  # what is wrong with it is said when it is loaded
            read = read_suricata_yaml(Path(config.suricata_yaml))
            named += map(str, (*read.files, *(() if config.rules else read.rules)))
    named += [text[1:] for value in config.variables.values() for text in value.split(",") if text.startswith("@")]
    found = {}
    for name in named:  # per file or folder
        folder = Path(name)
        files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            found[str(file)] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
