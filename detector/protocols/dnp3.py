"""DNP3 over TCP and UDP. One row = one link frame; the frame that completes a message has its function and objects.

Input: chunks of TCP streams and UDP payloads on port 20000, and of any TCP stream that begins with a link header whose
checksum is right. Output: PduTable with Wireshark's dnp3.* fields; objects as rows below the frame.

IEEE 1815-2012: 9 (link layer), 8 (transport function), 4 (application layer), 11 and annex A (objects).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.declared import DeclaredTable, Part, declared
from detector.protocols.dnp3_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.table import OWN, general_fields, kept_numbers, listed, port_anomalies
from detector.protocols.table import STOP as FRAME_STOP

kernels = Kernels("detector.protocols.dnp3_kernels")
object_kernels = Kernels("detector.protocols.dnp3_objects_kernels")

NUMBER = 1
FUNCTIONS = {
    0: "Confirm", 1: "Read", 2: "Write", 3: "Select", 4: "Operate", 5: "Direct Operate", 6: "Direct Operate No Ack",
    7: "Immediate Freeze", 8: "Immediate Freeze No Ack", 9: "Freeze and Clear", 10: "Freeze and Clear No Ack",
    11: "Freeze with Time", 12: "Freeze with Time No Ack", 13: "Cold Restart", 14: "Warm Restart", 15: "Initialize Data",
    16: "Initialize Application", 17: "Start Application", 18: "Stop Application", 19: "Save Configuration",
    20: "Enable Spontaneous Messages", 21: "Disable Spontaneous Messages", 22: "Assign Classes", 23: "Delay Measurement",
    24: "Record Current Time", 25: "Open File", 26: "Close File", 27: "Delete File", 28: "Get File Info",
    29: "Authenticate File", 30: "Abort File", 31: "Activate Config", 32: "Authentication Request",
    33: "Authentication Request - No Ack", 129: "Response", 130: "Unsolicited Response", 131: "Authentication Response",
}  # fmt: skip
PRIMARY = {0: "Reset of Remote Link", 1: "Reset of User Process", 2: "Test Function For Link", 3: "User Data",
           4: "Unconfirmed User Data", 9: "Request Link Status"}  # fmt: skip
SECONDARY = {
    0: "ACK",
    1: "NACK",
    11: "Status of Link",
    14: "Link Service Not Functioning",
    15: "Link Service Not Used or Implemented",
}
OPERATIONS = {0: "NUL Operation", 1: "Pulse On", 2: "Pulse Off", 3: "Latch On", 4: "Latch Off"}
TRIPS = {0: "NUL", 1: "Close", 2: "Trip", 3: "Reserved"}
STATUSES = {0: "accepted", 1: "timeout of the select", 2: "no select", 3: "format error", 4: "not supported", 5: "already active",
            6: "hardware error", 7: "local", 8: "too many operations", 9: "not authorised", 10: "inhibited by automation",
            11: "processing limited", 12: "out of range", 126: "not participating", 127: "undefined error"}  # fmt: skip
FILE_STATUSES = {0: "success", 1: "permission denied", 2: "invalid mode", 3: "file not found", 4: "file locked", 5: "too many open",
                 6: "invalid handle", 7: "write block size", 8: "communication lost", 9: "cannot abort", 16: "not open",
                 17: "handle expired", 18: "buffer overrun", 19: "fatal", 20: "block out of sequence"}  # fmt: skip
AUTHENTICATION_ERRORS = {1: "authentication failed", 2: "unexpected response", 3: "no response", 4: "aggressive mode not supported",
                         5: "MAC algorithm not supported", 6: "key wrap algorithm not supported", 7: "authorization failed",
                         8: "update key change method not permitted", 9: "invalid signature", 10: "invalid certification data",
                         11: "unknown user", 12: "max session key status requests exceeded"}  # fmt: skip
WHERE_INVALID = {1: "header", 2: "data"}
ANOMALIES = {
    "dnp3.invalid_header": "bytes where a link header should begin that are none: start bytes, length or checksum",
    "dnp3.bad_crc": "a block of data whose checksum is wrong; what it says is not believed",
    "dnp3.invalid_length": "a frame or message too short for what it is",
    "dnp3.transport_sequence": "a piece of a message that does not follow the one before",
    "dnp3.incomplete_message": "a message that was given up for a new one",
    "dnp3.invalid_function": "a function code that the standard reserves",
    "dnp3.unsolicited_response": "a reply whose request was not seen",
    "dnp3.operate_differs": "an operate whose objects are not those of the select before it",
    "dnp3.flooded": "more than 500 requests of a connection since its last reply; once until the next",
    "dnp3.no_room": "an unfinished frame or message for which there was no memory",
    **port_anomalies("dnp3", "DNP3"),
}
# Kinds of an object's parts, as dnp3_objects_kernels.py numbers them.
RANGES = (
    "ssi8",
    "ssi16",
    "ssi32",
    "abs8",
    "abs16",
    "abs32",
    "all",
    "quantity8",
    "quantity16",
    "quantity32",
    "",
    "free8",
)
PREFIXES = ("none", "index8", "index16", "index32", "size8", "size16", "size32")
FLAGS = ("none", "bi", "dbi", "bo", "ai", "ao", "ctr", "status_first", "status_last")
VALUES = (
    "none", "bit", "two_bits", "ana16", "ana32", "anaf", "anad", "out16", "out32", "outf", "outd", "cnt16", "cnt32", "commanded",
    "control", "delay", "interval", "octets", "file_read", "file_write", "file_append", "file_status", "file_block",
    "file_block_status", "text", "u8", "u16", "u32", "i8", "i16", "i32", "f32", "f64", "attribute", "empty", "unknown",
    "aggressive", "key_request", "challenge", "reply", "key_status", "key_change", "auth_error", "mac", "security",
)  # fmt: skip
SIZES = {"ana16": 2, "ana32": 4, "anaf": 4, "anad": 8, "out16": 2, "out32": 4, "outf": 4, "outd": 8, "cnt16": 2, "cnt32": 4,
         "control": 11, "delay": 2, "interval": 4, "aggressive": 6, "key_request": 2}  # fmt: skip
# Bytes that objects have at least, of those that have a size of their own.
LEAST = {"challenge": 8, "reply": 6, "key_status": 11, "key_change": 6, "auth_error": 15}
TIME_BYTES = {"none": 0, "absolute": 6, "relative": 2}
TIMES = tuple(TIME_BYTES)
GROUPS, VARIATIONS = 128, 16
# Of each group: flags, and of each of its variations "flags value time" (annex A); "-" for none, "+" for the group's flags.
LAYOUTS = """
    0  -    1 - attribute -
    1  bi   0 empty | 1 - bit - | 2 + - -
    2  bi   0 empty | 1 + - - | 2 + - absolute | 3 + - relative
    3  dbi  0 empty | 1 - two_bits - | 2 + - -
    4  dbi  0 empty | 1 + - - | 2 + - absolute | 3 + - relative
    10 bo   1 - bit - | 2 + - -
    11 bo   0 empty | 1 + - - | 2 + - absolute
    12 -    1 - control - | 2 - control - | 3 - bit -
    13 -    1 status_first commanded - | 2 status_first commanded absolute
    20 ctr  0 empty | 1 + cnt32 - | 2 + cnt16 - | 3 + cnt32 - | 4 + cnt16 - | 5 - cnt32 - | 6 - cnt16 - | 7 - cnt32 - | 8 - cnt16 -
    21 ctr  1 + cnt32 - | 2 + cnt16 - | 3 + cnt32 - | 4 + cnt16 - | 5 + cnt32 absolute | 6 + cnt16 absolute | 7 + cnt32 absolute | 8 + cnt16 absolute | 9 - cnt32 - | 10 - cnt16 - | 11 - cnt32 - | 12 - cnt16 -
    22 ctr  0 empty | 1 + cnt32 - | 2 + cnt16 - | 3 + cnt32 - | 4 + cnt16 - | 5 + cnt32 absolute | 6 + cnt16 absolute | 7 + cnt32 absolute | 8 + cnt16 absolute
    23 ctr  1 + cnt32 - | 2 + cnt16 - | 3 + cnt32 - | 4 + cnt16 - | 5 + cnt32 absolute | 6 + cnt16 absolute | 7 + cnt32 absolute | 8 + cnt16 absolute
    30 ai   0 empty | 1 + ana32 - | 2 + ana16 - | 3 - ana32 - | 4 - ana16 - | 5 + anaf - | 6 + anad -
    31 ai   1 + ana32 - | 2 + ana16 - | 3 + ana32 absolute | 4 + ana16 absolute | 5 - ana32 - | 6 - ana16 - | 7 + anaf - | 8 + anad -
    32 ai   0 empty | 1 + ana32 - | 2 + ana16 - | 3 + ana32 absolute | 4 + ana16 absolute | 5 + anaf - | 6 + anad - | 7 + anaf absolute | 8 + anad absolute
    33 ai   1 + ana32 - | 2 + ana16 - | 3 + ana32 absolute | 4 + ana16 absolute | 5 + anaf - | 6 + anad - | 7 + anaf absolute | 8 + anad absolute
    34 -    0 empty | 1 - ana16 - | 2 - ana32 - | 3 - anaf -
    40 ao   1 + out32 - | 2 + out16 - | 3 + outf - | 4 + outd -
    41 -    1 status_last out32 - | 2 status_last out16 - | 3 status_last outf - | 4 status_last outd -
    42 ao   0 empty | 1 + out32 - | 2 + out16 - | 3 + out32 absolute | 4 + out16 absolute | 5 + outf - | 6 + outd - | 7 + outf absolute | 8 + outd absolute
    43 -    1 status_first out32 - | 2 status_first out16 - | 3 status_first out32 absolute | 4 status_first out16 absolute | 5 status_first outf - | 6 status_first outd - | 7 status_first outf absolute | 8 status_first outd absolute
    50 -    1 - - absolute | 2 - interval absolute | 3 - - absolute
    51 -    1 - - absolute | 2 - - absolute
    52 -    1 - delay - | 2 - delay -
    60 -    1 empty | 2 empty | 3 empty | 4 empty
    70 -    3 - file_read - | 4 - file_status - | 5 - file_block - | 6 - file_block_status -
    80 -    1 - bit -
    120 -   1 - challenge - | 2 - reply - | 3 - aggressive - | 4 - key_request - | 5 - key_status - | 6 - key_change - | 7 - auth_error - | 8 - security - | 9 - mac - | 10 - security - | 11 - security - | 12 - security - | 13 - security - | 14 - security - | 15 - security -
