"""S7comm and S7comm-plus with what carries them: what their fields are called, where they stand, what their values mean. Sources as in s7comm.py."""

from __future__ import annotations

from detector.protocols import s7comm_szl
from detector.protocols.declared import Part, declared
from detector.protocols.table import OWN, STOP, port_anomalies

NUMBER = 3
COTP_TYPES = {1: "ED Expedited Data", 2: "EA Expedited Data Acknowledgement", 5: "RJ Reject", 6: "AK Data Acknowledgement",
              7: "ER TPDU Error", 8: "DR Disconnect Request", 12: "DC Disconnect Confirm", 13: "CC Connect Confirm",
              14: "CR Connect Request", 15: "DT Data"}  # fmt: skip
ROSCTRS = {1: "Job", 2: "Ack", 3: "Ack_Data", 7: "Userdata"}
FUNCTIONS = {0x00: "CPU services", 0x04: "Read Var", 0x05: "Write Var", 0x1A: "Request download", 0x1B: "Download block", 0x1C: "Download ended",
             0x1D: "Start upload", 0x1E: "Upload", 0x1F: "End upload", 0x28: "PI-Service", 0x29: "PLC Stop", 0xF0: "Setup communication"}  # fmt: skip
ERROR_CLASSES = {0: "No error", 0x81: "Application relationship", 0x82: "Object definition", 0x83: "No resources available",
                 0x84: "Error on service processing", 0x85: "Error on supplies", 0x87: "Access error"}  # fmt: skip
AREAS = {0x01: "Data record", 0x03: "System info of 200 family", 0x05: "System flags of 200 family", 0x06: "Analog inputs of 200 family",
         0x07: "Analog outputs of 200 family", 0x80: "Direct peripheral access (P)", 0x81: "Inputs (I)", 0x82: "Outputs (Q)",
         0x83: "Flags (M)", 0x84: "Data blocks (DB)", 0x85: "Instance data blocks (DI)", 0x86: "Local data (L)",
         0x87: "Unknown yet (V)", 0x1C: "S7 counters (C)", 0x1D: "S7 timers (T)", 0x1E: "IEC counters (200 family)",
         0x1F: "IEC timers (200 family)"}  # fmt: skip
TRANSPORT_SIZES = {1: "BIT", 2: "BYTE", 3: "CHAR", 4: "WORD", 5: "INT", 6: "DWORD", 7: "DINT", 8: "REAL", 9: "DATE", 10: "TOD", 11: "TIME",
                   12: "S5TIME", 15: "DATE_AND_TIME", 28: "COUNTER", 29: "TIMER"}  # fmt: skip
DATA_SIZES = {0: "NULL", 3: "BIT", 4: "BYTE/WORD/DWORD", 5: "INTEGER", 6: "DINTEGER", 7: "REAL", 9: "OCTET STRING"}
RETURN_CODES = {0: "Reserved", 1: "Hardware error", 3: "Accessing the object not allowed", 5: "Invalid address", 6: "Data type not supported",
                7: "Data type inconsistent", 10: "Object does not exist", 255: "Success"}  # fmt: skip
GROUPS = {0: "Mode-transition", 1: "Programmer commands", 2: "Cyclic data", 3: "Block functions", 4: "CPU functions", 5: "Security",
          6: "PBC", 7: "Time functions", 15: "NC programming"}  # fmt: skip
WAYS = {0: "Push", 4: "Request", 8: "Response", 3: "NC Push", 7: "NC Request", 11: "NC Response"}
MODES = {0: "STOP", 1: "Warm Restart", 2: "RUN", 3: "Hot Restart", 4: "HOLD", 6: "Cold Restart", 9: "RUN_R (H-System redundant)",
         11: "LINK-UP", 12: "UPDATE"}  # fmt: skip
PLUS_OPCODES = {0x31: "Request", 0x32: "Response", 0x33: "Notification", 0x02: "Response2"}
PLUS_FUNCTIONS = {0x04BB: "Explore", 0x04CA: "CreateObject", 0x04D4: "DeleteObject", 0x04F2: "SetVariable", 0x0524: "GetLink",
                  0x0542: "SetMultiVariables", 0x054C: "GetMultiVariables", 0x0556: "BeginSequence", 0x0560: "EndSequence",
                  0x056B: "Invoke", 0x0586: "GetVarSubStreamed"}  # fmt: skip
