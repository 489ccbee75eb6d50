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
from detector.protocols.dnp3_layers import DNP3, DNP3Header, DNP3Object, DNP3Request, DNP3Response, DNP3Transport
from detector.protocols.enip_layers import (
    CIP,  # fmt: skip
    ENIP,
    CIPLogical8,
    CIPSymbol,
    ENIPImplicit,
    ENIPImplicitItem,
    ENIPItem,
    ENIPSend,
    ENIPSequencedAddress,
)
from detector.protocols.goose_layers import GOOSE, GOOSEPDU, GOOSEData
from detector.protocols.iec104_layers import IEC104, IEC104ASDU, IEC104Object
from detector.protocols.s7comm_layers import (
    S7,  # fmt: skip
    TPKT,
    COTPConnection,
    COTPData,
    COTPParameter,
    S7Block,
    S7Function,
    S7Item,
    S7Service,
    S7Setup,
    S7Stop,
    S7UserData,
    S7UserFunction,
    S7Value,
    S7Variables,
)
from detector.protocols.sv_layers import SV, SVASDU, SVPDU

HERE = Path(__file__).parent
MASTER, PUMPS, VALVES, ATTACKER, OFFICE, ENGINEER = (
    "10.20.0.10", "10.20.0.21", "10.20.0.22", "10.20.0.66", "10.30.0.15", "10.20.0.11")  # fmt: skip
OUTSTATION, SUBSTATION, PLC, LINE = "10.20.0.31", "10.20.0.41", "10.20.0.51", "10.20.0.61"
OUTSIDE = "198.51.100.7"
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


class Talk:
    """A client and a server of one protocol: `ask` sends a request and its answer, whose numbers it counts."""

    def __init__(self, plant: Plant, client: str, server: str) -> None:
        self.plant, self.client, self.server = plant, client, server
        self.asked, self.answered = 0, 0

    def frame(self, port: int, packet: Packet, is_answer: bool = False) -> None:
        """One packet; an answer some milliseconds after its request."""
        if is_answer:
            self.plant.now_ns += self.plant.rng.randint(4_000_000, 19_000_000)
            self.plant.send(IP(src=self.server, dst=self.client) / TCP(sport=port) / packet)
        else:
            self.plant.send(IP(src=self.client, dst=self.server) / TCP(dport=port) / packet)

    def dnp3(
        self, function: int, objects: list[Packet], answer: list[Packet] | None, iin: int = 0, station: int = 4
    ) -> None:
        """A request of a master, and the response."""
        number = self.asked % 16
        self.asked += 1
        request = DNP3Request(func=function, seq=number, objects=objects)
        self.frame(20000, DNP3(dir=1, src=3, dst=station) / DNP3Transport(seq=self.asked % 64) / request)
        if answer is not None:
            response = DNP3Response(iin=iin, seq=number, objects=answer)
            below = DNP3(dir=0, src=station, dst=3) / DNP3Transport(seq=self.asked % 64)
            self.frame(20000, below / response, is_answer=True)

    def control(self, function: int) -> None:
        """The start or the test of an IEC 104 connection, with its confirmation."""
        self.frame(2404, IEC104(control=1, tx=2 * function + 1))
        self.frame(2404, IEC104(control=1, tx=4 * function + 1), is_answer=True)

    def iec104(
        self, typeid: int, address: int, data: bytes, cause: int = 6, refused: int = 0, station: int = 1
    ) -> None:
        """An ASDU of a master, and its confirmation, or the cause for which it is refused: 46 station, 47 object."""
        self.asdu(typeid, address, data, cause, station=station)
        self.asdu(typeid, address, data, refused or 7, is_answer=True, negative=refused > 0, station=station)

    def asdu(
        self,
        typeid: int,
        address: int,
        data: bytes,
        cause: int,
        is_answer: bool = False,
        negative: bool = False,
        station: int = 1,
    ) -> None:
        """An ASDU with one object."""
        tx, rx = (self.answered, self.asked) if is_answer else (self.asked, self.answered)
        objects = [IEC104Object(ioa=address, data=data)]
        asdu = IEC104ASDU(typeid=typeid, numix=1, causetx=cause, nega=int(negative), addr=station, objects=objects)
        self.frame(2404, IEC104(tx=tx, rx=rx) / asdu, is_answer)
        if is_answer:
            self.answered += 1
        else:
            self.asked += 1

    def connect(self) -> None:
        """A COTP connection to rack 0, slot 2, and S7's agreement on sizes."""
        point = [COTPParameter(code=0xC2, value=b"\x01\x02")]
        self.frame(102, TPKT() / COTPConnection(parameters=point))
        self.frame(102, TPKT() / COTPConnection(type=0xD0, destref=1, srcref=2, parameters=point), is_answer=True)
        self.s7(S7Setup(), S7Setup())

    def s7(
        self, job: Packet, answer: Packet, data: list[Packet] | None = None, values: list[Packet] | None = None
    ) -> None:
        """A job and its acknowledgement."""
        self.asked += 1
        below = TPKT() / COTPData()
        self.frame(102, below / S7(rosctr=1, pduref=self.asked, param=job, data=data or []))
        self.frame(102, below / S7(rosctr=3, pduref=self.asked, param=answer, data=values or []), is_answer=True)

    def userdata(self, group: int, function: int, data: bytes = b"", answer: bytes = b"", error: int = 0) -> None:
        """A request of the programmer's functions, and its answer or error."""
        self.asked += 1
        below = TPKT() / COTPData()
        request = S7UserFunction(funcgroup=group, subfunc=function)
        self.frame(102, below / S7(rosctr=7, pduref=self.asked, param=request, data=[S7UserData(data=data)]))
        reply = S7UserFunction(reqres1=0x12, type=8, funcgroup=group, subfunc=function, errcod=error)
        self.frame(
            102, below / S7(rosctr=7, pduref=self.asked, param=reply, data=[S7UserData(data=answer)]), is_answer=True
        )

    def cip(self, service: int, path: list[Packet], data: bytes = b"", reply: bytes = b"", status: int = 0) -> None:
        """An unconnected CIP request and its reply."""
        self.asked += 1
        context = self.asked.to_bytes(8, "little")
        request = CIP(sc=service, path=path) / Raw(data)
        response = CIP(rr=1, sc=service, genstat=status) / Raw(reply)
        for message, is_answer in ((request, False), (response, True)):
            items = [ENIPItem() / Raw(b""), ENIPItem(typeid=0xB2) / message]
            self.frame(44818, ENIP(session=7, context=context) / ENIPSend(items=items), is_answer)