"""  # fmt: skip


def layouts() -> NDArray[np.int64]:
    """int64[groups * variations, 3]: flags, value and time of each object."""
    made = np.zeros((GROUPS * VARIATIONS, 3), np.int64)
    made[:, 1] = VALUES.index("unknown")
    for line in filter(None, map(str.strip, LAYOUTS.splitlines())):  # per group
        group, own, rest = line.split(None, 2)
        for variation in rest.split(" | "):  # per variation
            number, *words = variation.split()
            place = int(group) * VARIATIONS + int(number)
            if words == ["empty"]:
                made[place] = 0, VALUES.index("empty"), 0
                continue
            flags, value, time = ("none" if word == "-" else own if word == "+" else word for word in words)
            made[place] = FLAGS.index(flags), VALUES.index(value), TIMES.index(time)
    return made


def crc_table() -> NDArray[np.int64]:
    """int64[256] of the checksum: x^16 + x^13 + x^12 + x^11 + x^10 + x^8 + x^6 + x^5 + x^2 + 1, reflected (9.2.4.3)."""
    made = np.arange(256, dtype=np.int64)
    for _ in range(8):  # per bit
        made = np.where(made & 1, (made >> 1) ^ 0xA6BC, made >> 1)
    return made


LAYOUT = layouts()
VALUE_BYTES = np.array([(SIZES | LEAST).get(value, 0) for value in VALUES], np.int64)
# Columns of cells, as dnp3_kernels.py names them, and of objects' as dnp3_objects_kernels.py does.
(
    LINK, IS_PRIMARY, TRANSPORT, PIECE, PIECE_STOP, APPLICATION, APPLICATION_STOP, INDICATIONS, FRAMES, FRAMES_STOP, PIECES, LENGTH,
) = range(OWN, OWN + 12)  # fmt: skip
(
    PDU, FIRST, OBJECT, OBJECT_STOP, RANGE, RANGE_STOP, RANGE_KIND, PREFIX, PREFIX_STOP, PREFIX_KIND, COUNTED, INDEX, FLAG, FLAG_KIND,
    VALUE, VALUE_STOP, VALUE_KIND, STATUS, TIME, TIME_KIND, NUMBER_OF, STOP, CODE, INVALID,
) = range(24)  # fmt: skip
COLUMNS = {"pieces": PIECES, "length": LENGTH, "index": INDEX, "number": NUMBER_OF, "code": CODE, "invalid": INVALID}
PARTS = {
    "link": Part(LINK, FRAME_STOP, IS_PRIMARY, ("secondary", "primary")),
    "transport": Part(TRANSPORT, FRAME_STOP),
    "piece": Part(PIECE, PIECE_STOP),
    "message": Part(APPLICATION, APPLICATION_STOP),
    "indications": Part(INDICATIONS, APPLICATION_STOP),
    "object": Part(OBJECT, OBJECT_STOP, is_object=True, first=FIRST),
    "unread": Part(OBJECT, OBJECT_STOP, INVALID, ("", "header", "data"), is_object=True),
    "range": Part(RANGE, RANGE_STOP, RANGE_KIND, RANGES, is_object=True, first=FIRST),
    "prefix": Part(PREFIX, PREFIX_STOP, PREFIX_KIND, PREFIXES, is_object=True),
    "counted": Part(COUNTED, STOP, is_object=True),
    "flags": Part(FLAG, STOP, FLAG_KIND, FLAGS, is_object=True),
    "value": Part(VALUE, VALUE_STOP, VALUE_KIND, VALUES, is_object=True),
    "status": Part(STATUS, STOP, is_object=True),
    "time": Part(TIME, STOP, TIME_KIND, TIMES, is_object=True),
}
QUALITY = {
    "bi": (
        "biq",
        ("online", "restart", "comm_fail", "remote_force", "local_force", "chatter_filter", "low_state", "state"),
    ),
    "bo": ("boq", ("online", "restart", "comm_fail", "remote_force", "local_force", "reserved", "reserved", "state")),
    "ctr": (
        "ctrq",
        ("online", "restart", "comm_fail", "remote_force", "local_force", "rollover", "discontinuity", "reserved"),
    ),
    "ai": (
        "aiq",
        ("online", "restart", "comm_fail", "remote_force", "local_force", "over_range", "reference_error", "reserved"),
    ),
    "ao": (
        "aoq",
        ("online", "restart", "comm_fail", "remote_force", "local_force", "reserved", "reserved", "reserved"),
    ),
}
MEANING = {"online": "the point is in service", "restart": "not updated since the device started", "comm_fail": "the device behind it does not answer",
           "remote_force": "overridden elsewhere", "local_force": "overridden at the device", "chatter_filter": "changes too fast",
           "rollover": "the counter has begun anew", "discontinuity": "not comparable with the value before",
           "over_range": "the value lies outside what can be measured", "reference_error": "the measuring circuit is out of order",
           "reserved": "reserved", "low_state": "the low bit of a double point's state", "state": "the state of the point, with the bit before it where that has two"}  # fmt: skip


def quality_lines() -> str:
    """The flags of points (11.5), a line each as declared() reads them."""
    made = []
    for kind, (short, names) in QUALITY.items():  # per kind of flags
        kinds = "bi,dbi" if kind == "bi" else kind
        for bit, name in enumerate(names):  # per flag
            made.append(f"dnp3.al.{short}.b{bit} bool flags:{kinds} @{7 - bit}:1 {MEANING[name]}")
    return "\n".join(made)


ROWS = """
    dnp3.start        uintx  link            @0:16     start bytes, 0x0564
    dnp3.len          uint   link            @16:8     bytes from the control byte on, without checksums
    dnp3.ctl          uintx  link            @24:8     control byte
    dnp3.ctl.dir      bool   link            @24:1     the master sent it
    dnp3.ctl.prm      bool   link            @25:1     it begins a transaction of the link
    dnp3.ctl.fcb      bool   link:primary    @26:1     frame count bit
    dnp3.ctl.fcv      bool   link:primary    @27:1     the frame count bit is valid
    dnp3.ctl.dfc      bool   link:secondary  @27:1     the receiver can take no more
    dnp3.ctl.prifunc  uint   link:primary    @28:4     function of the link
    dnp3.ctl.secfunc  uint   link:secondary  @28:4     answer of the link
    dnp3.dst          uint   link            @32:16le  destination address; 65533 to 65535 are broadcasts
    dnp3.src          uint   link            @48:16le  source address
    dnp3.addr         uint*  link            @32:16le  destination and source address
    dnp3.addr         uint*  link            @48:16le  destination and source address
    dnp3.hdr.CRC      uintx  link            @64:16le  checksum of the header
    dnp3.tr.ctl       uintx  transport       @0:8      transport octet
    dnp3.tr.fin       bool   transport       @0:1      the last piece of a message
    dnp3.tr.fir       bool   transport       @1:1      the first piece of a message
    dnp3.tr.seq       uint   transport       @2:6      sequence number of the piece
    dnp3.al.frag_data bytes  piece           @0:       a piece of a message that was not whole with it
    dnp3.al.fragment.count uint message      =pieces   frames that the message came in
    dnp3.al.fragment.reassembled.length uint message =length bytes of the message
    dnp3.al.ctl       uintx  message         @0:8      application control
    dnp3.al.fir       bool   message         @0:1      the first fragment
    dnp3.al.fin       bool   message         @1:1      the last fragment
    dnp3.al.con       bool   message         @2:1      a confirmation is asked for
    dnp3.al.uns       bool   message         @3:1      sent without being asked
    dnp3.al.seq       uint   message         @4:4      sequence number of the fragment
    dnp3.al.func      uint   message         @8:8      function; 129 to 131 are answers
    dnp3.al.iin       uintx  indications     @0:16     internal indications, the first byte high
    dnp3.al.iin.rst   bool   indications     @0:1      the device has restarted
    dnp3.al.iin.dt    bool   indications     @1:1      the device is in trouble
    dnp3.al.iin.dol   bool   indications     @2:1      outputs are in local mode
    dnp3.al.iin.tsr   bool   indications     @3:1      the device asks for the time
    dnp3.al.iin.cls3d bool   indications     @4:1      events of class 3 wait
    dnp3.al.iin.cls2d bool   indications     @5:1      events of class 2 wait
    dnp3.al.iin.cls1d bool   indications     @6:1      events of class 1 wait
    dnp3.al.iin.bmsg  bool   indications     @7:1      a broadcast has come
    dnp3.al.iin.cc    bool   indications     @10:1     the configuration is corrupt
    dnp3.al.iin.oae   bool   indications     @11:1     the operation is under way already
    dnp3.al.iin.ebo   bool   indications     @12:1     events were lost for want of room
    dnp3.al.iin.pioor bool   indications     @13:1     a parameter is wrong or out of range
    dnp3.al.iin.obju  bool   indications     @14:1     the objects are not known
    dnp3.al.iin.fcni  bool   indications     @15:1     the function is not known
