"""S7comm and S7comm-plus in the words of all protocols. A station is an address of its own: there are no units behind one."""

from __future__ import annotations

from detector.protocols.vocabulary import vocabulary

VERBS = """
    read             | s7comm.param.func=4
    write            | s7comm.param.func=5
    program_download | s7comm.param.func=0x1a-0x1c
    program_upload   | s7comm.param.func=0x1d-0x1f
    start            | s7comm.param.func=0x28 s7comm.param.pistart.servicename@0=0x50
    program_download | s7comm.param.func=0x28 s7comm.param.pistart.servicename@0=0x5f s7comm.param.pistart.servicename@1=0x44,0x49
    configure        | s7comm.param.func=0x28 s7comm.param.pistart.servicename@0=0x5f s7comm.param.pistart.servicename@1=0x47,0x4d
    =                | s7comm.param.func=0x28 pdu.kind=response,exception
    stop             | s7comm.param.func=0x29
    =                | s7comm.header.rosctr=2
    report           | s7comm.param.userdata.funcgroup=0
    diagnose         | s7comm.param.userdata.funcgroup=1 s7comm.param.userdata.subfunc=1-6,16,17,19,22
    write            | s7comm.param.userdata.funcgroup=1 s7comm.param.userdata.subfunc=8,9
    restart          | s7comm.param.userdata.funcgroup=1 s7comm.param.userdata.subfunc=12
    configure        | s7comm.param.userdata.funcgroup=1 s7comm.param.userdata.subfunc=7,10,11,13-15,18
    subscribe        | s7comm.param.userdata.funcgroup=2 s7comm.param.userdata.subfunc=1,5,7 s7comm.param.userdata.type=4,8
    report           | s7comm.param.userdata.funcgroup=2 s7comm.param.userdata.subfunc=1,5,7 s7comm.param.userdata.type=0
    cancel           | s7comm.param.userdata.funcgroup=2 s7comm.param.userdata.subfunc=4
    diagnose         | s7comm.param.userdata.funcgroup=3
    identify         | s7comm.data.userdata.szl_id.partlist_num=0x11,0x1c
    diagnose         | s7comm.data.userdata.szl_id.partlist_num=0-0x10,0x12-0x1b,0x1d-0xff
    subscribe        | s7comm.param.userdata.funcgroup=4 s7comm.param.userdata.subfunc=2
    report           | s7comm.param.userdata.funcgroup=4 s7comm.param.userdata.subfunc=3
    alarm            | s7comm.param.userdata.funcgroup=4 s7comm.param.userdata.subfunc=5-22
    authenticate     | s7comm.param.userdata.funcgroup=5
    read             | s7comm.param.userdata.funcgroup=7 s7comm.param.userdata.subfunc=1,3
    time_set         | s7comm.param.userdata.funcgroup=7 s7comm.param.userdata.subfunc=2,4
    read             | s7comm-plus.data.function=0x04bb,0x0524,0x054c,0x0586
    write            | s7comm-plus.data.function=0x04f2,0x0542
    configure        | s7comm-plus.data.function=0x04ca,0x04d4
    operate          | s7comm-plus.data.function=0x056b
    report           | s7comm-plus.data.opcode=0x33
"""
PLACE = "<s7comm.param.item.address.byte>.<s7comm.param.item.address.bit>"
POINTS = f"""
    db:<s7comm.param.item.db>.{PLACE}           | read,write | s7comm.param.item.area=0x84,0x85 s7comm.param.item.transp_size=1-3 | s7comm.resp.data@0
    db:<s7comm.param.item.db>.{PLACE}           | read,write | s7comm.param.item.area=0x84,0x85 s7comm.param.item.transp_size=4-255
    peripheral:{PLACE}                          | read,write | s7comm.param.item.area=0x80 s7comm.param.item.transp_size=1-3 | s7comm.resp.data@0
    peripheral:{PLACE}                          | read,write | s7comm.param.item.area=0x80 s7comm.param.item.transp_size=4-255
    input:{PLACE}                               | read,write | s7comm.param.item.area=0x81 s7comm.param.item.transp_size=1-3 | s7comm.resp.data@0
    input:{PLACE}                               | read,write | s7comm.param.item.area=0x81 s7comm.param.item.transp_size=4-255
    output:{PLACE}                              | read,write | s7comm.param.item.area=0x82 s7comm.param.item.transp_size=1-3 | s7comm.resp.data@0
    output:{PLACE}                              | read,write | s7comm.param.item.area=0x82 s7comm.param.item.transp_size=4-255
    flag:{PLACE}                                | read,write | s7comm.param.item.area=0x83 s7comm.param.item.transp_size=1-3 | s7comm.resp.data@0
    flag:{PLACE}                                | read,write | s7comm.param.item.area=0x83 s7comm.param.item.transp_size=4-255
    counter:<s7comm.param.item.address.number>  | read,write | s7comm.param.item.area=0x1c
    timer:<s7comm.param.item.address.number>    | read,write | s7comm.param.item.area=0x1d
    block:<s7comm.param.blockcontrol.filename>  | *          | s7comm.param.func=0x1a-0x1f,0x28
    list:<s7comm.data.userdata.szl_id>          | *          | s7comm.data.userdata.szl_id
"""
OUTCOMES = """
    <s7comm.header.errcls>    | s7comm.header.errcls=1-255
    error                     | s7comm.header.errcod=1-255
    error                     | s7comm.param.errcod=1-65535
    <s7comm.data.returncode>  | s7comm.param.func=4,5 s7comm.data.returncode=1-254
"""
VOCABULARY = vocabulary(VERBS, POINTS, OUTCOMES, "")
