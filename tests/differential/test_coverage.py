"""Every field that tshark prints is one of ours, or is listed here with the reason why it is not.

What is listed comes from Wireshark's own work between packets, from its user, or from protocols within protocols that are not
decoded yet. What is in a packet's header is no reason.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from detector.protocols.fields import FIELDS
from tests.conftest import ROOT
from tests.differential import tshark
from tests.differential.sample import sample
from tests.differential.test_modbus import built as built_modbus
from tests.differential.test_packet_fields import built_capture

pytestmark = pytest.mark.differential

FRAMES_OF_EACH = 60
PROTOCOLS = (
    "frame", "eth", "vlan", "arp", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "igmp", "prp", "hsr", "hsr_prp_supervision",
    "mbtcp", "modbus", "dnp3", "iec60870_104", "iec60870_asdu", "tpkt", "cotp", "s7comm", "enip", "cip", "cipcm", "cipcls",
    "cippccc", "cipio", "goose", "sv",
)  # fmt: skip
NAME = re.compile(r'<field name="([^"]+)"')
RESOLUTION = "a name looked up for an address; no part of the packet"
STATUS = "whether Wireshark checked a checksum, which is a preference; ours is packet.anomaly"
EXPERT = "an expert item: Wireshark's opinion, whose like are packet.anomaly and pdu.anomaly"
BETWEEN = "analysis between packets"
REASSEMBLY = "lists the frames that Wireshark put together"
NUMBERING = "numbers conversations in the order in which Wireshark meets them"
TREE = "a node of Wireshark's tree, without a value of its own"
NOT_DECODED = "not decoded yet: a protocol or option of its own that control networks do not use"
# A name, or a pattern of names, and the reason.
EXEMPT = {
    r".*_host|.*\.host|.*_resolved": RESOLUTION,
    r".*\.checksum\.status|eth\.fcs\.status": STATUS,
    r".*\.expert|.*_bad|.*\.(too_small|nonzero|past_end|absent|invalid_len|header_mismatch|deprecated|undecoded|invalid_segleft)": EXPERT,
    r"eth\.src_not_group|ip\.nop|tcp\.nop|icmpv6\.undecoded\.\w+|udp\.length\.bad|udp\.checksum\.zero|icmp\.resp_not_found": EXPERT,
    r"ip\.opt\.(len\.invalid|ptr\.\w+)|ip\.subopt_too_long|ipv6\.opt\.jumbo\.\w+|ipv6\.opt\.mpl\.ipv6_src_seed_id": EXPERT,
    r"tcp\.(option\.len\.invalid|non_zero_bytes_after_eol|suboption_malformed|options\.sack\.dsack|options\.wscale\.shift\.invalid)": EXPERT,
    r"(ip|ipv6|tcp)\.bogus_\w+|ip\.(cipso\.malformed)|icmpv6\.invalid_option_length|tcp\.short_segment": EXPERT,
    r"tcp\.connection\.\w+": EXPERT,
    r"tcp\.analysis.*|tcp\.completeness|tcp\.pdu\.\w+|(tcp|udp)\.time_(delta|relative)": BETWEEN,
    r"arp\.(duplicate-address-\w+|seconds-since-.*)|icmp(v6)?\.(resp_to|resp_in|resptime|no_resp)": BETWEEN,
    r"tcp\.(segment|segments|segment_data|segment\..*|reassembled.*)|ip(v6)?\.(fragment|fragments|fragment\..*|reassembled.*)": REASSEMBLY,
    r"(tcp|udp)\.stream": NUMBERING,
    r"cotp\.segments|(dnp3\.al|s7comm)\.(fragments|fragment\.(overlap.*|error|multipletails|toolong.*|reassembled_in))": REASSEMBLY,
    r"iec60870_104\.data|tpkt\.continuation_data": "bytes between PDUs, which belong to none",
    r"dnp3\.(iin_abnormal|unknown_object|unknown_group0_variation|num_items_neg)": EXPERT,
    r"s7comm\.(header|param|param\.item|data|data\.item|data\.userdata\.szl_data_tree|cpu\.diag_msg|tis\.parameter)": TREE,
    r"s7comm\.(alarm\.(associated_value|message|message_object|timestamp_coming)|cpu\.tis\.data)": TREE,
    r"s7comm\.param\.pistart\.parameterblock|goose\.goosePdu_element|sv\.(ASDU|savPdu)_element": TREE,
    r"frame\.(ignored|marked|offset_shift|ref_time|coloring_rule.*)": "what the user of Wireshark has marked or shifted",
    r"frame\.protocols": "the names of Wireshark's dissectors",
    r"frame\.time": "frame.time_epoch as text, in the time zone of whoever asks",
    r"tcp\.options\.(mptcp|rvbd|scps|snack|rec_bound|corr_experimental)\b.*|tcp\.options\.(scpsflags).*": NOT_DECODED,
    r"ip\.cipso\.(tag_type|sensitivity_level|categories|tag_data)": NOT_DECODED,
    r"ipv6\.opt\.(ioam|mpl|smf_dpd|rpl|tpf)\b.*|ipv6\.opt\.lio\.line_id|ipv6\.opt(_|\.)unknown.*": NOT_DECODED,
    r"ipv6\.routing\.(rpl|crh16|crh32)\..*": NOT_DECODED,
    r"icmp\.(int_info\.(index|mtu|afi|ipv4|ipv6|ipunknown|name|name_length)|int_ident\..*|ext\.data|mip\..*)": NOT_DECODED,
    r"icmpv6\.(rr\.(pco|rm)|ni|rpl|fmip6|mip6|6lowpannd|ilnp|send|mpl)\b.*|icmpv6\.(data|unknown_data)": NOT_DECODED,
    r"icmpv6\.opt\.(dnssl|padding|captive_portal|pref64\.prefix|cga.*|rsa.*|digital.*|timestamp|name.*|certificate.*|ipa.*|nrpi.*|lla.*)": NOT_DECODED,
    r"icmpv6\.opt\.(naack.*|map.*|nbma.*|ipv6_address|hkr.*|hai.*|mn.*|aro.*|abro.*|6cio.*|.*_eui64)": NOT_DECODED,
    r"icmpv6\.opt\.dnssl": NOT_DECODED,
    r"igmp\.(version|reserved|num_\w+|record_type|aux_data_len|s|qrv|qqic|saddr|max_resp\..*|data)": NOT_DECODED,
}  # fmt: skip
PATTERN = re.compile("|".join(f"(?:{name})" for name in EXEMPT))


def printed(capture: Path) -> Counter[str]:
    """How often tshark prints each field of the protocols."""
    lines = tshark.run(["-r", str(capture), "-T", "pdml"])
    names = Counter(found[1] for line in lines if (found := NAME.search(line)))
    return Counter({name: count for name, count in names.items() if name.partition(".")[0] in PROTOCOLS})


def undeclared(capture: Path) -> dict[str, int]:
    """Fields that tshark prints and that are neither ours nor exempt."""
    tshark.require_tool("tshark")
    return {
        name: count for name, count in printed(capture).items() if name not in FIELDS and not PATTERN.fullmatch(name)
    }


def test_what_real_captures_hold_is_declared(captures: Path, tmp_path: Path) -> None:
    """Fields of the captures at hand, and of the scenarios."""
    paths = sorted((*captures.glob("*/*.pcap*"), *(ROOT / "replay_pcaps").glob("*/capture.pcap")))
    assert undeclared(sample(paths, FRAMES_OF_EACH, tmp_path / "sample.pcapng")) == {}


def test_what_built_packets_hold_is_declared(tmp_path: Path) -> None:
    """Every option, extension and message; every function of Modbus."""
    assert undeclared(built_capture(tmp_path)) == {}
    assert undeclared(built_modbus(tmp_path)) == {}


def test_no_exemption_hides_a_field_of_ours() -> None:
    """A name that is ours needs no reason for being left out."""
    assert [name for name in FIELDS if PATTERN.fullmatch(name)] == []


def test_exemptions_are_names_that_wireshark_has() -> None:
    """A pattern that fits nothing is a leftover."""
    tshark.require_tool("tshark")
    made = subprocess.run(
        ["tshark", "-G", "fields"], capture_output=True, check=True, encoding="utf-8", errors="replace"
    )
    known = [line.split("\t")[2] for line in made.stdout.splitlines() if line[:2] in ("F\t", "P\t")]
    assert [pattern for pattern in EXEMPT if not any(re.fullmatch(pattern, name) for name in known)] == []