"""
OBJECTS = """
    dnp3.al.obj            uintx object               =code    group, and variation in the low byte; of octet strings that is 0
    dnp3.al.objq.prefix    uint  object               @17:3    what stands before each object: 1 to 3 an index, 4 to 6 a size
    dnp3.al.objq.range     uint  object               @20:4    how the objects are counted
    dnp3.al.range.start    uint  range:ssi8,abs8      @0:8     first index, or virtual address
    dnp3.al.range.start    uint  range:ssi16,abs16    @0:16le  first index, or virtual address
    dnp3.al.range.start    uint  range:ssi32,abs32    @0:32le  first index, or virtual address
    dnp3.al.range.stop     uint  range:ssi8,abs8      @8:8     last index, or virtual address
    dnp3.al.range.stop     uint  range:ssi16,abs16    @16:16le last index, or virtual address
    dnp3.al.range.stop     uint  range:ssi32,abs32    @32:32le last index, or virtual address
    dnp3.al.range.abs      uint  range:abs8           @0:8     first virtual address
    dnp3.al.range.abs      uint  range:abs16          @0:16le  first virtual address
    dnp3.al.range.abs      uint  range:abs32          @0:32le  first virtual address
    dnp3.al.range.quantity uint  range:quantity8,free8 @0:8    number of objects
    dnp3.al.range.quantity uint  range:quantity16     @0:16le  number of objects
    dnp3.al.range.quantity uint  range:quantity32     @0:32le  number of objects
    dnp3.al.point_index    uint  counted              =index   index of a point that is counted from the range's first
    dnp3.al.index          uint  prefix:index8        @0:8     index of a point that stands before it
    dnp3.al.index          uint  prefix:index16       @0:16le  index of a point that stands before it
    dnp3.al.index          uint  prefix:index32       @0:32le  index of a point that stands before it
    dnp3.al.size           uint  prefix:size8         @0:8     bytes of an object
    dnp3.al.size           uint  prefix:size16        @0:16le  bytes of an object
    dnp3.al.size           uint  prefix:size32        @0:32le  bytes of an object
    dnp3.al.bit            bool  value:bit            =number    state of a point without flags
    dnp3.al.2bit           uint  value:two_bits       =number    state of a double point: 1 off, 2 on
    dnp3.al.2bit           uint  flags:dbi            @0:2     state of a double point: 1 off, 2 on
    dnp3.al.ana.int        int   value:ana16          @0:16le  analogue value
    dnp3.al.ana.int        int   value:ana32          @0:32le  analogue value
    dnp3.al.ana.float      float value:anaf           @0:32le  analogue value
    dnp3.al.ana.double     float value:anad           @0:64le  analogue value
    dnp3.al.anaout.int     int   value:out16          @0:16le  value of an analogue output
    dnp3.al.anaout.int     int   value:out32          @0:32le  value of an analogue output
    dnp3.al.anaout.float   float value:outf           @0:32le  value of an analogue output
    dnp3.al.anaout.double  float value:outd           @0:64le  value of an analogue output
    dnp3.al.cnt            uint  value:cnt16          @0:16le  counter
    dnp3.al.cnt            uint  value:cnt32          @0:32le  counter
    dnp3.ctl.op            uint  value:control        @4:4     what an output does: 1 and 2 pulse, 3 latches on, 4 off
    dnp3.ctl.clr           uint  value:control        @2:2     whether it is queued, and clears what is
    dnp3.ctl.trip          uint  value:control        @0:2     1 closes, 2 trips
    dnp3.al.count          uint  value:control        @8:8     how often it is done
    dnp3.al.on_time        uint  value:control        @16:32le milliseconds on
    dnp3.al.off_time       uint  value:control        @48:32le milliseconds off
    dnp3.al.ctrlstatus     uint  status               @1:7     outcome of a control, 0 where it was accepted
    dnp3.al.bocs           bool  value:commanded      @0:1     state that an output was commanded to
    dnp3.al.timestamp      time  time:absolute        @0:48le  time of an object
    dnp3.al.timestamp      time  value:file_write     @32:48le time at which a file was made
    dnp3.al.reltimestamp   duration time:relative     @0:16le  time of an object since the common one before it
    dnp3.al.time_delay     uint  value:delay          @0:16le  delay, in milliseconds; in seconds of variation 1
    dnp3.al.file_string_offset uint value:file_read,file_write,file_append @0:16le where the name begins
    dnp3.al.file_string_length uint value:file_read,file_write,file_append @16:16le bytes of the name
    dnp3.al.file.perms     uintx value:file_write     @80:16le permissions of a file that is made
    dnp3.al.file.perms.read_owner  bool value:file_write @95:1 its owner may read it
    dnp3.al.file.perms.write_owner bool value:file_write @80:1 its owner may write it
    dnp3.al.file.perms.exec_owner  bool value:file_write @81:1 its owner may run it
    dnp3.al.file.perms.read_group  bool value:file_write @82:1 its group may read it
    dnp3.al.file.perms.write_group bool value:file_write @83:1 its group may write it
    dnp3.al.file.perms.exec_group  bool value:file_write @84:1 its group may run it
    dnp3.al.file.perms.read_world  bool value:file_write @85:1 everybody may read it
    dnp3.al.file.perms.write_world bool value:file_write @86:1 everybody may write it
    dnp3.al.file.perms.exec_world  bool value:file_write @87:1 everybody may run it
    dnp3.al.file.auth      uintx value:file_read,file_write,file_append @96:32le key of an authentication before
    dnp3.al.file.size      uintx value:file_write,file_append @128:32le bytes of the file
    dnp3.al.file.size      uintx value:file_status    @32:32le bytes of the file
    dnp3.al.file.mode      uint  value:file_read,file_write,file_append @160:16le 0 delete, 1 read, 2 write, 3 append
    dnp3.al.file.maxblock  uint  value:file_read,file_write,file_append @176:16le largest block
    dnp3.al.file.maxblock  uint  value:file_status    @64:16le largest block
    dnp3.al.file.reqID     uint  value:file_read,file_write,file_append @192:16le number that the answer repeats
    dnp3.al.file.reqID     uint  value:file_status    @80:16le number that the answer repeats
    dnp3.al.file_name      string value:file_read,file_write,file_append @208: name of the file
    dnp3.al.file.handle    uintx value:file_status,file_block,file_block_status @0:32le handle of an open file
    dnp3.al.file.status    uint  value:file_status    @96:8    outcome, 0 where it was done
    dnp3.al.file.status    uint  value:file_block_status @64:8 outcome, 0 where it was done
    dnp3.al.file.blocknum  uintx value:file_block,file_block_status =number number of the block
    dnp3.al.file.lastblock bool  value:file_block,file_block_status @56:1 the last block
    dnp3.al.file.data      bytes value:file_block     @64:     bytes of the file
    dnp3.al.file.data      bytes value:file_status    @104:    text of the outcome
    dnp3.al.file.data      bytes value:file_block_status @72:  text of the outcome
    dnp3.al.octet_string   bytes value:octets         @0:      octet string
    dnp3.al.datatype       uintx value:text,u8,u16,u32,i8,i16,i32,f32,f64,attribute @0:8 type of a device attribute
    dnp3.al.da.length      uint  value:text,u8,u16,u32,i8,i16,i32,f32,f64,attribute @8:8 bytes of a device attribute
    dnp3.al.da.value       string value:text          @16:     text of a device attribute
    dnp3.al.da.uint8       uint  value:u8             @16:8    value of a device attribute
    dnp3.al.da.uint16      uint  value:u16            @16:16le value of a device attribute
    dnp3.al.da.uint32      uint  value:u32            @16:32le value of a device attribute
    dnp3.al.da.int8        int   value:i8             @16:8    value of a device attribute
    dnp3.al.da.int16       int   value:i16            @16:16le value of a device attribute
    dnp3.al.da.int32       int   value:i32            @16:32le value of a device attribute
    dnp3.al.da.float       float value:f32            @16:32le value of a device attribute
    dnp3.al.da.double      float value:f64            @16:64le value of a device attribute
    dnp3.al.sa.csq         uintx value:challenge,reply,aggressive @0:32le sequence number of a challenge
    dnp3.al.sa.usr         uint  value:challenge,reply,aggressive,key_status,key_change,auth_error @32:16le number of a user; 1 is the default
    dnp3.al.sa.usr         uint  value:key_request    @0:16le  number of a user; 1 is the default
    dnp3.al.sa.mal         uint  value:challenge      @48:8    algorithm of the message authentication code
    dnp3.al.sa.mal         uint  value:key_status     @64:8    algorithm of the message authentication code
    dnp3.al.sa.rfc         uint  value:challenge      @56:8    why it is challenged; 1: a critical function
    dnp3.al.sa.cd          bytes value:challenge      @64:     what the answer must be reckoned from
    dnp3.al.sa.cdl         uint  value:key_status     @72:16le bytes of what the answer must be reckoned from
    dnp3.al.sa.mac         bytes value:reply          @48:     message authentication code
    dnp3.al.sa.mac         bytes value:mac            @0:      message authentication code
    dnp3.al.sa.ksq         uintx value:key_status,key_change @0:32le sequence number of a change of keys
    dnp3.al.sa.kwa         uint  value:key_status     @48:8    algorithm with which keys are wrapped
    dnp3.al.sa.ks          uint  value:key_status     @56:8    state of the session keys; 1: they are good
    dnp3.al.sa.key         bytes value:key_change     @48:     session keys, wrapped
    dnp3.al.sa.seq         uintx value:auth_error     @0:32le  sequence number of what an error is about
    dnp3.al.sa.assoc_id    uint  value:auth_error     @48:16le association between a master and an outstation
    dnp3.al.sa.err         uint  value:auth_error     @64:8    why the authentication failed
    dnp3.al.unknown_data_chunk bytes value:unknown    @0:      objects that are not known, to the message's end; or one that has a size
    dnp3.object.invalid    uint  unread:header,data   =invalid  where a message cannot be read on: in this header, or in its objects' bytes
