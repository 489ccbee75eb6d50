"""Traffic of a plant's offices, to be mixed with that of its controllers: web pages, downloads, names, encrypted sessions, logs.

Every connection has a handshake and an end, so that tests.bench.traffic gives each repetition ports of its own. What the
texts are made of is seeded: the capture is the same each time.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

MAC = bytes.fromhex("0200000000020200000000010800")
SYN, ACK, PUSH, FIN = 2, 16, 8, 1
SEGMENT = 1400
WORDS = [
    "pump",
    "valve",
    "pressure",
    "report",
    "index",
    "status",
    "login",
    "session",
    "update",
    "config",
    "archive",
    "image",
    "style",
    "script",
    "page",
    "user",
    "trend",
    "alarm",
    "history",
    "export",
    "station",
    "display",
    "value",
    "search",
    "query",
    "backup",
    "system",
    "device",
    "firmware",
    "network",
    "event",
    "operator",
    "shift",
    "batch",
    "tank",
    "boiler",
    "feed",
    "level",
    "flow",
    "rate",
    "setpoint",
    "recipe",
    "material",
    "order",
    "schedule",
    "maintenance",
    "manual",
    "drawing",
    "inventory",
    "supplier",
]
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/118.0",
    "curl/7.88.1",
    "python-requests/2.31",
    "Wget/1.21.3",
)
TYPES = (
    "text/html; charset=utf-8",
    "application/json",
    "image/png",
    "application/javascript",
    "application/octet-stream",
)


class Office:
    """Connections and datagrams between a few hundred hosts."""

    def __init__(self, seed: int = 5) -> None:
        self._random = random.Random(seed)
        self._port = 20000

    def address(self, network: int) -> int:
        """A host."""
        return 0x0A000000 | network << 16 | self._random.randrange(200) << 8 | self._random.randrange(1, 250)

    def words(self, count: int) -> str:
        """Words of the plant."""
        return " ".join(self._random.choice(WORDS) for _ in range(count))

    def path(self) -> str:
        """A path of a web page."""
        parts = [self._random.choice(WORDS) for _ in range(self._random.randint(1, 4))]
        return "/" + "/".join(parts) + self._random.choice(("", ".html", ".php?id=17", ".json", ".png"))

    def connection(self, port: int, messages: list[tuple[bool, bytes]]) -> Iterator[bytes]:
        """A TCP connection: messages are (from the client, bytes)."""
        ends = self.address(1), self.address(2)
        self._port = 20000 + (self._port - 19999) % 40000
        ports = self._port, port
        numbers = [self._random.randrange(2**31), self._random.randrange(2**31)]

        def segment(sender: int, flags: int, data: bytes = b"") -> bytes:
            tcp = struct.pack(
                ">HHIIBBHHH", ports[sender], ports[1 - sender], numbers[sender], numbers[1 - sender] if flags & ACK else 0,
                0x50, flags, 64240, 0, 0,
            )  # fmt: skip
            ip = struct.pack(
                ">BBHHHBBHII",
                0x45,
                0,
                40 + len(data),
                self._random.randrange(65536),
                0x4000,
                64,
                6,
                0,
                ends[sender],
                ends[1 - sender],
            )
            numbers[sender] += len(data) + bool(flags & (SYN | FIN))
            return (MAC + ip + tcp + data).ljust(60, b"\0")

        yield segment(0, SYN)
        yield segment(1, SYN | ACK)
        yield segment(0, ACK)
        for is_client, data in messages:
            sender = 0 if is_client else 1
            for number, at in enumerate(range(0, len(data), SEGMENT)):
                yield segment(sender, ACK | PUSH, data[at : at + SEGMENT])
                if number % 2:
                    yield segment(1 - sender, ACK)
            yield segment(1 - sender, ACK)
        yield segment(0, FIN | ACK)
        yield segment(1, FIN | ACK)
        yield segment(0, ACK)

    def datagram(self, ports: tuple[int, int], data: bytes) -> bytes:
        """A UDP datagram."""
        udp = struct.pack(">HHHH", *ports, 8 + len(data), 0)
        ip = struct.pack(
            ">BBHHHBBHII",
            0x45,
            0,
            28 + len(data),
            self._random.randrange(65536),
            0,
            64,
            17,
            0,
            self.address(1),
            self.address(2),
        )
        return (MAC + ip + udp + data).ljust(60, b"\0")

    def web(self) -> Iterator[bytes]:
        """A few requests and their answers."""
        messages = []
        for _ in range(self._random.randint(1, 4)):
            host = f"{self._random.choice(WORDS)}.{self._random.choice(WORDS)}.example"
            head = f"GET {self.path()} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {self._random.choice(AGENTS)}\r\nAccept: */*\r\nCookie: session={self._random.getrandbits(96):x}\r\n\r\n"
            body = self.body(self._random.choice((300, 2000, 9000, 40000)))
            answer = f"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: {self._random.choice(TYPES)}\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n"
            messages += [(True, head.encode()), (False, answer.encode() + body)]
        yield from self.connection(self._random.choice((80, 80, 8080)), messages)

    def body(self, size: int) -> bytes:
        """Text or packed bytes."""
        if self._random.random() < 0.5:
            return self._random.randbytes(size)
        return ("<p>" + self.words(size // 7) + "</p>").encode()[:size]

    def encrypted(self) -> Iterator[bytes]:
        """A session whose bytes nobody can read, with the records of TLS."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self._random.randbytes(506)
        records = [(True, hello), (False, b"\x16\x03\x03\x05\x00" + self._random.randbytes(1280))]
        for _ in range(self._random.randint(2, 12)):
            size = self._random.choice((120, 900, 4000, 16000))
            records.append(
                (self._random.random() < 0.4, b"\x17\x03\x03" + struct.pack(">H", size) + self._random.randbytes(size))
            )
        yield from self.connection(443, records)

    def names(self) -> Iterator[bytes]:
        """Questions for names."""
        for _ in range(4):
            labels = (self._random.choice(WORDS), self._random.choice(WORDS), "example")
            name = b"".join(bytes([len(one)]) + one.encode() for one in labels) + b"\0"
            yield self.datagram(
                (self._random.randrange(1024, 65536), 53),
                struct.pack(">HHHHHH", self._random.randrange(65536), 0x100, 1, 0, 0, 0) + name + b"\0\1\0\1",
            )

    def logs(self) -> Iterator[bytes]:
        """Lines of a log."""
        for _ in range(4):
            yield self.datagram((514, 514), f"<134>plc{self._random.randrange(40)} {self.words(14)}".encode())

    def packets(self, size: int) -> list[bytes]:
        """So many bytes of traffic, connections one after the other."""
        made: list[bytes] = []
        total = 0
        while total < size:
            kind = self._random.choices((self.web, self.encrypted, self.names, self.logs), (5, 3, 4, 3))[0]
            found = list(kind())
            made += found
            total += sum(map(len, found))
        return made
