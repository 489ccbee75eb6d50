"""Industrial protocols: what controllers are told, by whom, and what is wrong with it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import (
    GREEN,
    ORANGE,
    RED,
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

IN_PROTOCOL = "network.protocol:*"
IN_ICS = 'threat.framework:"MITRE ATT&CK for ICS"'


def industrial() -> Dashboard:
    """The dashboard."""
    now = [
        big("PDUs", "How many requests and answers are decoded a second?", latest(f"sum({rate('detector_pdus_total')})"), width=6),
        big("Protocols", "How many protocols were spoken in the time that is shown?",
            latest(f"count(sum by (protocol) (increase({metric('detector_pdus_total')}[$__range])) > 0) or vector(0)"), width=6),
        big("Alerts in protocols", "How many alerts are about what was said in a protocol, not about packets?", number(IN_PROTOCOL),
            calculation="sum", steps=((None, GREEN), (1, ORANGE)), none="0", width=6),
        big("Grave ones", "How many of them are high or critical?", number(f"{IN_PROTOCOL} AND detector.level:(critical OR high)"),
            calculation="sum", steps=((None, GREEN), (1, RED)), none="0", width=6),
    ]  # fmt: skip
    spoken = [
        graph("PDUs by protocol", "Is polling as steady as it should be? A control network has a rhythm.",
              promql(rate("detector_pdus_total", "protocol"), "{{sensor}} {{protocol}}"), width=16),
        ranking("Share of protocols", "What is spoken here?", latest(f"{gained('detector_pdus_total', 'protocol')} > 0", "{{protocol}}"),
                none="nothing decoded", width=8),
        graph("Requests and answers", "Do controllers answer? Packets to servers and back should keep their proportion.",
              promql(rate("detector_flow_packets_total", "direction"), "{{sensor}} {{direction}}"), unit="pps"),
        graph("Anomalies", "What is sent that no honest station sends? docs/anomalies.md says what each means.",
              promql(f"topk(15, {rate('detector_anomalies_total', 'anomaly')})", "{{sensor}} {{anomaly}}"), stacked=True),
        listing("Anomalies in the time that is shown", "Which kinds of broken or deceptive bytes came, and how many?",
                promql(f"{gained('detector_anomalies_total', 'anomaly')} > 0", now=True), columns={"anomaly": "anomaly", "Value": "rows"},
                hidden=["Time"], sort="rows", none="no anomalies", width=24, height=8),
    ]  # fmt: skip
    found = [
        graph("Alerts by protocol", "In which protocol were attacks found, and when?", over_time("network.protocol", IN_PROTOCOL),
              stacked=True, bars=True, calculations=("sum",)),
        graph("Alerts by tactic", "How far has an attacker come?", over_time("threat.tactic.name", IN_ICS), stacked=True, bars=True,
              calculations=("sum",)),
        ranking("Techniques of ATT&CK for ICS", "What was done?", counted("threat.technique.name", IN_ICS), width=6),
        ranking("Controllers", "Which stations were told something that they should not have been?",
                counted("destination.address", IN_PROTOCOL), width=6),
        ranking("Stations that gave commands", "Who told them?", counted("source.address", IN_PROTOCOL), width=6),
        ranking("Rules", "Which rules found it?", counted("rule.name", IN_PROTOCOL), link='detector-rules?var-rule=${__data.fields["rule.name"]}',
                width=6),
        alert_table("Alerts in industrial protocols", "What was said, by whom, to whom?", IN_PROTOCOL),
    ]  # fmt: skip
    answers = "For those who know the plant: what controllers are told, by whom, and what is wrong with it."
    return framed(
        "detector-industrial", answers, {"Now": now, "What is spoken": spoken, "What was found": found}, time="now-6h"
    )
