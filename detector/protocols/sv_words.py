"""Sampled Values in the words of all protocols (IEC 61850-9-2, 8). A point is a stream of samples."""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    report | sv.smpCnt
"""
POINTS = """
    <sv.svID> | report | sv.svID
"""
OUTCOMES = ""
UNITS = """
    sv.appid
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
