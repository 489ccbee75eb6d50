"""Community ID v1: the flow hash that other tools print as well (github.com/corelight/community-id-spec)."""

from __future__ import annotations

import base64
import hashlib
import struct

WITH_PORTS = (1, 6, 17, 58, 132)
ANSWERS_4 = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17}
ANSWERS_6 = {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 144: 145, 145: 144,
             139: 140, 140: 139}  # fmt: skip


def community_id(source: bytes, destination: bytes, protocol: int, first: int, second: int, seed: int = 0) -> str:
    """The Community ID of a packet.

    Args:
        source, destination: addresses of 4 or 16 bytes.
        first, second: ports; for ICMP and ICMPv6 the type and the code.
    """
    one_way = False
    if protocol in (1, 58):
        answers = ANSWERS_4 if protocol == 1 else ANSWERS_6
        one_way = first not in answers
        second = answers.get(first, second)
    if not one_way and (source, first) > (destination, second):
        source, destination, first, second = destination, source, second, first
    data = struct.pack(">H", seed) + source + destination + struct.pack(">BB", protocol, 0)
    if protocol in WITH_PORTS:
        data += struct.pack(">HH", first, second)
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
