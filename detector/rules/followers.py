"""`tag`: rules that are made beside those that were loaded, and tell of the packets that follow an alert.

A rule with `tag` sets a state of its flow or of a host (Tag.states); for each different tag of a ruleset one rule, called its
follower here, holds on every packet of whom that state is set. As in Suricata the packet that alerts counts as the first, a
further match begins to count anew, and a tag in bytes ends with the first packet that is too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from detector.rules.compiler import fields_of
from detector.rules.model import Rule, Test
from detector.rules.signature import FlowInt, Header, Signature, Subject, Tag
from detector.rules.suricata import EVERY_ROW, NO_LIMIT, rule_id

GID, SID = 2, 1  # Snort's, of a tagged packet
FIRST, BEFORE_FIRST = (-1,), (-2,)  # as Signature.order: ahead of all rules that may tag on the same packet


def followers_of(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The followers of the tags of rules that are run, each tag's once, where it is first."""
    known: set[Tag] = set()
    for rule in rules:  # per rule
        tag = rule.signature.tag if rule.signature is not None and not rule.inactive else None
        if tag is not None and tag not in known:
            known.add(tag)
            yield from follow(tag, rule)


def follow(tag: Tag, first: Rule) -> Iterator[Rule]:
    """The followers of one tag. A host's packets are those from it and those to it. first: the first rule with this tag."""
    subjects = (Subject.FLOW,) if tag.scope == "session" else (Subject.SOURCE, Subject.DESTINATION)
    for subject in subjects:  # per side
        if tag.unit == "seconds":
            yield follower(
                tag, first, Signature(Header(), states=(tag.bit("isset", subject),), gid=GID, sid=SID, order=FIRST)
            )
            continue
        enough = (FlowInt(tag.name, ">=", tag.each, subject), FlowInt(tag.name, "take", tag.each, subject))
        yield follower(tag, first, Signature(Header(), states=enough, gid=GID, sid=SID, order=FIRST))
        too_much = (FlowInt(tag.name, "<", tag.each, subject), FlowInt(tag.name, "=", 0, subject))
        yield follower(tag, first, Signature(Header(), states=too_much, gid=GID, sid=SID, order=BEFORE_FIRST))


def follower(tag: Tag, first: Rule, signature: Signature) -> Rule:
    """The rule of a signature; the one that only ends a tag tells of nothing."""
    is_silent = signature.order == BEFORE_FIRST
    asked = signature.states[0]
    side = {Subject.SOURCE: " from the host", Subject.DESTINATION: " to the host"}.get(asked.subject, "")
    return beside(
        first, rule_id(GID, SID, f"{tag.name}{side}{'; end' if is_silent else ''}"), f"Packet{side} behind an alert ({tag.name})",
        signature, is_silent=is_silent,
    )  # fmt: skip


def beside(
    first: Rule,
    identity: str,
    title: str,
    signature: Signature,
    *,
    is_silent: bool,
    table: str = "packet",
    test: Test = EVERY_ROW,
) -> Rule:
    """A rule that nobody has written, for one that somebody has."""
    return Rule(
        id=identity, name="", title=title, level="informational", status="stable", description="", references=(), author="", date="",
        tags=(), falsepositives=(), table=table, test=test, correlation=None, new_value=None, message="", limit=NO_LIMIT, fields=tuple(fields_of(test)),
        tests=(), position=first.position, silent=is_silent, signature=signature,
    )  # fmt: skip