PLUS_TYPES = {1: "Connect", 2: "Data", 3: "Data with digest", 0xFE: "Extended keep alive", 0xFF: "Keep alive"}
ANOMALIES = {
    "s7comm.invalid_header": "bytes where a TPKT with a COTP header should begin that are none",
    "s7comm.invalid_length": "lengths of a PDU and of its parts that do not fit together",
    "s7comm.incomplete_data": "data in several PDUs that were given up for others",
    "s7comm.too_long": "a PDU, or data, in more pieces or of more bytes than is reasonable",
    "s7comm.invalid_type": "a type of PDU that S7 does not have",
    "s7comm.unsolicited_response": "a reply whose request was not seen",
    "s7comm.no_room": "an unfinished PDU for which there was no memory",
    **port_anomalies("s7comm", "TPKT with COTP, as S7 and MMS have it,"),
}
# Kinds of parts, as s7comm_kernels.py numbers them.
COTPS = ("ask", "confirm", "end", "ended", "data", "other")
HEADERS = ("short", "long", "error")
PARAMS = (
    "other", "items", "setup", "download", "block", "downloaded", "upload", "uploading", "upload_block", "uploaded", "service", "stop",
    "status", "empty", "user_short", "user_long", "mode",
)  # fmt: skip
JOBS = "other,items,setup,download,block,downloaded,upload,uploading,upload_block,uploaded,service,stop,status,empty"
DATA = ("none", "items", "codes", "block", "bytes", "user")
BLOCKS = ("argument", "blocks", "other")
TAILS = ("download", "length")
PAYLOADS = (
    "none",
    "szl_ask",
    "szl_told",
    "cyclic_ask",
    "cyclic_told",
    "cyclic_stop",
    "time",
    "blocks",
    "cpu",
    "test",
    "bytes",
)
PLUSES = ("length", "alive")
CONTENTS = ("ask", "told", "report", "part")
# Kinds of parts of objects, as s7comm_objects_kernels.py numbers them; entries of system status lists follow the others.
ITEMS = ("any", "number", "record", "areas", "symbol_area", "symbol_block", "symbol", "nck", "drive", "other")
VALUES = ("whole", "code", "block", "pair")
TIMES = ("eight", "ten")
ENTRIES = (
    "parameter", "area", "nested", "file", "name", "listed", "bytes", "event", "block_count", "block_type", "block", "block_ask",
    "block_info", "messages", "messaged", "scan", "alarm", "alarm_lock", "alarm_state", "alarm_ack", "alarm_notify", "alarm_by_type",
    "alarm_by_event", "alarm_query", "alarm_other", "alarms", "alarm_set", "sizes", "test", "tested", "call_registers", "call_block",
    "count", "address", "address_bit", "status2", "status", "line2", "line", "lines", "lines_other", "delete", "job", "job_list",
    "job_state", "job_data", "break_ask", "break", "hold", "stack_ask", "stack", "locals_ask", "locals", "locals_end", "unknown",
    *s7comm_szl.KINDS,
)  # fmt: skip
LAYOUT = s7comm_szl.layouts(ENTRIES)
# Columns of cells, as the kernels name them.
(
    TPKT, COTP, COTP_STOP, COTP_KIND, SOURCE, SOURCE_STOP, TARGET, TARGET_STOP, SOURCE_TEXT, SOURCE_TEXT_STOP, TARGET_TEXT,
    TARGET_TEXT_STOP, SIZE, PIECE, PIECE_STOP, FRAMES, PIECES, LENGTH, S7, S7_STOP, S7_KIND, PARAM, PARAM_STOP, PARAM_KIND, CARRIED,
    CARRIED_STOP, CARRIED_KIND, TAIL, TAIL_STOP, TAIL_KIND, BLOCK, BLOCK_STOP, BLOCK_KIND, SERVICE, SERVICE_STOP, PAYLOAD,
    PAYLOAD_STOP, PAYLOAD_KIND, UNIT_FRAMES, UNITS, UNIT_LENGTH, PLUS, PLUS_KIND, CONTENT, CONTENT_KIND, TRAILER,
) = range(OWN, OWN + 46)  # fmt: skip
(
    PDU, ITEM, ITEM_STOP, ITEM_KIND, VALUE_HEAD, VALUE_HEAD_STOP, VALUE_KIND, VALUE_LENGTH, VALUE, VALUE_STOP, FILL, FILL_STOP, ENTRY, ENTRY_STOP,
    ENTRY_KIND, TIME, TIME_STOP, TIME_KIND,
) = range(18)  # fmt: skip
COLUMNS = {
    "size": SIZE,
    "pieces": PIECES,
    "length": LENGTH,
    "units": UNITS,
    "unit_length": UNIT_LENGTH,
    "bytes": VALUE_LENGTH,
}
PARTS = {
    "tpkt": Part(TPKT, STOP),
    "cotp": Part(COTP, COTP_STOP, COTP_KIND, COTPS),
    "source": Part(SOURCE, SOURCE_STOP),
    "target": Part(TARGET, TARGET_STOP),
    "source_text": Part(SOURCE_TEXT, SOURCE_TEXT_STOP),
    "target_text": Part(TARGET_TEXT, TARGET_TEXT_STOP),
    "size": Part(SIZE, STOP),
    "piece": Part(PIECE, PIECE_STOP),
    "pieces": Part(FRAMES, STOP),
    "header": Part(S7, S7_STOP, S7_KIND, HEADERS),
    "param": Part(PARAM, PARAM_STOP, PARAM_KIND, PARAMS),
    "carried": Part(CARRIED, CARRIED_STOP, CARRIED_KIND, DATA),
    "tail": Part(TAIL, TAIL_STOP, TAIL_KIND, TAILS),
    "block": Part(BLOCK, BLOCK_STOP, BLOCK_KIND, BLOCKS),
    "service": Part(SERVICE, SERVICE_STOP, PARAM_KIND, PARAMS),
    "payload": Part(PAYLOAD, PAYLOAD_STOP, PAYLOAD_KIND, PAYLOADS),
    "units": Part(UNIT_FRAMES, STOP),
    "plus": Part(PLUS, STOP, PLUS_KIND, PLUSES),
    "content": Part(CONTENT, STOP, CONTENT_KIND, CONTENTS),
    "trailer": Part(TRAILER, STOP),
    "item": Part(ITEM, ITEM_STOP, ITEM_KIND, ITEMS, is_object=True),
    "head": Part(VALUE_HEAD, VALUE_HEAD_STOP, VALUE_KIND, VALUES, is_object=True),
    "value": Part(VALUE, VALUE_STOP, is_object=True),
    "fill": Part(FILL, FILL_STOP, is_object=True),
    "entry": Part(ENTRY, ENTRY_STOP, ENTRY_KIND, ENTRIES, is_object=True),
    "time": Part(TIME, TIME_STOP, TIME_KIND, TIMES, is_object=True),
}
ROWS = f"""
    tpkt.version    uint  tpkt @0:8   always 3
    tpkt.reserved   uint  tpkt @8:8   reserved
    tpkt.length     uint  tpkt @16:16 bytes with this header
    cotp.li         uint  cotp @0:8   bytes of the COTP header behind this one
    cotp.type       uintx cotp @8:4   what the COTP PDU is: 13 and 14 connect, 8 disconnects, 15 carries data
    cotp.destref    uintx cotp:ask,confirm,end,ended @16:16 the receiver's number for the connection
    cotp.srcref     uintx cotp:ask,confirm,end,ended @32:16 the sender's number for the connection
    cotp.class      uint  cotp:ask,confirm @48:4 class of the protocol, 0 over TCP
    cotp.opts.extended_formats bool cotp:ask,confirm @54:1 longer numbers, in other classes
    cotp.opts.no_explicit_flow_control bool cotp:ask,confirm @55:1 without flow control, in class 2
    cotp.cause      uint  cotp:end @48:8 why a connection ends
    cotp.src-tsap   string source_text @0: the caller's access point, as text or hexadecimal digits
    cotp.src-tsap-bytes bytes source @0: the caller's access point
    cotp.dst-tsap   string target_text @0: the called access point, as text or hexadecimal digits; S7: 01 to 03, then rack and slot
    cotp.dst-tsap-bytes bytes target @0: the called access point
    cotp.tpdu_size  uint  size =size      largest COTP PDU
    cotp.tpdu-number uintx cotp:data @17:7 number of a COTP PDU, 0 in class 0
    cotp.eot        bool  cotp:data @16:1 the last piece of a PDU
    cotp.segment_data bytes piece @0:     the last piece of a PDU that came in several
    cotp.segment.count uint pieces =pieces pieces that the PDU came in
    cotp.reassembled.length uint pieces =length bytes of a PDU that came in several pieces
    s7comm.header.protid uintx header @0:8   always 0x32
    s7comm.header.rosctr uint  header @8:8   what the PDU is
    s7comm.header.redid  uintx header @16:16 reserved
    s7comm.header.pduref uint  header @32:16 number that the answer repeats
    s7comm.header.parlg  uint  header @48:16 bytes of the parameters
    s7comm.header.datlg  uint  header @64:16 bytes of the data
    s7comm.header.errcls uintx header:long,error @80:8 class of an error, 0 where there is none
    s7comm.header.errcod uintx header:long,error @88:8 error within its class
    s7comm.param.func    uintx param:{JOBS} @0:8 function
    s7comm.param.itemcount uint param:items @8:8 variables
    s7comm.param.itemcount uint payload:cyclic_ask,cyclic_told @8:8 variables
    s7comm.param.setup_reserved1 uintx param:setup @8:8  reserved
    s7comm.param.maxamq_calling  uint  param:setup @16:16 most jobs that the caller leaves open
    s7comm.param.maxamq_called   uint  param:setup @32:16 most jobs that the called leaves open
    s7comm.param.pdu_length      uint  param:setup @48:16 bytes of the largest PDU
    s7comm.param.data    bytes param:other @8: parameters of functions that are not taken apart
    s7comm.param.blockcontrol.functionstatus uintx param:download,block,downloaded,upload,uploading,upload_block,uploaded,status @8:8 state of an up- or download
    s7comm.param.blockcontrol.functionstatus.more bool param:download,block,downloaded,upload,uploading,upload_block,uploaded,status @15:1 there is more of the block
    s7comm.param.blockcontrol.functionstatus.error bool param:download,block,downloaded,upload,uploading,upload_block,uploaded,status @14:1 something went wrong
    s7comm.data.blockcontrol.unknown1 bytes* param:download,block,upload,uploading,upload_block @16:16 reserved, or of unknown meaning
    s7comm.data.blockcontrol.unknown1 bytes* param:download,block,downloaded @32:32 reserved, or of unknown meaning
    s7comm.data.blockcontrol.unknown1 bytes* carried:block @16:16 reserved, or of unknown meaning
    s7comm.data.blockcontrol.errorcode uintx param:downloaded,uploaded @16:16 error, 0 where there is none
    s7comm.data.blockcontrol.uploadid uintx param:upload,uploading,upload_block,uploaded @32:32 number of the upload
    s7comm.param.blockcontrol.filename_len uint param:download,block,downloaded,upload @64:8 bytes of the name of a block or file
    s7comm.param.blockcontrol.upl_lenstring_len uint param:uploading @64:8 digits of the block's length
    s7comm.param.blockcontrol.upl_lenstring string tail:length @0: bytes of the whole block, in digits
    s7comm.data.blockcontrol.part2_len uint tail:download @0:8 bytes of what follows the name
    s7comm.data.blockcontrol.part2_unknown string tail:download @8:8 of unknown meaning, always 1
    s7comm.data.blockcontrol.loadmem_len string tail:download @16:48 bytes that the block takes in load memory, in digits
    s7comm.data.blockcontrol.mc7code_len string tail:download @64:48 bytes of the block's code, in digits
    s7comm.param.pistart.unknown1 bytes param:service @8:56 of unknown meaning
    s7comm.param.pistart.unknown1 bytes param:stop @8:40 of unknown meaning
    s7comm.param.pistart.parameterblock_len uint param:service @64:16 bytes of a service's parameters
    s7comm.param.pistart.argument string block:argument @0: argument of a service: nothing or "C " starts, "EP" copies
    s7comm.data.plccontrol.block_cnt uint block:blocks @0:8 blocks that a service is about
    s7comm.param.pi.inse.unknown uintx block:blocks @8:8 of unknown meaning, always 0
    s7comm.param.pi.n_x.string_len uint service:service @0:8 bytes of the service's name
    s7comm.data.plccontrol.part2_len uint service:stop @0:8 bytes of the service's name
    s7comm.param.pistart.servicename string service @8: service: P_PROGRAM runs or stops the program, _INSE links blocks, _DELE deletes them
    s7comm.param.userdata.head   uintx param:user_short,user_long,mode @0:24 always 0x000112
    s7comm.param.userdata.length uint  param:user_short,user_long,mode @24:8 bytes of the parameters behind it
    s7comm.param.userdata.reqres1 uintx param:user_short,user_long,mode @32:8 0x11 asks, 0x12 answers
    s7comm.param.userdata.type   uint  param:user_short,user_long,mode @40:4 4 asks, 8 answers, 0 is sent without being asked
    s7comm.param.userdata.funcgroup uint param:user_short,user_long,mode @44:4 group of functions
    s7comm.param.userdata.subfunc uint param:user_short,user_long @48:8 function within its group
    s7comm.param.modetrans.subfunc uint param:mode @48:8 mode that a CPU has gone to
    s7comm.param.userdata.seq_num uint param:user_short,user_long,mode @56:8 number of the job that it belongs to
    s7comm.param.userdata.dataunitref uint param:user_long,mode @64:8 number that data in several PDUs have in common
    s7comm.param.userdata.lastdataunit uintx param:user_long,mode @72:8 0: the last of the PDUs with these data
    s7comm.param.errcod          uintx param:user_long,mode @80:16 error, 0 where there is none
    s7comm.param.errcod          uintx header:error @80:16 class of an error and the error within it
    s7comm.fragment.count        uint  units =units PDUs that the data came in
    s7comm.reassembled.length    uint  units =unit_length bytes of data that came in several PDUs
    s7comm.data.userdata         bytes payload:bytes @0: data that are not taken apart
    s7comm.data.userdata.szl_id  uintx payload:szl_ask,szl_told @0:16 id of a system status list
    s7comm.data.userdata.szl_id.diag_type uintx payload:szl_ask,szl_told @0:4 type of module: 0 CPU, 4 IM, 8 FM, 12 CP
    s7comm.data.userdata.szl_id.partlist_ex uintx payload:szl_ask,szl_told @0:16 the list, and the part of it
    s7comm.data.userdata.szl_id.partlist_num uintx payload:szl_ask,szl_told @8:8 the list
    s7comm.data.userdata.szl_index uintx payload:szl_ask,szl_told @16:16 what of the list is meant
    s7comm.data.userdata.szl_id.partlist_len uint payload:szl_told @32:16 bytes of an entry
    s7comm.data.userdata.szl_id.partlist_cnt uint payload:szl_told @48:16 entries of the list
    s7comm.cyclic.interval_timebase uint payload:cyclic_ask @16:8 unit of the interval: 0 is 0.1 s, 1 is 1 s, 2 is 10 s
    s7comm.cyclic.interval_time  uint  payload:cyclic_ask @24:8 interval
    s7comm.cyclic.function       uint  payload:cyclic_stop @0:8 what is ended
    s7comm.cyclic.job_id         uint  payload:cyclic_stop @8:8 job that is ended
    s7comm-plus.header.protid    uintx plus @0:8 always 0x72
    s7comm-plus.header.pdutype   uintx plus @8:8 1 connects, 2 and 3 carry data, 255 keeps the connection alive
    s7comm-plus.header.datlg     uint  plus:length @16:16 bytes of the data
    s7comm-plus.header.keepalive_seqnum uint plus:alive @16:8 number of a sign of life
    s7comm-plus.data.opcode      uintx content:ask,told,report @0:8 0x31 asks, 0x32 answers, 0x33 is sent without being asked
    s7comm-plus.data.reserved1   uintx content:ask,told @8:16 reserved
    s7comm-plus.data.function    uintx content:ask,told @24:16 function
    s7comm-plus.data.reserved2   uintx content:ask,told @40:16 reserved
    s7comm-plus.data.seqnum      uint  content:ask,told @56:16 number that the answer repeats
    s7comm-plus.data.sessionid   uintx content:ask @72:32 session, 0x120 before there is one
    s7comm-plus.data.unknown1    uintx content:ask @104:8 of unknown meaning
    s7comm-plus.data.unknown1    uintx content:told @72:8 of unknown meaning
    s7comm-plus.trailer.protid   uintx trailer @0:8 always 0x72
    s7comm-plus.trailer.pdutype  uintx trailer @8:8 as in the header
    s7comm-plus.trailer.datlg    uint  trailer @16:16 always 0
"""  # fmt: skip
ALARM_KINDS = "alarm_lock,alarm_state,alarm_ack,alarm_notify,alarm_by_type,alarm_by_event,alarm_query,alarm_other"
OBJECTS = f"""
    cotp.parameter_code   uintx entry:parameter @0:8 what a parameter of a connection is: 0xc0 to 0xc2 are size and access points
    cotp.parameter_length uint  entry:parameter @8:8 bytes of the parameter
    s7comm.param.item.varspec uintx item @0:8 always 0x12
    s7comm.param.item.varspec uintx entry:{ALARM_KINDS} @0:8 always 0x12
    s7comm.param.item.varspec_length uint item @8:8 bytes of the address behind it
    s7comm.param.item.varspec_length uint entry:{ALARM_KINDS} @8:8 bytes of the address behind it
    s7comm.param.item.syntaxid uintx item @16:8 how the address is written
    s7comm.param.item.syntaxid uintx entry:{ALARM_KINDS} @16:8 how the address is written
    s7comm.param.item.transp_size uint item:any,number,record @24:8 type of the variable
    s7comm.param.item.length uint item:any,number @32:16 how many of the type
    s7comm.param.item.db     uint item:any,number @48:16 data block, of areas that are none 0
    s7comm.param.item.area   uintx item:any,number,record @64:8 area of memory
    s7comm.param.item.address uintx item:any,number @72:24 address in bits, or the number of a timer or counter
    s7comm.param.item.address.byte uint item:any @77:16 byte of the address
    s7comm.param.item.address.bit uint item:any @93:3 bit of the address
    s7comm.param.item.address.number uint item:number @80:16 number of a timer or counter
    s7comm.readrec.mlen  uint  item:record @32:16 most bytes of a data record
    s7comm.readrec.index uintx item:record @48:16 number of a data record
    s7comm.readrec.id    uint  item:record @72:24 address of the module with a data record
    s7comm.param.item.dbread.numareas uint item:areas @24:8 areas of data blocks
    s7comm.param.item.dbread.length uint entry:area @0:8 bytes of an area
    s7comm.param.item.dbread.db uint entry:area @8:16 data block of an area
    s7comm.param.item.dbread.startaddress uint entry:area @24:16 first byte of an area
    s7comm.tiap.item.reserved1 uintx item:symbol_area,symbol_block,symbol @24:8 reserved
    s7comm.tiap.item.area1   uintx item:symbol_area,symbol_block,symbol @32:16 0x8a0e: a data block
    s7comm.tiap.item.area2   uintx item:symbol_area @48:16 area of memory
    s7comm.tiap.item.dbnumber uint item:symbol_block @48:16 data block
    s7comm.tiap.item.area2unknown uintx item:symbol @48:16 of unknown meaning
    s7comm.tiap.item.crc     uintx item:symbol_area,symbol_block,symbol @64:32 checksum of the symbol's name
    s7comm.tiap.item.lid_flags uint entry:nested @0:4 how a step of the address is meant
    s7comm.tiap.item.value   uint  entry:nested @4:28 a step of the address
    s7comm.param.item.nck.area_unit uintx item:nck @24:8 area and unit of a numerical control
    s7comm.param.item.nck.area uint item:nck @24:3 area of a numerical control
    s7comm.param.item.nck.unit uint item:nck @27:5 unit of a numerical control
    s7comm.param.item.nck.column uint item:nck @32:16 column of a numerical control's table
    s7comm.param.item.nck.line uint item:nck @48:16 line of a numerical control's table
    s7comm.param.item.nck.module uintx item:nck @64:8 table of a numerical control
    s7comm.param.item.nck.linecount uint item:nck @72:8 lines of a numerical control's table
    s7comm.param.item.driveesany.unknown1 uint item:drive @24:8 of unknown meaning
    s7comm.param.item.driveesany.unknown2 uint item:drive @32:16 of unknown meaning
    s7comm.param.item.driveesany.unknown3 uintx item:drive @48:16 of unknown meaning
    s7comm.param.item.driveesany.parameternr uint item:drive @64:16 parameter of a drive
    s7comm.param.item.driveesany.parameteridx uint item:drive @80:16 index of a drive's parameter
    s7comm.data.returncode   uintx head:whole,code,pair @0:8 0xff: done; of what is written 0
    s7comm.data.transportsize uintx head:whole,pair @8:8 type of the value; 3 to 5 count bits
    s7comm.data.length       uint  head:whole =bytes bytes of the value
    s7comm.data.length       uint  head:block @0:16 bytes of a piece of a block
    s7comm.resp.data         bytes value @0: the value that is read or written
    s7comm.data.fillbyte     uintx fill @0:8 makes the number of bytes even
    s7comm.data.ts           time  time:eight @0:64bcd a date and time, as it is in UTC
    s7comm.data.ts           time  time:ten @16:64bcd a date and time, as it is in UTC
    s7comm.data.ts_reserved  uintx time:ten @0:8bcd reserved
    s7comm.data.ts_year1     uint  time:ten @8:8bcd century, which some modules have wrong
    s7comm.data.ts_year2     uint  time:eight @0:8bcd year of the century
    s7comm.data.ts_year2     uint  time:ten @16:8bcd year of the century
    s7comm.data.ts_month     uint  time:eight @8:8bcd month
    s7comm.data.ts_month     uint  time:ten @24:8bcd month
    s7comm.data.ts_day       uint  time:eight @16:8bcd day of the month
    s7comm.data.ts_day       uint  time:ten @32:8bcd day of the month
    s7comm.data.ts_hour      uint  time:eight @24:8bcd hour
    s7comm.data.ts_hour      uint  time:ten @40:8bcd hour
    s7comm.data.ts_minute    uint  time:eight @32:8bcd minute
    s7comm.data.ts_minute    uint  time:ten @48:8bcd minute
    s7comm.data.ts_second    uint  time:eight @40:8bcd second
    s7comm.data.ts_second    uint  time:ten @56:8bcd second
    s7comm.data.ts_millisecond uint time:eight @48:12bcd millisecond
    s7comm.data.ts_millisecond uint time:ten @64:12bcd millisecond
    s7comm.data.ts_weekday   uint  time:eight @60:4 day of the week, Sunday is 1
    s7comm.data.ts_weekday   uint  time:ten @76:4 day of the week, Sunday is 1
    s7comm.param.blockcontrol.filename string entry:file,name @0: name of a block or file: _ or $, type, number, file system
    s7comm.param.blockcontrol.filename string entry:listed @0:64 name of a block: type, number, file system
    s7comm.data.blockcontrol.file_identifier string entry:file @0:8 "_": a whole block, "$": its header
    s7comm.data.blockcontrol.block_type string entry:file @8:16 type of a block: 08 organisation, 0A data, 0B system data, 0C function, 0E function block
    s7comm.data.blockcontrol.block_type string entry:listed @0:16 type of a block: 08 organisation, 0A data, 0B system data, 0C function, 0E function block
    s7comm.data.blockcontrol.block_number string entry:file @24:40 number of a block
    s7comm.data.blockcontrol.block_number string entry:listed @16:40 number of a block
    s7comm.data.blockcontrol.dest_filesys string entry:file @64:8 P passive, A active, B both
    s7comm.data.blockcontrol.dest_filesys string entry:listed @56:8 P passive, A active, B both
    s7comm.blockinfo.blocktype string entry:block_count,block_type,block_ask,block_info @0:16 type of a block
    s7comm.blockinfo.block_count uint entry:block_count @16:16 blocks of the type
    s7comm.blockinfo.block_num uint entry:block @0:16 number of a block
    s7comm.blockinfo.block_num uint entry:block_info @96:16 number of a block
    s7comm.blockinfo.flags    uintx entry:block @16:8 of unknown meaning
    s7comm.blockinfo.block_lang uint entry:block @24:8 language that a block is written in
    s7comm.blockinfo.block_lang uint entry:block_info @80:8 language that a block is written in
    s7comm.data.blockinfo.block_number string entry:block_ask @16:40 number of a block
    s7comm.data.blockinfo.filesys string entry:block_ask @56:8 P passive, A active, B both
    s7comm.blockinfo.res_infolength uint entry:block_info @16:16 bytes of what is said of a block
    s7comm.blockinfo.res_unknown2 uintx entry:block_info @32:16 of unknown meaning
    s7comm.blockinfo.res_const3 string entry:block_info @48:16 always pp
    s7comm.blockinfo.res_unknown bytes* entry:block_info @64:8 of unknown meaning
    s7comm.blockinfo.res_unknown bytes* entry:block_info @536:8 of unknown meaning
    s7comm.param.userdata.blockinfo.flags uintx entry:block_info @72:8 properties of a block
    s7comm.param.userdata.blockinfo.linked bool entry:block_info @79:1 the block is linked
    s7comm.param.userdata.blockinfo.standard_block bool entry:block_info @78:1 a standard block
    s7comm.param.userdata.blockinfo.nonretain bool entry:block_info @76:1 its data are lost without power
    s7comm.blockinfo.subblk_type uint entry:block_info @88:8 type of a block, more precisely
    s7comm.blockinfo.load_mem_len uint entry:block_info @112:32 bytes in load memory
    s7comm.blockinfo.blocksecurity uint entry:block_info @144:32 0 open, 3 protected
    s7comm.blockinfo.ssb_len  uint entry:block_info @272:16 bytes of the interface's description
    s7comm.blockinfo.add_len  uint entry:block_info @288:16 bytes of what is added
    s7comm.blockinfo.localdata_len uint entry:block_info @304:16 bytes of local data
    s7comm.blockinfo.mc7_len  uint entry:block_info @320:16 bytes of code
    s7comm.blockinfo.author   string entry:block_info @336:64 who has written a block
    s7comm.blockinfo.family   string entry:block_info @400:64 family of a block
    s7comm.blockinfo.headername string entry:block_info @464:64 name of a block
    s7comm.blockinfo.checksum uintx entry:block_info @544:16 checksum of a block
    s7comm.blockinfo.reserved1 uintx entry:block_info @560:32 reserved
    s7comm.blockinfo.reserved2 uintx entry:block_info @592:32 reserved
    s7comm.param.userdata.szl_part_list bytes entry:bytes @0: an entry of a list that is not taken apart
    s7comm.cpu.diag_msg.eventid uintx entry:event @0:16 an event of a CPU
    s7comm.cpu.diag_msg.eventid.class uintx entry:event @0:4 class of the event: 4 stops and starts
    s7comm.cpu.diag_msg.eventid.ident.exterr bool entry:event @4:1 an error outside
    s7comm.cpu.diag_msg.eventid.ident.interr bool entry:event @5:1 an error inside
    s7comm.cpu.diag_msg.eventid.ident.diagbuf bool entry:event @6:1 entered in the diagnostic buffer
    s7comm.cpu.diag_msg.eventid.ident.entleave bool entry:event @7:1 the event begins; not set: it is over
    s7comm.cpu.diag_msg.eventid.nr uintx entry:event @8:8 number of the event in its class
    s7comm.cpu.diag_msg.prioclass uint entry:event @16:8 priority of what ran
    s7comm.cpu.diag_msg.obnumber uint entry:event @24:8 organisation block that ran
    s7comm.cpu.diag_msg.datid uintx entry:event @32:16 what the details are
    s7comm.cpu.diag_msg.info1 uintx entry:event @48:16 details
    s7comm.cpu.diag_msg.info2 uintx entry:event @64:32 details
    s7comm.cpu.msg.events     uintx entry:messages @0:8 messages that are asked for
    s7comm.cpu.msg.events.modetrans bool entry:messages @7:1 changes of mode
    s7comm.cpu.msg.events.system bool entry:messages @6:1 diagnosis of the system
    s7comm.cpu.msg.events.userdefined bool entry:messages @5:1 the user's own
    s7comm.cpu.msg.events.alarms bool entry:messages @0:1 alarms
    s7comm.cpu.msg.req_reserved1 uintx entry:messages @8:8 reserved
    s7comm.cpu.msg.username   string entry:messages @16:64 who asks
    s7comm.cpu.msg.almtype    uint entry:messages @80:8 type of alarms
    s7comm.cpu.msg.almtype    uint entry:messaged @16:8 type of alarms
    s7comm.cpu.msg.req_reserved2 uintx entry:messages @88:8 reserved
    s7comm.cpu.msg.res_result uintx entry:messaged @0:8 outcome
    s7comm.cpu.msg.res_reserved1 uintx entry:messaged @8:8 reserved
    s7comm.cpu.msg.res_reserved2 uintx entry:messaged @24:8 reserved
    s7comm.cpu.msg.res_reserved3 uintx entry:messaged @32:8 reserved
    s7comm.alarm.scan.unknown1 uintx entry:scan @0:16 of unknown meaning
    s7comm.alarm.scan.unknown2 uintx entry:scan @80:16 of unknown meaning
    s7comm.alarm.function     uintx entry:alarm,alarms @0:8 of unknown meaning
    s7comm.alarm.nr_objects   uint entry:alarm,alarms @8:8 alarms
    s7comm.alarm.nr_add_values uint entry:alarm_lock,alarm_state,alarm_ack,alarm_notify @24:8 values that go with an alarm
    s7comm.alarm.event_id     uintx entry:alarm_lock,alarm_state,alarm_ack,alarm_notify,alarm_set @32:32 number of an alarm
    s7comm.alarm.event_id     uintx entry:alarm_by_event @48:32 number of an alarm
    s7comm.alarm.eventstate   uintx entry:alarm_state,alarm_notify @64:8 signals of an alarm
    s7comm.alarm.eventstate   uintx entry:alarm_set @72:8 signals of an alarm
    s7comm.alarm.state        uintx entry:alarm_state,alarm_notify @72:8 state of an alarm
    s7comm.alarm.ack_state.going uintx entry:alarm_state,alarm_notify,alarm_set @80:8 signals whose end was acknowledged
    s7comm.alarm.ack_state.going uintx entry:alarm_ack @64:8 signals whose end was acknowledged
    s7comm.alarm.ack_state.coming uintx entry:alarm_state,alarm_notify,alarm_set @88:8 signals whose begin was acknowledged
    s7comm.alarm.ack_state.coming uintx entry:alarm_ack @72:8 signals whose begin was acknowledged
    s7comm.alarm.event.going  uintx entry:alarm_notify @96:8 signals that are over
    s7comm.alarm.event.coming uintx entry:alarm_notify @104:8 signals that have begun
    s7comm.alarm.event.lastchanged uintx entry:alarm_notify @112:8 signals that changed last
    s7comm.alarm.event.reserved uintx entry:alarm_notify @120:8 reserved
    s7comm.alarm.query.unknown1 uintx entry:alarm_by_type,alarm_by_event,alarm_query @24:8 of unknown meaning
    s7comm.alarm.query.querytype uint entry:alarm_by_type,alarm_by_event,alarm_query @32:8 1 by type, 3 by number
    s7comm.alarm.query.unknown2 uintx entry:alarm_by_type,alarm_by_event,alarm_query @40:8 of unknown meaning
    s7comm.alarm.query.alarmtype uint entry:alarm_by_type @48:32 type of alarms
    s7comm.alarm.query.alarmtype uint entry:alarm_set @24:8 type of alarms
    s7comm.alarm.query.complete_length uint entry:alarms @32:16 bytes of all alarms, 65535 where a zero byte ends them
    s7comm.alarm.query.dataset_length uint entry:alarm_set @0:8 bytes of an alarm
    s7comm.alarm.query.resunknown1 uintx* entry:alarm_set @8:16 of unknown meaning
    s7comm.alarm.query.resunknown1 uintx* entry:alarm_set @64:8 of unknown meaning
    s7comm.tis.parametersize  uint entry:sizes @0:16 bytes of a test job's parameters
    s7comm.tis.datasize       uint entry:sizes @16:16 bytes of a test job's data
    s7comm.tis.param1         uint entry:test @0:16 parameter of a test job
    s7comm.tis.param2         uint entry:test @16:16 parameter of a test job
    s7comm.tis.param3         uint entry:test @32:16 parameter of a test job
    s7comm.tis.answersize     uint entry:test @48:16 bytes that the answer may have
    s7comm.tis.param5         uint entry:test @64:16 parameter of a test job
    s7comm.tis.param6         uint entry:test @80:16 parameter of a test job
    s7comm.tis.param7         uint entry:test @96:16 parameter of a test job
    s7comm.tis.param8         uint entry:test @112:16 parameter of a test job
    s7comm.tis.param9         uint entry:test @128:16 parameter of a test job
    s7comm.varstat.trgevent   uintx entry:test @144:16 event that triggers a test job
    s7comm.diagdata.req.blocktype uint entry:test @160:16 type of the block that is tested
    s7comm.diagdata.req.blocknumber uint entry:test @176:16 number of the block that is tested
    s7comm.diagdata.req.startaddr_awl uint entry:test @192:16 first line of a block
    s7comm.diagdata.req.startaddr_awl uint entry:lines @0:16 first line of a block
    s7comm.diagdata.req.saz   uint entry:test @208:16 step of the address counter
    s7comm.tis.callenv_setup  uint entry:test @224:16 how the call is given
    s7comm.tis.callenv_cond   uint entry:test @240:16 condition of the call
    s7comm.tis.callenv_cond_blocktype uint entry:call_block @0:16 type of the calling block
    s7comm.tis.callenv_cond_blocknumber uint entry:call_block @16:16 number of the calling block
    s7comm.tis.callenv_cond_blockaddress uint entry:call_block @32:16 address in the calling block
    s7comm.tis.res.param1     uintx entry:tested @0:16 parameter of the answer
    s7comm.tis.res.param2     uintx entry:tested @16:16 parameter of the answer
    s7comm.tis.job.function   uint entry:delete @16:8 function of a test job
    s7comm.tis.job.function   uint entry:job,job_state @0:8 function of a test job
    s7comm.tis.job.response_seq_num uint entry:delete @24:8 number of a test job
    s7comm.tis.job.response_seq_num uint entry:job,job_state @8:8 number of a test job
    s7comm.tis.job.reserved   bytes* entry:delete,job_list @0:16 reserved
    s7comm.tis.job.reserved   bytes* entry:job_list,job_state @16:16 reserved
    s7comm.tis.job.reserved   bytes* entry:job_data @0: reserved
    s7comm.varstat.item_count uint entry:count @0:16 variables that are watched or changed
    s7comm.varstat.req.memory_area uint entry:address,address_bit @0:8 area of memory, and size in the low half
    s7comm.varstat.req.repetition_factor uint entry:address @8:8 how many
    s7comm.varstat.req.bitpos uint entry:address_bit @8:8 bit of the address
    s7comm.varstat.req.db_number uint entry:address,address_bit @16:16 data block
    s7comm.varstat.req.startaddress uint entry:address,address_bit @32:16 byte of the address
    s7comm.varstat.unknown    bytes entry:unknown @0: data of test jobs that are not taken apart
    s7comm.tis.blockstat.flagsunknown uintx entry:status2 @0:8 of unknown meaning
    s7comm.tis.blockstat.number_of_lines uint entry:status2 @8:8 lines that are watched
    s7comm.tis.blockstat.reserved bytes entry:status2 @16:8 reserved
    s7comm.tis.blockstat.reserved bytes entry:status,line @0:8 reserved
    s7comm.tis.blockstat.reserved bytes entry:line2 @16:8 reserved
    s7comm.tis.blockstat.reserved bytes entry:lines_other @0: of unknown meaning
    s7comm.tis.blockstat.line_address uint entry:line2 @0:16 address of a line
    s7comm.tis.blockstat.data bytes entry:lines @16: registers at each line
    s7comm.tis.exithold_until uint entry:hold @0:8 where a program that is held goes on to
    s7comm.tis.exithold_res1  uint entry:hold @8:8 reserved
    s7comm.tis.breakpoint.reserved bytes entry:break_ask @0:16 reserved
    s7comm.tis.interrupted.blocktype uint entry:break,locals @0:16 type of the block that is interrupted
    s7comm.tis.interrupted.blocktype uint entry:stack @352:16 type of the block that is interrupted
    s7comm.tis.interrupted.blocknumber uint entry:break,locals @16:16 number of the block that is interrupted
    s7comm.tis.interrupted.blocknumber uint entry:stack @368:16 number of the block that is interrupted
    s7comm.tis.interrupted.address uint entry:break,locals @32:16 address in the block that is interrupted
    s7comm.tis.interrupted.address uint entry:stack @384:16 address in the block that is interrupted
    s7comm.tis.interrupted.priorityclass uint entry:locals_ask,locals_end @0:8 priority of what is interrupted
    s7comm.tis.bstack.neting_depth uint entry:locals_ask @8:8 depth in the stack of blocks
    s7comm.tis.breakpoint.blocktype uint entry:break @48:16 type of the block with the breakpoint
    s7comm.tis.breakpoint.blocknumber uint entry:break @64:16 number of the block with the breakpoint
    s7comm.tis.breakpoint.address uint entry:break @80:16 address of the breakpoint
    s7comm.tis.breakpoint.reserved bytes entry:break @96:16 reserved
    s7comm.tis.continued.blocktype uint entry:stack @0:16 type of the block that goes on
    s7comm.tis.continued.blocknumber uint entry:stack @16:16 number of the block that goes on
    s7comm.tis.continued.address uint entry:stack @32:16 address in the block that goes on
    s7comm.tis.stw            uintx entry:break @112:16 status word
    s7comm.tis.stw            uintx entry:stack @336:16 status word
    s7comm.tis.accu1          uintx entry:break @128:32 accumulator 1
    s7comm.tis.accu1          uintx entry:stack @128:32 accumulator 1
    s7comm.tis.accu2          uintx entry:break,stack @160:32 accumulator 2
    s7comm.tis.accu3          uintx entry:stack @192:32 accumulator 3
    s7comm.tis.accu4          uintx entry:stack @224:32 accumulator 4
    s7comm.tis.ar1            uintx entry:break @192:32 address register 1
    s7comm.tis.ar1            uintx entry:stack @256:32 address register 1
    s7comm.tis.ar2            uintx entry:break @224:32 address register 2
    s7comm.tis.ar2            uintx entry:stack @288:32 address register 2
    s7comm.tis.db1.type       uint entry:break @256:8 type of the open data block
    s7comm.tis.db1.type       uint entry:stack @48:8 type of the open data block
    s7comm.tis.db2.type       uint entry:break @264:8 type of the open instance data block
    s7comm.tis.db2.type       uint entry:stack @56:8 type of the open instance data block
    s7comm.tis.db1.number     uint entry:break @272:16 number of the open data block
    s7comm.tis.db1.number     uint entry:stack @64:16 number of the open data block
    s7comm.tis.db1.number     uint entry:call_registers @0:16 number of the open data block
    s7comm.tis.db2.number     uint entry:break @288:16 number of the open instance data block
    s7comm.tis.db2.number     uint entry:stack @80:16 number of the open instance data block
    s7comm.tis.db2.number     uint entry:call_registers @16:16 number of the open instance data block
    s7comm.tis.istack.reserved bytes* entry:stack_ask @0:16 reserved
    s7comm.tis.istack.reserved bytes* entry:stack @96:32 reserved
    s7comm.tis.istack.reserved bytes* entry:stack @320:16 reserved
    s7comm.tis.istack.reserved bytes* entry:stack @400:16 reserved
    s7comm.tis.istack.reserved bytes* entry:stack @416:32 reserved
    s7comm.tis.lstack.size    uint entry:locals @48:16 bytes of local data
    s7comm.tis.lstack.data    bytes entry:locals @64: local data
    s7comm.tis.lstack.reserved bytes* entry:locals_end @8:8 reserved
    s7comm.tis.lstack.reserved bytes* entry:locals_end @16:16 reserved
"""  # fmt: skip
REGISTERS = ("stw", "accu1", "accu2", "ar1", "ar2", "db1", "db2")
REGISTER_SPOTS = (("status2", 24), ("status", 8), ("line2", 24), ("line", 8))
SIGNAL_SPOTS = (
    ("alarm_state,alarm_notify,alarm_ack", 64), ("alarm_state,alarm_notify,alarm_ack,alarm_set", 72), ("alarm_state,alarm_notify,alarm_set", 80),
    ("alarm_state,alarm_notify,alarm_set", 88), ("alarm_notify", 96), ("alarm_notify", 104), ("alarm_notify", 112),
)  # fmt: skip


