"""pcre: regular expressions on a buffer. What runs them is rules/expressions.py."""

from __future__ import annotations

import re
from functools import lru_cache

from detector.rules.expressions import Refused, compile_pattern
from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.signature import Buffer, Pcre

PARTS = re.compile(r"m?/(.*)(?<!\\)/([^/]*)", re.DOTALL)
MATCHING = "ismxAEG"
IGNORED = "BO"  # B: on raw bytes, as always here; O: without Suricata's limit, ours stays
BUFFERS = {
    "U": "http.uri", "I": "http.uri.raw", "H": "http.header", "D": "http.header.raw", "M": "http.method", "P": "http.request_body",
    "Q": "http.response_body", "C": "http.cookie", "S": "http.stat_code", "Y": "http.stat_msg", "V": "http.user_agent", "W": "http.host",
    "Z": "http.host.raw",
}  # fmt: skip
KEPT = re.compile(r"\(\?P?<(?:flow|pkt)_")
LONGEST = 4096
NO_EXPRESSION = "not an expression"  # how rules/expressions.py begins where PCRE refuses as well


@lru_cache(1 << 16)
def wrong(pattern: str, flags: str) -> str:
    """Why a regular expression cannot be matched, "" for one that can."""
    try:
        compile_pattern(pattern, flags)
    except Refused as problem:
        return str(problem)
    return ""


def pcre(draft: Draft, value: str) -> None:
    """pcre:"/expression/flags"; a ! before the quotes or within them negates."""
    is_negated = value[0] == "!"
    text = value.lstrip("! ").strip('"') if value[-1:] == '"' else value.lstrip("! ")
    if text.startswith("!"):
        is_negated, text = True, text[1:]
    found = PARTS.fullmatch(text)
    if found is None:
        raise draft.mistake(f"pcre {text[:30]!r} has no slashes around it", 'pcre:"/expression/flags";')
    pattern, letters = found[1], found[2]
    letters, comma, _ = letters.partition(",")
    if comma or KEPT.search(pattern):
        raise draft.unsupported(
            "keeping what a group matched is not supported", "without flow: and pkt: the expression is matched as it is"
        )
    for letter in letters:
        if letter in BUFFERS:
            raise draft.unsupported(f"the flag {letter} asks for {BUFFERS[letter]}, which is not supported", "without it the payload is matched", "/" + found[2],
                                    keyword=BUFFERS[letter])  # fmt: skip
        if letter not in MATCHING + IGNORED + "R":
            raise draft.mistake(
                f"unknown flag {letter!r}", f"known are {' '.join(MATCHING + IGNORED + 'R')}", "/" + found[2]
            )
    if len(pattern) > LONGEST:
        raise draft.mistake(f"an expression of {len(pattern):,} characters", f"{LONGEST} are the most")
    flags = "".join(letter for letter in MATCHING if letter in letters)
    if problem := wrong(pattern, flags):
        if not problem.startswith(NO_EXPRESSION):
            raise draft.unsupported(
                problem,
                "what can be matched is matched as PCRE would; this part of its language is not known here",
                pattern,
            )
        raise draft.mistake(problem, "as in Perl, on bytes; a / within it is written \\/", pattern)
    if (
        "R" in letters
        and draft.buffer == Buffer.PAYLOAD
        and not any(type(piece) in (dict, Pcre) for piece in draft.steps)
    ):
        raise draft.mistake(
            "the flag R has no content or pcre before it",
            "R goes on from the end of the match before, in the same buffer",
        )
    draft.add_step(Pcre(pattern, flags, is_negated, "R" in letters))


KEYWORDS = {"pcre": Keyword(pcre, quotes="optional", negation=True)}
