"""Builds the captures of the scenarios, byte for byte the same each time: python replay_pcaps/build.py [scenario ...]

The plant: a master (HMI) polls two controllers; an engineering station and an office network stand beside it. Answers come
after 5 to 20 ms, as from real devices.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from scapy.contrib.modbus import ModbusADURequest, ModbusADUResponse
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from detector.exercise.synthesis import Synthesis, mac_of, write_capture

HERE = Path(__file__).parent
MASTER, PUMPS, VALVES, ATTACKER, OFFICE, ENGINEER = (
    "10.20.0.10", "10.20.0.21", "10.20.0.22", "10.20.0.66", "10.30.0.15", "10.20.0.11")  # fmt: skip
SECOND = 10**9
MIDNIGHT_NS = 1_714_521_600 * SECOND  # 2024-05-01 00:00 UTC


class Plant(Synthesis):
    """Traffic of the plant; `at` moves to a time since the start, `rng` varies what varies in reality."""

    def __init__(self, seed: int, start_ns: int) -> None:
        super().__init__(start_ns)
        self.start_ns = start_ns
        self.rng = random.Random(seed)
        self._transactions: dict[tuple[str, str], int] = {}

    def at(self, seconds: float) -> None:
        """Goes on at a time since the start; what lies behind it already was sent later than planned."""
        self.now_ns = max(self.now_ns, self.start_ns + int(seconds * SECOND))

    def modbus(self, client: str, server: str, request: bytes, response: bytes | None, unit: int = 1) -> None:
        """A request, its answer after some milliseconds, and the acknowledgement."""
        number = self._transactions[client, server] = (self._transactions.get((client, server), 0) + 1) % 65536
        self.send(
            IP(src=client, dst=server)
            / TCP(dport=502)
            / ModbusADURequest(transId=number, unitId=unit, len=len(request) + 1)
            / Raw(request)
        )
        if response is not None:
            self.now_ns += self.rng.randint(4_000_000, 19_000_000)
            self.send(
                IP(src=server, dst=client)
                / TCP(sport=502)
                / ModbusADUResponse(transId=number, unitId=unit, len=len(response) + 1)
                / Raw(response)
            )
            self.now_ns += self.rng.randint(100_000, 400_000)
            self.acknowledge(client, server)

    def acknowledge(self, client: str, server: str) -> None:
        """An empty segment of the client."""
        self.send(IP(src=client, dst=server) / TCP(dport=502, flags="A"))

    def read(self, client: str, server: str, first: int, count: int, unit: int = 1) -> None:
        """Reads registers."""
        values = b"".join((self.rng.randint(200, 900)).to_bytes(2, "big") for _ in range(count))
        request = b"\x03" + first.to_bytes(2, "big") + count.to_bytes(2, "big")
        self.modbus(client, server, request, b"\x03" + bytes([2 * count]) + values, unit)

    def write(self, client: str, server: str, register: int, value: int, unit: int = 1) -> None:
        """Writes a register."""
        body = b"\x06" + register.to_bytes(2, "big") + value.to_bytes(2, "big")
        self.modbus(client, server, body, body, unit)

    def poll(self, until: float, every: float, write_every: int = 30) -> None:
        """The master's daily round: registers of both controllers, now and then a set-point."""
        start, rounds = (self.now_ns - self.start_ns) / SECOND, 0
        while start + rounds * every < until:
            self.at(start + rounds * every)
            self.read(MASTER, PUMPS, 0, 10)
            self.read(MASTER, VALVES, 100, 6)
            if rounds % write_every == write_every - 1:
                self.write(MASTER, PUMPS, 4, 500 + rounds % 7)
            rounds += 1

    def resolve(self, client: str, server: str) -> None:
        """ARP before the first packet."""
        self.send(ARP(op=1, hwsrc=mac_of(client), psrc=client, hwdst="00:00:00:00:00:00", pdst=server))
        self.send(ARP(op=2, hwsrc=mac_of(server), psrc=server, hwdst=mac_of(client), pdst=client))

    def probe(self, client: str, server: str, port: int, source: int, is_open: bool) -> None:
        """A connection attempt that is answered with a reset, or completed and reset."""
        self.send(IP(src=client, dst=server) / TCP(sport=source, dport=port, flags="S", seq=7000))
        self.now_ns += 500_000
        flags = "SA" if is_open else "RA"
        self.send(IP(src=server, dst=client) / TCP(sport=port, dport=source, flags=flags, seq=9000, ack=7001))
        if is_open:
            self.send(IP(src=client, dst=server) / TCP(sport=source, dport=port, flags="R", seq=7001))

    def merge(self, *others: Plant) -> None:
        """Takes the frames of others in, in time order."""
        self.frames = sorted(
            [*self.frames, *(frame for other in others for frame in other.frames)], key=lambda frame: frame[0]
        )