def quarter(seed: int, hour: float, every: float, step: Callable[[Plant, int], None]) -> Plant:
    """A quarter of an hour in which a step is done every so many seconds."""
    plant = Plant(seed, MIDNIGHT_NS + int(hour * 3600) * SECOND)
    for number in range(int(900 / every)):
        plant.at(number * every)
        step(plant, number)
    return plant


def breaker(operation: int, index: int = 5, status: int = 0) -> Packet:
    """A control of one output: 3 latches on, 4 off."""
    data = bytes([index, operation, 1]) + bytes(8) + bytes([status])
    return DNP3Object(group=12, variation=1, prefix=1, range=7, quantity=1, data=data)


def dnp3_plant(seed: int = 11, hour: float = 20.0) -> Plant:
    """A master reads events every four seconds and switches now and then: select, then operate."""
    talks: dict[int, Talk] = {}

    def step(plant: Plant, number: int) -> None:
        talk = talks.setdefault(0, Talk(plant, MASTER, OUTSTATION))
        value = plant.rng.randint(200, 900).to_bytes(2, "little")
        inputs = DNP3Object(group=30, variation=2, range=0, start=0, stop=0, data=b"\x01" + value)
        talk.dnp3(1, [DNP3Header(group=60, variation=1 + number % 4, range=6)], [inputs])
        if number % 75 == 40:
            for function in (3, 4):
                talk.dnp3(function, [breaker(3 + number % 2)], [breaker(3 + number % 2)])

    return quarter(seed, hour, 4.0, step)


