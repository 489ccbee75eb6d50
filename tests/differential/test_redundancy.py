"""Every field of PRP, HSR and their supervision frames against tshark, which is told to look for PRP's trailers.

Where we differ: Wireshark also finds trailers of PRP's first version (2008), which have no suffix, by their length alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from scapy.layers.l2 import Dot1Q, Ether

from detector.protocols.fields import FIELDS
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND
from tests.packets.test_redundancy import DATAGRAM, NODE, OTHER, hsr, prp, supervision
from tests.protocols.test_goose import GROUP, RELAY, message
from tests.runs import pcap_bytes

pytestmark = pytest.mark.differential

PROTOCOLS = ("hsr", "prp", "hsr_prp_supervision", "eth", "vlan", "ip", "goose")
NAMES = [name for name, field in FIELDS.items() if field.protocol in PROTOCOLS and field.kind != "protocol"]


def built_redundancy(folder: Path) -> Path:
    """A capture of both networks' frames."""
    goose = message(1, 0)
    tagged = bytes(Ether(src=RELAY, dst=GROUP) / Dot1Q(vlan=7, type=0x88B8) / goose[14:])
    head = struct.pack(">HH", 1, 5)
    frames = [
        prp(goose, 1, 10), prp(goose, 1, 11), prp(goose, 2, 10, size=50), prp(goose, 3, 5), prp(tagged, 4, 10, 1), prp(DATAGRAM, 5, 11),
        prp(DATAGRAM, 6, 11) + bytes(4), hsr(goose, 1, 0), hsr(goose, 1, 1), hsr(goose, 2, 15), hsr(tagged, 3, 3, 1), hsr(tagged, 4),
        hsr(DATAGRAM, 5), hsr(DATAGRAM[:20], 6), hsr(DATAGRAM, 7) + bytes(9),
        supervision(head + b"\x14\x06" + NODE + b"\x1e\x06" + OTHER + bytes(28)),
        supervision(struct.pack(">HH", 0x3001, 6) + b"\x17\x06" + NODE + bytes(32)),
        supervision(struct.pack(">H", 0) + b"\x15\x0c" + NODE + OTHER + bytes(26)),
        supervision(head + b"\x14\x06" + NODE + b"\x1f\x06" + OTHER + b"\x63\x03abc\x00\x00"),
        supervision(struct.pack(">H", 0) + b"\x14\x0c" + NODE + OTHER + b"\x1e\x06" + OTHER + bytes(20)),
        hsr(supervision(head + b"\x17\x06" + NODE + bytes(32)), 9, 1), prp(supervision(head + b"\x14\x06" + NODE + bytes(32)), 9, 10),
    ]  # fmt: skip
    path = folder / "redundancy.pcap"
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)]))
    return path


def test_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tshark.require_tool("tshark")
    plain = tshark.run

    def looking_for_trailers(arguments: Sequence[str]) -> Iterator[str]:
        return plain(["--enable-protocol", "prp", *arguments])

    monkeypatch.setattr(tshark, "run", looking_for_trailers)
    compared, differences = compare_frames(built_redundancy(tmp_path), NAMES, 1000)
    own = [name for name in NAMES if name.startswith(PROTOCOLS[:3])]
    print("\n".join(f"{compared[name]:6} {name}" for name in own))
    assert differences == [], "\n".join(differences[:40])
    assert [name for name in own if not compared[name]] == [], "build a frame that has them"
