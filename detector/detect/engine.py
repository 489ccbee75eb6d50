"""Rules on tables: predicates, then memory, new values and correlations, then limits, in this order.

Input: the tables of one batch. Output: matches in the order (clock, packet, row, rule). Selector and Judge, which do the
work, are put together here for one process; workers have a selector each and share one judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from detector.columns import Table
from detector.detect.costs import Clock, Costs
from detector.detect.judge import COUNT, IS_FULL, NO_COUNT, STOOD_FOR, EngineSettings, Judge, Verdicts
from detector.detect.match import Match
from detector.detect.selection import CLOCK, PACKET, ROW, RULE, Tally
from detector.detect.selector import Selector
from detector.rules.model import Rule, Ruleset

FULL = "its memory of seen values is full: this value is not remembered and may be told again"


class Engine:
    """The rules of one run with their state."""

    def __init__(self, ruleset: Ruleset, settings: EngineSettings | None = None) -> None:
        self.selector = Selector(ruleset)
        self.judge = Judge(ruleset, settings)

    @property
    def matched(self) -> Counter[str]:
        """Matches by rule id, before limits."""
        return self.judge.matched

    @property
    def suppressed(self) -> Counter[str]:
        """Matches held back by a limit, by rule id."""
        return self.judge.suppressed

    @property
    def rule_errors(self) -> Counter[str]:
        """Failures by rule id."""
        return self.judge.rule_errors

    @property
    def rows_by_table(self) -> Counter[str]:
        """Rows that rules could look at."""
        return self.judge.rows_by_table

    @property
    def lost_groups(self) -> Counter[str]:
        """Groups that were pushed out of a rule's state, by rule id."""
        return self.judge.lost_groups

    @property
    def lost_states(self) -> Counter[str]:
        """What rules remembered of flows and of hosts and was pushed out, by these two."""
        return self.judge.lost_states

    @property
    def limits(self) -> Counter[str]:
        """How often payload rules ran into each of LIMITS."""
        return self.judge.limits

    @property
    def spent_ns(self) -> Counter[str]:
        """Time spent on each rule, by rule id, sampled and scaled up; empty unless it is measured."""
        return self.judge.spent_ns

    @property
    def shed_rows(self) -> Counter[str]:
        """Rows that a rule did not look at because it was switched off, by rule id."""
        return self.judge.shed_rows

    @property
    def tally(self) -> Tally:
        """What was judged, since these rules run."""
        return self.judge.tally

    def measure(self, clock: Clock) -> None:
        """Measures from now on what rules cost."""
        self.selector.costs, self.judge.costs = Costs(clock), Costs(clock)

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches rules off from the next batch on, all others on; a correlation and what feeds it belong together."""
        self.selector.shed(rule_ids)

    def is_learning(self, rule_id: str, clock: int) -> bool:
        """Whether a new_value rule still takes what it sees at this clock as known good."""
        return self.judge.is_learning(rule_id, clock)

    def learn(self, tables: Mapping[str, Table]) -> None:
        """Lets new_value rules take these rows as known good."""
        self.judge.learn(self.selector.known(tables))

    def detect(self, tables: Mapping[str, Table]) -> list[Match]:
        """The matches of a batch that pass their rules' limits."""
        verdicts = self.judge.judge([self.selector.select(tables)])
        return matches_of(verdicts, self.judge.rules, tables)


def matches_of(verdicts: Verdicts, rules: Sequence[Rule], tables: Mapping[str, Table]) -> list[Match]:
    """Verdicts as matches, made where their tables are."""
    made = []
    for cells in verdicts.cells.tolist():  # per alert
        rule, row = rules[cells[RULE]], cells[ROW]
        table = tables[rule.table]
        group = tuple(value for name in rule.limit.by for value in table.column(name).at(row))
        made.append(Match(
            rule, rule.table, row, cells[PACKET], cells[CLOCK], cells[STOOD_FOR], group,
            None if cells[COUNT] == NO_COUNT else cells[COUNT], FULL if cells[IS_FULL] else "",
        ))  # fmt: skip
    return made
