"""Payload rules: options to a Signature. STAND-IN of helper A until helper E's package is merged: take E's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detector.errors import InputError, Position
from detector.rules.model import Test
from detector.rules.options import RuleText
from detector.rules.signature import Buffer, Content, FlowCondition, Header, Inspection, Signature, Subject, Threshold


class Unsupported(InputError):
    """A keyword that Suricata has and we do not."""

    def __init__(self, keyword: str, problem: str, *, position: Position | None = None, hint: str = "") -> None:
        super().__init__(problem, position=position, hint=hint)
        self.keyword = keyword


@dataclass(frozen=True)
class Context:
    """What rules are compiled with."""

    variables: Mapping[str, str] = field(default_factory=dict)
    classifications: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True)
class CompiledRule:
    """A rule's meaning."""

    title: str
    signature: Signature
    test: Test | None = None
    fields: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    level: str = "medium"
    tags: tuple[str, ...] = ()
    silent: bool = False
    inactive: str = ""
    warnings: tuple[str, ...] = ()


FLAGS = {"nocase": "nocase", "startswith": "startswith", "endswith": "endswith"}
NUMBERS = ("offset", "depth", "distance", "within")
LEVELS = {1: "high", 2: "medium", 3: "low"}


def compile_rule(text: RuleText, context: Context) -> CompiledRule:
    """The stand-in's part of it."""
    title, references, metadata = "", [], []
    steps: list[dict] = []
    numbers = {"gid": 1, "sid": 0, "rev": 0}
    priority, classtype, flow, threshold = 3, "", FlowCondition(0), None
    for keyword, value, at, value_at in text.options:
        if keyword == "msg":
            title = re.sub(r"\\(.)", r"\1", value[1:-1]).encode("latin-1").decode("utf-8", "replace")
        elif keyword in numbers:
            if not value.isdecimal():
                raise InputError(
                    f"{keyword} must be a number", position=text.position(value_at, len(value)), hint=f"{keyword}:1;"
                )
            numbers[keyword] = int(value)
        elif keyword == "content":
            body = value.lstrip("!")[1:-1]
            data = b"".join(
                bytes.fromhex(part) if number % 2 else re.sub(r"\\(.)", r"\1", part).encode("latin-1")
                for number, part in enumerate(body.split("|"))
            )
            steps.append({"pattern": data, "is_negated": value[0] == "!"})
        elif keyword in FLAGS:
            steps[-1][keyword] = True
        elif keyword in NUMBERS:
            steps[-1][keyword] = int(value)
        elif keyword == "priority":
            priority = int(value)
        elif keyword == "classtype":
            classtype = value
            priority = context.classifications.get(value, ("", 3))[1]
        elif keyword == "reference":
            system, _, name = value.partition(",")
            references.append(context.references.get(system.lower(), "") + name)
        elif keyword == "metadata":
            metadata += [
                tuple(part.strip().split(" ", 1)) if " " in part.strip() else (part.strip(), "")
                for part in value.split(",")
            ]
        elif keyword == "flow":
            for word in value.split(","):
                flow |= FlowCondition[word.strip().upper()]
        elif keyword == "threshold":
            threshold = Threshold("limit", Subject.SOURCE, 1, 60)
        elif keyword.startswith(("http.", "tls.")):
            raise Unsupported(
                keyword,
                f"{keyword} is not supported",
                position=text.position(at, len(keyword)),
                hint="application buffers come later",
            )
        else:
            raise InputError(
                f"unknown keyword {keyword!r}", position=text.position(at, len(keyword)), hint="see docs/suricata.md"
            )
    if not numbers["sid"]:
        raise InputError("the rule has no sid", position=text.position(0, 1), hint="sid:1000001;")
    missing = sorted(
        {name for word in text.header for name in re.findall(r"\$(\w+)", word) if name not in context.variables}
    )
    protocol = {"ip": "ip", "udp": "udp"}.get(text.header[1], "tcp")
    signature = Signature(
        Header(protocol, flow=flow),
        (Inspection(Buffer.PAYLOAD, tuple(Content(**step) for step in steps)),) if steps else (),
        threshold=threshold,
        priority=priority,
        classtype=classtype,
        metadata=tuple(metadata),
        **numbers,
    )
    inactive = f"{', '.join('$' + name for name in missing)} is not set" if missing else ""
    return CompiledRule(
        title, signature, None, (), tuple(references), LEVELS.get(priority, "informational"), (), inactive
    )
