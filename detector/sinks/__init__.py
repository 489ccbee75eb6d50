"""Alerts out. One file per sink; SINKS lists them in the order in which they are written to."""

from detector.sinks.console import ConsoleTable
from detector.sinks.jsonl import JsonLines
from detector.sinks.sink import Sink
from detector.sinks.summary import Summary

SINKS = (JsonLines, ConsoleTable, Summary)  # files first: what a person is shown has been kept

__all__ = ["SINKS", "ConsoleTable", "JsonLines", "Sink", "Summary"]
