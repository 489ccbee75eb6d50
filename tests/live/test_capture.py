"""Rings on a real cable between two network namespaces: what is sent arrives, and what does not is counted."""

from __future__ import annotations

import fcntl
import logging
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from detector.capture.interface import InterfaceSettings
from detector.capture.listen import listen
from detector.capture.packet_socket import Fanout
from detector.capture.ring import RingSource
from detector.capture.sniff import SniffSource
from detector.errors import InputError
from detector.packets.decode import DecodeSettings
from detector.pipeline import Pipeline, PipelineSettings
from tests.live.network import SENSOR, Cable, network, sent
from tests.live.packets import drained, gathered, seen
from tests.runs import SCENARIOS, alerts_of, frames_of, pcap_bytes, shipped_rules

SMALL = 2**20  # a ring that is quick to make
MAC = "02:00:00:00:00:01"


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable; the test itself stands in the sensor's namespace."""
    with network() as made, made.sensor.entered():
        yield made


def frame(number: int, size: int = 100, port: int = 4000) -> bytes:
    """An Ethernet frame that can be told from others."""
    made = Ether(src=MAC, dst=MAC) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=number % 60000 + 1, dport=port)
    return bytes(made / Raw(struct.pack("!I", number).ljust(size - 42, b"\xaa")))


def numbered(count: int, size: int = 100) -> list[bytes]:
    """Frames that carry their numbers."""
    whole = frame(0, size)
    return [whole[:42] + struct.pack("!I", number) + whole[46:] for number in range(count)]


def capture_of(frames: list[bytes], path: Path) -> Path:
    """A pcap of frames, a millisecond apart."""
    path.write_bytes(pcap_bytes([(number * 10**6, data) for number, data in enumerate(frames)]))
    return path


def test_a_scenario_arrives_byte_for_byte_and_in_order(cable: Cable) -> None:
    """Else rules judge something that was never sent."""
    for name in ("minute-attack", "modbus-takeover", "syn-flood"):
        capture = SCENARIOS / name / "capture.pcap"
        source = RingSource([InterfaceSettings(SENSOR)])
        sent = cable.replay(capture)
        found = drained(source)
        assert [one.data for one in found] == [data for _, data in frames_of(capture)], name
        assert [one.number for one in found] == list(range(1, sent.packets + 1))
        assert [one.time for one in found] == sorted(one.time for one in found)
        assert 0 <= time.time_ns() - found[-1].time < 60 * 10**9
        assert seen(source) == sent.packets and not source.report.dropped


def test_nothing_is_missed_while_batches_are_taken(cable: Cable, tmp_path: Path) -> None:
    """Blocks are handed back while the kernel fills others, round and round the ring."""
    frames = numbered(60000, 200)
    capture = capture_of(frames, tmp_path / "a.pcap")
    source = RingSource([InterfaceSettings(SENSOR, ring=4 * SMALL, block=2**16)])
    sending = threading.Thread(target=lambda: cable.replay(capture, "--pps", "60000"))
    sending.start()
    found = gathered(source, lambda found: len(found) + source.report.dropped.total() >= len(frames))
    sending.join()
    assert seen(source) == len(frames)
    if not source.report.dropped:  # on a busy machine the reader may not keep up: then the counter has told
        assert [one.data for one in found] == frames


def test_vlan_tags_are_put_back(cable: Cable) -> None:
    """Linux takes the tag out of the bytes; without it every rule on VLANs is blind on a live sensor."""
    inner = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / Raw(b"x" * 40)
    frames = [
        bytes(Ether(src=MAC, dst=MAC) / tags / inner)
        for tags in (Dot1Q(vlan=7, prio=5), Dot1AD(vlan=300), Dot1AD(vlan=300) / Dot1Q(vlan=7), Dot1Q(vlan=0, prio=6))
    ]
    frames.append(bytes(Ether(src=MAC, dst=MAC) / inner))
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL, block=2**16)])
    cable.send(*frames)
    found = drained(source)
    assert [one.data for one in found] == frames
    assert [one.wire_length for one in found] == [len(data) for data in frames]


def test_snaplen_cuts_and_the_length_on_the_wire_is_kept(cable: Cable) -> None:
    frames = [frame(1, 60), frame(2, 1000), bytes(Ether(src=MAC, dst=MAC) / Dot1Q(vlan=7) / Raw(b"y" * 500))]
    for settings in (
        InterfaceSettings(SENSOR, snaplen=96),
        InterfaceSettings(SENSOR, snaplen=96, filter="ether[0] == 2"),
    ):
        source = RingSource([settings])
        cable.send(*frames)
        found = drained(source)
        assert [one.data for one in found] == [frames[0], frames[1][:96], frames[2][:100]]  # 96, and the tag
        assert [one.wire_length for one in found] == [60, 1000, 518]


