"""Privileges given up for good, and the proof that they are: user, groups, capabilities of Linux, and the way back.

The C library changes user and groups of all threads; capabilities and no_new_privs belong to each thread. NumPy starts
threads when it is imported, before any code of ours runs, so no_new_privs is spread to all threads by a seccomp filter
that allows everything (SECCOMP_FILTER_FLAG_TSYNC; seccomp(2)); their capabilities go with user 0 (capabilities(7)).
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from detector.errors import InputError

NET_RAW = 13  # CAP_NET_RAW: packet sockets
CAPABILITY_VERSION = 0x20080522
SET_DUMPABLE, KEEP_CAPABILITIES, DROP_BOUNDING, NO_NEW_PRIVS, AMBIENT = 4, 8, 24, 38, 47  # of prctl(2)
CLEAR_AMBIENT = 4
SECCOMP_CALLS = {
    "x86_64": 317,
    "aarch64": 277,
    "riscv64": 277,
    "ppc64le": 358,
    "s390x": 348,
    "i686": 354,
    "armv7l": 383,
}
FILTER_MODE, ALL_THREADS = 1, 1  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
ALLOW = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # return SECCOMP_RET_ALLOW
SETS = {"CapEff": "effective", "CapPrm": "permitted", "CapInh": "inheritable", "CapAmb": "ambient"}
TASKS = Path("/proc/self/task")
libc = ctypes.CDLL(None, use_errno=True)


class PrivilegesLeft(RuntimeError):
    """Something that was to be given up is still there; says what."""


@dataclass(frozen=True)
class Identity:
    """Whom a process becomes."""

    user: int
    group: int


@dataclass(frozen=True)
class Proof:
    """What /proc says of every thread, after nothing was found left."""

    user: int
    group: int
    capabilities: int  # that were kept on purpose, as a mask
    threads: int
    is_bounded: bool  # the bounding set is empty too


def identity_of(user: str, group: str = "") -> Identity:
    """The numbers of a user, and of a group or the user's own.

    Raises:
        InputError: there is none of that name, or it is root.
    """
    try:
        known = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise InputError(f"there is no user {user!r}", hint="useradd --system --no-create-home makes one") from None
    try:
        group_id = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid if group else known.pw_gid
    except KeyError:
        raise InputError(f"there is no group {group!r}") from None
    if known.pw_uid == 0:
        raise InputError(f"user {user!r} is root: no privilege would be dropped")
    return Identity(known.pw_uid, group_id)


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """Within it, files are opened, made and judged as another user, if it is root who runs this. None: as oneself."""
    if identity is None or os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([identity.group])
    os.setegid(identity.group)
    os.seteuid(identity.user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def drop(identity: Identity | None, keep: frozenset[int] = frozenset()) -> Proof:
    """Becomes another user (None: stays the same) without capabilities, save those to keep, and proves it.

    Call it before threads of ours are started. Capabilities can only be kept while there is one thread.

    Raises:
        PrivilegesLeft: the system did not let go of something.
        OSError: the system refused a step.
    """
    if keep and threads() != 1:
        raise PrivilegesLeft("capabilities cannot be kept for one thread of several")
    forget_bounding(keep)
    if identity is not None:
        prctl(KEEP_CAPABILITIES, int(bool(keep)))
        os.setgroups([])
        os.setresgid(identity.group, identity.group, identity.group)
        os.setresuid(identity.user, identity.user, identity.user)
    prctl(AMBIENT, CLEAR_AMBIENT)
    set_capabilities(keep)
    prctl(NO_NEW_PRIVS, 1)
    if threads() != 1:
        spread_to_threads()
    prctl(SET_DUMPABLE, 0)
    return proof(identity, keep)


def threads() -> int:
    """How many threads this process has."""
    return len(list(TASKS.iterdir()))


def prctl(option: int, first: int) -> None:
    """prctl(2); OSError where it fails."""
    if libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) < 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def forget_bounding(keep: frozenset[int]) -> None:
    """Empties the set of capabilities that programs could still give, where that is permitted (CAP_SETPCAP)."""
    for capability in range(64):
        if capability not in keep and libc.prctl(DROP_BOUNDING, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            return  # not permitted, or beyond the last capability that Linux knows


def set_capabilities(keep: frozenset[int]) -> None:
    """Effective and permitted capabilities are those to keep; none is inherited by programs."""
    mask = mask_of(keep)
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    words = struct.pack("=6I", mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0, mask >> 32, mask >> 32, 0)
    if libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(words)) < 0:
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


def mask_of(capabilities: frozenset[int]) -> int:
    """The bits of capabilities, as /proc writes them."""
    return sum(1 << capability for capability in capabilities)


def spread_to_threads() -> None:
    """Gives every thread of the process this one's no_new_privs."""
    number = SECCOMP_CALLS.get(os.uname().machine)
    if number is None:
        return  # proof() finds the threads that were left out
    program = ctypes.create_string_buffer(ALLOW, len(ALLOW))
    filters = struct.pack("@HP", 1, ctypes.addressof(program))
    failed = libc.syscall(ctypes.c_long(number), ctypes.c_uint(FILTER_MODE), ctypes.c_uint(ALL_THREADS),
                          ctypes.c_char_p(filters))  # fmt: skip
    if failed:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def proof(identity: Identity | None = None, keep: frozenset[int] = frozenset()) -> Proof:
    """Reads what Linux says of every thread, and tries to get privileges back.

    Raises:
        PrivilegesLeft: with everything that was found.
    """
    statuses = [status_of(task) for task in sorted(TASKS.iterdir())]
    left = [*(said for status in statuses for said in remains(status, identity, keep)), *regained(keep)]
    if left:
        raise PrivilegesLeft("privileges are left: " + "; ".join(dict.fromkeys(left)))
    allowed = mask_of(keep)
    return Proof(os.getuid(), os.getgid(), allowed, len(statuses),
                 all(int(status["CapBnd"], 16) & ~allowed == 0 for status in statuses))  # fmt: skip


def status_of(task: Path) -> dict[str, str]:
    """What /proc/self/task/N/status says, by name."""
    pairs = (line.partition(":") for line in (task / "status").read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


def remains(status: dict[str, str], identity: Identity | None, keep: frozenset[int]) -> Iterator[str]:
    """What a thread has that it should not."""
    users, groups = ({int(word) for word in status[name].split()} for name in ("Uid", "Gid"))
    if 0 in users or (identity is not None and users != {identity.user}):
        yield f"user {sorted(users)}"
    if identity is not None and groups != {identity.group}:
        yield f"group {sorted(groups)}"
    if identity is not None and set(status["Groups"].split()) - {str(identity.group)}:
        yield f"groups {status['Groups']}"
    for name, what in SETS.items():
        kept = mask_of(keep) if name in ("CapEff", "CapPrm") else 0
        if extra := int(status[name], 16) & ~kept:
            yield f"{what} capabilities {extra:x}"
    if status["NoNewPrivs"] != "1":
        yield "a thread without no_new_privs"


def regained(keep: frozenset[int]) -> Iterator[str]:
    """What could be had again by asking."""
    try:
        os.setuid(0)
        yield "setuid(0) succeeds"
    except PermissionError:
        pass
    if NET_RAW in keep:
        return
    for family, kind in ((socket.AF_INET, "raw"), (socket.AF_PACKET, "packet")):
        try:
            socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        except OSError:  # EPERM, or a kernel or container that has no such sockets
            continue
        yield f"a {kind} socket can be opened"