def started(seed: int, hour: float, until: float, every: float) -> Plant:
    """A plant that polls for some time, from an hour of the day on."""
    plant = Plant(seed, MIDNIGHT_NS + int(hour * 3600) * SECOND)
    plant.resolve(MASTER, PUMPS)
    plant.resolve(MASTER, VALVES)
    plant.poll(until, every)
    return plant


def beside(plant: Plant, seed: int, at: float, step: Callable[[Plant], None]) -> Plant:
    """The plant with an attack beside its polling."""
    other = Plant(seed, plant.start_ns)
    other.at(at)
    step(other)
    plant.merge(other)
    return plant


def takeover(attack: Plant) -> None:
    """Looks around, reads, then writes set-points."""
    attack.resolve(ATTACKER, PUMPS)
    attack.modbus(ATTACKER, PUMPS, b"\x2b\x0e\x01\x00", b"\x2b\x0e\x01\x01\x00\x00\x01\x00\x05Pumps")
    for first in range(0, 40, 10):
        attack.now_ns += SECOND
        attack.read(ATTACKER, PUMPS, first, 10)
    for value in (0, 1000, 0, 1000):
        attack.now_ns += 5 * SECOND
        attack.write(ATTACKER, PUMPS, 4, value)


def register_scan(attack: Plant) -> None:
    """Walks over the address space; what is not there is refused."""
    attack.resolve(ATTACKER, VALVES)
    for block in range(120):
        attack.now_ns += 200_000_000
        if block < 12:
            attack.read(ATTACKER, VALVES, 16 * block, 8)
        else:
            attack.modbus(ATTACKER, VALVES, b"\x03" + (16 * block).to_bytes(2, "big") + b"\x00\x08", b"\x83\x02")


def syn_flood(attack: Plant) -> None:
    """Connection attempts from changing ports to the controller."""
    for number in range(6000):
        attack.now_ns += 400_000
        attack.send(IP(src=ATTACKER, dst=PUMPS) / TCP(sport=1024 + number, dport=502, flags="S", seq=number))


def arp_man_in_the_middle(attack: Plant) -> None:
    """Claims both ends' addresses towards each other, and forwards what it then gets, lifetime one lower."""
    own = mac_of(ATTACKER)
    for _ in range(120):
        attack.now_ns += 500_000_000
        attack.send(
            Ether(src=own, dst=mac_of(MASTER)) / ARP(op=2, hwsrc=own, psrc=PUMPS, hwdst=mac_of(MASTER), pdst=MASTER)
        )
        attack.send(
            Ether(src=own, dst=mac_of(PUMPS)) / ARP(op=2, hwsrc=own, psrc=MASTER, hwdst=mac_of(PUMPS), pdst=PUMPS)
        )


def slow_scan(attack: Plant) -> None:
    """One host after another, a minute and a half apart."""
    for host in range(60):
        attack.now_ns += 90 * SECOND
        attack.probe(ATTACKER, f"10.20.0.{100 + host}", 502, 50000 + host, is_open=False)


