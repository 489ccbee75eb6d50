"""The control socket: commands to a running daemon from this machine, a line of JSON each way.

    {"command": "status"}          -> {"ok": true, ...}
    {"command": "relod"}           -> {"ok": false, "error": "unknown command 'relod' (hint: ...)"}

Only the daemon's own user and root are served: by the socket's mode, and by what the kernel says of the other side.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from detector.errors import InputError, InputErrors, nearest

log = logging.getLogger(__name__)

Command = Callable[[dict[str, Any]], Mapping[str, Any]]

CONNECTIONS = 8
LONGEST_REQUEST = 64 * 2**10
LONGEST_REPLY = 64 * 2**20
IDLE_SECONDS, LINE_SECONDS, SEND_SECONDS = 300.0, 5.0, 10.0  # between requests, within one, for the reply to go
LONGEST_PATH = 107  # of a Unix socket, in bytes
PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


class ControlServer:
    """Listens from the moment it is made; answers from `start` to `close`.

    commands: {name: function of the request}, called in a thread of the connection. What a function returns is the reply,
    with ok: true; an InputError of it is the reply's error.

    Raises:
        InputError: the folder is not fit for it, or another daemon has the socket.
    """

    def __init__(self, path: Path | str, commands: Mapping[str, Command]) -> None:
        self.path = Path(path)
        self._commands = commands
        prepare_folder(self.path)
        self._lock = claim(self.path)
        try:
            self._listener = bind(self.path)
        except BaseException:
            os.close(self._lock)
            raise
        self._inode = self.path.stat().st_ino
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._changing = threading.Lock()
        self._is_ending = False
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self) -> None:
        """Ends every connection that waits for a request, and removes the socket. A command that runs goes to its end."""
        self._is_ending = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        with self._changing:
            running = dict(self._connections)
        for connection, thread in running.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            if thread is not threading.current_thread():
                thread.join(SEND_SECONDS)
        os.close(self._lock)

    def _accept(self) -> None:
        while not self._is_ending:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._is_ending:
                    log.warning("control: a connection could not be accepted: %s", error)
                    time.sleep(0.2)
                continue
            try:
                self._take(connection)
            except Exception:  # no thread can be started, say: the next one may do better
                log.exception("control: a connection failed")
                connection.close()

    def _take(self, connection: socket.socket) -> None:
        """Serves a connection in a thread of its own, or refuses it."""
        if refusal := self._refusal(connection):
            refuse(connection, refusal)
            return
        thread = threading.Thread(target=self._serve, args=(connection,), name="control connection", daemon=True)
        with self._changing:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:
            with self._changing:
                del self._connections[connection]
            raise

    def _refusal(self, connection: socket.socket) -> str:
        """Why the other side is not served, empty where it is."""
        process, user, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if user not in (0, os.geteuid()):
            log.warning("control: another user was refused", extra={"user": user, "peer_pid": process})
            return "only root and the daemon's own user may use the control socket"
        with self._changing:
            return "too many connections to the control socket" if len(self._connections) >= CONNECTIONS else ""

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                waiting = bytearray()
                while not self._is_ending and (line := read_line(connection, waiting)) is not None:
                    connection.settimeout(SEND_SECONDS)
                    connection.sendall(as_line(self._reply(line)))
        except OSError as error:  # also a timeout
            log.debug("control: a connection ended: %s", error)
        except Exception:
            log.exception("control: a connection failed")
        finally:
            with self._changing:
                self._connections.pop(connection, None)

    def _reply(self, line: bytes) -> Mapping[str, Any]:
        """The reply to a line, whatever is in it."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return failed("a request is one object of JSON on a line")
        if not isinstance(request, dict) or not isinstance(name := request.get("command"), str):
            return failed('a request names its command: {"command": "status"}')
        if name not in self._commands:
            guess = nearest(name, self._commands)
            hint = f"did you mean {guess}?" if guess else f"known are {', '.join(sorted(self._commands))}"
            return failed(f"unknown command {name[:100]!r} (hint: {hint})")
        try:
            return {"ok": True, **self._commands[name](request)}
        except (InputError, InputErrors) as error:
            return failed(str(error))
        except Exception:
            log.exception("control: a command failed", extra={"command": name})
            return failed(f"{name} failed: the daemon's log says why")


class Refused(InputError):
    """The daemon has answered, and did not do what was asked."""


