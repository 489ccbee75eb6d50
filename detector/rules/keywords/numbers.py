"""byte_test, byte_jump, byte_extract, byte_math: numbers that stand in the bytes."""

from __future__ import annotations

from collections.abc import Iterator

from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.signature import ByteExtract, ByteJump, ByteMath, ByteTest, Number, Numeral

FURTHEST = 65535  # of offsets: Suricata's
OPERATORS = ("<", ">", "=", "<=", ">=", "&", "^")
BASES = {"hex": 16, "dec": 10, "oct": 8}
DIGITS = {16: 14, 10: 20, 8: 23}  # the longest text of a number: Suricata's
BINARY, TEXT = 8, 23  # the most bytes of a number that is no text, and that is one
CALCULATIONS = ("+", "-", "*", "/", "<<", ">>")


def parts_of(draft: Draft, value: str, least: int, usage: str) -> list[str]:
    """The value at its commas."""
    parts = [part.strip() for part in value.split(",")]
    if len(parts) < least or not all(parts):
        raise draft.mistake(f"{draft.option.keyword} cannot be read: {value}", usage)
    return parts


class Options:
    """The words behind the numbers that must be there, each of them once."""

    def __init__(self, draft: Draft, parts: list[str], known: tuple[str, ...]) -> None:
        self.draft = draft
        self.given: dict[str, str] = {}
        for part in parts:
            word, _, argument = part.partition(" ")
            if word == "dce":
                raise draft.unsupported(
                    "the option dce is not supported", "it takes the byte order from a DCE/RPC header", part
                )
            if word not in known or bool(argument) != (word in ("multiplier", "post_offset", "bitmask", "align_by")):
                raise draft.mistake(
                    f"unknown option {part!r} of {draft.option.keyword}", f"known are {', '.join(known)}", part
                )
            if word in self.given and word in ("relative", "multiplier", "bitmask", "post_offset"):
                raise draft.mistake(f"{word} is given twice", "remove one of them", part)
            self.given[word] = argument.strip()

    def __contains__(self, word: str) -> bool:
        return word in self.given

    def number(self, word: str, low: int, high: int, default: int) -> int:
        """The number that follows an option."""
        if word not in self.given:
            return default
        text = self.given[word]
        return self.draft.number(text, low, high, word, part=f"{word} {text}")

    def bases(self) -> Iterator[int]:
        """The bases that were named, the last one first."""
        return (BASES[word] for word in reversed(self.given) if word in BASES)

    @property
    def is_little(self) -> bool:
        """Byte order: the one that was named last."""
        return next((word == "little" for word in reversed(self.given) if word in ("little", "big")), False)


def numeral(draft: Draft, size: Number, options: Options, default: int) -> Numeral:
    """How the number stands there. default: base of a text whose base is not given."""
    base = next(options.bases(), 0)
    if base and "string" not in options:
        raise draft.mistake("a base goes with string only", "write string,hex; string,dec; or string,oct")
    if "string" in options:
        base = base or default
    most = TEXT if base else BINARY
    if isinstance(size, int) and size > most:
        raise draft.mistake(
            f"{size} bytes are no number that can be read", f"up to {BINARY} bytes, with string up to {TEXT}", str(size)
        )
    if size == 0 and base:
        draft.warnings.append(
            f"{draft.option.keyword}: a text of no digits is never a number, so that the rule never matches"
        )
    return Numeral(size, options.is_little, base)


def byte_test(draft: Draft, value: str) -> None:
    """byte_test:bytes,operator,value,offset,options;"""
    usage = "byte_test:4,>,1000,8,relative,little; bytes, operator, value, offset, and options"
    parts = parts_of(draft, value, 4, usage)
    sign = parts[1]
    is_negated = sign.startswith("!")
    if is_negated:
        sign = sign[1:].strip() or "="
    if sign not in OPERATORS:
        raise draft.mistake(
            f"unknown operator {parts[1]!r}",
            f"known are {' '.join(OPERATORS)}, each of them with ! before it",
            parts[1],
        )
    options = Options(draft, parts[4:], ("relative", "string", "hex", "dec", "oct", "big", "little", "bitmask"))
    size = draft.number_or_name(parts[0], 0, TEXT, "the number of bytes")
    wanted = draft.number_or_name(parts[2], -(2**63), 2**64 - 1, "the value")
    draft.add_step(ByteTest(
        numeral(draft, size, options, 10), sign, is_negated, wanted % 2**64 if isinstance(wanted, int) else wanted,
        draft.number_or_name(parts[3], -(2**31), 2**31 - 1, "the offset"), "relative" in options,
        options.number("bitmask", 0, 2**32 - 1, 0) if "bitmask" in options else None,
    ))  # fmt: skip


