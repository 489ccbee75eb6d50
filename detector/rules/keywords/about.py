"""Keywords that say what a rule is called, how bad its matches are, and where to read about it."""

from __future__ import annotations

import re
from typing import Literal

from detector.rules.keywords.draft import Draft, Keyword

MOST = 2**32 - 1
ESCAPE = re.compile(r'\\([;:"\\])')
TECHNIQUE = re.compile(r"T(0[89]\d\d|\d{4}(?:\.\d{3})?)", re.IGNORECASE)
LEVELS = ("high", "high", "medium", "low")  # of priorities 0 to 3; beyond, informational
DEFAULT_PRIORITY = 3
TARGETS: dict[str, Literal["src_ip", "dest_ip"]] = {"src_ip": "src_ip", "dest_ip": "dest_ip"}


def msg(draft: Draft, value: str) -> None:
    """msg:"...";"""
    if draft.msg:
        raise draft.mistake("msg is given twice", "remove one of them")
    text = value[1:-1]
    if not text:
        raise draft.mistake("msg is empty", "say in a few words what was seen")
    draft.msg = ESCAPE.sub(r"\1", text) if "\\" in text else text


def identifier(draft: Draft, value: str, least: int, most: int = MOST) -> int:
    """A number that names a rule."""
    if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
        raise draft.mistake(f"{draft.option.keyword} {value!r} is no number", f"a number from {least} to {most}")
    return int(value)


def sid(draft: Draft, value: str) -> None:
    """sid:1000001;"""
    if draft.sid:
        raise draft.mistake("sid is given twice", "remove one of them")
    draft.sid = identifier(draft, value, 1)


def rev(draft: Draft, value: str) -> None:
    """rev:3;"""
    if draft.rev:
        raise draft.mistake("rev is given twice", "remove one of them")
    draft.rev = identifier(draft, value, 1, MOST - 1)


def gid(draft: Draft, value: str) -> None:
    """gid:1;"""
    draft.gid = identifier(draft, value, 0)


def priority(draft: Draft, value: str) -> None:
    """priority:2; 1 is the most urgent."""
    draft.priority = identifier(draft, value, 0)


def classtype(draft: Draft, value: str) -> None:
    """classtype:attempted-recon; gives the priority where none is written."""
    if value.lower() not in draft.context.classifications:
        draft.warnings.append(f"classtype {value} is not known: its priority is {DEFAULT_PRIORITY}")
    if not draft.classtype or priority_of(draft, value.lower()) < priority_of(draft, draft.classtype):
        draft.classtype = value.lower()


def priority_of(draft: Draft, name: str) -> int:
    """The priority of a class."""
    return draft.context.classifications.get(name, ("", DEFAULT_PRIORITY))[1]


def reference(draft: Draft, value: str) -> None:
    """reference:url,example.org/advisory; reference:cve,2015-5374;"""
    system, _, text = (part.strip() for part in value.partition(","))
    if not system or not text:
        raise draft.mistake(f"reference cannot be read: {value}", "reference:url,example.org/advisory")
    prefix = next((found for name, found in draft.context.references.items() if name.lower() == system.lower()), None)
    text = text.strip('"')
    draft.references.append(
        f"{system}:{text}" if prefix is None else text if text.startswith(("http://", "https://")) else prefix + text
    )


def metadata(draft: Draft, value: str) -> None:
    """metadata:key value, key value;"""
    for part in value.split(","):
        if part := part.strip():
            key, _, rest = part.partition(" ")
            draft.metadata.append((key, rest.strip()))


def target(draft: Draft, value: str) -> None:
    """target:dest_ip; who is attacked."""
    if value not in TARGETS:
        raise draft.mistake(f"unknown target {value!r}", "target:src_ip or target:dest_ip")
    if draft.target and draft.target != value:
        raise draft.mistake("target is given twice", "remove one of them")
    draft.target = TARGETS[value]


def prefilter(draft: Draft, value: str) -> None:
    """prefilter; tells Suricata what to look at first, and changes no match."""
    if not draft.tests and not any(draft.chains.values()):
        raise draft.mistake(
            "prefilter has nothing before it", "it belongs behind the keyword that is meant, or can be left out"
        )


def level_of(priority: int) -> str:
    """The level of a priority."""
    return LEVELS[priority] if priority < len(LEVELS) else "informational"


def tags_of(metadata: list[tuple[str, str]]) -> tuple[str, ...]:
    """Sigma's tags for MITRE ATT&CK techniques: those of control systems are T08xx and T09xx."""
    found = {}
    for key, value in metadata:
        if key.startswith("mitre_technique_id") and (technique := TECHNIQUE.fullmatch(value)):
            name = technique[0].lower()
            found[f"attack.ics.{name}" if name.startswith("t0") else f"attack.{name}"] = True
    return tuple(found)


KEYWORDS = {
    "msg": Keyword(msg, quotes="needed"), "sid": Keyword(sid), "rev": Keyword(rev), "gid": Keyword(gid), "priority": Keyword(priority),
    "classtype": Keyword(classtype), "reference": Keyword(reference), "metadata": Keyword(metadata), "target": Keyword(target),
    "prefilter": Keyword(prefilter, "none"),
}  # fmt: skip
