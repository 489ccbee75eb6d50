"""Where Suricata's alerts and ours differ on purpose, or for a reason that is known. Each was looked at; none stands for an
unknown. `python -m tests.differential.suricata` names those that a whole run did not need."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from fnmatch import fnmatch
from typing import NamedTuple

FIRST = 9_000_000  # our rules' sids stand behind it


class Exemption(NamedTuple):
    """Rules that may differ on the captures whose name fits a pattern."""

    captures: str
    sids: frozenset[int]
    reason: str


def exempt(captures: str, numbers: Sequence[int], reason: str) -> Exemption:
    """An exemption of some of our rules. numbers: sids less FIRST."""
    return Exemption(captures, frozenset(FIRST + number for number in numbers), reason)


EXEMPTIONS: tuple[Exemption, ...] = (
    # Streams. Suricata looks at what is acknowledged once it is 2,560 bytes, a PDU of a protocol that it parses, or the end of
    # the connection; here each segment is looked at as it comes, with up to 4,096 bytes before it.
    exempt("chains.pcap", (864, 865, 866, 872, 873, 874, 889), "segments that are inspected together set and read flowbits, flowints in rules' order"),
    exempt("marked_flows.pcap", (891, 938, 940, 952, 962, 971), "matches in segments that are inspected together count as one there"),
    exempt("conformance-*.pcap", (843,), "all was inspected PDU by PDU, so nothing is left for the FIN to look at"),
    exempt("disordered_streams.pcap", (739, 741), "an overlapped segment's bytes: here the first always count"),
    exempt("*", (1033, 1058, 1060), "events of reassembly come with other packets, or of other reasons, than where bytes are taken as they come"),
    exempt("flags.pcap", (79, 396, 876, 1036), "a SYN behind a FIN with SYN is a new flow there and the old one here"),
    Exemption("test-data-part1.pcap", frozenset((1_111_203, 1_111_215)), "a threshold counts the ends of flows there, which come in no order"),
    exempt("profinet-failed.pcap", (850,), "of two segments the first is acknowledged and looked at alone there; here the second completes it"),
    exempt("browse-*.pcap", (717, 718, 719, 720, 722, 876, 877, 1045, 1046, 1053, 1054), "a connection's ports are used again at once: a new flow there and the old one here"),
    exempt("discover-*.pcap", (1036,), "a connection's ports are used again at once: a new flow there and the old one here"),
    # ICMP.
    exempt("icmp.pcap", (76, 88, 396), "types that nothing answers are one flow there whatever their code, and one for each code here"),
    exempt("hart-ip.pcap", (76, 88, 358, 359, 360, 361), "an ICMP error belongs there to the flow of the packet that it quotes"),
    exempt("sample-file-mms-and-goose.pcap", (76, 88, 358, 359, 360, 361), "an ICMP error belongs there to the flow of the packet that it quotes"),
    exempt("icmp.pcap", (992,), "Suricata takes some quoted packets for cut short that are whole"),
    # Fragments.
    exempt("fragments.pcap", (52, 56, 60, 61, 63, 67, 69, 70, 73, 74, 290), "a rebuilt datagram has no offset and no MF there; here what its last fragment has"),
    exempt("fragments.pcap", (92, 295), "ip_proto of an IPv6 fragment is 44 there, and its header is not part of ipv6.hdr"),
    exempt("fragments.pcap", (80, 410, 1009, 1011, 1018, 1019), "datagrams of fragments that overlap or reach too far are given up at another fragment"),
    # Tunnels.
    exempt("tunnels.pcap", (20, 30, 32, 62, 63, 64, 66, 67, 70, 385, 396, 752, 753), "IPv4 in IPv4 is unpacked here only, Teredo there only"),
    exempt("tunnels.pcap", (294, 398, 630, 756), "Teredo is unpacked by Suricata only, so that its outside has bytes here"),
    # Packets that make no sense, and protocols whose header this capture fills with anything.
    exempt("broken.pcap", (8, 20, 30, 32, 40, 62, 63, 64, 67, 68, 69, 70, 74, 286, 287, 291, 390, 397, 400), "IPv4 with wrong options or an overlapping fragment: taken here, refused there"),
    exempt("broken.pcap", (75, 88, 92, 294, 398, 399), "a broken IPv6 header's next protocol is 0 there and what was read here"),
    exempt("broken.pcap", (993, 1004, 1006, 1011), "one broken packet is told by other events: what is wrong first differs"),
    exempt("protocols.pcap", (8, 294, 399), "IP within IP whose inside is no header: Suricata does not count the inside"),
    exempt("protocols.pcap", (75, 76, 92, 93, 295), "extension headers that are cut: the last one that can be read differs"),
    exempt("protocols.pcap", (987, 991, 993, 1005, 1006, 1009, 1011, 1021), "one broken packet is told by other events: what is wrong first differs"),
)  # fmt: skip


# What asks for the end of the bytes, or for what is not in them.
OF_THE_END = re.compile(
    r"\bendswith|isdataat: ?!|bsize|content: ?!|pcre: ?!|byte_jump:[^;]*from_end|\$[a-zA-Z]*/[a-zA-Z]*\""
)
AT_SEGMENTS = Exemption(
    "*", frozenset(), "bytes end here with each segment, there with what is acknowledged or with the connection"
)


def exemption_of_meaning(options: str, first: Set[object], second: Set[object]) -> Exemption | None:
    """The exemption of a rule on streams, by what it asks and the connections that we (first) and Suricata (second) alert."""
    return AT_SEGMENTS if OF_THE_END.search(options) and first > second else None


def exemption_of(capture: str, sid: int) -> Exemption | None:
    """The exemption of a rule on a capture, if there is one."""
    return next((one for one in EXEMPTIONS if sid in one.sids and fnmatch(capture, one.captures)), None)
