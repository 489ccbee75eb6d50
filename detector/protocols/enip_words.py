"""EtherNet/IP and CIP in the words of all protocols (vol. 1, A services; Rockwell 1756-PM020 tags, 1770-6.5.16 PCCC functions).

What a multiple service packet or an unconnected send carries are messages beside that of the Message Router (class 2) or the
Connection Manager (class 6), whose own attributes are left out here. A reply's points are its request's.
"""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    identify         | enip.command=0x04,0x63,0x64
    identify         | cip.sc=1,3,14 cip.class=1
    read             | cip.sc=1,3,14,24 cip.class=0,3-5,7-0xffffffff
    read             | cip.sc=0x4c cip.symbol
    read             | cip.sc=0x4c cip.class=0x6b
    write            | cip.sc=2,4,16,25 cip.class=0,1,3-5,7-0x42,0x44-0x8a,0x8c-0xf3,0xf7-0xffffffff
    write            | cip.sc=0x4d,0x4e,0x53 cip.symbol
    write            | cip.sc=0x4d,0x4e,0x53 cip.class=0x6b
    configure        | cip.sc=2,4,16 cip.class=0xf4-0xf6
    configure        | cip.sc=0x4b,0x4c cip.class=0x74,0x8e,0xac
    time_set         | cip.sc=4,16 cip.class=0x43,0x8b
    restart          | cip.sc=5 cip.class=1
    start            | cip.sc=6
    stop             | cip.sc=7
    program_download | cip.sc=8,9 cip.class=0x64-0x72
    file             | cip.sc=8,9,0x4b-0x51 cip.class=0x37
    firmware         | cip.sc=0x4b-0x52 cip.class=0xa1
    subscribe        | cip.cm.sc=0x54,0x5b
    cancel           | cip.cm.sc=0x4e
    report           | cipio.data
    diagnose         | cip.pccc.fnc.code_06
    read             | cip.pccc.fnc.code_0f=0x01,0x04,0x09,0x17,0x29,0x68,0xa1,0xa2,0xa7
    write            | cip.pccc.fnc.code_0f=0x00,0x02,0x03,0x08,0x18,0x26,0x67,0xa9-0xab,0xaf
    stop             | cip.pccc.fnc.code_0f=0x80 cip.pccc.cpu.mode_80=0,1
    start            | cip.pccc.fnc.code_0f=0x80 cip.pccc.cpu.mode_80=2-255
    configure        | cip.pccc.fnc.code_0f=0x11,0x12,0x3a,0x88,0x8f
    program_download | cip.pccc.fnc.code_0f=0x50,0x52,0x57
    program_upload   | cip.pccc.fnc.code_0f=0x53,0x55
    file             | cip.pccc.fnc.code_0f=0x81,0x82
    stop             | cip.pccc.fnc.code_0f=0x41
    =                | cip.pccc.resp.code
"""
POINTS = """
    tag:<cip.symbol>                                            | * | cip.symbol pdu.kind=request
    attribute:<cip.class>.<cip.instance>.<cip.attribute>        | * | cip.sc=14,16 pdu.kind=request
    object:<cip.class>.<cip.instance>                           | * | cip.sc=1-9,24,25 pdu.kind=request
    object:<cip.class>.<cip.instance>                           | * | cip.sc=0x4b-0x53 cip.class=0x37,0x6b,0x74,0x8e,0xa1,0xac pdu.kind=request
    object:<cip.class>.<cip.instance>                           | subscribe,cancel | cip.sc=0x4e,0x54,0x5b cip.cm.sc pdu.kind=request
    file:<cip.pccc.file.num>.<cip.pccc.element.num>.<cip.pccc.subelement.num> | * | cip.pccc.file.num pdu.kind=request
    connection:<enip.cpf.sai.connid>                            | report | cipio.data
"""
OUTCOMES = """
    <enip.status>  | enip.status=1-0xffffffff
    <cip.genstat>  | cip.genstat=1-255
    pccc error     | cip.pccc.resp.code cip.pccc.gs.status=1-255
"""
UNITS = """
    cip.linkaddress.byte
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
