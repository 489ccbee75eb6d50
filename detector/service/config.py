"""The daemon's configuration, detector.yml: one section for each part, declared where the part is."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.capture.folder_settings import FolderSettings
from detector.capture.interface import InterfaceSettings
from detector.errors import InputError, InputErrors
from detector.flows.streams import StreamSettings, check_policy
from detector.flows.table import FlowSettings
from detector.packets.decode import DecodeSettings
from detector.packets.zones import Zones
from detector.pipeline import PipelineSettings
from detector.rules.points import read_points
from detector.rules.suricata_config import read_suricata_yaml
from detector.rules.variables import make_variables
from detector.rules.zones import read_zones
from detector.service.health import MetricsSettings
from detector.service.logs import LogSettings
from detector.service.overload import OverloadSettings
from detector.service.settings_reader import read_settings
from detector.settings import setting
from detector.sinks.delivery import DeliverySettings
from detector.sinks.destinations import DECLARED
from detector.sinks.spool import SpoolSettings

MB = 2**20
SECOND = 10**9
SOURCES: dict[str, type] = {"interface": InterfaceSettings, "folder": FolderSettings}


@dataclass(frozen=True)
class RunAs:
    """Whom the daemon becomes once its sockets are open."""

    user: str = setting("text", "user, by name or number", example="detector")
    group: str = setting("text", "group, by name or number; the user's own where it is not given", "")


@dataclass(frozen=True)
class Decoding:
    """How packets are read."""

    check_checksums: bool = setting("flag", "verify IP, TCP, UDP and ICMP checksums", False)
    drop_repeats: bool = setting("flag", "leave out repeats that a mirror port makes", False)
    drop_redundant: bool = setting("flag", "leave out the second of two copies that PRP or HSR make of a frame", True)
    vlan_in_key: bool = setting("flag", "the same addresses in two VLANs are two flows", False)
    midstream: bool = setting("flag", "follow TCP connections whose handshake was not seen", True)
    answer_timeout: int = setting(
        "span",
        "how long an industrial request may wait before `ics.outcome: unanswered`",
        10 * SECOND,
        least=SECOND // 10,
    )


@dataclass(frozen=True)
class Ceilings:
    """What the state of all stages may grow to. What is given up for want of room is counted."""

    flows: int = setting("number", "flows that are followed at once", 131072, least=1024, most=2**24)
    stream_bytes: int = setting(
        "size", "of one TCP stream, segments that wait for a gap", 256 * 2**10, least=64 * 2**10
    )
    stream_memory: int = setting("size", "the same, of all streams", 16 * MB, least=MB)
    window_memory: int = setting(
        "size", "the last 4096 bytes of streams, which payload rules look at", 64 * MB, least=MB
    )
    fragment_datagrams: int = setting("number", "IP datagrams in pieces at once", 4096, least=16, most=2**20)
    fragment_memory: int = setting("size", "bytes of their pieces", 16 * MB, least=MB)


@dataclass(frozen=True)
class Config:
    """Everything that `detector run` can be told."""

    sources: tuple[Any, ...] = setting("variants", "where packets come from", among=SOURCES)
    sensor: str = setting("text", "name of this sensor in alerts and metrics; default: the host's name", "")
    home_net: tuple[str, ...] = setting("texts", "own networks: $HOME_NET in rules", (), example="10.0.0.0/8")
    zones: str = setting("path", "what groups of addresses are called, for zone.* in rules", "", example="zones.yml")
    points: str = setting(
        "path",
        "what the targets of devices are called, and their units and limits, for point.* in rules",
        "",
        example="points.yml",
    )
    rules: tuple[str, ...] = setting("paths", "rule files and folders; default: the shipped packs", ())
    overrides: tuple[str, ...] = setting("paths", "files that disable, re-level, except or limit rules by id", ())
    variables: dict[str, str] = setting(
        "table", "$NAME of rules: a value, a list, or @file", {}, example="{MODBUS_MASTERS: [10.0.0.10, 10.0.0.11]}"
    )
    suricata_yaml: str = setting(
        "path",
        "Suricata's configuration: variables, classtypes, references and thresholds of its rules, and where `rules` is not "
        "given its rule files",
        "", example="/etc/suricata/suricata.yaml",
    )  # fmt: skip
    stream_policies: dict[str, str] = setting(
        "table",
        "what systems do with bytes of TCP that come twice and differ, while they wait for a gap: a policy of Suricata's host-os-policy and "
        "its networks; default: that of suricata_yaml, else first",
        {}, example="{windows: [10.1.0.0/16], linux: 10.2.0.0/16}",
    )  # fmt: skip
    watch_rules: bool = setting("flag", "load rules anew when a file of them, or this one, has changed", True)
    learn_from: tuple[str, ...] = setting("paths", "captures of known good traffic for new_value rules", ())
    alerts: tuple[Any, ...] = setting("variants", "where alerts go", (), among=DECLARED)
    state: str = setting("path", "folder of the spool, of quarantine and of checkpoints", "/var/lib/detector")
    spool: SpoolSettings = setting("section", "alerts on disk until every sink has them", of=SpoolSettings)
    delivery: DeliverySettings = setting("section", "how alerts are delivered to every sink", of=DeliverySettings)
    checkpoint: int = setting(
        "span", "how often state is written, so that a restart goes on where it was", 30 * SECOND, least=SECOND
    )
    shutdown: int = setting(
        "span", "how long a stop may wait for sinks to take what is in the spool", 10 * SECOND, least=0
    )
    workers: int = setting("number", "processes that share the work; 1: none beside this one", 1, least=1, most=64)
    feed: str = setting(
        "text",
        "how several workers get packets; reader: this process deals them out, the alerts are those of one worker; "
        "fanout: Linux does, for interfaces only",
        "reader", choices=("reader", "fanout"),
    )  # fmt: skip
    metrics: MetricsSettings = setting("section", "the page for Prometheus", of=MetricsSettings)
    control: str = setting(
        "path", "socket of detector status, top, reload and test-alert", "/run/detector/control.sock"
    )
    log: LogSettings = setting("section", "the daemon's own log, on standard error", of=LogSettings)
    run_as: RunAs | None = setting("section", "drop privileges to this user when sockets are open", None, of=RunAs)
    decoding: Decoding = setting("section", "how packets are read", of=Decoding)
    ceilings: Ceilings = setting("section", "what state may grow to", of=Ceilings)
    overload: OverloadSettings = setting("section", "what is given up when packets come too fast", of=OverloadSettings)

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of settings together."""
        if not self.sources:
            yield "sources", "sources has no entry", "sources: [{interface: {name: eth1}}], or a folder"
        if self.feed == "fanout":
            yield from self._fanout_mistakes()
        for what in ("sources", "alerts"):
            for name, count in Counter(map(name_of, getattr(self, what))).items():
                if count > 1:
                    yield what, f"{count} entries are named {name!r}", "give each a name: of its own"
        folders = [Path(one.path) for one in self.sources if isinstance(one, FolderSettings)]
        for path, count in Counter(folder.resolve() for folder in folders).items():
            if count > 1:
                yield "sources", f"{count} entries watch {path}", "its packets would be judged twice"
        for name, text in self.stream_policies.items():
            try:
                for network in text.split(","):
                    check_policy(network.strip(), name)
            except InputError as error:
                yield "stream_policies", error.problem, error.hint
        for what, variables in (("home_net", {}), ("variables", self.variables)):
            try:
                make_variables(variables, self.home_net)
            except InputError as error:
                yield (
                    what,
                    error.problem.replace("--home-net", "home_net"),
                    error.hint.replace("--home-net", "home_net"),
                )
                return

    def _fanout_mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of workers that are fed by Linux."""
        if self.workers == 1:
            yield (
                "feed",
                "feed: fanout shares interfaces among workers, and there is one",
                "workers: 2, or feed: reader",
            )
        for one in self.sources:
            if not isinstance(one, InterfaceSettings) or one.capture != "ring":
                yield (
                    "feed",
                    f"feed: fanout needs interfaces with capture: ring; {name_of(one)!r} is none",
                    "feed: reader",
                )

    @property
    def observer(self) -> str:
        """The sensor's name."""
        return self.sensor or socket.gethostname()

    def policies(self) -> tuple[tuple[str, str], ...]:
        """(network, policy) of receivers: of this file, else of suricata.yaml."""
        own = [(network.strip(), name) for name, text in self.stream_policies.items() for network in text.split(",")]
        if own or not self.suricata_yaml:
            return tuple(own)
        return read_suricata_yaml(Path(self.suricata_yaml)).policies

    def pipeline_settings(self) -> PipelineSettings:
        """What the stages are to be told."""
        ceilings = self.ceilings
        return PipelineSettings(
            decode=DecodeSettings(
                check_checksums=self.decoding.check_checksums, drop_repeats=self.decoding.drop_repeats,
                drop_redundant=self.decoding.drop_redundant,
                fragment_datagrams=ceilings.fragment_datagrams, fragment_bytes=ceilings.fragment_memory,
            ),
            flows=FlowSettings(flows=ceilings.flows, vlan_in_key=self.decoding.vlan_in_key, midstream=self.decoding.midstream),
            streams=StreamSettings(
                stream_bytes=ceilings.stream_bytes, memory_bytes=ceilings.stream_memory, window_bytes=ceilings.window_memory,
                policies=self.policies(),
            ),
            observer=self.observer,
            zones=read_zones(Path(self.zones)) if self.zones else Zones(),
            points=read_points(Path(self.points)) if self.points else (),
            answer_timeout_ns=self.decoding.answer_timeout,
        )  # fmt: skip


def name_of(settings: Any) -> str:
    """What a source or sink is called in metrics, log and status."""
    return str(settings.name or Path(settings.path).name)


def kind_of(settings: Any, kinds: Mapping[str, type]) -> str:
    """The key that its settings stand under."""
    return next(kind for kind, of in kinds.items() if type(settings) is of)


def read_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a file.

    Raises:
        InputErrors: every mistake in it, by position.
    """
    try:
        return read_settings(path, Config, environment)
    except InputError as error:
        raise InputErrors([error]) from None
