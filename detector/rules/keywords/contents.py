"""Keywords about bytes: content and what modifies it, the buffers they are looked for in, lengths, base64."""

from __future__ import annotations

import re

from detector.rules.keywords.draft import Draft, Keyword, Parts
from detector.rules.model import Compare, FieldValue, Literal_, Membership, Not, Test
from detector.rules.signature import Buffer, BufferSize, IsDataAt, Number

LONGEST_CONTENT = 4096  # bytes. Suricata's bound is that of a whole rule, 8191 characters
FURTHEST = 1048576  # of distance and within: Suricata's
MOST = 65535
FROM_START, FROM_MATCH = frozenset(("startswith", "offset", "depth")), frozenset(("distance", "within"))
ESCAPED = frozenset(';\\":')
HEX = frozenset("0123456789abcdefABCDEF")
AT = re.compile(r"(!?)([^\s,!]+)\s*(,\s*relative)?\s*(?(3)(?:,\s*rawbytes)?)")
CHOP = re.compile(r"(\d+)\s*,\s*(\d+)")
BASE64 = re.compile(
    r"(?:bytes\s+(?P<bytes>\w+)\s*(?:,\s*|$))?(?:offset\s+(?P<offset>\w+)\s*(?:,\s*|$))?(?P<relative>relative)?"
)
BASE64_OTHER = re.compile(r"relative\s*,\s*(?:bytes\s+(?P<bytes>\w+)\s*)?,?\s*(?:offset\s+(?P<offset>\w+))?")

# --- content --------------------------------------------------------------------------------------------------------


def content(draft: Draft, value: str) -> None:
    """content:"..." and content:!"..."."""
    is_negated = value[0] == "!"
    pattern = pattern_bytes(draft, value[value.index('"') + 1 : -1])
    if not pattern:
        raise draft.mistake("an empty content is everywhere", 'content:"..." needs at least one byte')
    if len(pattern) > LONGEST_CONTENT:
        raise draft.mistake(
            f"a content of {len(pattern):,} bytes",
            f"{LONGEST_CONTENT} bytes are the most; match its beginning, or use pcre",
        )
    parts: Parts = {"pattern": pattern}
    if is_negated:
        parts["is_negated"] = True
    draft.add_step(parts)


def pattern_bytes(draft: Draft, text: str) -> bytes:
    """The bytes of a content: |hex| between bars, a backslash before ; : " and itself."""
    if "|" not in text and "\\" not in text:
        return text.encode("utf-8", "surrogateescape")
    plain, *others = text.split("|")
    if not len(others) % 2 == 0:
        raise draft.mistake("a | is not closed", "bytes are written |00 01|, a bar itself |7C|", "|" + others[-1])
    found = unescaped(draft, plain)
    for place in range(0, len(others), 2):
        digits = others[place].replace(" ", "")
        if not HEX.issuperset(digits):
            raise draft.mistake(
                f"|{others[place]}| is not hexadecimal", "bytes are written |0a ff 20|", f"|{others[place]}|"
            )
        if len(digits) % 2:
            raise draft.mistake(
                f"|{others[place]}| has half a byte", "each byte has two digits: |0a ff 20|", f"|{others[place]}|"
            )
        found += bytes.fromhex(digits) + unescaped(draft, others[place + 1])
    return found


def unescaped(draft: Draft, text: str) -> bytes:
    """Characters, without the backslashes that keep their meaning."""
    if "\\" in text:
        parts = text.split("\\")
        plain, place = parts[0], 1
        while place < len(parts):
            part = parts[place]
            if part:
                if part[0] not in ESCAPED:
                    raise draft.mistake(
                        f"\\{part[0]} means nothing in a content",
                        'a backslash stands before ; : " \\ only; bytes are written |0a|',
                        "\\" + part[0],
                    )
                plain += part
                place += 1
            elif place + 1 < len(parts):
                plain += "\\" + parts[place + 1]
                place += 2
            else:
                raise draft.mistake("a content ends with a single backslash", "write \\\\ for a backslash")
        text = plain
    return text.encode("utf-8", "surrogateescape")


