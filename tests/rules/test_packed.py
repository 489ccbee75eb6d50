"""Rules as bytes and back: the same rules, and nothing else than rules is ever read."""

from __future__ import annotations

import pickle
from dataclasses import fields

import pytest

from detector.rules.keywords import Context
from detector.rules.packed import KEPT, LENGTH, packed, unpacked, unpickled
from detector.rules.shelf import BLOCK
from detector.rules.suricata import Loaded, compiled
from detector.rules.suricata_text import rules_of

LINES = """alert tcp any any -> $HOME_NET 80 (msg:"one"; content:"a"; nocase; offset:2; pcre:"/x+/i"; classtype:misc-attack; sid:1; rev:2;)
drop tcp any any -> any any (msg:"two"; ttl:5; flowbits:set,x; threshold:type limit, track by_src, count 1, seconds 9; sid:2;)
alert tcp any any -> any any (content:"a"; http.uri; sid:3;)
"""


def loaded(count: int = 1) -> Loaded:
    context = Context({"HOME_NET": "10.0.0.0/8"}, {"misc-attack": ("Misc Attack", 2)})
    return compiled(rules_of(LINES * count, "a.rules"), context).loaded


@pytest.mark.parametrize("count", [0, 1, BLOCK, BLOCK + 1])
def test_what_is_unpacked_is_what_was_packed(count: int) -> None:
    first = loaded(count)
    second = unpacked(memoryview(packed(first)))
    assert first == second and (len(second.rules), len(second.refused), len(second.warnings)) == (
        2 * count,
        count,
        count,
    )
    for kind in KEPT:  # also what equality leaves out
        for one, other in zip(first.rules, second.rules, strict=True):
            pair = (one, other) if isinstance(one, kind) else (one.signature, other.signature)
            assert all(getattr(pair[0], field.name) == getattr(pair[1], field.name) for field in fields(kind))


def test_headers_that_are_one_object_stay_one() -> None:
    """Engines tell them apart by their identity."""
    rules = unpacked(memoryview(packed(loaded(3)))).rules
    assert len({id(rule.signature.header) for rule in rules if rule.signature is not None}) == 2


@pytest.mark.parametrize(
    "name", ["os.system", "subprocess.Popen", "detector.rules.rule_cache os.system", "detector.rules.rule_cache write_own",
             "detector.rules.shares Partner.end", "detector.rules.packed Loaded", "builtins eval", "detector.detect.engine Engine"],
)  # fmt: skip
def test_nothing_but_classes_of_rules_can_be_named(name: str) -> None:
    """Functions of our modules and what these import could do harm as well."""
    module, name = name.split(" ") if " " in name else name.rsplit(".", 1)
    data = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93."
    assert callable(pickle.loads(data))  # it would be found
    with pytest.raises(pickle.UnpicklingError, match="is no part of a rule"):
        unpickled(data)


def test_the_index_is_read_with_the_same_care() -> None:
    index = pickle.dumps(pytest.raises)
    with pytest.raises(pickle.UnpicklingError):
        unpacked(memoryview(len(index).to_bytes(LENGTH, "little") + index))
