"""Passwords of users: as they are, or as a scrypt hash that can be kept without keeping the password.

A hash is `scrypt$N$R$P$SALT$KEY`, salt and key in base64. One is made by

    python3 -c 'from getpass import getpass; from detector.service.passwords import hash_password; print(hash_password(getpass()))'
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from detector.errors import InputError
from detector.settings import Secret

PREFIX = "scrypt$"
COST, BLOCK, PARALLEL = 2**14, 8, 1  # 16 MB and some 40 ms for each check
MOST_MEMORY = 64 * 2**20
MOST_WORK = 2**20  # cost * block * parallel: eight times that of our own hashes


@dataclass(frozen=True)
class Hashed:
    """A hash that a password can be compared with."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    key: bytes

    def matches(self, password: str) -> bool:
        """Whether the hash is of this password."""
        return hmac.compare_digest(scrypt(password, self.salt, self.cost, self.block, self.parallel), self.key)


def hash_password(password: str) -> str:
    """A text for a configuration that tells nothing of the password."""
    salt = os.urandom(16)
    key = scrypt(password, salt, COST, BLOCK, PARALLEL)
    return f"{PREFIX}{COST}${BLOCK}${PARALLEL}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    """32 bytes of a password and a salt."""
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=MOST_MEMORY, dklen=32)


def read_hash(text: str) -> Hashed:
    """The hash that a text holds.

    Raises:
        InputError: it is not well formed, or would take more memory than a check may.
    """
    try:
        cost, block, parallel, salt, key = text.removeprefix(PREFIX).split("$")
        found = Hashed(int(cost), int(block), int(parallel), base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True))  # fmt: skip
        if found.cost * found.block * found.parallel > MOST_WORK:
            raise InputError("is a hash that takes too long to check", hint="scrypt$16384$8$1 is enough")
        found.matches("")  # OpenSSL knows which numbers it takes
    except (ValueError, TypeError, binascii.Error):
        raise InputError("is no scrypt hash", hint="scrypt$16384$8$1$SALT$KEY: docs/operations.md says how to make one") from None  # fmt: skip
    if len(found.key) != 32 or len(found.salt) < 8:
        raise InputError("is a hash of another length", hint="a salt of 8 bytes or more, a key of 32")
    return found


class Users:
    """Who may come in. Answers take as long for a user who is not there as for one who is."""

    def __init__(self, users: Mapping[str, Secret]) -> None:
        self._users = {name: password_of(secret) for name, secret in users.items()}
        self._nobody = next(iter(self._users.values()), "")
        self._key = os.urandom(32)
        self._known: set[bytes] = set()  # who came in before: a scrape shall not cost a scrypt each time

    def __bool__(self) -> bool:
        return bool(self._users)

    def is_known(self, name: str, password: str) -> bool:
        """Whether this name and password came in before; takes no time."""
        return self._digest(name, password) in self._known

    def admits(self, name: str, password: str) -> bool:
        """Whether this is the user's password."""
        kept = self._users.get(name, self._nobody)
        if isinstance(kept, Hashed):
            is_right = kept.matches(password)
        else:
            is_right = hmac.compare_digest(kept.encode(), password.encode())
        if is_right and name in self._users:
            self._known.add(self._digest(name, password))
            return True
        return False

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{len(name)}:{name}:{password}".encode(), "sha256")


def password_of(secret: Secret) -> str | Hashed:
    """What a password is compared with."""
    text = secret.reveal()
    return read_hash(text) if text.startswith(PREFIX) else text
