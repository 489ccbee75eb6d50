"""EtherNet/IP and CIP: what their fields are called, where they stand, what their values mean. Sources as in enip.py."""

from __future__ import annotations

from detector.columns import Field
from detector.protocols.declared import Part, declared
from detector.protocols.enip_parts import KINDS, LOGICALS
from detector.protocols.table import OWN, STOP, general_fields, port_anomalies

NUMBER = 4
COMMANDS = {0x00: "NOP", 0x01: "List Targets", 0x04: "List Services", 0x63: "List Identity", 0x64: "List Interfaces", 0x65: "Register Session",
            0x66: "Unregister Session", 0x6F: "Send RR Data", 0x70: "Send Unit Data", 0x72: "Indicate Status", 0x73: "Cancel", 0xC8: "Start DTLS"}  # fmt: skip
STATUSES = {0: "success", 1: "invalid command", 2: "no memory", 3: "incorrect data", 100: "invalid session", 101: "invalid length",
            105: "unsupported version"}  # fmt: skip
ITEMS = {0x00: "null address", 0x0C: "identity", 0xA1: "connected address", 0xB1: "connected data", 0xB2: "unconnected data",
         0x100: "services", 0x8000: "socket address to the target", 0x8001: "socket address to the originator", 0x8002: "sequenced address"}  # fmt: skip
SERVICES = {
    1: "Get Attributes All", 2: "Set Attributes All", 3: "Get Attribute List", 4: "Set Attribute List", 5: "Reset", 6: "Start", 7: "Stop",
    8: "Create", 9: "Delete", 10: "Multiple Service Packet", 13: "Apply Attributes", 14: "Get Attribute Single", 16: "Set Attribute Single",
    17: "Find Next Object Instance", 21: "Restore", 22: "Save", 23: "Nop", 24: "Get Member", 25: "Set Member", 26: "Insert Member",
    27: "Remove Member", 28: "Group Sync",
}  # fmt: skip
MANAGER_SERVICES = {0x4E: "Forward Close", 0x52: "Unconnected Send", 0x54: "Forward Open", 0x56: "Get Connection Data", 0x57: "Search Connection Data",
                    0x5A: "Get Connection Owner", 0x5B: "Large Forward Open"}  # fmt: skip