def dnp3_attack(attack: Plant) -> None:
    """Silences events, operates without selecting, restarts the outstation three times."""
    talk = Talk(attack, ATTACKER, OUTSTATION)
    talk.dnp3(21, [DNP3Header(group=60, variation=2, range=6)], [])
    for _ in range(3):
        attack.now_ns += 2 * SECOND
        talk.dnp3(4, [breaker(4)], [breaker(4, status=2)])
    for _ in range(3):
        attack.now_ns += 20 * SECOND
        talk.dnp3(13, [], [], iin=0x8000)


def iec104_plant(seed: int = 12, hour: float = 20.5) -> Plant:
    """A station reports values, the master interrogates and switches now and then: select, then execute."""
    talks: dict[int, Talk] = {}

    def step(plant: Plant, number: int) -> None:
        talk = talks.setdefault(0, Talk(plant, MASTER, SUBSTATION))
        if number == 0:
            talk.control(1)
        if number % 75 == 0:
            talk.iec104(100, 0, b"\x14")
        value = plant.rng.randint(200, 900).to_bytes(2, "little")
        talk.asdu(11, 700 + number % 5, value + b"\0", 3, is_answer=True)
        if number % 75 == 40:
            for select in (0x80, 0):
                talk.iec104(45, 5001, bytes([select | 1]))
        if number % 5 == 4:
            talk.control(16)

    return quarter(seed, hour, 4.0, step)


def iec104_attack(attack: Plant) -> None:
    """Tests, starts, interrogates, walks over addresses with commands, then flips one breaker."""
    talk = Talk(attack, ATTACKER, SUBSTATION)
    talk.control(16)
    talk.control(1)
    talk.iec104(100, 0, b"\x14")
    for address in range(4996, 5010):
        attack.now_ns += SECOND
        talk.iec104(45, address, b"\x00", refused=0 if address in (5001, 5002) else 47)
    for number in range(10):
        attack.now_ns += 2 * SECOND
        talk.iec104(45, 5001, bytes([number % 2]))


def s7_plant(seed: int = 13, hour: float = 21.0) -> Plant:
    """A panel reads a data block every four seconds, and writes a set-point now and then."""
    talks: dict[int, Talk] = {}

    def step(plant: Plant, number: int) -> None:
        talk = talks.setdefault(0, Talk(plant, MASTER, PLC))
        if number == 0:
            talk.connect()
        value = [S7Value(value=plant.rng.randint(200, 900).to_bytes(2, "big"))]
        item = S7Item(db=1, area=0x84, length=2)
        talk.s7(S7Variables(items=[item]), S7Variables(itemcount=1), values=value)
        if number % 75 == 40:
            talk.s7(S7Variables(func=5, items=[item]), S7Variables(func=5, itemcount=1), value, [Raw(b"\xff")])

    return quarter(seed, hour, 4.0, step)


def s7_attack(attack: Plant) -> None:
    """Loads the program out, a changed block in, and stops the controller."""
    talk = Talk(attack, ATTACKER, PLC)
    talk.connect()
    for block in range(6):
        attack.now_ns += SECOND
        talk.s7(
            S7Block(func=0x1D, filename=b"_08%05dA" % block),
            S7Function(func=0x1D, data=bytes(7) + b"\x07" + b"0000100"),
        )
    attack.now_ns += 5 * SECOND
    talk.s7(S7Block(func=0x1A), S7Function(func=0x1A))
    attack.now_ns += 5 * SECOND
    talk.s7(S7Stop(), S7Function(func=0x29))


def enip_plant(seed: int = 14, hour: float = 21.5) -> Plant:
    """A panel reads a tag every four seconds, and writes a set-point now and then."""
    talks: dict[int, Talk] = {}

    def step(plant: Plant, number: int) -> None:
        talk = talks.setdefault(0, Talk(plant, MASTER, LINE))
        value = b"\xc4\x00" + plant.rng.randint(200, 900).to_bytes(4, "little")
        talk.cip(0x4C, [CIPSymbol(symbol=b"Level")], b"\x01\x00", value)
        if number % 75 == 40:
            talk.cip(0x4D, [CIPSymbol(symbol=b"Setpoint")], value[:2] + b"\x01\x00" + value[2:])

    return quarter(seed, hour, 4.0, step)


