"""What a configuration names on this machine, looked at before a daemon is started: is it there, may the daemon use it?

Nothing is made or changed, no port is taken and no other machine is asked, so that it can be done beside a running daemon.
Where root looks on behalf of `run_as`, files are judged as that user, which the daemon is when it uses them.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from detector.capture.bpf import compile_filter
from detector.capture.devices import check_name, state_of
from detector.capture.folder_settings import FolderSettings
from detector.capture.interface import InterfaceSettings
from detector.errors import InputError, InputErrors
from detector.service.config import Config, name_of
from detector.service.control import LONGEST_PATH, prepare_folder
from detector.service.health import listening_socket, tls_context
from detector.service.privileges import Identity, acting_as, identity_of
from detector.settings import Secret, settings_of
from detector.shipped import rules_folder
from detector.sinks.destinations import class_of, make
from detector.sinks.jsonfile import JsonFileSettings

ETHERNET = 1  # link type of the trial in which a filter is compiled
Found = Iterator[InputError]


def obstacles(path: Path, config: Config) -> list[InputError]:
    """What would keep a daemon of this configuration from starting, or from reloading it."""
    identity, found = identity_for(config)
    for one in config.alerts:
        class_of(one)  # Python's own files may be out of the other user's reach
    found += [*of_interfaces(config), *of_metrics(config)]
    with acting_as(identity):
        found += [*of_files(path, config), *of_folders(config), *of_destinations(config), *of_own_folders(config)]
    return found


def remarks(config: Config) -> Iterator[str]:
    """What lets it start, and is worth a second look."""
    if not config.alerts:
        yield "alerts go nowhere: `alerts` names no destination"
    if sys.platform == "linux":
        yield from (text for one in config.sources if isinstance(one, InterfaceSettings) for text in remark_of(one))
    if config.run_as is None and os.geteuid() == 0:
        yield "run_as is not set: started as root, the daemon stays root"


def remark_of(interface: InterfaceSettings) -> Iterator[str]:
    """An interface from which nothing comes as yet."""
    state, name = state_of(interface.name), interface.name
    if state == "gone" and interface.wait:
        yield f"interface {name} is not there: the daemon waits for it"
    elif state == "down":
        yield f"interface {name} is down: ip link set {name} up"
    elif state == "no carrier":
        yield f"interface {name} has no carrier: is its cable plugged in?"


def identity_for(config: Config) -> tuple[Identity | None, list[InputError]]:
    """Whom the daemon becomes, and what is wrong with that."""
    if config.run_as is None:
        return None, []
    try:
        return identity_of(config.run_as.user, config.run_as.group), []
    except InputError as error:
        return None, [about("run_as", error)]


def about(what: str, error: InputError) -> InputError:
    """A mistake with what it is about before it."""
    return error if error.problem.startswith(what) else InputError(f"{what}: {error.problem}", hint=error.hint)


def tried(what: str, trial: Callable[[], object]) -> Found:
    """The mistakes that a trial raises."""
    try:
        trial()
    except InputError as error:
        yield about(what, error)
    except InputErrors as several:
        yield from (about(what, error) for error in several.errors)


def of_interfaces(config: Config) -> Found:
    """Interfaces that are not there, filters that mean nothing."""
    for one in config.sources:
        if isinstance(one, InterfaceSettings):
            if sys.platform == "linux" and not one.wait:
                yield from tried("sources", lambda: check_name(one.name))  # noqa: B023 - called at once
            yield from tried(f"sources, {one.name}", lambda: compile_filter(one.filter, ETHERNET, one.snaplen))  # noqa: B023


def of_metrics(config: Config) -> Found:
    """Certificates of the page for Prometheus, and its address; another port is tried, since a daemon may have this one."""
    yield from tried("metrics", lambda: tls_context(config.metrics))
    yield from tried("metrics", lambda: listening_socket((config.metrics.listen[0], 0)).close())


def of_files(path: Path, config: Config) -> Found:
    """What a reload reads: the configuration, rules, secrets; and what is learnt from."""
    yield from readable("the configuration", path)
    for what in ("rules", "overrides", "learn_from"):
        for named in getattr(config, what) or ((str(rules_folder()),) if what == "rules" else ()):
            yield from readable(what, Path(named))
    if config.suricata_yaml:
        yield from readable("suricata_yaml", Path(config.suricata_yaml))
    for what, secret in secrets(config):
        kind, _, file = secret.source.partition(" ")
        if kind == "file":
            yield from readable(what, Path(file))


def secrets(settings: Any, above: str = "") -> Iterator[tuple[str, Secret]]:
    """Every secret of settings and of their sections, with its name."""
    for name, setting in settings_of(type(settings)).items():
        value, what = getattr(settings, name), f"{above}{name}"
        if isinstance(value, Secret):
            yield what, value
        elif setting.kind == "secrets":
            yield from ((f"{what}.{key}", secret) for key, secret in value.items())
        elif setting.kind == "section" and value is not None:
            yield from secrets(value, f"{what}.")
        elif setting.kind == "variants":
            for one in value:
                yield from secrets(one, f"{what}, {name_of(one)}, ")


def of_folders(config: Config) -> Found:
    """Watched folders."""
    for one in config.sources:
        if isinstance(one, FolderSettings):
            folder, what = Path(one.path), f"sources, {name_of(one)}"
            yield from readable(what, folder, is_folder=True)
            if one.finished != "keep" and folder.is_dir() and not may(folder, os.W_OK | os.X_OK):
                yield InputError(
                    f"{what}: {folder}: {who()} may not take files away, as `finished: {one.finished}` wants"
                )
            if one.finished == "move" and one.move_to:
                yield from writable(what, Path(one.move_to))


def of_destinations(config: Config) -> Found:
    """Certificates, keys and secrets of destinations, folders of files."""
    for one in config.alerts:
        what = f"alerts, {name_of(one)}"
        yield from tried(what, lambda: make(one).close())  # noqa: B023 - called at once
        if isinstance(one, JsonFileSettings):
            folder = Path(one.path).parent
            if not folder.is_dir():
                yield InputError(f"{what}: {folder}: no such folder", hint="make it first")
            elif not may(folder, os.W_OK | os.X_OK) or (Path(one.path).exists() and not may(Path(one.path), os.W_OK)):
                yield InputError(f"{what}: {one.path}: {who()} may not write it")


def of_own_folders(config: Config) -> Found:
    """Where state and the control socket are to lie."""
    yield from writable("state", Path(config.state))
    socket = Path(config.control)
    if len(os.fsencode(socket)) > LONGEST_PATH or socket.parent.is_dir():
        yield from tried("control", lambda: prepare_folder(socket))
    yield from writable("control", socket.parent)


def readable(what: str, path: Path, *, is_folder: bool = False) -> Found:
    """A file or folder that must be read."""
    with suppress(PermissionError):
        if not path.exists() or (is_folder and not path.is_dir()):
            yield InputError(f"{what}: {path}: no such {'folder' if is_folder else 'file or folder'}")
            return
    if not may(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        yield InputError(f"{what}: {path}: {who()} may not read it")


def writable(what: str, folder: Path) -> Found:
    """A folder that is written, or can be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        yield InputError(f"{what}: {there} is no folder")
    elif not may(there, os.W_OK | os.X_OK):
        done = "write" if there == folder else f"make {folder}, write"
        yield InputError(f"{what}: {who()} may not {done} in {there}", hint=f"install -d -o {name()} -m 0750 {folder}")


def may(path: Path, mode: int) -> bool:
    """Whether whoever acts now may do this."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def who() -> str:
    """Whoever acts now."""
    return f"user {name()}"


def name() -> str:
    """Of whoever acts now."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