def test_the_filter_lets_nothing_else_in(cable: Cable, tmp_path: Path) -> None:
    """Not even what arrives while the socket is being opened."""
    capture = capture_of([frame(number, port=22) for number in range(1000)], tmp_path / "a.pcap")
    flood = cable.start_replay(capture, "--topspeed", "--loop", "1000000")
    try:
        for _ in range(4):
            source = RingSource([InterfaceSettings(SENSOR, filter="udp port 4000", ring=SMALL)])
            cable.send(frame(1), frame(2, port=22), frame(3))
            assert [one.data for one in drained(source)] == [frame(1), frame(3)]
    finally:
        flood.terminate()
        flood.communicate()


def test_a_filter_on_vlans_sees_the_tag(cable: Cable) -> None:
    """The tag is not in the bytes that a filter sees: `vlan 7` would match nothing."""
    tagged = [bytes(Ether(src=MAC, dst=MAC) / Dot1Q(vlan=vlan) / IP() / UDP() / Raw(b"z" * 40)) for vlan in (7, 8)]
    source = RingSource([InterfaceSettings(SENSOR, filter="vlan 7", ring=SMALL)])
    cable.send(*tagged, frame(1))
    assert [one.data for one in drained(source)] == tagged[:1]


def test_two_interfaces_in_time_order(cable: Cable) -> None:
    """A request seen on one mirror port and its reply on the other must not change places."""
    other = cable.second()
    names = [SENSOR, other.sensor.interface]
    source = RingSource([InterfaceSettings(name, ring=SMALL, block=2**16) for name in names])
    chosen = random.Random(5)
    ways = [chosen.randrange(2) for _ in range(400)]
    frames = [frame(number, chosen.randrange(60, 1000)) for number in range(len(ways))]

    def send() -> None:
        with cable.sender.entered():
            sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW) for _ in names]
            for opened, side in zip(sockets, (cable.sender, other.sender), strict=True):
                opened.bind((side.interface, 0))
        for way, data in zip(ways, frames, strict=True):
            sockets[way].send(data)
            time.sleep(0.001)  # spread over several timeouts of blocks
        for opened in sockets:
            opened.close()

    sending = threading.Thread(target=send)
    sending.start()
    found = gathered(source, lambda found: len(found) == len(frames))
    sending.join()
    assert [(one.interface, one.data) for one in found] == list(zip(ways, frames, strict=True))
    assert [source.reports[name].packets for name in names] == [ways.count(0), ways.count(1)]


def test_overrun_is_counted_to_the_packet(cable: Cable, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A sensor that loses packets and does not say so is worse than none."""
    frames = numbered(20000, 300)
    source = RingSource([InterfaceSettings(SENSOR, ring=2 * 2**16, block=2**16)])
    iterator = source.batches()
    assert len(next(iterator)) == 0
    sent = cable.replay(capture_of(frames, tmp_path / "a.pcap"))  # nobody reads meanwhile
    source.stop()
    decoded = sum(len(batch) for batch in iterator)
    report = source.report
    assert report.dropped["ring"] > 0 and decoded > 0
    assert decoded == report.packets
    assert decoded + report.dropped["ring"] == sent.packets == len(frames)
    assert any(
        f"{SENSOR}: {report.dropped['ring']} packets dropped: the ring was full" in line for line in said(caplog)
    )


def test_what_is_left_in_the_ring_is_counted(cable: Cable) -> None:
    """A source that is closed without being read to its end still owes its packets."""
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    cable.send(*numbered(30))
    source.close()
    assert source.report.dropped == {"shutdown": 30}


def test_captured_packets_are_no_drops_of_the_interface(cable: Cable) -> None:
    """Linux counts a tagged packet that no protocol of the host takes (GOOSE in a VLAN) as dropped, after it was captured."""
    goose = bytes(Ether(src=MAC, dst=MAC) / Dot1Q(vlan=7, type=0x88B8) / Raw(b"g" * 80))
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    cable.send(*[goose] * 40)
    assert len(drained(source)) == 40
    assert Path("/proc/self/net/dev").read_text().split(f"{SENSOR}:")[1].split()[3] == "40"
    assert source.report.dropped == {}


@contextmanager
def tunnel(cable: Cable, hardware: int) -> Iterator[int]:
    """An interface tun9 of an ARPHRD_ kind on the sensor; what is written to the descriptor arrives there."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("there is no /dev/net/tun here")
    opened = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(opened, 0x400454CA, struct.pack("16sH22x", b"tun9", 0x1001))  # TUNSETIFF: TUN, no header
        fcntl.ioctl(opened, 0x400454CD, hardware)  # TUNSETLINK
        cable.sensor.run("sysctl", "-qw", "net.ipv6.conf.tun9.disable_ipv6=1")
        cable.sensor.link("set", "tun9", "up")
        yield opened
    finally:
        os.close(opened)


def test_packets_that_the_interface_loses_are_counted(cable: Cable) -> None:
    """Those that never reached the ring. A tunnel drops what has neither version of IP, before it is captured."""
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP())
    with tunnel(cable, 0xFFFE) as opened:
        os.write(opened, packet)
        source = RingSource([InterfaceSettings("tun9", ring=SMALL)])
        for _ in range(7):
            with suppress(OSError):
                os.write(opened, b"\0" * 40)
        os.write(opened, packet)
        assert [one.data for one in drained(source)] == [packet]
        assert source.report.dropped == {"interface": 7}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def steps(source: RingSource, actions: list[tuple[int, object]]) -> list[bytes]:
    """Runs a source; each action is done once that many packets were captured; ends after the last."""
    until, found, todo = time.monotonic() + 30, list[bytes](), list(actions)
    for batch in source.batches():
        found += [batch.buffer[a:b].tobytes() for a, b in zip(batch.starts, batch.stops, strict=True)]
        assert time.monotonic() < until, (len(found), source.report)
        if not todo:
            source.stop()
        elif len(found) >= todo[0][0]:
            todo.pop(0)[1]()  # type: ignore[operator]
    return found


