"""Overview: for the wall of a SOC. Do we see, what happened, is anything in the way."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import (
    BAD_ABOVE_ZERO,
    BY,
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
    number,
    over_time,
    promql,
    ranking,
    rate,
)

SEEN, DROPPED = rate("detector_packets_seen_total"), rate("detector_packets_dropped_total")
DROP_RATIO = metric("sensor:detector_packets_dropped:ratio5m")
DROP_STEPS = ((None, GREEN), (0.000001, YELLOW), (0.01, RED))
URGENT = "detector.level:(critical OR high)"


def overview() -> Dashboard:
    """The dashboard."""
    seeing = [
        big("Sensors that see", "How many sensors run, have rules and all their sources open?",
            latest(f"sum({metric('detector_ready')}) or vector(0)"), steps=((None, RED), (1, GREEN)), link="detector-health"),
        big("Sensors in trouble", "How many sensors are not reached, or run without rules or without a source?",
            latest(f'count(up{{job="detector",{CHOSEN}}} == 0 or {metric("detector_ready")} == 0) or vector(0)'),
            steps=BAD_ABOVE_ZERO, link="detector-health"),
        big("Critical and high", "How many grave alerts were raised in the time that is shown?",
            number(URGENT), steps=((None, GREEN), (1, ORANGE), (10, RED)), calculation="sum", none="0"),
        big("All alerts", "How many alerts of any level were raised in the time that is shown?", number(), calculation="sum", none="0"),
        big("Packets dropped", "What share of the traffic was not judged in the last five minutes?",
            latest(f"max({DROP_RATIO}) or vector(0)"), unit="percentunit",
            steps=DROP_STEPS, link="detector-health"),
        big("Alerts lost", "How many alerts will never reach a sink, in the time that is shown?",
            latest(f"sum(increase({metric('detector_alerts_lost_total')}[$__range])) or vector(0)"), steps=BAD_ABOVE_ZERO,
            link="detector-health"),
    ]  # fmt: skip
    happened = [
        graph("Alerts by level", "When did alerts come, and how grave were they?", over_time("detector.level"), stacked=True, bars=True,
              colours=LEVEL_COLOURS, width=24, calculations=("sum",)),
        alert_table("Alerts", "What was found, newest first? The rule's name leads to its tuning."),
        ranking("Rules", "Which rules speak most?", counted("rule.name"), link="detector-rules?var-rule=${__data.fields[\"rule.name\"]}", width=6),
        ranking("Sources", "Who is at the other end of most alerts?", counted("source.address"), width=6),
        ranking("Destinations", "Which stations are the targets?", counted("destination.address"), width=6),
        ranking("Techniques", "Which techniques of ATT&CK were seen?", counted("threat.technique.name"), width=6),
    ]  # fmt: skip
    sensors = [
        listing(
            "Sensors", "How is each sensor? Its name leads to its health.",
            promql(f"max {BY} ({metric('detector_ready')})", now=True),
            promql(SEEN, now=True),
            promql(f"max {BY} ({DROP_RATIO})", now=True),
            promql(gained("detector_alerts_total", "namespace, sensor"), now=True),
            promql(f"max {BY} ({metric('detector_spool_waiting')})", now=True),
            promql(f"max {BY} ({metric('detector_capture_lag_seconds')})", now=True),
            promql(f"time() - max {BY} ({metric('detector_start_time_seconds')})", now=True),
            columns={"sensor": "sensor", "namespace": "namespace", "Value #A": "ready", "Value #B": "packets", "Value #C": "dropped",
                     "Value #D": "alerts", "Value #E": "waiting", "Value #F": "lag", "Value #G": "runs for"},
            hidden=["Time"],
            units={"packets": "pps", "dropped": "percentunit", "alerts": "short", "waiting": "short", "lag": "s", "runs for": "s"},
            coloured={"dropped": DROP_STEPS, "waiting": ((None, GREEN), (1000, YELLOW), (100000, RED)),
                      "lag": ((None, GREEN), (30, YELLOW), (300, RED))},
            words={"ready": {"0": ("no", RED), "1": ("yes", GREEN)}},
            links={"sensor": "detector-health?var-sensor=${__value.raw}"}, height=7,
        ),
        graph("Packets seen", "Does every sensor get traffic, and as much as it used to?", promql(SEEN, "{{sensor}}"), unit="pps"),
        graph("Packets dropped", "Which sensor does not keep up? Anything above nothing is a gap in what was judged.",
              promql(DROPPED, "{{sensor}}"), unit="pps"),
        listing("Alarms about sensors", "Which alarms of Prometheus are raised? What to do stands in docs/dashboards.md and in the alarm itself.",
                promql(f'ALERTS{{alertname=~"Detector.*",alertstate="firing",{CHOSEN}}}', now=True),
                columns={"alertname": "alarm", "severity": "severity", "sensor": "sensor", "namespace": "namespace", "source": "source",
                         "sink": "sink", "title": "rule"},
                hidden=["Time", "Value", "__name__", "alertstate", "instance", "job", "rule"], none="no alarm",
                words={"severity": {"critical": ("critical", RED), "warning": ("warning", ORANGE), "info": ("info", YELLOW)}},
                height=7),
    ]  # fmt: skip
    rows = {"Do we see?": seeing, "What happened?": happened, "Sensors": sensors}
    return framed(
        "detector-overview", "For a wall: whether sensors see, what they found, whether anything is in the way.", rows
    )