def once(draft: Draft, parts: Parts, name: str) -> None:
    """Refuses a modifier that is already there."""
    if name in parts:
        raise draft.mistake(f"{name} is given twice for one content", "remove one of them")


def refuse_absolute(draft: Draft, parts: Parts) -> None:
    """distance and within do not go with what counts from the start."""
    if not FROM_START.isdisjoint(parts):
        other = next(name for name in ("startswith", "offset", "depth") if name in parts)
        raise draft.mistake(f"{draft.option.keyword} does not go with {other}",
                            f"{draft.option.keyword} counts from the match before, {other} from the start: use one of them")  # fmt: skip
    refuse_fast(draft, parts)


def refuse_relative(draft: Draft, parts: Parts) -> None:
    """offset, depth, startswith do not go with what counts from the match before."""
    if not FROM_MATCH.isdisjoint(parts):
        other = next(name for name in ("distance", "within") if name in parts)
        raise draft.mistake(f"{draft.option.keyword} does not go with {other}",
                            f"{draft.option.keyword} counts from the start, {other} from the match before: use one of them")  # fmt: skip


def refuse_fast(draft: Draft, parts: Parts) -> None:
    """A content that is only searched has no place; a negated one is not searched at a place."""
    if parts.get("is_fast_only"):
        raise draft.mistake(
            f"{draft.option.keyword} does not go with fast_pattern:only", "write fast_pattern without only"
        )
    if parts.get("is_fast") and parts.get("is_negated"):
        raise draft.mistake(
            f"a negated content with {draft.option.keyword} cannot be the fast pattern", "remove fast_pattern"
        )


def nocase(draft: Draft, value: str) -> None:
    """nocase;"""
    parts = draft.last_content()
    once(draft, parts, "nocase")
    parts["nocase"] = True


def offset(draft: Draft, value: str) -> None:
    """offset:N;"""
    parts = draft.last_content()
    if "startswith" in parts:
        raise draft.mistake("offset does not go with startswith", "startswith is the offset 0")
    once(draft, parts, "offset")
    refuse_relative(draft, parts)
    refuse_fast(draft, parts)
    parts["offset"] = draft.number_or_name(value, 0, MOST, "the offset")


def refuse_too_short(draft: Draft, parts: Parts, keyword: str, where: str) -> None:
    """Refuses a depth or within that the content is longer than."""
    number, length = parts[keyword], len(parts["pattern"])
    if isinstance(number, int) and number < length:
        raise draft.mistake(f"a content of {length} bytes is never found {where} {number}",
                            f"{keyword} counts the bytes that are looked at: {length} or more")  # fmt: skip


def depth(draft: Draft, value: str) -> None:
    """depth:N;"""
    parts = draft.last_content()
    if "startswith" in parts:
        raise draft.mistake("depth does not go with startswith", "startswith is a depth of the content's own length")
    once(draft, parts, "depth")
    refuse_relative(draft, parts)
    refuse_fast(draft, parts)
    parts["depth"] = draft.number_or_name(value, 0, MOST, "the depth")
    refuse_too_short(draft, parts, "depth", "within a depth of")


def distance(draft: Draft, value: str) -> None:
    """distance:N;"""
    parts = draft.last_content()
    once(draft, parts, "distance")
    refuse_absolute(draft, parts)
    parts["distance"] = draft.number_or_name(value, -FURTHEST, FURTHEST, "the distance")


def within(draft: Draft, value: str) -> None:
    """within:N;"""
    parts = draft.last_content()
    once(draft, parts, "within")
    refuse_absolute(draft, parts)
    parts["within"] = draft.number_or_name(value, -FURTHEST, FURTHEST, "within")
    refuse_too_short(draft, parts, "within", "within")


def startswith(draft: Draft, value: str) -> None:
    """startswith;"""
    parts = draft.last_content()
    once(draft, parts, "startswith")
    other = next((name for name in ("depth", "offset") if name in parts), "")
    if other:
        raise draft.mistake(
            f"startswith does not go with {other}",
            f"startswith alone is offset 0 and a depth of {len(parts['pattern'])}",
        )
    refuse_relative(draft, parts)
    refuse_fast(draft, parts)
    parts["startswith"] = True


