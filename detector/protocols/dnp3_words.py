"""DNP3 in the words of all protocols (IEEE 1815-2012: 4.4 functions, 11 and annex A objects)."""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    read         | dnp3.al.func=1 dnp3.al.obj=0x0000-0x45ff,0x4700-0xffff
    file         | dnp3.al.func=1,2 dnp3.al.obj=0x4600-0x46ff
    time_set     | dnp3.al.func=2 dnp3.al.obj=0x3201-0x3204
    write        | dnp3.al.func=2 dnp3.al.obj=0x0000-0x31ff,0x3205-0x45ff,0x4700-0xffff
    select       | dnp3.al.func=3
    operate      | dnp3.al.func=4-6
    read         | dnp3.al.func=7-12
    restart      | dnp3.al.func=13,14
    configure    | dnp3.al.func=15,19,22,31
    restart      | dnp3.al.func=16
    start        | dnp3.al.func=17
    stop         | dnp3.al.func=18
    subscribe    | dnp3.al.func=20,21
    time_set     | dnp3.al.func=24
    diagnose     | dnp3.al.func=23
    file         | dnp3.al.func=25-30
    authenticate | dnp3.al.func=32,33,131
    report       | dnp3.al.func=130
    =            | dnp3.al.func=129
"""
INDEX = "<dnp3.al.point_index or dnp3.al.index or dnp3.al.range.start..dnp3.al.range.stop>"
VALUES = """
    dnp3.al.ana.int or dnp3.al.ana.float or dnp3.al.ana.double or dnp3.al.anaout.int or dnp3.al.anaout.float
    or dnp3.al.anaout.double or dnp3.al.cnt
""".replace("\n", " ")
POINTS = f"""
    binary_input:{INDEX}  | * | dnp3.al.obj=0x0100-0x02ff | dnp3.al.bit or dnp3.al.biq.b7
    double_input:{INDEX}  | * | dnp3.al.obj=0x0300-0x04ff | dnp3.al.2bit{{1:0,2:1}}
    binary_output:{INDEX} | * | dnp3.al.obj=0x0a00-0x0bff | dnp3.al.bit or dnp3.al.boq.b7
    binary_output:{INDEX} | * | dnp3.al.obj=0x0c00-0x0cff | dnp3.ctl.trip{{1:1,2:0}} or dnp3.ctl.op{{1:1,2:0,3:1,4:0}}
    binary_output:{INDEX} | * | dnp3.al.obj=0x0d00-0x0dff | dnp3.al.bocs
    counter:{INDEX}       | * | dnp3.al.obj=0x1400-0x17ff | {VALUES}
    analog_input:{INDEX}  | * | dnp3.al.obj=0x1e00-0x22ff | {VALUES}
    analog_output:{INDEX} | * | dnp3.al.obj=0x2800-0x2bff | {VALUES}
    class:<dnp3.al.obj{{0x3c01:0,0x3c02:1,0x3c03:2,0x3c04:3}}> | * | dnp3.al.obj=0x3c01-0x3c04
    file:<dnp3.al.file_name> | * | dnp3.al.obj=0x4600-0x46ff
    indication:{INDEX}    | * | dnp3.al.obj=0x5001 | dnp3.al.bit
    octets:{INDEX}        | * | dnp3.al.obj=0x6e00-0x73ff
"""
OUTCOMES = """
    <dnp3.al.ctrlstatus>    | dnp3.al.ctrlstatus=1-127
    <dnp3.al.file.status>   | dnp3.al.file.status=1-255
    unknown function        | dnp3.al.iin.fcni=1
    unknown objects         | dnp3.al.iin.obju=1
    parameter error         | dnp3.al.iin.pioor=1
    already executing       | dnp3.al.iin.oae=1
"""
UNITS = """
    dnp3.dst | dnp3.ctl.dir=1
    dnp3.src | dnp3.ctl.dir=0
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
