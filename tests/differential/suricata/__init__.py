"""Suricata as the judge of payload rules: captures, rules, the comparison, and rules made from traffic at random."""