GENERAL_STATUSES = {
    0: "success", 1: "connection failure", 2: "resource unavailable", 3: "invalid parameter value", 4: "path segment error",
    5: "path destination unknown", 6: "partial transfer", 7: "connection lost", 8: "service not supported", 9: "invalid attribute value",
    10: "attribute list error", 11: "already in requested state", 12: "object state conflict", 13: "object already exists",
    14: "attribute not settable", 15: "privilege violation", 16: "device state conflict", 17: "reply data too large",
    18: "fragmentation of a primitive value", 19: "not enough data", 20: "attribute not supported", 21: "too much data",
    22: "object does not exist", 23: "fragmentation sequence not in progress", 24: "no stored attribute data", 25: "store operation failure",
    26: "routing failure, request too large", 27: "routing failure, reply too large", 28: "missing attribute list entry data",
    29: "invalid attribute value list", 30: "embedded service error", 31: "vendor specific error", 32: "invalid parameter",
    37: "key failure in path", 38: "path size invalid", 39: "unexpected attribute in list", 40: "invalid member",
    41: "member not settable",
}  # fmt: skip
CLASSES = {
    0x01: "Identity", 0x02: "Message Router", 0x04: "Assembly", 0x05: "Connection", 0x06: "Connection Manager", 0x37: "File", 0x43: "Time Sync",
    0x44: "Modbus", 0x47: "Device Level Ring", 0x48: "QoS", 0x64: "controller", 0x67: "PCCC", 0x68: "program", 0x6B: "Symbol", 0x6C: "Template",
    0x8E: "controller mode", 0xA1: "firmware", 0xAC: "controller changes", 0xF4: "Port", 0xF5: "TCP/IP Interface", 0xF6: "Ethernet Link",
}  # fmt: skip
PCCC_FUNCTIONS = {
    0x00: "word range write", 0x01: "word range read", 0x11: "get edit resource", 0x12: "return edit resource", 0x18: "read-modify-write N",
    0x26: "read-modify-write", 0x3A: "set CPU mode", 0x41: "shutdown", 0x50: "download all request", 0x52: "download completed",
    0x53: "upload all request", 0x55: "upload completed", 0x57: "initialise memory", 0x67: "typed write", 0x68: "typed read",
    0x80: "change mode", 0x81: "open file", 0x82: "close file", 0x88: "execute command list", 0x8F: "apply port configuration",
    0xA1: "protected typed logical read with two address fields", 0xA2: "protected typed logical read with three address fields",
    0xA7: "protected typed file read", 0xA9: "protected typed logical write with two address fields",
    0xAA: "protected typed logical write with three address fields", 0xAB: "protected typed logical write with mask",
    0xAF: "protected typed file write",
}  # fmt: skip
ANOMALIES = {
    "enip.invalid_header": "bytes where an encapsulation header should begin that are none",
    "enip.invalid_command": "a command that the standard does not have",
    "enip.invalid_length": "a PDU too short for its command, or a datagram that holds more or less than its PDU",
    "enip.invalid_items": "items of the common packet format that are longer than the PDU",
    "enip.invalid_message": "a CIP message too short for its path or status",
    "enip.unsolicited_response": "a CIP reply whose request was not seen",
    "enip.closed_connection": "a message of a connection that was closed",
    "enip.no_room": "an unfinished PDU for which there was no memory",
    **port_anomalies("enip", "EtherNet/IP"),
}
# Columns of cells, as enip_kernels.py names them.
HEADER, COMMAND, DATA, ITEMS_AT = range(OWN, OWN + 4)
ANSWER, ANSWER_NS = OWN + 8, OWN + 9
B_PDU, B_OBJECT, B_KIND, B_START, B_STOP, B_NUMBER = range(6)
COLUMNS = {"answer": ANSWER, "answer_ns": ANSWER_NS, "number": B_NUMBER}
COMMAND_KINDS = ("other", "identity", "register", "send", "unit", "unknown")
PARTS = {
    "header": Part(HEADER, STOP, COMMAND, COMMAND_KINDS),
    "body": Part(DATA, STOP, COMMAND, COMMAND_KINDS),
    "items": Part(ITEMS_AT, STOP),
    "answer": Part(ANSWER, ANSWER),
    "item": Part(B_START, B_STOP, B_KIND, KINDS),
    "piece": Part(B_START, B_STOP, B_KIND, KINDS, is_object=True),
}
ROWS = """
    enip.command        uintx header                     @0:16le    what the PDU does; 0x6f and 0x70 carry CIP
    enip.length         uint  header                     @16:16le   bytes behind the header
    enip.session        uintx header                     @32:32le   handle of the session
    enip.status         uintx header                     @64:32le   outcome, 0 where it was done
    enip.listid_delay   uint  header:identity            @96:16le   milliseconds within which an answer may come
    enip.options        uintx header                     @160:32le  options, always 0
    enip.encap_data     bytes body:unknown               @0:        data of a command that is not known
    enip.rs.version     uint  body:register              @0:16le    version of the protocol that a session asks for
    enip.rs.flags       uintx body:register              @16:16le   options of a session
    enip.srrd.iface     uintx body:send                  @0:32le    interface, 0 is CIP
    enip.sud.iface      uintx body:unit                  @0:32le    interface, 0 is CIP
    enip.timeout        uint  body:send,unit             @32:16le   seconds to wait for an answer
    enip.response_to    uint  answer                     =answer    frame of the request that a message answers
    enip.time           duration answer                  =answer_ns time since that request
    enip.cpf.itemcount  uint  items                      @0:16le    number of items
    enip.cpf.typeid     uintx item:item                  @0:16le    type of an item
    enip.cpf.length     uint  item:item                  @16:16le   bytes of an item
    enip.cpf.cai.connid uintx item:connected             @0:32le    connection of a message
    enip.cpf.sai.connid uintx item:sequenced             @0:32le    connection of implicit data
    enip.cpf.sai.seq    uint  item:sequenced             @32:32le   sequence number of implicit data
    enip.cpf.data       bytes item:item_data             @0:        data of an item that is not known
    enip.encapver       uint  item:identity,services     @0:16le    version of the protocol
    enip.sinfamily      uint  item:identity              @16:16     address family
    enip.sinfamily      uint  item:address               @0:16      address family
    enip.sinport        uint  item:identity              @32:16     port
    enip.sinport        uint  item:address               @16:16     port
    enip.sinaddr        ipv4  item:identity              @48:32     address
    enip.sinaddr        ipv4  item:address               @32:32     address
    enip.sinzero        bytes item:zero                  @0:        zeros behind an address
    enip.lir.vendor     uintx item:identity              @144:16le  vendor of a device
    enip.lir.devtype    uint  item:identity              @160:16le  type of a device; 14 is a controller
    enip.lir.prodcode   uint  item:identity              @176:16le  vendor's number of a product
    enip.lir.revision   uint  item:identity              @192:16    revision, the minor one in the low byte
    enip.lir.status     uintx item:identity              @208:16le  state bits of a device
    enip.lir.serial     uintx item:identity              @224:32le  serial number
    enip.lir.namelen    uint  item:identity              @256:8     bytes of the name
    enip.lir.name       string item:identity_name        @0:        name of a product
    enip.lir.state      uintx item:identity_state        @0:8       state of a device; 3 is operational
    enip.lsr.capaflags  uintx item:services              @16:16le   what a device can
    enip.lsr.capaflags.tcp bool item:services            @18:1      it takes CIP over TCP
    enip.lsr.capaflags.udp bool item:services            @31:1      it takes implicit data over UDP
    enip.lsr.servicename string item:services_name       @0:        name of a service
    enip.fwd_open_in    uint  item:enip_open             =number    frame of the Forward Open that made the connection of a message
    cip.seq             uint  item:sequence              @0:16le    sequence count of a message in its connection
    cipio.data          bytes item:io_data               @0:        implicit data
"""
SEGMENT = (*LOGICALS, "key", "key_serial", "service_id", "extended8", "extended16", "extended32", "logical_unknown",
           "logical_format", "segment_unknown",
           "port", "port_extended", "port_link", "port_link_extended", "symbolic", "symbolic_wide", "symbolic_number", "data_simple", "data_symbol",
           "data_unknown", "schedule", "fixed_tag", "inhibit", "inhibit_us", "network", "safety", "network_unknown")  # fmt: skip
LOGICAL = SEGMENT[: SEGMENT.index("segment_unknown")]
PORTS = ("port", "port_extended", "port_link", "port_link_extended")
SYMBOLICS, DATAS = ("symbolic", "symbolic_wide", "symbolic_number"), ("data_simple", "data_symbol", "data_unknown")
NETWORKS = SEGMENT[SEGMENT.index("schedule") :]
WIDE = (*LOGICALS, "extended8", "extended16", "extended32")
OPEN_PARAMETERS = "open16", "open32"


def kinds(*words: str) -> str:
    """Pieces as a line of declared() names them."""
    return "piece:" + ",".join(words)


def logical_lines() -> str:
    """Values of logical segments (vol. 1, C-1.4.2), of 8 bits in the segment's second byte, wider ones behind a byte more."""
    meanings = {"class": "class of the object", "instance": "instance of the object; 0 is the class itself", "member": "member of an attribute",
                "connpoint": "connection point", "attribute": "attribute"}  # fmt: skip
    made = []
    for word, meaning in meanings.items():  # per type of segment
        kind = "uint" if word == "attribute" else "uintx"
        for bits, place in ((8, "@8:8"), (16, "@16:16le"), (32, "@16:32le")):  # per width
            made.append(f"cip.{word} {kind} piece:{word}{bits} {place} {meaning}")
    for bits, place in ((8, "@16:8"), (16, "@16:16le"), (32, "@16:32le")):  # per width
        made.append(f"cip.extlogical uintx piece:extended{bits} {place} value of an extended logical segment")
    return "\n".join(made)


