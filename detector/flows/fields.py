"""Fields of flows, as they stand at a packet row; and TCP's numbers that need the flow."""

from __future__ import annotations

from detector.columns import Field
from detector.flows.columns import Direction, FlowState

DIRECTIONS = {member.value: member.name.lower() for member in Direction}
STATES = {member.value: member.name.lower() for member in FlowState}

FLOW_FIELDS = (
    Field("flow.id", "uint", "number of the flow in this run, from 0"),
    Field("flow.direction", "label", "which way the packet goes: by handshake, else by service port, else by first packet",
          labels=DIRECTIONS),
    Field("flow.state", "label", "state of the flow after this packet", labels=STATES),
    Field("flow.is_new", "bool", "first packet of its flow"),
    Field("flow.age", "duration", "since the flow's first packet", unit="s"),
    Field("flow.packets_to_server", "uint", "packets to the server so far, this one included"),
    Field("flow.packets_to_client", "uint", "packets to the client so far, this one included"),
    Field("flow.bytes_to_server", "uint", "bytes on the wire to the server so far", unit="B"),
    Field("flow.bytes_to_client", "uint", "bytes on the wire to the client so far", unit="B"),
    Field("tcp.seq", "uint", "sequence number, relative to the first of its direction"),
    Field("tcp.ack", "uint", "acknowledgement number, relative to the first of the other direction"),
    Field("tcp.nxtseq", "uint", "relative sequence number behind this segment"),
    Field("tcp.window_size", "uint", "window with the scale that the handshake agreed on", unit="B"),
    Field("tcp.window_size_scalefactor", "int", "what the window is multiplied by; -1 handshake not seen, -2 no scaling"),
)  # fmt: skip