def enip_attack(attack: Plant) -> None:
    """Reads the identity, takes the lock, stops the program, loads firmware and resets the device."""
    talk = Talk(attack, ATTACKER, LINE)

    def of(number: int) -> list[Packet]:
        return [CIPLogical8(value=number), CIPLogical8(kind=0x24, value=1)]

    talk.cip(1, of(1), reply=bytes(15))
    talk.cip(0x4B, of(0x8E))
    attack.now_ns += 2 * SECOND
    talk.cip(7, of(0x8E))
    talk.cip(0x4B, of(0xA1))
    for _ in range(150):
        talk.cip(0x4D, of(0xA1), bytes(400))
    talk.cip(5, of(1))


def goose_frame(plant: Plant, source: str, state: int, number: int, value: bytes, since: float) -> None:
    """One message of the substation's protection."""
    entries = [GOOSEData(tag=0x83, value=value)]
    began = plant.start_ns // SECOND + int(since)
    pdu = GOOSEPDU(t=began, stNum=state, sqNum=number, numDatSetEntries=1, allData=entries)
    plant.send(Ether(src=source, dst="01:0c:cd:01:00:01") / GOOSE(appid=1) / pdu)


def goose_plant() -> Plant:
    """A device repeats its state every second, and changes it twice."""
    counts: dict[int, int] = {}

    def step(plant: Plant, number: int) -> None:
        state = 1 + number // 300
        counts[state] = counts.get(state, -1) + 1
        goose_frame(plant, mac_of(SUBSTATION), state, counts[state], bytes([state % 2]), 300 * (state - 1))

    return quarter(15, 22.0, 1.0, step)


def goose_attack(attack: Plant) -> None:
    """Plays the device, first from its own network card, then from the device's: a far higher state in which it trips."""
    for source in (mac_of(ATTACKER), mac_of(SUBSTATION)):
        for number in range(10):
            attack.now_ns += 100_000_000
            goose_frame(attack, source, 9000, number, b"\x01", 620)


def dnp3_sweep(attack: Plant) -> None:
    """Looks for outstations, objects and functions, then trips all at once, leaves a file, and answers in their place."""
    talk = Talk(attack, ATTACKER, OUTSTATION)
    for station in range(1, 26):
        attack.now_ns += SECOND
        is_there = station == 4
        talk.dnp3(23, [], [] if is_there else None, station=station)
    attack.at(640)
    for group in range(1, 21):
        attack.now_ns += SECOND
        talk.dnp3(1, [DNP3Header(group=group, variation=0, range=6)], [], iin=0 if group in (1, 12) else 2)
    attack.at(670)
    for function in (7, 8, 11, 12, 24):
        attack.now_ns += SECOND
        talk.dnp3(function, [], [], iin=1)
    attack.at(690)
    talk.dnp3(6, [breaker(4)], None, station=65535)
    attack.at(700)
    name = b"settings"
    opened = bytes([26, 0, len(name), 0]) + bytes(6) + b"\xff\x01" + bytes(4) + bytes(4) + b"\x02\0\0\4\1\0" + name
    data = len(opened).to_bytes(2, "little") + opened
    talk.dnp3(25, [DNP3Object(group=70, variation=3, prefix=5, range=11, quantity=1, data=data)], [])
    attack.at(710)
    for number in range(8):
        attack.now_ns += SECOND
        inputs = DNP3Object(group=30, variation=2, range=0, start=0, stop=0, data=b"\x01\x00\x00")
        response = DNP3Response(seq=number, objects=[inputs])
        attack.send(
            IP(src=OUTSTATION, dst=MASTER)
            / UDP(sport=20000, dport=20000)
            / DNP3(dir=0, src=4, dst=3)
            / DNP3Transport(seq=number)
            / response
        )


def iec104_region(attack: Plant) -> None:
    """Five substations one after another: tests, starts, interrogates, and opens a list of breakers."""
    for station in range(5):
        talk = Talk(attack, ATTACKER, f"10.20.0.{41 + station}")
        attack.now_ns += 2 * SECOND
        talk.control(16)
        talk.control(1)
        talk.iec104(100, 0, b"\x14")
        for address in range(5001, 5005):
            attack.now_ns += SECOND // 5
            talk.iec104(45, address, b"\x00")