class ControlClient:
    """Asks a running daemon, over one connection."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._waiting = bytearray()
        self._connection.settimeout(LINE_SECONDS)
        try:
            self._connection.connect(os.fspath(self.path))
        except OSError as error:
            self._connection.close()
            raise no_connection(self.path, error) from None

    def ask(self, command: str, *, timeout: float = 30.0, **fields: Any) -> dict[str, Any]:
        """The reply, without its `ok`.

        Raises:
            Refused: the daemon refuses, and says why.
            InputError: it does not answer in time.
        """
        reply = self._exchange(as_line({"command": command, **fields}), timeout)
        if not isinstance(reply, dict) or not reply.pop("ok", False):
            raise Refused(str(reply.get("error", "refused")) if isinstance(reply, dict) else "no reply of a daemon")
        return reply

    def _exchange(self, line: bytes, timeout: float) -> Any:
        problem = f"the daemon at {self.path} gave no answer"
        try:
            self._connection.settimeout(timeout)
            # Where the daemon refuses at once it does not read: its reason is there all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.sendall(line)
            reply = read_line(self._connection, self._waiting, LONGEST_REPLY, timeout, timeout)
        except TimeoutError:
            raise InputError(
                f"{problem} within {timeout:g} seconds", hint="the daemon's log says what it does"
            ) from None
        except OSError as error:
            raise InputError(f"{problem}: {error.strerror or error}") from None
        if reply is None:
            raise InputError(f"{problem}: it closed the connection", hint="is it just stopping?")
        try:
            return json.loads(reply)
        except ValueError:
            raise InputError(f"{problem} that can be read", hint=f"is {self.path} the socket of a detector?") from None

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def no_connection(path: Path, error: OSError) -> InputError:
    """Why nobody can be asked, for people."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return InputError(
            f"no daemon is running at {path}",
            hint="detector run starts one; --control or --config say where it listens",
        )
    if isinstance(error, PermissionError):
        return InputError(
            f"{path}: permission denied", hint="only root and the daemon's own user may ask: sudo -u USER detector ..."
        )
    return InputError(f"{path}: {error.strerror or error}", hint="the control socket of a running daemon is needed")


def prepare_folder(path: Path) -> None:
    """Makes the socket's folder, or checks that nobody else can put another socket into it.

    Raises:
        InputError: it is not fit.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise InputError(
            f"control: the path is longer than {LONGEST_PATH} bytes: {path}", hint="a Unix socket needs a shorter one"
        )
    folder = path.parent
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.stat()
    except OSError as error:
        raise InputError(f"control: the folder {folder} cannot be used: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise InputError(f"control: {folder} is no folder")
    is_open = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    if is_open or found.st_uid not in (0, os.geteuid()):
        raise InputError(
            f"control: other users can write to {folder}", hint="a folder of the daemon's own user, mode 0750"
        )


def claim(path: Path) -> int:
    """The lock beside the socket, held as long as this process lives: a record lock, which children do not inherit.

    Raises:
        InputError: another daemon holds it.
    """
    place = path.with_name(path.name + ".lock")
    try:
        lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"control: {place} cannot be written: {error.strerror}") from None
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InputError(
            f"control: a daemon is running at {path}", hint="stop it first, or give this one another control: path"
        ) from None
    return lock


def bind(path: Path) -> socket.socket:
    """A socket that listens at the path, mode 0600 from its first moment. A socket left behind by a crash gives way.

    Raises:
        InputError: what is there is no socket, or another program listens.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_symlink() or (path.exists() and not path.is_socket()):
            raise InputError(f"control: {path} is there and is no socket", hint="remove it, or give another path")
        if path.exists():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(os.fspath(path)) == 0:
                    raise InputError(
                        f"control: another program listens at {path}", hint="stop it, or give another control: path"
                    )
            path.unlink()
        os.fchmod(listener.fileno(), 0o600)  # Linux gives the file the mode that the socket had when it was bound
        listener.bind(os.fspath(path))
        listener.listen(CONNECTIONS)
    except InputError:
        listener.close()
        raise
    except OSError as error:
        listener.close()
        raise InputError(f"control: {path} cannot be used: {error.strerror}") from None
    return listener


def read_line(
    connection: socket.socket,
    waiting: bytearray,
    most: int = LONGEST_REQUEST,
    idle: float = IDLE_SECONDS,
    whole: float = LINE_SECONDS,
) -> bytes | None:
    """The next line without its end, None at the end of the stream or of patience; what comes after it stays in `waiting`.

    idle: seconds until its first byte. whole: seconds from there to its end.

    Raises:
        OSError: the line is longer than it may be, or slower.
    """
    until = time.monotonic() + (whole if waiting else idle)
    searched = 0
    while (end := waiting.find(b"\n", searched)) < 0:
        searched = len(waiting)
        if searched > most:
            raise OSError("the line is too long")
        connection.settimeout(max(0.001, until - time.monotonic()))
        part = connection.recv(65536)
        if not part:
            return None
        if not waiting:
            until = time.monotonic() + whole
        waiting += part
    line = bytes(waiting[:end])
    del waiting[: end + 1]
    return line


def refuse(connection: socket.socket, why: str) -> None:
    """Says why and closes, without waiting for anything."""
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(as_line(failed(why)))


def failed(why: str) -> dict[str, Any]:
    """The reply of a request that was not carried out."""
    return {"ok": False, "error": why}


def as_line(message: Mapping[str, Any]) -> bytes:
    """One line of JSON; what JSON does not know (an address, a path) as text."""
    return json.dumps(message, default=str).encode() + b"\n"