def replayed_commands(attack: Plant) -> None:
    """Commands of the master, word for word, from another station: twice a minute the same set-points."""
    attack.resolve(ATTACKER, PUMPS)
    for number in range(20):
        attack.now_ns += 3 * SECOND
        attack.write(ATTACKER, PUMPS, 4, 500 + number % 7)


def office_day(day: Plant) -> None:
    """IT traffic beside the plant: names, web, mail, a vendor's telnet session into the control network, a port scan."""
    resolver, web = "10.30.0.1", "10.30.0.80"
    for number in range(400):
        day.now_ns += day.rng.randint(2, 14) * SECOND
        name = f"host{number % 23}.example.org"
        client = f"10.30.0.{15 + number % 9}"
        day.send(
            IP(src=client, dst=resolver)
            / UDP(sport=30000 + number, dport=53)
            / DNS(id=number, rd=1, qd=DNSQR(qname=name))
        )
        day.send(
            IP(src=resolver, dst=client)
            / UDP(sport=53, dport=30000 + number)
            / DNS(id=number, qr=1, qd=DNSQR(qname=name))
        )
        web_request(day, client, web, 20000 + number)
        if number % 40 == 5:
            for _ in range(3):
                day.send(IP(src=client, dst=resolver) / ICMP(type=8, id=number) / Raw(b"ping"))
                day.send(IP(src=resolver, dst=client) / ICMP(type=0, id=number) / Raw(b"ping"))
        if number == 150:
            day.send(IP(src=OFFICE, dst=ENGINEER) / TCP(sport=41000, dport=23) / Raw(b"login: vendor\r\n"))
        if number == 300:
            for port in range(1, 60):
                day.probe(OFFICE, ENGINEER, port, 51000 + port, is_open=port in (22, 23))


def web_request(day: Plant, client: str, server: str, port: int) -> None:
    """One page over HTTP."""
    ends: dict[str, Packet] = {"to": IP(src=client, dst=server), "from": IP(src=server, dst=client)}
    day.send(
        ends["to"] / TCP(sport=port, dport=80) / Raw(b"GET /index.html HTTP/1.1\r\nHost: intranet.example.org\r\n\r\n")
    )
    day.send(
        ends["from"] / TCP(sport=80, dport=port) / Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"x" * 600)
    )
    day.send(ends["to"] / TCP(sport=port, dport=80, flags="FA"))
    day.send(ends["from"] / TCP(sport=80, dport=port, flags="FA"))


# One day, one scenario after another: a replay of all of them shows each in its own hour. The quiet hour comes first, so
# that rules about new values learn from it.
SCENARIOS: dict[str, Callable[[], Plant]] = {
    "modbus-polling": lambda: started(1, 8.0, 3600, 4.0),
    "minute-polling": lambda: started(2, 9.5, 58, 1.0),
    "minute-attack": lambda: beside(started(3, 10.0, 58, 1.0), 31, 20, takeover),
    "modbus-takeover": lambda: beside(started(4, 11.0, 900, 4.0), 41, 600, takeover),
    "register-scan": lambda: beside(started(5, 12.0, 600, 4.0), 51, 240, register_scan),
    "syn-flood": lambda: beside(started(6, 13.0, 300, 4.0), 61, 120, syn_flood),
    "arp-man-in-the-middle": lambda: beside(started(7, 14.0, 300, 4.0), 71, 120, arp_man_in_the_middle),
    "slow-scan": lambda: beside(started(8, 15.5, 6000, 20.0), 81, 300, slow_scan),
    "replayed-commands": lambda: beside(started(9, 17.5, 600, 4.0), 91, 300, replayed_commands),
    "mixed-day": lambda: beside(started(10, 18.5, 3600, 8.0), 101, 30, office_day),
}


def main() -> None:
    """Builds the named scenarios, or all."""
    for name in sys.argv[1:] or SCENARIOS:
        plant = SCENARIOS[name]()
        write_capture(HERE / name / "capture.pcap", plant.frames)
        print(f"{name}: {len(plant.frames)} packets")


if __name__ == "__main__":
    main()