def iec104_sweep(attack: Plant) -> None:
    """Walks over stations and objects, changes a parameter and the clock, takes a file, and resets the station."""
    talk = Talk(attack, ATTACKER, SUBSTATION)
    talk.control(1)
    for station in range(1, 13):
        attack.now_ns += 3 * SECOND
        talk.iec104(100, 0, b"\x14", refused=0 if station == 1 else 46, station=station)
    attack.at(660)
    for address in range(690, 715):
        attack.now_ns += SECOND
        is_there = 700 <= address < 705
        talk.asdu(102, address, b"", 5)
        if is_there:
            talk.asdu(11, address, b"\x2a\x00\x00", 5, is_answer=True)
        else:
            talk.asdu(102, address, b"", 47, is_answer=True, negative=True)
    attack.at(700)
    talk.iec104(112, 700, b"\x00\x00\x80\x3f\x01")
    talk.iec104(103, 0, bytes(7))
    attack.at(710)
    talk.asdu(122, 900, b"\x01\x00\x01\x01", 13)
    attack.at(720)
    talk.iec104(105, 0, b"\x01")
    talk.control(4)


def s7_logic_change(attack: Plant) -> None:
    """Guesses the password, lists what blocks there are, replaces the one that runs every 100 ms, and links it in."""
    talk = Talk(attack, ATTACKER, PLC)
    talk.connect()
    for number in range(7):
        attack.now_ns += 3 * SECOND
        talk.userdata(5, 1, bytes([0x20 + number] * 8), error=0 if number == 6 else 0xD602)
    attack.at(630)
    talk.userdata(4, 1, b"\x00\x11\x00\x00", b"\x00\x11\x00\x00\x00\x1c\x00\x00")
    talk.userdata(3, 1, b"", b"08\x00\x02")
    attack.at(640)
    talk.s7(S7Block(func=0x1A, filename=b"_0800035P"), S7Function(func=0x1A))
    talk.s7(S7Service(servicename=b"_INSE", parameterblock=b"\x010800035P"), S7Function(func=0x28))
    attack.now_ns += SECOND
    talk.s7(S7Service(servicename=b"_MODU", parameterblock=b""), S7Function(func=0x28))
    attack.at(660)
    value = [S7Value(value=b"\x01")]
    outputs = S7Item(db=0, area=0x82, transp_size=2, length=1)
    talk.s7(S7Variables(func=5, items=[outputs]), S7Variables(func=5, itemcount=1), value, [Raw(b"\xff")])


def s7_worm(attack: Plant) -> None:
    """A controller that looks for others, and stops, empties, loads and starts the one it finds."""
    infected = "10.20.0.59"
    for host in range(52, 62):
        attack.now_ns += SECOND
        point = [COTPParameter(code=0xC2, value=b"\x01\x02")]
        other = f"10.20.0.{host}"
        attack.send(IP(src=infected, dst=other) / TCP(dport=102) / TPKT() / COTPConnection(parameters=point))
    attack.at(620)
    talk = Talk(attack, infected, PLC)
    talk.connect()
    talk.s7(S7Stop(), S7Function(func=0x29))
    attack.now_ns += SECOND
    talk.s7(S7Service(servicename=b"_DELE", parameterblock=b"\x010800001P"), S7Function(func=0x28))
    talk.userdata(1, 12)
    attack.now_ns += SECOND
    for name in (b"_0A09999P", b"_0809999P"):
        talk.s7(S7Block(func=0x1A, filename=name), S7Function(func=0x1A))
    attack.at(630)
    talk.s7(S7Service(servicename=b"P_PROGRAM", parameterblock=b""), S7Function(func=0x28))


def io_data(plant: Plant, source: str, number: int, value: int) -> None:
    """Cyclic data of the line's connection."""
    address = ENIPItem(typeid=0x8002) / ENIPSequencedAddress(connid=0x20001, seq=number)
    data = ENIPImplicitItem(typeid=0xB1) / Raw(number.to_bytes(2, "little") + value.to_bytes(2, "little"))
    plant.send(IP(src=source, dst=MASTER) / UDP(sport=2222, dport=2222) / ENIPImplicit(items=[address, data]))