def endswith(draft: Draft, value: str) -> None:
    """endswith;"""
    draft.last_content()["endswith"] = True


def rawbytes(draft: Draft, value: str) -> None:
    """rawbytes; the payload is always raw here."""
    parts = draft.last_content()
    if draft.buffer != Buffer.PAYLOAD:
        raise draft.mistake(
            f"rawbytes means nothing in {draft.buffer.label}",
            "it is for the payload: write pkt_data before, or remove it",
        )
    once(draft, parts, "rawbytes")
    parts["rawbytes"] = True


def fast_pattern(draft: Draft, value: str) -> None:
    """fast_pattern; fast_pattern:only; fast_pattern:offset,length;"""
    parts = draft.last_content()
    once(draft, parts, "is_fast")
    if draft.fast:
        raise draft.mistake("fast_pattern is given for two contents", "one content of a rule is searched first")
    is_placed = any(name in parts for name in ("offset", "depth", "distance", "within"))
    if parts.get("is_negated") and (is_placed or "startswith" in parts):
        raise draft.mistake("a negated content with a place cannot be the fast pattern", "remove fast_pattern")
    if value == "only":
        if is_placed or parts.get("is_negated"):
            raise draft.mistake(
                "fast_pattern:only goes with no place and no negation", "write fast_pattern without only"
            )
        parts["is_fast_only"] = True
    elif value:
        found = CHOP.fullmatch(value)
        if found is None:
            raise draft.mistake(
                f"fast_pattern:{value} is not known", "fast_pattern; fast_pattern:only; or fast_pattern:offset,length;"
            )
        begin, length = int(found[1]), int(found[2])
        if begin + length > len(parts["pattern"]):
            raise draft.mistake(
                f"the content has {len(parts['pattern'])} bytes, the part ends at {begin + length}",
                "offset and length of a part of the content",
            )
        if length:
            parts["fast_part"] = (begin, length)
    parts["is_fast"] = draft.fast = True


# --- buffers --------------------------------------------------------------------------------------------------------

HEADERS = {  # buffer: the protocols of rules that have one
    Buffer.TCP_HDR: ("ip", "tcp"), Buffer.UDP_HDR: ("ip", "udp"), Buffer.IPV4_HDR: (), Buffer.IPV6_HDR: (),
    Buffer.ICMPV4_HDR: ("ip", "icmp", "icmpv4"), Buffer.ICMPV6_HDR: ("ip", "icmp", "icmpv6"),
}  # fmt: skip
BY_LABEL = {buffer.label: buffer for buffer in HEADERS}


def header_buffer(draft: Draft, value: str) -> None:
    """tcp.hdr; and the others: what follows is looked for in that header."""
    buffer = BY_LABEL[draft.option.keyword]
    family = "ip" if draft.protocol in ("ip4", "ip6", "ipv4", "ipv6", "pkthdr") else draft.protocol.partition("-")[0]
    if HEADERS[buffer] and family not in HEADERS[buffer]:
        raise draft.mistake(f"an {draft.protocol} packet has no {buffer.label}", f"write alert {HEADERS[buffer][1]}")
    set_buffer(draft, buffer)
    draft.needs_packet = True


def set_buffer(draft: Draft, buffer: Buffer) -> None:
    """What follows is looked for there.

    Raises:
        InputError: it follows base64_data.
    """
    if draft.is_base64:
        raise draft.mistake(
            f"{buffer.label} cannot follow base64_data", "write it before base64_decode; only pkt_data may follow"
        )
    draft.set_buffers[draft.option] = buffer
    draft.addresses_of = ""
    draft.buffer, draft.steps = buffer, draft.chains.setdefault(buffer, [])


def pkt_data(draft: Draft, value: str) -> None:
    """pkt_data; back to the payload."""
    draft.buffer, draft.steps, draft.is_base64, draft.addresses_of = (
        Buffer.PAYLOAD,
        draft.chains[Buffer.PAYLOAD],
        False,
        "",
    )


