"""Modbus in the words of all protocols (MODBUS Application Protocol V1.1b3, 6; of function 90 what Schneider's tools send)."""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    read             | modbus.func_code=1-4,23,24
    write            | modbus.func_code=5,6,15,16,22,23
    file             | modbus.func_code=20,21
    identify         | modbus.func_code=17
    identify         | modbus.func_code=43 modbus.mei=14
    diagnose         | modbus.func_code=7,11,12
    diagnose         | modbus.func_code=8 modbus.diagnostic_code=0,2,11-18
    restart          | modbus.func_code=8 modbus.diagnostic_code=1
    configure        | modbus.func_code=8 modbus.diagnostic_code=3,10
    stop             | modbus.func_code=8 modbus.diagnostic_code=4
    identify         | modbus.func_code=90 pdu.kind=request modbus.data@1=0x02-0x04,0x06
    configure        | modbus.func_code=90 pdu.kind=request modbus.data@1=0x10,0x11
    read             | modbus.func_code=90 pdu.kind=request modbus.data@1=0x20,0x22,0x24,0x70
    write            | modbus.func_code=90 pdu.kind=request modbus.data@1=0x21,0x23,0x25,0x71
    program_download | modbus.func_code=90 pdu.kind=request modbus.data@1=0x30-0x32
    program_upload   | modbus.func_code=90 pdu.kind=request modbus.data@1=0x33-0x35
    start            | modbus.func_code=90 pdu.kind=request modbus.data@1=0x40
    stop             | modbus.func_code=90 pdu.kind=request modbus.data@1=0x41
    diagnose         | modbus.func_code=90 pdu.kind=request modbus.data@1=0x50,0x58,0x73
    =                | modbus.func_code=90 pdu.kind=response,exception
"""
POINTS = """
    coil:<modbus.bitnum>                                            | read,write | modbus.func_code=1,15 | modbus.bitval
    coil:<modbus.reference_num+modbus.bit_cnt>                      | read,write | modbus.func_code=1,15
    coil:<modbus.reference_num>                                     | write      | modbus.func_code=5    | modbus.data@0{0xff:1,0:0}
    input:<modbus.bitnum>                                           | read       | modbus.func_code=2    | modbus.bitval
    input:<modbus.reference_num+modbus.bit_cnt>                     | read       | modbus.func_code=2
    register:<modbus.regnum16>                                      | read,write | modbus.func_code=3,6,16 | modbus.regval_uint16
    register:<modbus.reference_num+modbus.word_cnt>                 | read,write | modbus.func_code=3,16
    register:<modbus.reference_num>                                 | read,write | modbus.func_code=22,24
    register:<modbus.regnum16>                                      | write      | modbus.func_code=23 pdu.kind=request  | modbus.regval_uint16
    register:<modbus.read_reference_num+modbus.read_word_cnt>       | read       | modbus.func_code=23 pdu.kind=request
    register:<modbus.regnum16>                                      | read       | modbus.func_code=23 pdu.kind=response | modbus.regval_uint16
    input_register:<modbus.regnum16>                                | read       | modbus.func_code=4    | modbus.regval_uint16
    input_register:<modbus.reference_num+modbus.word_cnt>           | read       | modbus.func_code=4
    identity:<modbus.object_id>                                     | identify   | modbus.func_code=43
    record:<modbus.reference_num_32>                                | file       | modbus.func_code=20,21
"""
OUTCOMES = """
    <modbus.exception_code> | modbus.exception_code
    error                   | modbus.func_code=90 pdu.kind=response modbus.data@1=0xfd
"""
UNITS = """
    mbtcp.unit_id
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, UNITS)