def cip_takeover(attack: Plant) -> None:
    """Asks who is there, lists tags and classes, moves the device to another address, stops it, and plays its data."""
    for host in range(61, 73):
        attack.now_ns += SECOND
        attack.send(IP(src=ATTACKER, dst=f"10.20.0.{host}") / UDP(sport=40100, dport=44818) / ENIP(cmd=0x63))
    talk = Talk(attack, ATTACKER, LINE)
    attack.at(620)
    symbols = [CIPLogical8(value=0x6B), CIPLogical8(kind=0x24, value=0)]
    talk.cip(0x55, symbols, b"\x02\x00\x01\x00\x02\x00", reply=bytes(20))
    attack.at(630)
    for number in range(2, 82):
        attack.now_ns += SECOND // 5
        talk.cip(
            14, [CIPLogical8(value=number), CIPLogical8(kind=0x24, value=1), CIPLogical8(kind=0x30, value=1)], status=5
        )
    attack.at(660)
    interface = [CIPLogical8(value=0xF5), CIPLogical8(kind=0x24, value=1), CIPLogical8(kind=0x30, value=5)]
    talk.cip(16, interface, bytes(22))
    attack.at(670)
    mode = b"\x07\x4d\x00\x01\x02\x03\x04\x0f\x00\x01\x00\x80\x01"
    talk.cip(0x4B, [CIPLogical8(value=0x67), CIPLogical8(kind=0x24, value=1)], mode, mode[:7] + b"\x4f\x00\x01\x00")
    attack.at(680)
    for number in range(10):
        attack.now_ns += SECOND
        io_data(attack, LINE, number, 500)
        io_data(attack, ATTACKER, number, 0)


