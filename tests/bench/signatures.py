"""Payload rules as real rulesets have them, by the thousand, from a seed: words, paths, headers, binary markers.

Most are about things that a plant's traffic does not have. Some of their bytes occur in it; the bench prints how often.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.bench.office import WORDS

FAMILIES = [
    "shell",
    "loader",
    "stealer",
    "beacon",
    "implant",
    "dropper",
    "ransom",
    "miner",
    "proxy",
    "tunnel",
    "keylog",
    "exploit",
    "scanner",
    "worm",
    "trojan",
    "backdoor",
    "bot",
    "rat",
    "spy",
    "inject",
    "overflow",
    "traversal",
    "bypass",
    "leak",
    "webshell",
    "macro",
    "phish",
    "wiper",
    "rootkit",
    "agent",
]
VERBS = [
    "get",
    "post",
    "run",
    "exec",
    "eval",
    "open",
    "load",
    "send",
    "init",
    "start",
    "kick",
    "list",
    "read",
    "write",
    "drop",
    "push",
    "pull",
    "sync",
    "ping",
    "scan",
    "dump",
    "hook",
]
SUFFIXES = (".php", ".asp", ".exe", ".dll", ".bin", ".cgi", ".jsp", "/gate", "/panel/", "/upload", "?cmd=", "?id=")
PORTS = (
    "80",
    "8080",
    "$WEB",
    "any",
    "any",
    "445",
    "1433",
    "21",
    "25",
    "[102,502,2404]",
    "20000",
    "44818",
    "1024:",
    "!53",
)


class Maker:
    """Makes rules. sid: of the next one."""

    def __init__(self, seed: int = 11) -> None:
        self._random = random.Random(seed)
        self.sid = 2_000_000

    def word(self) -> str:
        """A made-up name, as malware has."""
        choose = self._random.choice
        middle = "".join(choose("bcdfghklmnprstvz") + choose("aeiouy") for _ in range(self._random.randint(2, 4)))
        return choose(
            (middle, choose(FAMILIES) + middle, middle.capitalize() + choose(VERBS), choose(VERBS) + "_" + middle)
        )

    def path(self) -> str:
        """A path on a server."""
        parts = [
            self._random.choice((self.word(), self._random.choice(WORDS))) for _ in range(self._random.randint(1, 3))
        ]
        return "/" + "/".join(parts) + self._random.choice(SUFFIXES)

    def marker(self, least: int = 6) -> str:
        """Bytes of a protocol or a program."""
        return (
            "|" + " ".join(f"{self._random.randrange(256):02X}" for _ in range(self._random.randint(least, 14))) + "|"
        )

    def contents(self) -> str:
        """What a rule looks for."""
        kind = self._random.random()
        if kind < 0.30:
            return f'content:"{self._random.choice(("GET", "POST"))} "; depth:5; content:"{self.path()}"; nocase; distance:0;'
        if kind < 0.45:
            return f'content:"User-Agent|3A| {self.word()}"; nocase; content:"|0D 0A|"; distance:0;'
        if kind < 0.60:
            return f'content:"{self.marker()}"; content:"{self.marker(4)}"; distance:0; within:64;'
        if kind < 0.70:
            return f'content:"{self.marker()}"; offset:{self._random.randrange(8)}; depth:{self._random.randrange(40, 90)}; byte_test:2,>,{self._random.randrange(1000)},2,relative;'
        if kind < 0.80:
            return f'content:"{self.word()}={self.word()}&"; content:!"{self._random.choice(WORDS)}="; pcre:"/{self.word()[:4]}[0-9a-f]{{8,}}/i";'
        if kind < 0.95:
            return f'content:"{self.word()} {self.word()}"; nocase;'
        if kind < 0.985:  # words that the plant uses too
            return f'content:"{self._random.choice(WORDS)} {self._random.choice(WORDS)} {self._random.choice(WORDS)}"; nocase; content:"{self.word()}"; distance:0;'
        return f'content:"{self._random.choice(("Server|3A| nginx", "Cookie|3A| session=", "<p>valve", "application/json"))}"; content:"{self.word()}"; within:200;'

    def rule(self) -> str:
        """One rule."""
        self.sid += 1
        choose = self._random.choice
        protocol = "udp" if self._random.random() < 0.15 else "tcp"
        ends = choose(
            (
                "$HOME_NET any -> $EXTERNAL_NET",
                "$EXTERNAL_NET any -> $HOME_NET",
                "any any -> any",
                "$HOME_NET any -> any",
            )
        )
        flow = (
            choose(("flow:established,to_server; ", "flow:established; ", "flow:to_server; "))
            if protocol == "tcp"
            else ""
        )
        limit = "threshold:type limit, track by_src, count 1, seconds 60; "
        return (
            f'alert {protocol} {ends} {choose(PORTS).replace("$WEB", "[80,8080,8000]")} (msg:"{choose(FAMILIES)} {self.word()}"; '
            f"{flow}{self.contents()} {limit}classtype:trojan-activity; sid:{self.sid}; rev:1;)"
        )


def write_rules(path: Path, count: int, seed: int = 11) -> None:
    """A .rules file."""
    maker = Maker(seed)
    path.write_text("".join(maker.rule() + "\n" for _ in range(count)))
