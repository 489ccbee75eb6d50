"""Rules and tuning: for whoever writes rules and keeps them quiet. Which speak, which never do, which cost, which fail."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import (
    BAD_ABOVE_ZERO,
    CHOSEN,
    GREEN,
    LEVEL_COLOURS,
    ORANGE,
    RED,
    YELLOW,
    alert_table,
    big,
    counted,
    framed,
    gained,
    graph,
    latest,
    listing,
    metric,
    over_time,
    promql,
    ranking,
    rate,
    variable,
)

RULE = 'title=~"$rule"'
OF_RULE = "rule.name:${rule:lucene}"
COST = f"sum by (title) (rate({metric('detector_rule_seconds_total', more=RULE)}[$__range]))"


def in_state(state: str) -> str:
    """How many rules are in a state, on the sensor with most of them."""
    chosen = metric("detector_rules", more=f'state="{state}"')
    return f"max({chosen})"


def top(expression: str, most: int = 15) -> str:
    """The largest of an expression, without those at nothing."""
    return f"topk({most}, {expression} > 0)"


def rules() -> Dashboard:
    """The dashboard."""
    now = [
        big("Active rules", "How many rules judge traffic?", latest(in_state("active")), steps=((None, RED), (1, GREEN)), width=4),
        big("Inactive rules", "How many rules wait for a variable that is not set? `detector lint` names them.", latest(in_state("inactive")),
            steps=((None, GREEN), (1, YELLOW)), width=4),
        big("Shed rules", "How many rules are switched off under overload?", latest(in_state("shed")), steps=BAD_ABOVE_ZERO, width=4),
        big("Rule errors", "How often did a rule fail in the time that is shown?",
            latest(f"sum(increase({metric('detector_rule_errors_total')}[$__range])) or vector(0)"), steps=BAD_ABOVE_ZERO, width=4),
        big("Held back", "What share of matches did limits hold back?",
            latest(f"sum(increase({metric('detector_suppressed_total', more=RULE)}[$__range])) / "
                   f"(sum(increase({metric('detector_matches_total', more=RULE)}[$__range])) > 0) or vector(0)"), unit="percentunit", width=4),
        big("Silent rules", "How many rules matched nothing in the time that is shown?",
            latest(f"count(sum by (title) (increase({metric('detector_matches_total', more=RULE)}[$__range])) == 0) or vector(0)"), width=4),
    ]  # fmt: skip
    tuning = [
        listing(
            "Rules", "What does each rule find, hold back and cost? A rule with many alerts of one source wants an exception, a limit or a variable.",
            promql(gained("detector_matches_total", "title", more=RULE), now=True),
            promql(gained("detector_alerts_total", "title, level", more=RULE), now=True),
            promql(gained("detector_suppressed_total", "title", more=RULE), now=True),
            promql(gained("detector_rule_errors_total", "title", more=RULE), now=True),
            promql(gained("detector_rule_groups_lost_total", "title", more=RULE), now=True),
            promql(gained("detector_rule_shed_rows_total", "title", more=RULE), now=True),
            promql(COST, now=True),
            columns={"title": "rule", "level": "level", "Value #A": "matches", "Value #B": "alerts", "Value #C": "held back",
                     "Value #D": "errors", "Value #E": "groups forgotten", "Value #F": "rows missed", "Value #G": "of a core"},
            hidden=["Time"], units={"of a core": "percentunit"}, sort="alerts", height=12,
            coloured={"errors": BAD_ABOVE_ZERO, "groups forgotten": BAD_ABOVE_ZERO, "rows missed": BAD_ABOVE_ZERO,
                      "of a core": ((None, GREEN), (0.05, YELLOW), (0.2, RED))},
            words={"level": {level: (level, colour) for level, colour in LEVEL_COLOURS.items()}},
        ),
        ranking("Most alerts", "Which rules speak most?", latest(top(gained("detector_alerts_total", "title", more=RULE)), "{{title}}"),
                none="no alerts", width=8),
        ranking("Most held back", "Which rules match far more than they may say?",
                latest(top(gained("detector_suppressed_total", "title", more=RULE)), "{{title}}"), none="nothing held back", width=8),
        ranking("Memory of rules that was given up", "Is what rules remember of flows and hosts (flowbits, xbits ...) forgotten too soon?",
                latest(gained("detector_states_lost_total", "kind"), "{{kind}}"), none="nothing forgotten", width=8),
        ranking("Limits of payload rules", "What was not inspected because a rule, a stream or a batch asked for too much? searches lose nothing.",
                latest(gained("detector_payload_limits_total", "limit"), "{{limit}}"), none="no limit met", width=12),
        ranking("Most expensive", "Which rules take most time, as a share of one core?", latest(top(COST), "{{title}}"), unit="percentunit",
                steps=((None, GREEN), (0.05, YELLOW), (0.2, RED)), none="nothing measured", width=12),
        graph("Matches = alerts + held back", "Do limits do what they should? The line must lie on top of the areas.",
              promql(f"sum({rate('detector_alerts_total', more=RULE)})", "alerts"),
              promql(f"sum({rate('detector_suppressed_total', more=RULE)})", "held back"),
              promql(f"sum({rate('detector_matches_total', more=RULE)})", "matches"), colours={"alerts": ORANGE, "held back": GREEN}),
        graph("Cost of rules", "Did a rule become expensive, and when?",
              promql(f"topk(10, sum by (title) (sensor_rule:detector_rule_seconds:rate5m{{{CHOSEN},{RULE}}}))", "{{title}}"),
              unit="percentunit", stacked=True),
        graph("Rule errors", "Which rule fails, and since when? The log has the reason.",
              promql(rate("detector_rule_errors_total", "title", more=RULE), "{{title}}"), steps=((None, GREEN), (0.001, RED))),
        graph("Alerts by rule", "Did a rule become loud, and when: since a reload, since a change in the plant?",
              promql(rate("detector_alerts_total", "title", more=RULE), "{{title}}"), stacked=True),
        listing("Rules that matched nothing", "Which rules are silent: is the protocol spoken here, is a variable wrong, is the rule dead?",
                promql(f"sum by (title) (increase({metric('detector_matches_total', more=RULE)}[$__range])) == 0", now=True),
                columns={"title": "rule"}, hidden=["Time", "Value"], none="every rule matched", height=8),
    ]  # fmt: skip
    who = [
        graph("Alerts over time", "When did the chosen rules speak?", over_time("rule.name", OF_RULE), stacked=True, bars=True,
              width=24, calculations=("sum",)),
        ranking("Sources", "Who sets the chosen rules off? A single one may be a station that a variable lacks.",
                counted("source.address", OF_RULE), width=8),
        ranking("Destinations", "Against whom?", counted("destination.address", OF_RULE), width=8),
        ranking("Levels", "How grave are they?", counted("detector.level", OF_RULE), width=8),
        alert_table("Alerts of the chosen rules", "What exactly did they say?", OF_RULE),
    ]  # fmt: skip
    chosen = variable(
        "rule", "rule", f"label_values({metric('detector_matches_total')}, title)", "Rules by their titles."
    )
    answers = "For whoever writes rules and keeps them quiet: which speak, which never do, what they cost, which fail."
    rows = {"Now": now, "Rules": tuning, "Who sets them off": who}
    return framed("detector-rules", answers, rows, time="now-24h", variables=[chosen])