def bit_lines() -> str:
    """Fields that stand in several places, bit by bit: registers that are watched, signals of alarms."""
    made = []
    for kind, at in REGISTER_SPOTS:  # per place
        made.append(f"s7comm.diagdata.register uintx entry:{kind} @{at}:8 registers that are watched")
        for bit, name in enumerate(REGISTERS):  # per register
            made.append(f"s7comm.diagdata.register.{name} bool entry:{kind} @{at + 7 - bit}:1 {name} is watched")
    for kinds, at in SIGNAL_SPOTS:  # per place
        for bit in range(8):  # per signal
            place = f"entry:{kinds} @{at + 7 - bit}:1"
            made.append(f"s7comm.alarm.signal.sig{bit + 1} bool* {place} signal {bit + 1}, of each state of an alarm")
    return "\n".join(made)


LABELS = {
    "cotp.type": COTP_TYPES, "s7comm.header.rosctr": ROSCTRS, "s7comm.param.func": FUNCTIONS, "s7comm.header.errcls": ERROR_CLASSES,
    "s7comm.param.item.area": AREAS, "s7comm.param.item.transp_size": TRANSPORT_SIZES, "s7comm.data.transportsize": DATA_SIZES,
    "s7comm.data.returncode": RETURN_CODES, "s7comm.param.userdata.funcgroup": GROUPS, "s7comm.param.userdata.type": WAYS,
    "s7comm.param.modetrans.subfunc": MODES, "s7comm-plus.data.opcode": PLUS_OPCODES, "s7comm-plus.data.function": PLUS_FUNCTIONS,
    "s7comm-plus.header.pdutype": PLUS_TYPES,
}  # fmt: skip
DECLARED = declared("\n".join((ROWS, OBJECTS, bit_lines(), s7comm_szl.LINES)), PARTS, COLUMNS, LABELS)
