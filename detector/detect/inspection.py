"""Candidates through the programs of their rules: the kernel runs them, and what it asks is answered here."""

from __future__ import annotations

import base64
import re
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from detector.detect.budget import Budget
from detector.detect.programs import Programs
from detector.kernel import Kernels
from detector.rules.expressions import Search, compile_pattern
from detector.rules.signature import Base64, Pcre

kernels = Kernels("detector.detect.inspect_kernels")

STATE_COLUMNS = 122  # and the columns that follow, as inspect_kernels.py names them
S_STEP, S_FROM, S_ANSWER, S_START, S_STOP, S_RESULT = 0, 5, 6, 7, 8, 9
HOLDS, ASKS, GAVE_UP = 1, 3, 4
NO, YES = 1, 2
STEPS = 3000  # that one candidate may take: Suricata's inspection-recursion-limit
BLOCK = 4096  # candidates at once, for memory
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
Rows = NDArray[np.int64]


class Inspector:
    """Programs with what answers their questions.

    gave_up: candidates by program that ran into the limit of steps.  failed: by program, how often expressions took too
    long, one search or all of a batch.  untried: by program, questions that were not asked after that.
    """

    def __init__(self, programs: Programs, limit: int = STEPS, budget: Budget | None = None, rule: int = -1) -> None:
        """budget, rule: of the rule that all programs are a part of, where they are part of one."""
        self.programs = programs
        self._limit = limit
        self._rule = rule
        self._budget = budget or Budget()
        self._searches: dict[int, Search] = {}
        self._inner: dict[int, Inspector] = {}
        self.gave_up: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()
        self.untried: Counter[int] = Counter()
        self._state = np.empty((0, STATE_COLUMNS), np.int64)

    def begin(self) -> None:
        """A batch begins."""
        self._budget.begin()

    def inspect(self, buffer: NDArray[np.uint8], which: Rows, spans: Rows, fresh: Rows) -> NDArray[np.bool_]:
        """bool[n]: whether each candidate's program holds on its bytes.

        Args:
            which: int64[n], programs.  spans: int64[n, 2], bounds in the buffer; an empty one does not hold.
            fresh: int64[n], from where in the span bytes are new; something must match behind it.
        """
        self.programs.need(which)
        held = np.zeros(len(which), np.bool_)
        for first in range(0, len(which), BLOCK):  # per block
            block = slice(first, first + BLOCK)
            held[block] = self._run(buffer, which[block], spans[block], fresh[block])
        return held

    def _run(self, buffer: NDArray[np.uint8], which: Rows, spans: Rows, fresh: Rows) -> NDArray[np.bool_]:
        if len(self._state) < len(which):
            self._state = np.empty((BLOCK if len(which) > 1 else 1, STATE_COLUMNS), np.int64)
        state = self._state[: len(which)]
        state[:, S_RESULT] = 0
        waiting = rows = np.flatnonzero(spans[:, 1] > spans[:, 0])
        arrays = [np.ascontiguousarray(one) for one in (which, spans, fresh)]
        programs = self.programs
        while len(waiting):  # per round of questions
            kernels.run_programs(
                programs.code,
                programs.bounds,
                programs.pool,
                buffer,
                *arrays,
                self._limit,
                waiting,
                int(waiting is not rows),
                state,
            )
            waiting = waiting[state[waiting, S_RESULT] == ASKS]
            for row in waiting.tolist():  # per question
                self._answer(buffer, int(which[row]), spans[row].tolist(), state[row])
        results = state[:, S_RESULT]
        self.gave_up.update(which[results == GAVE_UP].tolist())
        held: NDArray[np.bool_] = results == HOLDS
        return held

    def _answer(self, buffer: NDArray[np.uint8], program: int, span: list[int], state: Rows) -> None:
        """Writes the answer of what a candidate asks into its state."""
        step, start = int(state[S_STEP]), int(state[S_START])
        data = buffer[span[0] + start : span[1]].tobytes() if span[0] + start <= span[1] else b""
        question = self.programs.questions[step]
        state[S_ANSWER] = NO
        if isinstance(question, Base64):
            if self._decoded_holds(program, step, question, data):
                state[S_ANSWER], state[S_STOP] = YES, start + len(data)
            return
        failing = YES if question.is_negated else NO  # a step that fails holds in no way
        rule = program if self._rule < 0 else self._rule
        if not self._budget.admits(rule):
            self.untried[program] += 1
            state[S_ANSWER] = failing
            return
        search, began = self._search(step, question), time.thread_time_ns()
        try:
            found = search(data, max(0, int(state[S_FROM]) - start))
        except TimeoutError:
            self.failed[program] += 1
            self._budget.spend(rule, time.thread_time_ns() - began, len(data))
            state[S_ANSWER] = failing
            return
        if self._budget.spend(rule, time.thread_time_ns() - began, len(data)):
            self.failed[program] += 1
        if found is not None:
            state[S_ANSWER], state[S_START], state[S_STOP] = YES, start + found[0], start + found[1]

    def _search(self, step: int, question: Pcre) -> Search:
        """The compiled expression of a step."""
        if step not in self._searches:
            self._searches[step] = compile_pattern(question.pattern, question.flags)
        return self._searches[step]

    def _decoded_holds(self, program: int, step: int, question: Base64, data: bytes) -> bool:
        """base64_decode and what follows it."""
        data = data[question.offset :]
        if question.length is not None:
            data = data[: question.length]
        decoded = decode_base64(data)
        if not decoded:
            return False
        if not question.steps:
            return False  # as in Suricata, where base64_data is what looks at it
        if step not in self._inner:
            self._inner[step] = Inspector(Programs(1, lambda _: question.steps), self._limit, self._budget, program)
        bytes_ = np.frombuffer(decoded, np.uint8).copy()
        zero = np.zeros(1, np.int64)
        inner = self._inner[step]
        held = bool(inner.inspect(bytes_, zero, np.array([[0, len(decoded)]], np.int64), zero)[0])
        kinds = ((self.gave_up, inner.gave_up), (self.failed, inner.failed), (self.untried, inner.untried))
        for own, its in kinds:  # per kind of failure
            if its:
                own[program] += its.total()
                its.clear()
        return held


def decode_base64(data: bytes) -> bytes:
    """What stands in base64 up to the first byte that does not belong to it; the bytes of a last group that is not whole too."""
    stop = NOT_BASE64.search(data)
    text = data if stop is None else data[: stop.start()]
    text = text[: len(text) - (len(text) % 4 == 1)]
    return base64.b64decode(text + b"=" * (-len(text) % 4))