def base64_decode(draft: Draft, value: str) -> None:
    """base64_decode:bytes N, offset N, relative;"""
    found = BASE64.fullmatch(value) or BASE64_OTHER.fullmatch(value)
    if found is None or value.endswith(","):
        raise draft.mistake(
            f"base64_decode cannot be read: {value}",
            "base64_decode:bytes 32, offset 4, relative; each part may be left out",
        )
    length = draft.number(found["bytes"], 0, MOST, "bytes") if found["bytes"] else None
    start = draft.number(found["offset"], 0, 2**31 - 1, "offset") if found["offset"] else 0
    draft.base64 = []
    draft.add_step(("base64", length or None, start, "relative" in value, draft.base64))


def base64_data(draft: Draft, value: str) -> None:
    """base64_data; what follows is looked for in the bytes that were decoded."""
    if draft.base64 is None or draft.is_base64:
        raise draft.mistake("base64_data has no base64_decode before it", "base64_decode; base64_data; content:...;")
    draft.steps, draft.is_base64 = draft.base64, True


# --- lengths --------------------------------------------------------------------------------------------------------


def isdataat(draft: Draft, value: str) -> None:
    """isdataat:N,relative; isdataat:!N;"""
    found = AT.fullmatch(value)
    if found is None:
        raise draft.mistake(f"isdataat cannot be read: {value}", "isdataat:10; isdataat:!10; isdataat:10,relative;")
    position: Number = draft.number_or_name(found[2], 0, MOST, "the place")
    draft.add_step(IsDataAt(position, is_negated=bool(found[1]), is_relative=bool(found[3])))


def bsize(draft: Draft, value: str) -> None:
    """bsize:N; bsize:>N; bsize:N<>M;"""
    if draft.buffer == Buffer.PAYLOAD and not draft.is_base64:
        raise draft.mistake(
            "bsize needs a buffer", "write tcp.hdr or another buffer before it; dsize is the payload's length"
        )
    is_negated = value.startswith("!")
    ((low, high),) = draft.ranges(value[1:] if is_negated else value, 2**63 - 1, "the size", "<= >= < >")
    draft.add_step(BufferSize(low, high, is_negated))


def dsize(draft: Draft, value: str) -> None:
    """dsize:N; dsize:>N; dsize:N<>M;"""
    if draft.dsize:
        raise draft.mistake("dsize is given twice", "write a range: dsize:10<>20")
    draft.dsize = value
    draft.needs_packet = True
    draft.add_test(in_ranges("packet.payload_len", draft.ranges(value, MOST, "the size")))


def in_ranges(name: str, ranges: tuple[tuple[int, int], ...]) -> Test:
    """A field of the row itself, not of a header that it quotes, is in one of some ranges."""
    left = FieldValue(name, occurrence=1)
    entries = tuple(Literal_(low) if low == high else (Literal_(low), Literal_(high)) for low, high in ranges)
    if len(entries) == 1 and isinstance(entries[0], Literal_):
        return Compare("eq", left, entries[0])
    return Membership(left, entries)


# --- addresses ------------------------------------------------------------------------------------------------------


def address_buffer(draft: Draft, value: str) -> None:
    """ip.src; ip.dst; for a dataset that follows."""
    draft.addresses_of = draft.option.keyword


def negated(test: Test, is_negated: bool) -> Test:
    """The test, or its opposite."""
    return Not(test) if is_negated else test


KEYWORDS: dict[str, Keyword] = {
    "content": Keyword(content, quotes="needed", negation=True),
    "nocase": Keyword(nocase, "none"), "offset": Keyword(offset), "depth": Keyword(depth), "distance": Keyword(distance),
    "within": Keyword(within), "startswith": Keyword(startswith, "none"), "endswith": Keyword(endswith, "none"),
    "rawbytes": Keyword(rawbytes, "none"), "fast_pattern": Keyword(fast_pattern, "optional"),
    **{label: Keyword(header_buffer, "none") for label in BY_LABEL},
    "pkt_data": Keyword(pkt_data, "none"), "base64_decode": Keyword(base64_decode, "optional"), "base64_data": Keyword(base64_data, "none"),
    "isdataat": Keyword(isdataat), "bsize": Keyword(bsize), "dsize": Keyword(dsize),
    "ip.src": Keyword(address_buffer, "none"), "ip.dst": Keyword(address_buffer, "none"),
}  # fmt: skip
