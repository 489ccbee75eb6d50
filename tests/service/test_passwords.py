"""Passwords in the clear or hashed: who comes in, and which hashes a configuration may hold."""

from __future__ import annotations

import pytest

from detector.errors import InputError
from detector.service.passwords import Users, hash_password, read_hash
from detector.settings import Secret


def test_a_hash_is_of_its_password_only_and_salted() -> None:
    first, second = hash_password("päss:word"), hash_password("päss:word")
    assert first != second and "päss" not in first
    assert read_hash(first).matches("päss:word") and not read_hash(first).matches("pass:word")


@pytest.mark.parametrize("text", ["scrypt$", "scrypt$16384$8$1$c2FsdA==", "scrypt$3$8$1$c2FsdHNhbHQ=$" + "A" * 43 + "=", "scrypt$x$8$1$AA==$AA==",
                                  "scrypt$1073741824$8$1$c2FsdHNhbHQ=$" + "A" * 43 + "=", "scrypt$16384$8$1$c2FsdHNhbHQ=$AAAA",
                                  "scrypt$16384$8$1000$c2FsdHNhbHQ=$" + "A" * 43 + "=",
                                  "scrypt$16384$8$1$???$" + "A" * 43 + "=", "scrypt$-2$8$1$c2FsdHNhbHQ=$" + "A" * 43 + "=",
                                  "scrypt$99999999999999999999999$8$1$c2FsdHNhbHQ=$" + "A" * 43 + "="])  # fmt: skip
def test_a_hash_that_is_none_or_takes_too_much_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="hash"):
        read_hash(text)


def test_users_come_in_with_their_own_password_only() -> None:
    users = Users({"a": Secret("one"), "b": Secret(hash_password("two"))})
    assert users and not Users({})
    assert users.admits("a", "one") and users.admits("b", "two")
    assert (
        not users.admits("a", "two")
        and not users.admits("b", "one")
        and not users.admits("c", "one")
        and not users.admits("", "")
    )
    assert (
        users.is_known("a", "one")
        and users.is_known("b", "two")
        and not users.is_known("c", "one")
        and not users.is_known("a", "two")
    )
    assert not Users({}).admits("a", "") and not Users({}).admits("", "")
