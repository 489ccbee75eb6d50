"""Keywords about what a rule remembers: bits and numbers of flows and hosts, thresholds, what is kept after a match."""

from __future__ import annotations

import re
from typing import Literal, cast

from detector.errors import nearest
from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.signature import Bits, FlowInt, Subject, Tag, Threshold

SECOND = 10**9
MOST = 2**32 - 1
ACTIONS = ("set", "unset", "toggle", "isset", "isnotset")
FLOWINT = re.compile(
    r"([A-Za-z][\w./]+)\s*,\s*(isset|notset|isnotset|==|!=|<=|>=|\+|-|=|<|>)\s*(?:,\s*(\d+|[A-Za-z][\w./]+)?\s*)?"
)
XBITS = re.compile(r"([a-z]+)\s*,\s*([^,]+?)\s*,\s*track\s+([a-z_]+)(?:\s*,\s*expire\s+(\S+))?")
TRACKED = {"ip_src": Subject.SOURCE, "ip_dst": Subject.DESTINATION, "ip_pair": Subject.PAIR}
SIDES = {"src": Subject.SOURCE, "dst": Subject.DESTINATION}
THRESHOLDS = {
    "by_src": Subject.SOURCE,
    "by_dst": Subject.DESTINATION,
    "by_both": Subject.PAIR,
    "by_rule": Subject.RULE,
    "by_flow": Subject.FLOW,
}
FILTERED = ("by_src", "by_dst")
TAG = re.compile(r"(session|host)(?:\s*,\s*(\d+)\s*,\s*(packets|bytes|seconds)\s*(?:,\s*(src|dst))?)?")
TAGGED_SECONDS = 300  # without a number: Suricata's

Action = Literal["set", "unset", "toggle", "isset", "isnotset"]


def action_of(draft: Draft, word: str) -> Action:
    """set, unset, toggle, isset or isnotset."""
    if word not in ACTIONS:
        guess = nearest(word, ACTIONS)
        raise draft.mistake(f"unknown action {word!r} of {draft.option.keyword}",
                            f"did you mean {guess}?" if guess else f"known are {', '.join(ACTIONS)}", word)  # fmt: skip
    return cast(Action, word)


def add(draft: Draft, state: Bits | FlowInt, is_asked: bool) -> None:
    """A state; one that is asked for makes a rule look at every packet."""
    draft.states.append(state)
    if is_asked:
        draft.is_ip_only = False


def flowbits(draft: Draft, value: str) -> None:
    """flowbits:set,name; flowbits:isset,one|other; flowbits:noalert;"""
    if value == "noalert":
        draft.silent = True
        return
    word, _, text = value.partition(",")
    action = action_of(draft, word)
    text = text.strip()
    names = tuple(name.strip() for name in text.split("|")) if action in ("isset", "isnotset") else (text,)
    names = tuple(name for name in names if name)
    if not names:
        raise draft.mistake(f"flowbits:{value} names no bit", f"flowbits:{action},name")
    if any(" " in name for name in names):
        raise draft.mistake("the name of a flowbit has no blanks", "write a_b for a b", text)
    if action in ("set", "unset", "toggle") and "|" in text:
        draft.warnings.append(f"flowbits:{value}: one bit of that name; several names go with isset and isnotset only")
    add(draft, Bits(action, "flowbits", names, Subject.FLOW), action in ("isset", "isnotset"))


def flowint(draft: Draft, value: str) -> None:
    """flowint:name,+,1; flowint:name,>,5; flowint:name,isset;"""
    found = FLOWINT.fullmatch(value)
    if found is None:
        raise draft.mistake(f"flowint cannot be read: {value}",
                            "flowint:name,+,1; with + - = to set, < <= == != >= > to ask, isset, isnotset; a name has two characters or more")  # fmt: skip
    operator, operand = found[2], found[3]
    if operator in ("isset", "notset", "isnotset"):
        add(draft, FlowInt(found[1], "isset" if operator == "isset" else "isnotset"), True)
        return
    if operand is None:
        raise draft.mistake(f"flowint {operator} needs a number or a name", f"flowint:{found[1]},{operator},1")
    if operand.isdigit() and int(operand) > MOST:
        raise draft.mistake(f"{operand} is too large", f"numbers of flows are {MOST} at most", operand)
    add(
        draft,
        FlowInt(found[1], operator, int(operand) if operand.isdigit() else operand),
        operator not in ("+", "-", "="),
    )


def xbits(draft: Draft, value: str) -> None:
    """xbits:set,name,track ip_src,expire 60;"""
    found = XBITS.fullmatch(value)
    if found is None:
        raise draft.mistake(f"xbits cannot be read: {value}", "xbits:set,name,track ip_src,expire 60")
    action = action_of(draft, found[1])
    if found[3] not in TRACKED:
        raise draft.mistake(f"unknown subject {found[3]!r}", f"track {', '.join(TRACKED)}", found[3])
    expire = draft.number(found[4], 1, MOST, "expire") if found[4] else 0
    add(
        draft,
        Bits(action, "xbits", (found[2],), TRACKED[found[3]], (expire or DEFAULT_EXPIRE) * SECOND),
        action in ("isset", "isnotset"),
    )