def flag_lines(kind: str, base: int, size: int, name: str, rows: str) -> str:
    """Parts of a little-endian number of `size` bits at `base`: "name lowest-bit width kind meaning" in each row."""
    made = []
    for row in filter(None, map(str.strip, rows.splitlines())):  # per part
        part, low, width, stored, meaning = row.split(None, 4)
        bit, bits = int(low), int(width)
        at, rest, left = base + bit // 8 * 8, bit % 8, size - bit // 8 * 8
        if rest + bits <= 8:
            place = f"@{at + 8 - rest - bits}:{bits}"
        else:
            assert rest + bits == left or (rest == 0 and bits < 16), row
            place = f"@{at}:{bits}le" if rest + bits == left else f"@{at + 16 - bits}:{bits}le"
        made.append(f"{name}.{part} {stored} piece:{kind} {place} {meaning}")
    return "\n".join(made)


def counter_lines(kind: str, prefix: str, bits: int, names: str, meaning: str) -> str:
    """Counters, one behind the other."""
    return "\n".join(
        f"{prefix}.{name} uint piece:{kind} @{place * bits}:{bits}le {meaning}: {name.replace('_', ' ')}"
        for place, name in enumerate(names.split())
    )


MESSAGES = f"""
    cip.connid          uintx piece:connected,sequenced  @0:32le    connection id, wherever it stands
    cip.connid          uintx* piece:open_ids            @0:32le    connection id, wherever it stands
    cip.connid          uintx* piece:open_ids            @32:32le   connection id, wherever it stands
    cip.connection      uint  piece:connection           =number    number of a connection, counted through the flow
    cip.fwd_open_in     uint  piece:cip_open             =number    frame of the Forward Open that made a connection
    cip.service         uintx piece:service              @0:8       service, with the bit that marks replies
    cip.rr              uintx piece:service,cm_service,pccc_service,mb_service @0:1 1 in replies
    cip.sc              uintx piece:service              @1:7       service; what it means beyond 0x31 depends on the class
    cip.request_path_size uint piece:path_size           @0:8       words of the path
    cip.genstat         uintx piece:status               @0:8       general status of a reply, 0 where it was done
    cip.addstat_size    uint  piece:status               @8:8       words of the additional status
    cip.addstat         uintx piece:addstat              @0:16le    additional status
    cip.epath           bytes piece:epath                @0:        path of a request or connection
    cip.path_segment    uintx {kinds(*SEGMENT)}          @0:8       a segment of a path
    cip.path_segment.type uint {kinds(*SEGMENT)}         @0:3       type of a segment
    cip.logical_segment.type uint {kinds(*LOGICAL)}      @3:3       what a logical segment says: 0 class, 1 instance, 4 attribute
    cip.logical_segment.format uint {kinds(*WIDE)}       @6:2       width of its value
    cip.logical_segment.format uint piece:logical_format @6:2       width of its value
    cip.extlogical.type uintx piece:extended8,extended16,extended32 @8:8 type of an extended logical segment
    cip.serviceid       uintx piece:service_id           @8:8       service id
    cip.ekey.format     uintx piece:key,key_serial       @8:8       format of an electronic key
    cip.ekey.vendor     uintx piece:key,key_serial       @16:16le   vendor that a device must have
    cip.ekey.devtype    uintx piece:key,key_serial       @32:16le   type that a device must have
    cip.ekey.product_code uintx piece:key,key_serial     @48:16le   product that a device must be
    cip.ekey.compatibility uintx piece:key,key_serial    @64:8      major revision, and whether compatible ones will do
    cip.ekey.comp_bit   uintx piece:key,key_serial       @64:1      compatible ones will do
    cip.ekey.major_rev  uint  piece:key,key_serial       @65:7      major revision
    cip.ekey.minor_rev  uint  piece:key,key_serial       @72:8      minor revision
    cip.ekey.serial_number uintx piece:key_serial        @80:32le   serial number that a device must have
    cip.ex_linkaddress  bool  {kinds(*PORTS)}            @3:1       the link address is a text
    cip.port            uint* {kinds(*PORTS)}            @4:4       port; 1 is the backplane
    cip.port            uint* piece:port_extended        @8:16le    port; 1 is the backplane
    cip.port            uint* piece:port_link_extended   @16:16le   port; 1 is the backplane
    cip.linkaddress.byte uint piece:port                 @8:8       link address, such as a slot
    cip.linkaddress.byte uint piece:port_extended        @24:8      link address, such as a slot
    cip.linkaddress_size uint piece:port_link,port_link_extended @8:8 bytes of a link address
    cip.linkaddress.string string piece:link_text        @0:        link address, such as that of a host
    cip.symbol.size     uint* {kinds(*SYMBOLICS)}        @3:5       letters of a symbol
    cip.symbol.size     uint* piece:symbolic_wide        @11:5      letters of a symbol
    cip.symbol.format   uint  piece:symbolic_wide,symbolic_number @8:3 format of a symbol
    cip.symbol.numformat uint piece:symbolic_number      @11:5      width of a symbol that is a number
    cip.ascii_symbol    string piece:ascii               @0:        symbol
    cip.numeric_symbol  uintx piece:number8              @0:8       symbol that is a number
    cip.numeric_symbol  uintx piece:number16             @0:16le    symbol that is a number
    cip.numeric_symbol  uintx piece:number32             @0:32le    symbol that is a number
    cip.data_segment.type uint {kinds(*DATAS)}           @3:5       type of a data segment
    cip.data_segment.size uint piece:data_simple,data_symbol @8:8   its words, of a symbol bytes
    cip.data_segment.data bytes piece:data_words         @0:        data in a path
    cip.symbol          string piece:symbol              @0:        name of a tag
    cip.network_segment.type uint {kinds(*NETWORKS)}     @3:5       type of a network segment
    cip.network_segment.schedule uintx piece:schedule    @8:8       schedule of a connection
    cip.network_segment.fixed_tag uintx piece:fixed_tag  @8:8       fixed tag
    cip.network_segment.prod_inhibit uint piece:inhibit  @8:8       shortest time between data
    cip.network_segment.prod_inhibit uint piece:inhibit_us @16:32le shortest time between data
    cip.network_segment.length uint piece:inhibit_us,network,safety @8:8 words of a network segment
    cip.network_segment.subtype uintx piece:network      @16:16le   type of an extended network segment
    cip.safety_segment.format uint piece:safety          @16:8      format of a safety segment
    cip.data            bytes piece:data                 @0:        data that nothing more is known of
    cip.pad             uintx piece:pad                  @0:8       byte that makes a message even
    cip.reserved        uintx {kinds(*OPEN_PARAMETERS)}  @8:24le    reserved
    cip.reserved        uintx piece:path_tail,route_tail,reply_tail,remaining @8:8 reserved
    cip.reserved        uintx piece:opened               @72:8      reserved
    cip.reserved        uintx piece:owner_head           @0:8       reserved
    cip.getlist.attr_count uint piece:list_count         @0:16le    attributes that are asked for
    cip.getlist.attr_status uintx piece:list_status      @0:8       status of an attribute that was asked for
    cip.setlist.attr_count uint piece:set_count          @0:16le    attributes that are written
    cip.setlist.attr_status uintx piece:set_status       @0:8       status of an attribute that was written
    cip.attribute       uint  piece:list_attribute       @0:16le    attribute
    cip.attribute       uint  piece:all_attribute        =number    attribute
    cip.msp.num_services uint piece:msp_count            @0:16le    messages in a multiple service packet
    cip.msp.offset      uint  piece:msp_offset           @0:16le    where one of them begins
    cip.reset.type      uint  piece:reset                @0:8       0 restarts a device, 1 also sets it to its defaults
    cip.create.instance uint  piece:created              @0:16le    instance that was made
    cip.find_next_object.max_instance uint piece:find    @0:8       most instances that are asked for
    cip.find_next_object.num_instances uint piece:found  @0:8       instances that were found
    cip.find_next_object.instance uint piece:found_one   @0:16le      an instance that was found
    cip.group_sync.is_sync uint piece:synced             @0:8       whether clocks agree
    cip.cm.sc           uintx piece:cm_service           @1:7       service of the Connection Manager
    cip.cm.sc           uintx piece:unconnected_send     =number    service of the Connection Manager
    cip.cm.genstat      uintx piece:cm_status            @0:8       general status of a refusal
    cip.cm.addstat_size uint  piece:cm_status            @8:8       words of its extended status
    cip.cm.ext_status   uintx piece:cm_extended          @0:16le    why a connection was refused
    cip.cm.priority     uint  piece:ticks                @3:1       priority
    cip.cm.tick_time    uint  piece:ticks                @4:4       milliseconds of a tick, as a power of two
    cip.cm.timeout_tick uint  piece:ticks                @8:8       ticks to wait
    cip.cm.timeout      uint  piece:ticks                =number    milliseconds to wait
    cip.cm.ot_connid    uintx piece:open_ids             @0:32le    connection id of what goes to the target
    cip.cm.to_connid    uintx piece:open_ids             @32:32le   connection id of what goes to the originator
    cip.cm.conn_serial_num uintx piece:triad             @0:16le    number that the originator gave a connection
    cip.cm.vendor       uintx piece:triad                @16:16le   vendor of the originator
    cip.cm.orig_serial_num uintx piece:triad             @32:32le   serial number of the originator
    cip.cm.timeout_multiplier uint {kinds(*OPEN_PARAMETERS)} @0:8   intervals without data that end a connection: 4 times two to its power
    cip.cm.otrpi        uint  {kinds(*OPEN_PARAMETERS)}  @32:32le   microseconds between data to the target, as asked for
    cip.cm.torpi        uint  piece:open16               @80:32le   microseconds between data to the originator, as asked for
    cip.cm.torpi        uint  piece:open32               @96:32le   microseconds between data to the originator, as asked for
    cip.cm.ot_net_params uintx piece:open16              @64:16le   parameters of what goes to the target
    cip.cm.ot_net_params uintx piece:open32              @64:32le   parameters of what goes to the target
    cip.cm.to_net_params uintx piece:open16              @112:16le  parameters of what goes to the originator
    cip.cm.to_net_params uintx piece:open32              @128:32le  parameters of what goes to the originator
    cip.cm.transport_type_trigger uintx piece:open16     @128:8     transport of a connection
    cip.cm.transport_type_trigger uintx piece:open32     @160:8     transport of a connection
    cip.cm.fwo.dir      uint  piece:open16               @128:1     1 where the target is a server
    cip.cm.fwo.dir      uint  piece:open32               @160:1     1 where the target is a server
    cip.cm.fwo.trigger  uint  piece:open16               @129:3     what makes data be sent
    cip.cm.fwo.trigger  uint  piece:open32               @161:3     what makes data be sent
    cip.cm.fwo.transport uint piece:open16               @132:4     class of transport: 1 implicit data, 3 messages
    cip.cm.fwo.transport uint piece:open32               @164:4     class of transport: 1 implicit data, 3 messages
    cip.cm.connpath_size uint piece:open16               @136:8     words of a connection's path
    cip.cm.connpath_size uint piece:open32               @168:8     words of a connection's path
    cip.cm.connpath_size uint piece:path_tail,path_words @0:8       words of a connection's path
    cip.cm.connpath_size uint piece:owner_head           @8:8       words of a connection's path
    cip.cm.otapi        uint  piece:opened               @0:32le    microseconds between data to the target, as agreed
    cip.cm.otapi        uint  piece:ot_api               =number    microseconds between data to the target, as agreed
    cip.cm.toapi        uint  piece:opened               @32:32le   microseconds between data to the originator, as agreed
    cip.cm.toapi        uint  piece:to_api               =number    microseconds between data to the originator, as agreed
    cip.cm.ot_timeout   float piece:ot_timeout           =number    milliseconds without data to the target that end a connection
    cip.cm.to_timeout   float piece:to_timeout           =number    milliseconds without data to the originator that end a connection
    cip.cm.app_reply_size uint piece:opened              @64:8      words of an application's reply
    cip.cm.app_reply_size uint piece:reply_tail          @0:8       words of an application's reply
    cip.cm.app_reply_data bytes piece:reply_data         @0:        an application's reply
    cip.cm.remain_path_size uint piece:remaining         @0:8       words of the path that were left
    cip.cm.msg_req_size uint  piece:send_size            @0:16le    bytes of a message that is sent on
    cip.cm.route_path_size uint piece:route_tail,route_words @0:8   words of its route
    cip.cm.gco.conn     uint  piece:owner                @0:8       connections
    cip.cm.gco.coo_conn uint  piece:owner                @8:8       connections that claim ownership
    cip.cm.gco.roo_conn uint  piece:owner                @16:8      connections that are ready for it
    cip.cm.gco.la       uint  piece:owner                @24:8      last action of the owner
    cip.pccc.sc         uintx piece:pccc_service         @1:7       service of the PCCC object
    cip.pccc.req.id.len uintx piece:pccc_id              @0:8       bytes of the requester's id
    cip.pccc.cip.vend.id uintx piece:pccc_id             @8:16le    vendor of the requester
    cip.pccc.cip.serial.num uintx piece:pccc_id          @24:32le   serial number of the requester
    cip.pccc.cmd.code   uintx piece:pccc_request         @0:8       command
    cip.pccc.resp.code  uintx piece:pccc_reply           @0:8       command that is answered, with bit 6
    cip.pccc.gs.status  uintx piece:pccc_request,pccc_reply @8:8    status, 0 where it was done
    cip.pccc.es.status  uintx piece:pccc_extended        @0:8       extended status
    cip.pccc.tns.code   uintx piece:pccc_request,pccc_reply @16:16le number of a transaction
    cip.pccc.fnc.code_06 uintx piece:pccc_06             @0:8       function of command 0x06
    cip.pccc.fnc.code_07 uintx piece:pccc_07             @0:8       function of command 0x07
    cip.pccc.fnc.code_0f uintx piece:pccc_0f             @0:8       function of command 0x0f
    cip.pccc.cpu.mode_80 uintx piece:pccc_mode           @0:8       mode that a controller is to change to
    cip.pccc.execute.multi.count uintx piece:pccc_count  @0:8       commands of a list
    cip.pccc.execute.multi.len uintx piece:pccc_command  @0:8       bytes of a command of a list
    cip.pccc.execute.multi.code uintx piece:pccc_command @8:8       function of a command of a list
    cip.pccc.byte.size  uintx piece:pccc_address         @0:8       bytes that are read or written
    cip.pccc.file.num   uintx piece:pccc_address         @8:8       number of a data file
    cip.pccc.file.type  uintx piece:pccc_address         @16:8      type of a data file
    cip.pccc.element.num uintx piece:pccc_address        @24:8      element of a data file
    cip.pccc.subelement.num uintx piece:pccc_address     @32:8      part of an element
    cip.pccc.data       bytes piece:pccc_data            @0:        data of a PCCC command
    cip.mb.sc           uintx piece:mb_service           @1:7       service of the Modbus object
    cip.mb.read_discrete_inputs.start_addr uint piece:mb_read_discrete @0:16le first discrete input
    cip.mb.read_discrete_inputs.num_inputs uint piece:mb_read_discrete @16:16le discrete inputs
    cip.mb.read_discrete_inputs.data bytes piece:mb_discrete_data @0: values of discrete inputs
    cip.mb.read_coils.start_addr uint piece:mb_read_coils @0:16le   first coil
    cip.mb.read_coils.num_coils uint piece:mb_read_coils @16:16le   coils
    cip.mb.read_coils.data bytes piece:mb_coils_data     @0:        values of coils
    cip.mb.read_input_register.start_addr uint piece:mb_read_input @0:16le first input register
    cip.mb.read_input_register.num_registers uint piece:mb_read_input @16:16le input registers
    cip.mb.read_input_register.data bytes piece:mb_input_data @0:   values of input registers
    cip.mb.read_holding_register.start_addr uint piece:mb_read_holding @0:16le first holding register
    cip.mb.read_holding_register.num_registers uint piece:mb_read_holding @16:16le holding registers
    cip.mb.read_holding_register.data bytes piece:mb_holding_data @0: values of holding registers
    cip.mb.write_coils.start_addr uint piece:mb_write_coils,mb_coils_written @0:16le first coil that is written
    cip.mb.write_coils.num_coils uint piece:mb_write_coils @16:16le coils that are written
    cip.mb.write_coils.outputs_forced uint piece:mb_coils_written @16:16le coils that were written
    cip.mb.write_coils.data bytes piece:mb_coils         @0:        values that coils are given
    cip.mb.write_registers.start_addr uint piece:mb_write_registers,mb_registers_written @0:16le first register that is written
    cip.mb.write_registers.num_registers uint piece:mb_write_registers @16:16le registers that are written
    cip.mb.write_registers.outputs_forced uint piece:mb_registers_written @16:16le registers that were written
    cip.mb.write_registers.data bytes piece:mb_registers @0:        values that registers are given
    cip.mb.data         bytes piece:mb_data              @0:        data of another service of the Modbus object
"""
OBJECTS = """
    cip.class_revision  uint  piece:revision             @0:16le    revision of a class
    cip.max_instance    uint  piece:most_instances       @0:16le    highest instance
    cip.num_instance    uint  piece:instances            @0:16le    number of instances
    cip.num_attr        uint  piece:attr_count           @0:16le    number of optional attributes
    cip.attr_num        uint  piece:attr_number          @0:16le    an optional attribute
    cip.num_service     uint  piece:service_count        @0:16le    number of optional services
    cip.service_code    uintx piece:service_code         @0:16le    an optional service
    cip.num_class_attr  uint  piece:class_attributes     @0:16le    highest attribute of a class
    cip.num_inst_attr   uint  piece:instance_attributes  @0:16le    highest attribute of an instance
    cip.id.vendor_id    uintx piece:id_vendor            @0:16le    vendor of a device
    cip.id.device_type  uintx piece:id_type              @0:16le    type of a device
    cip.id.product_code uint  piece:id_code              @0:16le    vendor's number of a product
    cip.id.major_rev    uint  piece:id_revision          @0:8       major revision of a device
    cip.id.minor_rev    uint  piece:id_revision          @8:8       minor revision of a device
    cip.id.status       uintx piece:id_status            @0:16le    state bits of a device
    cip.id.serial_number uintx piece:id_serial           @0:32le    serial number of a device
    cip.id.product_name string piece:id_name             @0:        name of a product
    cip.id.state        uintx piece:id_state             @0:8       state of a device; 3 is operational
    cip.id.config_value uintx piece:id_config            @0:16le    changes with the configuration
    cip.id.heartbeat    uintx piece:id_heartbeat         @0:8       seconds between heartbeats
    cip.mr.num_classes  uint  piece:mr_count             @0:16le    classes that a device has
    cip.mr.class        uintx piece:mr_class             @0:16le    a class that a device has
    cip.mr.num_available uint piece:mr_available         @0:16le    most connections
    cip.mr.num_active   uint  piece:mr_active            @0:16le    connections that are open
    cip.mr.active_connections uint piece:mr_connection   @0:16le    a connection that is open
    cip.cm.open_requests uint piece:cm_1                 @0:16le    Forward Opens
    cip.cm.open_format_rejects uint piece:cm_2           @0:16le    Forward Opens refused for their format
    cip.cm.open_resource_rejects uint piece:cm_3         @0:16le    Forward Opens refused for want of resources
    cip.cm.other_open_rejects uint piece:cm_4            @0:16le    Forward Opens refused for other reasons
    cip.cm.close_requests uint piece:cm_5                @0:16le    Forward Closes
    cip.cm.close_format_requests uint piece:cm_6         @0:16le    Forward Closes refused for their format
    cip.cm.close_other_requests uint piece:cm_7          @0:16le    Forward Closes refused for other reasons
    cip.cm.conn_timouts uint  piece:cm_8                 @0:16le    connections that timed out
    cip.cm.conn_entries uint  piece:cm_entries           @0:16le    connections that there may be
    cip.cm.conn_entries_bytes uint piece:cm_entries      =number    bytes that say which of them are open
    cip.cm.conn_open_bits uintx piece:cm_open            @0:8       which connections are open
    cip.cm.cpu_util     uint  piece:cm_11                @0:16le    load, in tenths of a percent
    cip.cm.max_buff_size uint piece:cm_12                @0:32le    bytes of buffers
    cip.cm.buff_remain  uint  piece:cm_13                @0:32le    bytes of buffers that are free
    cip.port.entry_port uint  piece:port_entry           @0:16le    port that a request came through
    cip.port.type       uint  piece:port_type,port_instance @0:16le type of a port
    cip.port.number     uint  piece:port_number          @0:16le    number of a port
    cip.port.number     uint  piece:port_instance        @16:16le   number of a port
    cip.port.name       string piece:port_name           @0:        name of a port
    cip.path_len        uint  piece:path_len16           @0:16le    words of a path
    cip.stringi.num     uint  piece:stringi_count        @0:8       languages of a text
    cip.stringi.language_char string piece:stringi       @0:        a language
    cip.stringi.char_string_struct uintx piece:stringi_type @0:8    how a text is stored
    cip.stringi.char_set uint piece:stringi_type         @8:16le    character set of a text
    cip.stringi.int_string string piece:stringi_text     @0:        text
    cip.tcpip.status    uintx piece:tcpip_status         @0:32le    state of a TCP/IP interface
    cip.tcpip.config_cap uintx piece:tcpip_cap           @0:32le    how a TCP/IP interface can be configured
    cip.tcpip.config_control uintx piece:tcpip_control   @0:32le    how a TCP/IP interface gets its address
    cip.tcpip.ip_addr   ipv4  piece:tcpip_address        @0:32le    address
    cip.tcpip.subnet_mask ipv4 piece:tcpip_address       @32:32le   network mask
    cip.tcpip.gateway   ipv4  piece:tcpip_address        @64:32le   default gateway
    cip.tcpip.name_server ipv4 piece:tcpip_address       @96:32le   name server
    cip.tcpip.name_server2 ipv4 piece:tcpip_address      @128:32le  second name server
    cip.tcpip.domain_name string piece:domain            @0:        domain
    cip.tcpip.hostname  string piece:hostname            @0:        host name
    cip.tcpip.ttl_value uint  piece:ttl                  @0:8       time to live of multicasts
    cip.tcpip.mcast.alloc uint piece:mcast               @0:8       how multicast addresses are chosen
    cip.tcpip.mcast.reserved uintx piece:mcast           @8:8       reserved
    cip.tcpip.mcast.num_mcast uint piece:mcast           @16:16le   multicast addresses
    cip.tcpip.mcast.addr_start ipv4 piece:mcast          @32:32le   first multicast address
    cip.tcpip.select_acd bool piece:select_acd           @0:8       address conflicts are looked for
    cip.tcpip.last_conflict.acd_activity uint piece:conflict @0:8   what was done when an address conflict was found
    cip.tcpip.last_conflict.remote_mac ether piece:conflict @8:48   who had the address as well
    cip.tcpip.last_conflict.arp_pdu bytes piece:conflict_arp @0:    ARP packet of an address conflict
    cip.tcpip.quick_connect bool piece:quick             @7:1       quick connection is on
    cip.tcpip.encap_inactivity uint piece:inactivity     @0:16le    seconds of silence that end a session
    cip.dlr.network_topology uint piece:dlr_topology     @0:8       topology of a network; 1 is a ring
    cip.dlr.network_status uint piece:dlr_status         @0:8       state of a ring, 0 where it is closed
    cip.dlr.ring_supervisor_status uint piece:dlr_supervisor @0:8   role of a device in its ring
    cip.dlr.rscconfig.supervisor_enable bool piece:dlr_config @0:8  it may supervise
    cip.dlr.rscconfig.supervisor_precedence uint piece:dlr_config @8:8 precedence as supervisor
    cip.dlr.rscconfig.beacon_interval uint piece:dlr_config @16:32le microseconds between beacons
    cip.dlr.rscconfig.beacon_timeout uint piece:dlr_config @48:32le microseconds without beacon
    cip.dlr.rscconfig.dlr_vlan_id uint piece:dlr_config  @80:16le   VLAN of the ring
    cip.dlr.ring_faults_count uint piece:dlr_faults      @0:16le    faults of a ring
    cip.dlr.lanp1.ip_addr ipv4 piece:dlr_port1           @0:32le    last node that is reached by port 1
    cip.dlr.lanp1.physical_address ether piece:dlr_port1 @32:48     last node that is reached by port 1
    cip.dlr.lanp2.ip_addr ipv4 piece:dlr_port2           @0:32le    last node that is reached by port 2
    cip.dlr.lanp2.physical_address ether piece:dlr_port2 @32:48     last node that is reached by port 2
    cip.dlr.participants_count uint piece:dlr_count      @0:16le    nodes of a ring
    cip.dlr.rppl.ip_addr ipv4 piece:dlr_node             @0:32le    a node of a ring
    cip.dlr.rppl.physical_address ether piece:dlr_node   @32:48     a node of a ring
    cip.dlr.asa.ip_addr ipv4  piece:dlr_address          @0:32le    supervisor of a ring
    cip.dlr.asa.physical_address ether piece:dlr_address @32:48     supervisor of a ring
    cip.dlr.supervisor_precedence uint piece:dlr_precedence @0:8    precedence of the supervisor
    cip.dlr.capflags    uintx piece:dlr_flags            @0:32le    what a device can in a ring
    cip.dlr.rgc.gateway_enable bool piece:dlr_gateway    @0:8       it may be a gateway
    cip.dlr.rgc.gateway_precedence uint piece:dlr_gateway @8:8      precedence as gateway
    cip.dlr.rgc.advertise_interval uint piece:dlr_gateway @16:32le  microseconds between advertisements
    cip.dlr.rgc.advertise_timeout uint piece:dlr_gateway @48:32le   microseconds without advertisement
    cip.dlr.rgc.learning_update_enable bool piece:dlr_gateway @80:8 it sends learning updates
    cip.dlr.redundant_gateway_status uint piece:dlr_gateway_status @0:8 role of a device as gateway
    cip.dlr.aga.ip_addr ipv4  piece:dlr_gateway_address  @0:32le    gateway of a ring
    cip.dlr.aga.physical_address ether piece:dlr_gateway_address @32:48 gateway of a ring
    cip.dlr.active_gateway_precedence uint piece:dlr_gateway_precedence @0:8 precedence of the gateway
    cip.qos.8021q_enable bool piece:qos_tag              @7:1       frames are tagged
    cip.qos.ptp_event uint piece:qos_event          @0:8       DSCP of PTP events
    cip.qos.ptp_general uint piece:qos_general      @0:8       DSCP of other PTP
    cip.qos.urgent uint  piece:qos_urgent           @0:8       DSCP of urgent data
    cip.qos.scheduled uint piece:qos_scheduled      @0:8       DSCP of scheduled data
    cip.qos.high   uint  piece:qos_high             @0:8       DSCP of data of high priority
    cip.qos.low    uint  piece:qos_low              @0:8       DSCP of data of low priority
    cip.qos.explicit uint piece:qos_explicit        @0:8       DSCP of messages
    cip.elink.interface_speed uint piece:speed           @0:32le    megabits a second
    cip.elink.iflags    uintx piece:flags                @0:32le    state of an Ethernet port
    cip.elink.physical_address ether piece:mac           @0:48      address of an Ethernet port
    cip.elink.icontrol.control_bits uintx piece:control  @0:16le    how an Ethernet port is set
    cip.elink.icontrol.forced_speed uint piece:control   @16:16le   megabits a second that it is set to
    cip.elink.icapability.capability_bits uintx piece:capability @0:32le what an Ethernet port can
    cip.elink.icapability.array_count uint piece:capability_count @0:8 speeds that it can
    cip.elink.icapability.speed uint piece:capability_speed @0:16le megabits a second that it can
    cip.elink.icapability.duplex uint piece:capability_speed @16:8  whether it can do so both ways at once
    cip.elink.interface_type uint piece:if_type          @0:8       type of an Ethernet port
    cip.elink.interface_state uint piece:if_state        @0:8       whether it works
    cip.elink.admin_state uint piece:admin               @0:8       whether it is switched on
    cip.elink.interface_label string piece:if_label      @0:        name of an Ethernet port
"""
PARAMETERS = """
    owner    15 1 uint* whether a connection may be shared
    type     13 2 uint* 0 none, 1 multicast, 2 point to point
    prio     10 2 uint* priority of data
    f_v      9  1 uint* whether data vary in size
    consize  0  9 uint* most bytes of data
"""
FLAGS = (
    flag_lines("open16", 64, 16, "cip.cm.fwo", PARAMETERS),
    flag_lines("open16", 112, 16, "cip.cm.fwo", PARAMETERS),
    flag_lines("id_status", 0, 16, "cip.id", """
        owned        0  1 uint a master owns the device
        conf         2  1 uint it was configured
        ext          4  4 uintx what it does
        minor_fault1 8  1 uint a fault that it may recover from
        minor_fault2 9  1 uint a fault that it does not recover from
        major_fault1 10 1 uint a severe fault that it may recover from
        major_fault2 11 1 uint a severe fault that it does not recover from
        ext2         12 4 uintx what it does further"""),
    flag_lines("tcpip_status", 0, 32, "cip.tcpip.status", """
        interface_config 0 4 uint whether the interface has an address
        mcast_pending    4 1 bool changed multicast settings wait for a restart
        interface_config_pending 5 1 bool changed settings wait for a restart
        acd              6 1 uint an address conflict was found
        acd_fault        7 1 bool an address conflict took the address away
        iana_port_admin  8 1 bool changed ports wait for a restart
        iana_protocol_admin 9 1 bool changed protocols wait for a restart
        reserved         10 22 uintx reserved"""),
    flag_lines("tcpip_cap", 0, 32, "cip.tcpip.config_cap", """
        bootp           0 1 bool by BOOTP
        dns             1 1 bool names are resolved by DNS
        dhcp            2 1 bool by DHCP
        dhcp_dns_update 3 1 bool its name is told by DHCP
        config_settable 4 1 bool by messages
        hardware_config 5 1 bool by switches
        interface_reset 6 1 bool changes need a restart
        acd             7 1 bool address conflicts are looked for
        reserved        8 24 uintx reserved"""),
    flag_lines("tcpip_control", 0, 32, "cip.tcpip.config_control", """
        config   0 4 uint 0 stored, 1 BOOTP, 2 DHCP
        dns      4 1 bool names are resolved by DNS
        reserved 5 27 uintx reserved"""),
    flag_lines("flags", 0, 32, "cip.elink.iflags", """
        link_status    0 1 bool the link is up
        duplex         1 1 uint both ways at once
        neg_status     2 3 uint outcome of the negotiation
        manual_reset   5 1 uint changes need a restart
        local_hw_fault 6 1 uint the port is out of order
        reserved       7 25 uintx reserved"""),
    flag_lines("control", 0, 16, "cip.elink.icontrol.control_bits", """
        auto_neg      0 1 bool speed is negotiated
        forced_duplex 1 1 uint both ways at once
        reserved      2 14 uintx reserved"""),
    flag_lines("capability", 0, 32, "cip.elink.icapability.capability_bits", """
        manual       0 1 bool changes need a restart
        auto_neg     1 1 bool it can negotiate
        auto_mdix    2 1 bool it can cross pairs
        manual_speed 3 1 bool its speed can be set"""),
    counter_lines("icount", "cip.elink.icount", 32, "in_octets in_ucast in_nucast in_discards in_errors in_unknown_protos out_octets "
                  "out_ucast out_nucast out_discards out_errors", "counter of an Ethernet port"),
    counter_lines("mcount", "cip.elink.mcount", 32, "alignment_errors fcs_errors single_collisions multiple_collisions sqe_test_errors "
                  "deferred_transmission late_collisions excessive_collisions mac_transmit_errors carrier_sense_errors frame_too_long "
                  "mac_receive_errors", "counter of an Ethernet port's errors"),
    counter_lines("hc_icount", "cip.elink.hc_icount", 64, "in_octets in_ucast in_mcast in_broadcast out_octets out_ucast out_mcast "
                  "out_broadcast", "counter of an Ethernet port"),
    counter_lines("hc_mcount", "cip.elink.hc_mcount", 64, "stats_align_errors stats_fcs_errors internal_mac_transmit_errors "
                  "stats_frame_too_long internal_mac_receive_errors stats_symbol_errors", "counter of an Ethernet port's errors"),
)  # fmt: skip
LARGE = """
    cip.cm.fwo.owner    uint* piece:open32 @{0}:1      whether a connection may be shared
    cip.cm.fwo.type     uint* piece:open32 @{1}:2      0 none, 1 multicast, 2 point to point
    cip.cm.fwo.prio     uint* piece:open32 @{2}:2      priority of data
    cip.cm.fwo.f_v      uint* piece:open32 @{3}:1      whether data vary in size
    cip.cm.fwo.consize  uint* piece:open32 @{4}:16le   most bytes of data
"""
LARGES = "".join(LARGE.format(base + 24, base + 25, base + 28, base + 30, base) for base in (64, 128))
LABELS = {
    "enip.command": COMMANDS, "enip.status": STATUSES, "enip.cpf.typeid": ITEMS, "cip.sc": SERVICES, "cip.cm.sc": MANAGER_SERVICES,
    "cip.genstat": GENERAL_STATUSES, "cip.class": CLASSES, "cip.pccc.fnc.code_0f": PCCC_FUNCTIONS,
}  # fmt: skip
LINES = "\n".join((ROWS, MESSAGES, logical_lines(), OBJECTS, *FLAGS, LARGES))
DECLARED = declared(LINES, PARTS, COLUMNS, LABELS)
OTHERS = (
    Field("enip", "protocol", "the row is an EtherNet/IP PDU, or implicit data"),
    Field("enip.context", "bytes", "what an answer repeats"),
)
FIELDS = (*OTHERS, *DECLARED.fields.values(), *general_fields(NUMBER, ANOMALIES))
BY_NAME = {field.name: field for field in FIELDS}
