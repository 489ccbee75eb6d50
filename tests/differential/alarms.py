"""What the shipped rules say of each capture in $DETECTOR_CAPTURES: python -m tests.differential.alarms [folder ...]

A line for each capture and rule with alerts: rule, capture, alerts. Every capture is a world of its own, without variables,
so that only rules speak that need to know nothing of a site. Whether an alert is true is for a person to say.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

from detector.capture import open_source
from detector.pipeline import Pipeline
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset

RULES = Path(__file__).parents[2] / "rules"


def alerts_of(ruleset: Ruleset, capture: Path) -> Counter[str]:
    """How often each rule alerts on a capture, by the rule's title."""
    pipeline = Pipeline(ruleset)
    batches = open_source([capture]).batches()
    alerts = [alert for batch in batches for alert in pipeline.process(batch)]
    return Counter(alert.rule.title for alert in alerts)


def main() -> None:
    """Prints all of them, and the sum of each rule."""
    captures = Path(os.environ["DETECTOR_CAPTURES"])
    ruleset = load_rules([RULES])
    sums: Counter[str] = Counter()
    for capture in sorted(captures.rglob("*.pcap*")):
        name = capture.relative_to(captures)
        if len(sys.argv) > 1 and name.parts[0] not in sys.argv[1:]:
            continue
        for title, count in sorted(alerts_of(ruleset, capture).items()):
            print(f"{title}\t{name}\t{count}", flush=True)
            sums[title] += count
    for title, count in sums.most_common():
        print(f"{title}\tall\t{count}")


if __name__ == "__main__":
    main()
