"""GOOSE in the words of all protocols (IEC 61850-8-1, 18 and annex A).

A point is an entry of the published data set. Bit strings have no value: nothing says which of them are positions.
"""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    report   | goose.stNum
    identify | goose.requests=1-4
    identify | goose.responses=0-4
"""
POINTS = """
    <goose.gocbRef>:<goose_data.entry> | report   | goose.Data=3-17 | goose.boolean or goose.integer or goose.unsigned or goose.float_value
    <goose.ident>                      | identify | goose.ident
"""
OUTCOMES = """
    <goose.responseNegative> | goose.responseNegative
    not supported            | goose.responses=0
"""
UNITS = """
    goose.appid
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
