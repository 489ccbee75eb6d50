"""A small privileged process that opens packet sockets for one that has dropped its privileges, and does nothing else.

An interface that vanishes takes its sockets with it, and opening a new one needs a privilege that the daemon no longer
has. So before it drops its privileges it starts this process, which opens sockets of *configured* interfaces only, keeps
CAP_NET_RAW only, and ends with the last process that can ask it.

A request is a datagram: JSON {"interface": NAME, "fanout": [GROUP, NUMBER] or null}, with one end of a socket pair on
which the answer is wanted (SCM_RIGHTS), so that several workers may ask at once. The answer is JSON {} with the packet
socket, or {"problem": ..., "hint": ...} without one.

A packet socket may be bound to another interface by whoever holds it; Linux has no way to forbid that.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from detector.capture import bpf
from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import DirectOpener, Fanout
from detector.errors import InputError
from detector.service.privileges import NET_RAW, Identity, drop

LONGEST = 4096  # bytes of a request or an answer
ANSWER_SECONDS = 10.0
READY = b"ready"


class OpenerGone(InputError):
    """The opener does not answer."""


class RemoteOpener:
    """An Opener that asks the privileged process. `fileno` may be handed to workers, which make their own of it."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking

    def fileno(self) -> int:
        """The descriptor to ask on: what a worker process inherits, for RemoteOpener(socket.socket(fileno=...))."""
        return self._asking.fileno()

    def close(self) -> None:
        """Asks no more. The opener ends when nobody can ask it."""
        self._asking.close()

    def open(self, name: str, fanout: Fanout | None = None) -> socket.socket:
        """As of capture.packet_socket.Opener."""
        request = json.dumps({"interface": name, "fanout": fanout}).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                try:
                    socket.send_fds(self._asking, [request], [theirs.fileno()])
                except OSError as error:
                    raise OpenerGone(f"{name}: the opener of sockets has gone: {error.strerror}") from None
            ours.settimeout(ANSWER_SECONDS)
            try:
                said, descriptors, _, _ = socket.recv_fds(ours, LONGEST, 1)
            except OSError as error:
                raise OpenerGone(f"{name}: the opener of sockets does not answer: {error}") from None
        if descriptors:
            return socket.socket(fileno=descriptors[0])
        if not said:
            raise OpenerGone(f"{name}: the opener of sockets has gone")
        answer = json.loads(said)
        raise InputError(answer["problem"], hint=answer["hint"])


class OpenerProcess:
    """The privileged process, as the one sees it that started it. Use it in a `with` or call `close`."""

    def __init__(self, settings: Sequence[InterfaceSettings], identity: Identity | None) -> None:
        """Starts it, as another user where `identity` is given, and waits until it is ready. OpenerGone if it is not."""
        asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.opener = RemoteOpener(asking)
        told = {"interfaces": [asdict(one) for one in settings], "identity": identity and asdict(identity)}
        with answering:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(answering.fileno())], pass_fds=[answering.fileno()],
                stdin=subprocess.PIPE, env=environment(), cwd="/",
            )  # fmt: skip
            assert self._process.stdin is not None
            with suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(json.dumps(told).encode())
        asking.settimeout(ANSWER_SECONDS)
        try:
            is_ready = asking.recv(LONGEST) == READY
        except OSError:
            is_ready = False
        asking.settimeout(None)
        if not is_ready:
            self.close()
            raise OpenerGone("the opener of sockets did not start")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def __enter__(self) -> OpenerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Asks no more, and waits for its end."""
        self.opener.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:  # a worker still holds the other end, or it hangs
            with suppress(PermissionError):  # of another user by now
                self._process.kill()


def environment() -> dict[str, str]:
    """What the process is told: where Python's modules are, and no secrets. NumPy may start no threads there."""
    path = os.pathsep.join(word or os.getcwd() for word in sys.path)
    return {"PYTHONPATH": path, "PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def answer(opener: DirectOpener, request: bytes) -> tuple[dict[str, str], socket.socket | None]:
    """What a request gets: the answer, and a socket where all is well. A bad request is told so, whatever it holds."""
    try:
        asked = json.loads(request)
        name, shared = asked["interface"], asked["fanout"]
        fanout = None if shared is None else Fanout(*(number & 0xFFFF for number in shared))
        if not isinstance(name, str):
            raise TypeError(name)
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"problem": "the opener of sockets was asked something else than to open one", "hint": ""}, None
    try:
        return {}, opener.open(name, fanout)
    except InputError as error:
        return {"problem": error.problem, "hint": error.hint}, None
    except OSError as error:  # the interface went away meanwhile
        return {"problem": f"{name}: cannot be opened: {error.strerror}", "hint": ""}, None


def serve(answering: socket.socket, opener: DirectOpener) -> None:
    """Answers until nobody can ask any more."""
    while True:
        try:
            request, ancillary, _, _ = answering.recvmsg(LONGEST, socket.CMSG_SPACE(16 * 4))
        except ConnectionError:
            return
        askers = [asker for descriptor in received(ancillary) if (asker := socket_of(descriptor)) is not None]
        if not request and not askers and is_over(answering):
            return
        if len(askers) == 1:
            reply(askers[0], *answer(opener, request))
        for asker in askers:
            asker.close()


def socket_of(descriptor: int) -> socket.socket | None:
    """A descriptor as a socket; None, and closed, where it is something else."""
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None


def received(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with a message."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def is_over(answering: socket.socket) -> bool:
    """Whether an empty message was the end, and not somebody's empty request."""
    poll = select.poll()
    poll.register(answering, 0)
    return bool(poll.poll(0))  # hung up


def reply(asker: socket.socket, said: dict[str, str], opened: socket.socket | None) -> None:
    """Sends an answer, with the socket where there is one, which stays open only on the other side."""
    asker.setblocking(False)  # an asker that does not read cannot hold up the others
    with suppress(OSError):  # whoever asked has gone
        socket.send_fds(asker, [json.dumps(said).encode()], [] if opened is None else [opened.fileno()])
    if opened is not None:
        opened.close()


def main() -> None:
    """The process: `python -m detector.service.opener DESCRIPTOR`, its settings on standard input."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # a terminal's are meant for the daemon, which tells us
        signal.signal(number, signal.SIG_IGN)
    answering = socket.socket(fileno=int(sys.argv[1]))
    told = json.loads(sys.stdin.buffer.read())
    identity = told["identity"] and Identity(**told["identity"])
    if any(one["filter"] for one in told["interfaces"]):
        bpf.load_libpcap()  # now: the user whom it becomes may not be able to read the files
    drop(identity, keep=frozenset({NET_RAW}))
    opener = DirectOpener(InterfaceSettings(**one) for one in told["interfaces"])
    answering.send(READY)
    serve(answering, opener)


if __name__ == "__main__":
    main()