DEFAULT_EXPIRE = 30  # seconds: Suricata's, of xbits without expire


def hostbits(draft: Draft, value: str) -> None:
    """hostbits:set,name,src;"""
    if value == "noalert":
        draft.silent = True
        return
    words = [word.strip() for word in value.split(",")]
    action = action_of(draft, words[0])
    if not 2 <= len(words) <= 3 or not words[1]:
        raise draft.mistake(f"hostbits cannot be read: {value}", "hostbits:set,name,src")
    side = words[2] if len(words) == 3 else "src"
    if side not in SIDES:
        raise draft.mistake(
            f"unknown side {side!r} of hostbits", "src or dst; for both hosts xbits with track ip_pair", side
        )
    add(
        draft,
        Bits(action, "hostbits", (words[1],), SIDES[side], HOSTBITS_EXPIRE * SECOND),
        action in ("isset", "isnotset"),
    )


HOSTBITS_EXPIRE = 300  # seconds: Suricata's


def counted(draft: Draft, value: str, kinds: tuple[str, ...], subjects: tuple[str, ...]) -> dict[str, str]:
    """The parts of a threshold by their first words: type, track, count, seconds."""
    usage = "type limit, track by_src, count 1, seconds 60" if kinds else "track by_src, count 30, seconds 60"
    given: dict[str, str] = {}
    for part in value.rstrip(", ").split(","):
        word, _, argument = part.strip().partition(" ")
        if word in given or word not in ("type", "track", "count", "seconds") or (word == "type" and not kinds):
            raise draft.mistake(
                f"{word!r} is given twice" if word in given else f"unknown part {word!r} of {draft.option.keyword}",
                usage,
                part.strip(),
            )
        given[word] = argument.strip()
    missing = [
        word for word in ("type", "track", "count", "seconds") if word not in given and (word != "type" or kinds)
    ]
    if missing:
        raise draft.mistake(f"{draft.option.keyword} lacks {', '.join(missing)}", usage)
    for word, known in (("type", kinds), ("track", subjects)):
        if word in given and given[word] not in known:
            raise draft.mistake(f"unknown {word} {given[word]!r}", f"known are {', '.join(known)}", given[word])
    for word in ("count", "seconds"):
        if not (given[word].isascii() and given[word].isdigit()) or int(given[word]) > MOST:
            raise draft.mistake(f"{word} {given[word]!r} is no number", f"a number up to {MOST}", given[word])
    return given


def threshold(draft: Draft, value: str) -> None:
    """threshold:type limit, track by_src, count 1, seconds 60;"""
    refuse_two(draft)
    known = draft.context.thresholds.get(value)
    if known is None:
        given = counted(draft, value, ("limit", "threshold", "both"), tuple(THRESHOLDS))
        kind = cast(Literal["limit", "threshold", "both"], given["type"])
        known = Threshold(kind, THRESHOLDS[given["track"]], int(given["count"]), int(given["seconds"]))
        draft.context.thresholds[value] = known
    draft.threshold = known


def detection_filter(draft: Draft, value: str) -> None:
    """detection_filter:track by_src, count 30, seconds 60;"""
    refuse_two(draft)
    given = counted(draft, value, (), FILTERED)
    if int(given["count"]) < 1 or int(given["seconds"]) < 1:
        raise draft.mistake(
            "count and seconds of detection_filter are 1 or more", "detection_filter:track by_src, count 30, seconds 60"
        )
    draft.detection_filter = Threshold(
        "detection", THRESHOLDS[given["track"]], int(given["count"]), int(given["seconds"])
    )


def refuse_two(draft: Draft) -> None:
    """One of threshold and detection_filter, once."""
    if draft.threshold is not None or draft.detection_filter is not None:
        raise draft.mistake("a rule has one threshold or detection_filter", "remove the other")


def tag(draft: Draft, value: str) -> None:
    """tag:session,5,packets; tag:host,60,seconds,src;"""
    found = TAG.fullmatch(value)
    if found is None:
        raise draft.mistake(f"tag cannot be read: {value}", "tag:session,10,packets; or tag:host,60,seconds,src;")
    scope = cast(Literal["session", "host"], found[1])
    unit = cast(Literal["packets", "bytes", "seconds"], found[3] or "seconds")
    subject = Subject.FLOW if scope == "session" else SIDES[found[4] or "src"]
    draft.tag = Tag(scope, int(found[2] or TAGGED_SECONDS), unit, subject)


def noalert(draft: Draft, value: str) -> None:
    """noalert; the rule only remembers."""
    draft.silent = True


KEYWORDS = {
    "flowbits": Keyword(flowbits), "flowint": Keyword(flowint), "xbits": Keyword(xbits), "hostbits": Keyword(hostbits),
    "threshold": Keyword(threshold), "detection_filter": Keyword(detection_filter), "tag": Keyword(tag), "noalert": Keyword(noalert, "none"),
}  # fmt: skip