"""
LABELS = {
    "dnp3.al.func": FUNCTIONS, "dnp3.ctl.prifunc": PRIMARY, "dnp3.ctl.secfunc": SECONDARY, "dnp3.ctl.op": OPERATIONS,
    "dnp3.ctl.trip": TRIPS, "dnp3.al.ctrlstatus": STATUSES, "dnp3.al.file.status": FILE_STATUSES,
    "dnp3.al.sa.err": AUTHENTICATION_ERRORS, "dnp3.object.invalid": WHERE_INVALID,
}  # fmt: skip
DECLARED = declared(ROWS + quality_lines() + OBJECTS, PARTS, COLUMNS, LABELS)
OTHERS = (
    Field("dnp3", "protocol", "the row is a DNP3 frame"),
    Field("dnp3.al.fragment", "uint", "frames that the message came in"),
)
FIELDS = (OTHERS[0], *DECLARED.fields.values(), OTHERS[1], *general_fields(NUMBER, ANOMALIES))
BY_NAME = {field.name: field for field in FIELDS}
STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS, OBJECT_COLUMNS = 13, 4, OWN + 12, 24


SPANS = {"dnp3": 0}


class Dnp3Table(DeclaredTable):
    """DNP3 frames. cells: int64[frames, 19], columns named in dnp3_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: NDArray[np.int64]) -> None:
        super().__init__("dnp3", packets, cells, BY_NAME)

    def _make_own(self, field: Field) -> Column:
        match field.name:
            case "dnp3":
                return Column(field, self.cells[:, LINK] >= 0)
            case "dnp3.al.fragment":
                counts = np.where(self.cells[:, FRAMES] >= 0, self.cells[:, PIECES], 0)
                return kept_numbers(field, self.cells[:, FRAMES], counts, self.packets.batch.buffer)
        return super()._make_own(field)

    def message(self) -> NDArray[np.int64]:
        """int64[pdus, 2]: the application message, from its control field on, without checksums."""
        return np.maximum(self.cells[:, (APPLICATION, APPLICATION_STOP)], 0)

    def list_objects(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(cells of the objects, the frame of each)."""
        fill = partial(object_kernels.list_objects, self.cells, self.packets.batch.buffer, LAYOUT, VALUE_BYTES)
        cells = listed(fill, self.rows * 8 + 64, OBJECT_COLUMNS)
        return cells, cells[:, PDU]


def make_reader() -> FramingReader:
    """A reader for a run."""
    columns = (STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS)
    return FramingReader(columns, kernels, Dnp3Table, (crc_table(),))


DNP3 = Protocol(
    name="dnp3",
    title="DNP3",
    also=(),
    tcp_ports=(20000,),
    udp_ports=(20000,),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=make_reader,
    table=Dnp3Table,
    vocabulary=VOCABULARY,
    scapy={"to_server": "detector.protocols.dnp3_layers.DNP3", "to_client": "detector.protocols.dnp3_layers.DNP3"},
)