def byte_jump(draft: Draft, value: str) -> None:
    """byte_jump:bytes,offset,options;"""
    usage = "byte_jump:2,4,relative,little; bytes, offset, and options"
    parts = parts_of(draft, value, 2, usage)
    options = Options(draft, parts[2:], ("relative", "string", "hex", "dec", "oct", "big", "little", "align", "multiplier",
                                         "from_beginning", "from_end", "post_offset"))  # fmt: skip
    if "from_beginning" in options and "from_end" in options:
        raise draft.mistake("from_beginning and from_end exclude each other", "use one of them")
    size = draft.number_or_name(parts[0], 0, TEXT, "the number of bytes")
    draft.add_step(ByteJump(
        numeral(draft, size, options, 10), draft.number_or_name(parts[1], -FURTHEST, FURTHEST, "the offset"), "relative" in options,
        options.number("multiplier", 1, FURTHEST, 1), "align" in options,
        "beginning" if "from_beginning" in options else "end" if "from_end" in options else "",
        options.number("post_offset", -FURTHEST, FURTHEST, 0),
    ))  # fmt: skip


def byte_extract(draft: Draft, value: str) -> None:
    """byte_extract:bytes,offset,name,options;"""
    usage = "byte_extract:2,4,length,relative,little; bytes, offset, name, and options"
    parts = parts_of(draft, value, 3, usage)
    rest = [part.replace("align ", "align_by ") for part in parts[3:]]
    options = Options(
        draft, rest, ("relative", "string", "hex", "dec", "oct", "big", "little", "align_by", "multiplier")
    )
    if "string" in options and ("big" in options or "little" in options):
        raise draft.mistake("a number that is text has no byte order", "remove big or little")
    align = options.number("align_by", 0, 4, 0)
    if "align_by" in options and align not in (2, 4):
        raise draft.mistake(f"align {align} is not known", "align 2 or align 4")
    size = draft.number(parts[0], 0, TEXT, "the number of bytes")
    how = numeral(draft, size, options, 10)
    if how.base and size > DIGITS[how.base]:
        raise draft.mistake(
            f"a number of {size} digits is too large", f"{DIGITS[how.base]} digits are the most", parts[0]
        )
    draft.add_step(ByteExtract(
        how, draft.number(parts[1], -FURTHEST, FURTHEST, "the offset"), parts[2], "relative" in options,
        options.number("multiplier", 1, FURTHEST, 1), align,
    ))  # fmt: skip
    draft.names.add(parts[2])


def byte_math(draft: Draft, value: str) -> None:
    """byte_math:bytes N,offset N,oper +,rvalue N,result name,options;"""
    usage = "byte_math:bytes 2,offset 4,oper +,rvalue 10,result length; and options relative, endian little, string dec, bitmask 0xff"
    given: dict[str, str] = {}
    for part in parts_of(draft, value, 5, usage):
        word, _, argument = part.partition(" ")
        if word == "dce":
            raise draft.unsupported(
                "the option dce is not supported", "it takes the byte order from a DCE/RPC header", part
            )
        if word in given or word not in (
            "bytes",
            "offset",
            "oper",
            "rvalue",
            "result",
            "relative",
            "endian",
            "string",
            "bitmask",
        ):
            raise draft.mistake(
                f"{word!r} is given twice" if word in given else f"unknown option {word!r} of byte_math", usage, part
            )
        given[word] = argument.strip()
    missing = [word for word in ("bytes", "offset", "oper", "rvalue", "result") if not given.get(word)]
    if missing:
        raise draft.mistake(f"byte_math lacks {', '.join(missing)}", usage)
    if given["oper"] not in CALCULATIONS:
        raise draft.mistake(f"unknown operator {given['oper']!r}", f"known are {' '.join(CALCULATIONS)}", given["oper"])
    if given.get("endian", "big") not in ("big", "little"):
        raise draft.mistake(f"unknown byte order {given['endian']!r}", "endian big or endian little", given["endian"])
    if given.get("string", "dec") not in BASES:
        raise draft.mistake(
            f"unknown base {given['string']!r}", "string hex, string dec or string oct", given["string"]
        )
    size = draft.number_or_name(given["bytes"], 1, 10 if "string" in given else BINARY, "the number of bytes")
    draft.add_step(ByteMath(
        Numeral(size, given.get("endian") == "little", BASES[given["string"]] if "string" in given else 0),
        draft.number(given["offset"], -FURTHEST, FURTHEST, "the offset"), given["oper"],
        draft.number_or_name(given["rvalue"], 0, 2**32 - 1, "the right side"), given["result"], "relative" in given,
        draft.number(given["bitmask"], 0, 2**32 - 1, "bitmask") if "bitmask" in given else None,
    ))  # fmt: skip
    draft.names.add(given["result"])


KEYWORDS = {
    "byte_test": Keyword(byte_test), "byte_jump": Keyword(byte_jump), "byte_extract": Keyword(byte_extract), "byte_math": Keyword(byte_math),
}  # fmt: skip
