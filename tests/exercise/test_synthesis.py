"""Packets made whole: what is filled in, the same on every machine, as a real station would send it."""

from __future__ import annotations

import struct
from pathlib import Path

from scapy.contrib.modbus import ModbusADURequest, ModbusADUResponse, ModbusPDU03ReadHoldingRegistersRequest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from detector.exercise.synthesis import START_NS, STEP_NS, Synthesis, mac_of, write_capture

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


def sent(*packets: Packet) -> list[Packet]:
    """The frames that some packets become, dissected."""
    made = Synthesis()
    for packet in packets:
        made.send(packet)
    return [Ether(data) for _, data in made.frames]


def request(**ports: int) -> Packet:
    return IP(src=CLIENT, dst=SERVER) / TCP(**ports) / ModbusADURequest() / ModbusPDU03ReadHoldingRegistersRequest()


def test_a_request_has_ports_flags_sequence_numbers_and_a_handshake_before_it() -> None:
    """RFC 9293: SYN, SYN/ACK, ACK, then data that both sides' numbers fit."""
    syn, syn_ack, ack, data = sent(request())
    assert [str(frame[TCP].flags) for frame in (syn, syn_ack, ack, data)] == ["S", "SA", "A", "PA"]
    assert {(syn[TCP].dport, syn_ack[TCP].sport, ack[TCP].dport, data[TCP].dport)} == {(502, 502, 502, 502)}
    assert syn_ack[TCP].ack == syn[TCP].seq + 1 and ack[TCP].seq == data[TCP].seq == syn[TCP].seq + 1
    assert ack[TCP].ack == data[TCP].ack == syn_ack[TCP].seq + 1
    assert syn[TCP].sport == data[TCP].sport >= 1024


def test_an_answer_belongs_to_its_request() -> None:
    """Same ports the other way round, numbers that go on."""
    *_, data, answer, again = sent(request(), IP(src=SERVER, dst=CLIENT) / TCP() / ModbusADUResponse(), request())
    assert (answer[TCP].sport, answer[TCP].dport) == (502, data[TCP].sport)
    size = len(bytes(data[TCP].payload))
    assert answer[TCP].ack == data[TCP].seq + size and again[TCP].seq == data[TCP].seq + size
    assert again[TCP].ack == answer[TCP].seq + len(bytes(answer[TCP].payload))


def test_what_is_given_stays() -> None:
    (frame,) = sent(Ether(src="02:00:00:00:00:99", dst="02:00:00:00:00:98") / IP(src=CLIENT, dst=SERVER, id=7, ttl=3)
                    / TCP(sport=5, dport=6, flags="R", seq=9, ack=8))  # fmt: skip
    assert (frame.src, frame.dst, frame[IP].id, frame[IP].ttl) == ("02:00:00:00:00:99", "02:00:00:00:00:98", 7, 3)
    assert (frame[TCP].sport, frame[TCP].dport, str(frame[TCP].flags), frame[TCP].seq) == (5, 6, "R", 9)


def test_times_are_a_millisecond_apart_and_pauses_are_kept() -> None:
    made = Synthesis()
    made.send(IP(src=CLIENT, dst=SERVER) / UDP(sport=1, dport=2))
    made.wait(61)
    made.send(IP(src=CLIENT, dst=SERVER) / UDP(sport=1, dport=2))
    first, second = (time for time, _ in made.frames)
    assert first == START_NS + STEP_NS and second - first == 61 * 10**9


def test_addresses_that_are_not_given_are_no_machines_own() -> None:
    """Scapy would take this machine's addresses, and ask its network for others: a test would pass here only."""
    plain, six, arp, tunnel = sent(
        IP() / ICMP(), IPv6() / UDP(sport=1, dport=2), ARP(pdst="10.0.0.9"),
        IP(src=CLIENT, dst=SERVER) / UDP(dport=4789) / VXLAN() / Ether() / IP() / UDP())  # fmt: skip
    assert (plain[IP].src, plain[IP].dst) == ("192.0.2.1", "192.0.2.2")
    assert (six[IPv6].src, six[IPv6].dst) == ("2001:db8::1", "2001:db8::2")
    assert (arp[ARP].psrc, arp[ARP].hwsrc, arp.src) == ("192.0.2.1", mac_of("192.0.2.1"), mac_of("192.0.2.1"))
    inner = tunnel[VXLAN].payload
    assert (inner.src, inner[IP].src) == ("02:00:00:00:00:01", "192.0.2.1")


def test_ethernet_addresses_follow_from_ip() -> None:
    frames = sent(IP(src=CLIENT, dst=SERVER) / ICMP(), IP(src=SERVER, dst=CLIENT) / ICMP(type=0), Raw(b"abc"))
    assert frames[0].src == frames[1].dst == mac_of(CLIENT) == "02:00:0a:00:00:01"
    assert all(len(bytes(frame)) >= 60 for frame in frames), "Ethernet pads to 60 bytes"
    (tagged,) = sent(Ether() / Dot1Q(vlan=7) / IP(src=CLIENT, dst=SERVER) / UDP(sport=1, dport=2))
    assert tagged.src == mac_of(CLIENT) and tagged[Dot1Q].vlan == 7


def test_a_connection_that_comes_again_is_seen_to_be_another() -> None:
    """Initial sequence numbers follow a clock (RFC 9293, 3.4.1)."""
    made = Synthesis()
    made.send(request(sport=40001, dport=502))
    later = Synthesis(START_NS + 3600 * 10**9)
    later.send(request(sport=40001, dport=502))
    first, second = (Ether(frames[0][1])[TCP].seq for frames in (made.frames, later.frames))
    assert first != second


def test_the_same_packets_give_the_same_bytes() -> None:
    packets = [request(), IP(src=SERVER, dst=CLIENT) / TCP() / ModbusADUResponse(), ARP(op=1), IP() / UDP()]
    assert [bytes(frame) for frame in sent(*packets)] == [bytes(frame) for frame in sent(*packets)]


def test_the_packet_handed_in_is_not_changed() -> None:
    packet = request()
    before = dict(packet[TCP].fields)
    sent(packet)
    assert packet[TCP].fields == before


def test_a_written_capture_is_a_nanosecond_pcap(tmp_path: Path) -> None:
    """draft-ietf-opsawg-pcap: magic 0xa1b23c4d, Ethernet, records of seconds, nanoseconds, two lengths."""
    path = tmp_path / "a.pcap"
    write_capture(path, [(START_NS + 5, b"abc")])
    assert path.read_bytes() == struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1) + struct.pack(
        "<IIII", START_NS // 10**9, 5, 3, 3
    ) + b"abc"  # fmt: skip