def samples(plant: Plant, source: str, first: int, count: int, amplitude: int, late: float = 0) -> None:
    """Samples of one merging unit, 4,000 in a second; `first` is the number of the first one, `late` how much later it is sent."""
    for number in range(first, first + count):
        plant.now_ns = plant.start_ns + number * SECOND // 4000 + int(late * SECOND)
        value = amplitude * ((number // 10) % 2 * 2 - 1)
        data = (value.to_bytes(4, "big", signed=True) + bytes(4)) * 8
        asdu = SVASDU(svID="MU01", smpCnt=number % 4000, seqData=data)
        plant.send(Ether(src=source, dst="01:0c:cd:04:00:01") / SV() / SVPDU(noASDU=1, seqASDU=[asdu]))


def sampled_values() -> Plant:
    """A merging unit for a quarter of a second."""
    plant = Plant(21, MIDNIGHT_NS + int(22.25 * 3600) * SECOND)
    samples(plant, mac_of(SUBSTATION), 0, 1000, 1000)
    return plant


def sampled_values_injection(attack: Plant) -> None:
    """Plays a short circuit beside the merging unit, first from another network card, then from the unit's own."""
    samples(attack, mac_of(ATTACKER), 400, 100, 20000, late=0.10005)
    samples(attack, mac_of(SUBSTATION), 500, 100, 20000, late=0.10005)


def heating(attack: Plant) -> None:
    """From outside, the same register of one heating controller after another: nobody is to be warm."""
    for host in range(6):
        controller = f"10.20.0.{21 + host}"
        attack.now_ns += 40 * SECOND
        attack.read(OUTSIDE, controller, 40, 2)
        attack.now_ns += 2 * SECOND
        attack.write(OUTSIDE, controller, 40, 0)


def modbus_sabotage(attack: Plant) -> None:
    """Tries functions, counters and silence, then takes the controller's own functions: reserves, stops and loads it."""
    attack.resolve(ATTACKER, PUMPS)
    for function in (b"\x07", b"\x0b", b"\x0c", b"\x11", b"\x14\7\6\0\1\0\0\0\1", b"\x18\0\0", b"\x42"):
        attack.now_ns += SECOND
        attack.modbus(ATTACKER, PUMPS, function, bytes([function[0] | 0x80, 1]))
    attack.at(630)
    for diagnostic in (10, 1, 4):
        attack.now_ns += 2 * SECOND
        body = b"\x08" + diagnostic.to_bytes(2, "big") + b"\x00\x00"
        attack.modbus(ATTACKER, PUMPS, body, None if diagnostic == 4 else body)
    attack.at(660)
    for function in (0x10, 0x41, 0x30, 0x31, 0x40):
        attack.now_ns += 2 * SECOND
        attack.modbus(ATTACKER, VALVES, bytes([0x5A, 0, function, 0]), b"\x5a\x00\xfe")


def masters_restart() -> Plant:
    """The control room after an update: every master connects anew, asks for everything, and sets clocks."""
    plant = Plant(26, MIDNIGHT_NS + 23 * 3600 * SECOND)
    classes = [DNP3Header(group=60, variation=variation, range=6) for variation in (2, 3, 4)]
    for station in range(4):
        talk = Talk(plant, MASTER, f"10.20.0.{31 + station}")
        plant.now_ns += SECOND
        talk.dnp3(21, classes, [], iin=0x1000)
        clock = DNP3Object(group=50, variation=1, range=7, quantity=1, data=(1_714_600_000_000).to_bytes(6, "little"))
        talk.dnp3(2, [clock], [])
        inputs = DNP3Object(group=30, variation=2, range=0, start=0, stop=0, data=b"\x01\x2a\x00")
        talk.dnp3(1, [*classes, DNP3Header(group=60, variation=1, range=6)], [inputs])
        talk.dnp3(20, classes, [])
        for function in (3, 4):
            talk.dnp3(function, [breaker(3)], [breaker(3)])
    for station in range(4):
        talk = Talk(plant, MASTER, f"10.20.0.{41 + station}")
        plant.now_ns += SECOND
        talk.control(1)
        talk.iec104(100, 0, b"\x14")
        talk.iec104(101, 0, b"\x05")
        talk.iec104(103, 0, bytes(7))
        for select in (0x80, 0):
            talk.iec104(45, 5001, bytes([select | 1]))
    for controller in range(4):
        plant.now_ns += SECOND
        talk = Talk(plant, MASTER, f"10.20.0.{51 + controller}")
        talk.connect()
        item = S7Item(db=1, area=0x84, length=2)
        talk.s7(S7Variables(items=[item]), S7Variables(itemcount=1), values=[S7Value(value=b"\x01\x02")])
    for controller in range(4):
        plant.now_ns += SECOND
        talk = Talk(plant, MASTER, f"10.20.0.{61 + controller}")
        talk.cip(1, [CIPLogical8(value=1), CIPLogical8(kind=0x24, value=1)], reply=bytes(15))
        talk.cip(0x4C, [CIPSymbol(symbol=b"Level")], b"\x01\x00", b"\xc4\x00" + bytes(4))
    for round_ in range(20):
        plant.now_ns += SECOND
        plant.read(MASTER, PUMPS, 0, 10)
        plant.write(MASTER, PUMPS, 4, 500 + round_ % 3)
    return plant


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
    "dnp3-outstation": lambda: beside(dnp3_plant(), 111, 600, dnp3_attack),
    "iec104-substation": lambda: beside(iec104_plant(), 121, 600, iec104_attack),
    "s7-program-theft": lambda: beside(s7_plant(), 131, 600, s7_attack),
    "cip-firmware": lambda: beside(enip_plant(), 141, 600, enip_attack),
    "goose-spoofing": lambda: beside(goose_plant(), 151, 620.3, goose_attack),
    "dnp3-sweep": lambda: beside(dnp3_plant(17, 20.25), 171, 600, dnp3_sweep),
    "iec104-region": lambda: beside(iec104_plant(18, 20.75), 181, 600, iec104_region),
    "iec104-sweep": lambda: beside(iec104_plant(22, 22.5), 221, 600, iec104_sweep),
    "s7-logic-change": lambda: beside(s7_plant(19, 21.25), 191, 600, s7_logic_change),
    "s7-worm": lambda: beside(s7_plant(23, 22.75), 231, 600, s7_worm),
    "cip-takeover": lambda: beside(enip_plant(20, 21.75), 201, 600, cip_takeover),
    "sampled-values-injection": lambda: beside(sampled_values(), 211, 0, sampled_values_injection),
    "heating-sabotage": lambda: beside(started(24, 17.75, 600, 4.0), 241, 120, heating),
    "modbus-sabotage": lambda: beside(started(25, 18.0, 840, 4.0), 251, 600, modbus_sabotage),
    "masters-restart": masters_restart,
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
