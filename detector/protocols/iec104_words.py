"""IEC 60870-5-104 in the words of all protocols (IEC 60870-5-101:2003, 7.2.1 types and 7.2.3 causes)."""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    report    | iec60870_asdu.typeid=1-40 iec60870_asdu.causetx=0-4,6-19
    read      | iec60870_asdu.typeid=1-40 iec60870_asdu.causetx=5,20-41
    report    | iec60870_asdu.typeid=70
    cancel    | iec60870_asdu.typeid=45-51,58-64 iec60870_asdu.causetx=8,9
    select    | iec60870_asdu.typeid=45,58 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.sco.se=1
    select    | iec60870_asdu.typeid=46,59 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.dco.se=1
    select    | iec60870_asdu.typeid=47,60 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.rco.se=1
    select    | iec60870_asdu.typeid=48-50,61-63 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.qos.se=1
    operate   | iec60870_asdu.typeid=45,58 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.sco.se=0
    operate   | iec60870_asdu.typeid=46,59 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.dco.se=0
    operate   | iec60870_asdu.typeid=47,60 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.rco.se=0
    write     | iec60870_asdu.typeid=48-50,61-63 iec60870_asdu.causetx=6,7,10,44-47 iec60870_asdu.qos.se=0
    write     | iec60870_asdu.typeid=51,64 iec60870_asdu.causetx=6,7,10,44-47
    read      | iec60870_asdu.typeid=100-102
    time_set  | iec60870_asdu.typeid=103
    diagnose  | iec60870_asdu.typeid=104,107
    restart   | iec60870_asdu.typeid=105
    configure | iec60870_asdu.typeid=106,110-113
    file      | iec60870_asdu.typeid=120-127
"""
POINTS = """
    ioa:<iec60870_asdu.ioa> | * | iec60870_asdu.typeid=1-127 | iec60870_asdu.siq.spi or iec60870_asdu.diq.dpi{1:0,2:1} or iec60870_asdu.vti.v or iec60870_asdu.normval or iec60870_asdu.scalval or iec60870_asdu.float or iec60870_asdu.bitstring or iec60870_asdu.bcr.count or iec60870_asdu.sco.on or iec60870_asdu.dco.on{1:0,2:1} or iec60870_asdu.rco.up{1:0,2:1} or iec60870_asdu.qoi or iec60870_asdu.qcc or iec60870_asdu.qrp
"""
OUTCOMES = """
    <iec60870_asdu.causetx> | iec60870_asdu.causetx=44-47
    negative                | iec60870_asdu.nega=1
"""
UNITS = """
    iec60870_asdu.addr
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