def until_up(source: RingSource, act: object) -> object:
    """An action that is done in a thread once the source is up, after it was not."""

    def wait() -> None:
        while not source.report.is_up:
            time.sleep(0.01)
        act()  # type: ignore[operator]

    return lambda: threading.Thread(target=wait).start()


def test_an_interface_that_is_made_anew(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    """A driver that is reloaded, a container that is restarted: capture goes on, and the log says so."""
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    ups: list[bool] = []

    def replace() -> None:
        cable.disconnect()

        def later() -> None:
            while source.report.is_up:
                time.sleep(0.01)
            ups.append(source.report.is_up)
            cable.connect()
            until_up(source, lambda: cable.send(frame(2), frame(3)))()  # type: ignore[operator]

        threading.Thread(target=later).start()

    cable.send(frame(1))
    assert steps(source, [(1, replace), (3, lambda: None)]) == [frame(1), frame(2), frame(3)]
    assert ups == [False] and source.report.reconnects == 1 and not source.report.dropped
    assert f"{SENSOR}: nothing is captured: there is no such interface now" in said(caplog)
    assert f"{SENSOR}: opened anew" in said(caplog)


def test_an_interface_that_is_renamed(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    """The cable is the same: it is still listened on; another interface of the configured name takes its place."""
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    other = cable.second()

    def rename() -> None:
        cable.sensor.link("set", SENSOR, "name", "old0")  # Linux permits it while the interface is up
        cable.send(frame(2))

    def replace() -> None:
        time.sleep(0.7)  # it is noticed at the next look
        cable.sensor.link("set", other.sensor.interface, "down")
        cable.sensor.link("set", other.sensor.interface, "name", SENSOR, "up")
        threading.Timer(1.5, lambda: other.send(frame(3))).start()

    cable.send(frame(1))
    assert steps(source, [(1, rename), (2, replace), (3, lambda: None)]) == [frame(1), frame(2), frame(3)]
    assert source.report.reconnects == 1
    assert f"{SENSOR}: opened anew" in said(caplog)


def test_the_log_names_the_new_name(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    cable.sensor.link("set", SENSOR, "name", "old0")
    threading.Timer(1.2, lambda: cable.send(frame(1))).start()
    assert steps(source, [(1, lambda: None)]) == [frame(1)]
    assert f"{SENSOR}: renamed to old0; it is still captured from" in said(caplog)
    assert source.report.is_up


def test_an_interface_that_goes_down_and_up(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])

    def down() -> None:
        cable.sensor.link("set", SENSOR, "down")

        def later() -> None:
            while source.report.is_up:
                time.sleep(0.01)
            cable.sensor.link("set", SENSOR, "up")
            cable.sensor.wait_until_up()
            until_up(source, lambda: cable.send(frame(2)))()  # type: ignore[operator]

        threading.Thread(target=later).start()

    cable.send(frame(1))
    assert steps(source, [(1, down), (2, lambda: None)]) == [frame(1), frame(2)]
    assert f"{SENSOR}: nothing is captured: it is down" in said(caplog)
    assert f"{SENSOR}: up again" in said(caplog)
    assert source.report.reconnects == 0


def test_the_other_side_is_switched_off(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    """A pulled cable: the sensor is blind, and says why."""
    source = RingSource([InterfaceSettings(SENSOR, ring=SMALL)])
    cable.sender.link("set", cable.sender.interface, "down")
    until = time.monotonic() + 10
    for _ in source.batches():
        if not source.report.is_up or time.monotonic() > until:
            source.stop()
    assert said(caplog) == [f"{SENSOR}: nothing is captured: it has no carrier"]


def test_an_interface_that_comes_later(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    """`wait: true`: a sensor may start before its interface is there."""
    cable.disconnect()
    with pytest.raises(InputError, match=f"there is no network interface '{SENSOR}'"):
        RingSource([InterfaceSettings(SENSOR)])
    source = RingSource([InterfaceSettings(SENSOR, wait=True)])
    assert not source.report.is_up
    cable.connect()
    until_up(source, lambda: cable.send(frame(1)))()  # type: ignore[operator]
    assert steps(source, [(1, lambda: None)]) == [frame(1)]


def test_an_idle_source_yields_all_the_same(cable: Cable) -> None:
    """The daemon does its other work between batches."""
    with closing(RingSource([InterfaceSettings(SENSOR, ring=SMALL)])) as source:
        iterator = source.batches()
        next(iterator)
        began = time.monotonic()
        assert [len(next(iterator)) for _ in range(5)] == [0] * 5
        assert 0.3 < time.monotonic() - began < 3
        iterator.close()


def test_a_packet_comes_soon(cable: Cable) -> None:
    """Latency: a block that is not full waits for `block_timeout`, not for ever."""
    source = RingSource([InterfaceSettings(SENSOR)])
    waited = []
    threading.Timer(0.2, lambda: [(cable.send(frame(number)), time.sleep(0.03)) for number in range(20)]).start()
    for batch in source.batches():
        waited += [time.time_ns() - one for one in batch.times.tolist()]
        if len(waited) >= 20:
            source.stop()
    print(f"median {sorted(waited)[10] / 1e6:.1f} ms, most {max(waited) / 1e6:.1f} ms")
    assert sorted(waited)[10] < 100 * 10**6


def test_loopback_shows_each_packet_once(cable: Cable) -> None:
    """There every packet is sent and received, and Linux would show it twice."""
    cable.sensor.link("set", "lo", "up")
    source = RingSource([InterfaceSettings("lo", filter="udp", ring=SMALL)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.sendto(b"once", sender.getsockname())
    found = drained(source)
    assert [one.data[42:] for one in found] == [b"once"]
    assert found[0].link_type == 1


def test_both_directions_unless_told_otherwise(cable: Cable) -> None:
    for direction, expected in (("both", [frame(1), frame(2)]), ("in", [frame(1)])):
        source = RingSource([InterfaceSettings(SENSOR, direction=direction, ring=SMALL)])
        cable.send(frame(1))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
            opened.bind((SENSOR, 0))
            opened.send(frame(2))
        assert [one.data for one in drained(source)] == expected, direction


def test_checksums_that_a_card_would_fill_in_are_not_called_wrong(cable: Cable) -> None:
    """A sensor's own traffic is seen before its network card has summed it."""
    cable.sensor.run("ethtool", "-K", SENSOR, "tx", "on")
    cable.sensor.run("ip", "addr", "add", "10.1.1.1/24", "dev", SENSOR)
    source = RingSource([InterfaceSettings(SENSOR, filter="udp", ring=SMALL)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"x" * 100, ("10.1.1.255", 9))
    source.stop()
    batches = [batch for batch in source.batches() if len(batch)]
    assert [batch.is_unsummed is not None and batch.is_unsummed.tolist() for batch in batches] == [[True]]
    settings = PipelineSettings(decode=DecodeSettings(check_checksums=True))
    for unsummed, expected in ((batches[0].is_unsummed, set()), (None, {"udp.csum_invalid"})):
        batches[0].is_unsummed = unsummed
        pipeline = Pipeline(shipped_rules(), settings)
        pipeline.process(batches[0])
        assert set(pipeline.decoding.anomalies) == expected


@pytest.mark.parametrize(("hardware", "link_type", "head"), [(0xFFFE, 101, 0), (512, 113, 16)], ids=["raw", "cooked"])
def test_links_without_ethernet(cable: Cable, hardware: int, link_type: int, head: int) -> None:
    """Tunnels (raw IP) and the rest (PPP): a header of a Linux cooked capture stands for the one that is not there."""
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=502) / Raw(b"tunnelled"))
    with tunnel(cable, hardware) as opened:
        source = RingSource([InterfaceSettings("tun9", filter="udp port 502", ring=SMALL)])
        os.write(opened, bytes(IP(src="10.0.0.1", dst="10.0.0.2") / TCP()))
        os.write(opened, packet)
        found = drained(source)
    assert [one.data[head:] for one in found] == [packet]
    assert found[0].link_type == link_type and found[0].wire_length == len(packet) + head
    if head:
        assert found[0].data[14:16] == b"\x08\x00" and found[0].data[2:4] == struct.pack("!H", hardware)


def test_a_group_shares_the_packets(cable: Cable) -> None:
    """Fanout: each packet reaches one worker, a flow always the same one."""
    settings = [InterfaceSettings(SENSOR, ring=SMALL)]
    sources = [RingSource(settings, fanout=Fanout(4711, 2)) for _ in range(2)]
    flows = [frame(number) for number in range(60)] * 3
    cable.send(*flows)
    shares = [[one.data for one in drained(source)] for source in sources]
    assert sorted(shares[0] + shares[1]) == sorted(flows)
    assert all(shares) and not set(shares[0]) & set(shares[1])


def test_alerts_name_the_interface_and_no_file(cable: Cable) -> None:
    """The same alerts as of the capture itself; what tells where they come from differs."""
    capture = SCENARIOS / "minute-attack" / "capture.pcap"
    source = RingSource([InterfaceSettings(SENSOR)])
    cable.replay(capture)
    source.stop()
    alerts = alerts_of(source)
    assert alerts
    for alert in alerts:
        assert alert.document["observer"]["ingress"] == {"interface": {"name": SENSOR}}
        assert "log" not in alert.document


def test_what_cannot_be_opened_is_said(cable: Cable) -> None:
    for settings, problem, hint in (
        (InterfaceSettings("miror0"), "there is no network interface 'miror0'", "did you mean mirror0?"),
        (InterfaceSettings(SENSOR, filter="tcp prt 502"), "filter 'tcp prt 502': ", "man pcap-filter"),
        (InterfaceSettings(SENSOR, block=3 * 2**16), "are not a power of two", "1MB serves most"),
    ):
        with pytest.raises(InputError) as caught:
            RingSource([settings])
        assert problem in caught.value.problem and hint in caught.value.hint, caught.value


def test_listening_is_by_rings_or_by_scapy(cable: Cable) -> None:
    for way, expected in (("ring", RingSource), ("scapy", SniffSource)):
        source = listen([InterfaceSettings(SENSOR, capture=way)])
        assert isinstance(source, expected)
        source.close()
    ring, scapy = InterfaceSettings(SENSOR), InterfaceSettings("mirror1", capture="scapy")
    for settings, fanout, problem in (([ring, scapy], None, "in the same way"), ([scapy], Fanout(1, 2), "need rings"),
                                      ([ring, ring], None, "named twice")):  # fmt: skip
        with pytest.raises(InputError, match=problem):
            listen(settings, fanout=fanout)


@pytest.mark.alone
def test_a_hundred_thousand_packets_a_second(cable: Cable, tmp_path: Path) -> None:
    """The budget of one worker, through all stages and the shipped rules. Figures are printed; no drop is forgiven
    where the sender was no faster than asked."""
    frames = [data for _, data in frames_of(SCENARIOS / "mixed-day" / "capture.pcap")][:20000]
    capture = capture_of(frames, tmp_path / "a.pcap")
    pipeline = Pipeline(shipped_rules())
    for batch in RingSource([InterfaceSettings(SENSOR)]).batches():  # kernels are loaded, then the race begins
        pipeline.process(batch)
        break
    loops = max(1, 300_000 // len(frames))
    source = RingSource([InterfaceSettings(SENSOR, ring=128 * 2**20)])
    sending = cable.start_replay(capture, "--pps", "100000", "--loop", str(loops))
    total, batches, until = 0, 0, time.monotonic() + 30
    for batch in source.batches():
        pipeline.process(batch)
        total, batches = total + len(batch), batches + (len(batch) > 0)
        if sending.poll() is not None or time.monotonic() > until:
            source.stop()
    told = sent(sending.communicate()[0])
    print(f"sent {told.packets:,} at {told.per_second:,.0f}/s; {total:,} in {batches} batches; {source.report.dropped}")
    assert seen(source) == told.packets
    assert source.report.dropped.total() == 0
