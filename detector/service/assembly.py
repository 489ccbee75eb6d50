"""The daemon put together: what must be opened with privileges first, then without them everything else, then the loop."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detector import __version__
from detector.alerts.ecs import ECS_VERSION, event_of, observer_of, timestamp
from detector.capture import open_source
from detector.capture.folder import FolderSource
from detector.capture.folder_settings import FolderSettings
from detector.capture.interface import InterfaceSettings
from detector.capture.listen import listen
from detector.capture.packet_socket import DirectOpener, Opener
from detector.capture.several import SeveralSources
from detector.capture.source import LiveSource
from detector.errors import InputError
from detector.pipeline import Pipeline, Run
from detector.rules.model import LEVELS, Ruleset
from detector.service import dropped
from detector.service.config import Config, name_of
from detector.service.control import ControlServer
from detector.service.daemon import HOLDER, Checkpoints, Daemon
from detector.service.exporter import Board, registry_of
from detector.service.health import HealthServer
from detector.service.logs import Logs
from detector.service.metrics import LATENCIES
from detector.service.notify import Notifier
from detector.service.opener import OpenerProcess, RemoteOpener
from detector.service.overload import Overload
from detector.service.privileges import Identity, drop, identity_of
from detector.service.publish import Publisher
from detector.service.reload import Reloader, rules_of, try_out
from detector.service.signals import handled
from detector.sinks.delivery import Delivery
from detector.sinks.destination import Record
from detector.sinks.destinations import class_of, make
from detector.sinks.jsonl import encoded
from detector.sinks.spool import Spool
from detector.warming import steps
from detector.workers import FanoutRun, Opening, WorkerError, WorkerPipeline, hand_over, load

log = logging.getLogger(__name__)

RELOAD_SECONDS = 120.0  # that a request over the control socket waits for a reload
TEST_SECONDS = 30.0  # that a test alert may take


def serve(path: Path, config: Config) -> int:
    """Runs the daemon of a configuration until SIGTERM or SIGINT. The exit code: 1 where it can go on no longer.

    Raises:
        InputError, InputErrors: something that the configuration names cannot be used.
    """
    with ExitStack() as stack:
        logs = Logs(config.log)
        stack.callback(logs.close)
        service = Service(path, config, logs, stack)
        try:
            service.run()
        except WorkerError as error:
            log.critical("the daemon ends: %s; what is not judged yet is judged after the next start", error)
            return 1
        except Exception:
            log.critical(
                "the daemon ends: a mistake of its own, or a machine that refuses what it needs", exc_info=True
            )
            return 1
    return 0


class Service:
    """The daemon's parts, made in the order in which they need privileges and each other."""

    def __init__(self, path: Path, config: Config, logs: Logs, stack: ExitStack) -> None:
        self._config, self._logs, self._stack = config, logs, stack
        self._notifier = Notifier()
        self._stops = 0  # signals that ask for the end
        ruleset = rules_of(config)
        for _, step in steps():  # kernels: no packet shall wait for them, and later Python's files may be out of reach
            step()
        for one in config.alerts:
            class_of(one)
        try_out(ruleset)
        identity = identity_of(config.run_as.user, config.run_as.group) if config.run_as else None
        opener = self._opener(identity)
        self._pipeline = run_of(config, ruleset, opener, identity)
        stack.callback(self._pipeline.close)
        self._board = Board()
        registry = registry_of(self._board, lambda: self._publisher.refresh())
        self._health = HealthServer(
            config.metrics, registry, lambda: self._publisher.health(), lambda: self._publisher.checks()
        )
        stack.callback(self._health.close)
        if identity is not None:
            proof = drop(identity)
            log.info(
                "privileges are dropped", extra={"user": proof.user, "group": proof.group, "threads": proof.threads}
            )
        self._control = ControlServer(config.control, {
            "status": lambda request: self._publisher.status(),
            "reload": self._reload, "checkpoint": self._checkpoint, "test-alert": self._test_alert,
        })  # fmt: skip
        stack.callback(self._control.close)
        self._spool = Spool(Path(config.state) / "spool", config.spool, holders=[HOLDER])
        stack.callback(self._spool.close)
        self._delivery = Delivery(self._spool, [make(one) for one in config.alerts], config.delivery, bounds=LATENCIES)
        stack.callback(self._delivery.close)
        self._reloader = Reloader(path, config, ruleset, self._pipeline.prepare, time.time)
        self._pipeline.measure(time.perf_counter_ns)
        checkpoints = Checkpoints(
            Path(config.state) / "checkpoint", config.checkpoint / 1e9, self._pipeline, self._spool
        )
        position = checkpoints.restore()
        self._source = source_of(config, opener, position, self._pipeline)
        self._overload = Overload(config.overload, ruleset.active)
        self._publisher = Publisher(config, self._board, logs, self._source, self._pipeline, self._spool, self._delivery,
                                    self._reloader, checkpoints, self._overload)  # fmt: skip
        self._daemon = Daemon(self._source, self._pipeline, self._spool, self._reloader, self._publisher, self._notifier, checkpoints, self._overload)  # fmt: skip
        if config.learn_from and not checkpoints.is_restored:
            self._pipeline.learn(open_source(config.learn_from))

    def _opener(self, identity: Identity | None) -> Opener:
        """Who opens packet sockets: a process that keeps the privilege where this one gives it up."""
        interfaces = [one for one in self._config.sources if isinstance(one, InterfaceSettings)]
        if identity is None or not interfaces:
            return DirectOpener(interfaces)
        process = OpenerProcess(interfaces, identity)
        self._stack.callback(process.close)
        return process.opener

    def run(self) -> None:
        """Starts what runs beside the loop, then the loop; and the end, in which only haste can still be asked for."""
        self._health.start()
        self._control.start()
        self._delivery.start()
        self._reloader.start()
        with handled({signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: self._hang_up}):
            gc.collect()
            gc.freeze()  # modules, rules and kernels need not be looked through again
            self._publisher.is_started = True
            self._notifier.ready(f"{len(self._pipeline.ruleset.alerting)} rules, sensor {self._config.observer}")
            if not self._config.alerts:
                log.warning("alerts go nowhere: `alerts` names no destination")
            log.info("started", extra={"version": __version__, "rules": len(self._pipeline.ruleset.alerting),
                                       "sources": list(self._source.reports)})  # fmt: skip
            self._daemon.run()
            self._notifier.stopping()
            self._reloader.close()
            if not self._delivery.drain(self._config.shutdown / 1e9, lambda: self._stops > 1):
                log.warning("alerts are left in the spool: they are delivered after the next start")
            log.info("stopped")

    def _stop(self) -> None:
        """SIGTERM, SIGINT: no more packets. A second one: no more waiting for sinks."""
        self._stops += 1
        self._source.stop()

    def _hang_up(self) -> None:
        """SIGHUP: rules, certificates and files anew."""
        if self._stops:
            return
        self._notifier.reloading()
        self._health.reopen()
        self._delivery.reopen()
        self._reloader.request("SIGHUP").add_done_callback(lambda _: self._notifier.ready())

    def _reload(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Rules anew, and what came of it."""
        outcome = self._reloader.request("asked for").result(RELOAD_SECONDS)
        if outcome.result == "failed":
            raise InputError(outcome.message)
        return {"result": outcome.result, "message": outcome.message, "diff": asdict(outcome.diff),
                "restart": outcome.restart, "active": len(self._reloader.ruleset.alerting)}  # fmt: skip

    def _checkpoint(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """State on disk now."""
        self._daemon.checkpoint(RELOAD_SECONDS)
        return {}

    def _test_alert(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One marked alert through the whole path; which sinks have it."""
        record = test_record(self._config, time.time_ns())
        self._spool.append([record])
        number, deadline = (
            self._spool.end.number,
            time.monotonic() + min(float(request.get("seconds", TEST_SECONDS)), 600.0),
        )
        while True:
            counts = self._delivery.counts()
            sinks = {
                name: "delivered" if one.reached >= number else one.last_error or "waits"
                for name, one in counts.items()
            }
            if set(sinks.values()) <= {"delivered"} or time.monotonic() >= deadline:
                refusals = {name: f"refused: {why}" for name, why in self._delivery.refusals(record.id).items()}
                return {"id": record.id, "sinks": sinks | refusals}
            time.sleep(0.05)


def run_of(config: Config, ruleset: Ruleset, opener: Opener, identity: Identity | None = None) -> Run:
    """The stages, in this process or in several, which become somebody else at once where this one will."""
    settings = config.pipeline_settings()
    if config.workers == 1:
        return Pipeline(ruleset, settings)
    if identity is not None:
        os.environ[dropped.VARIABLE] = f"{identity.user}:{identity.group}"
        load(RemoteOpener.__module__, dropped.__name__)
        hand_over(identity.user, identity.group)
    if config.feed == "fanout":
        opening = Opening(opener.fileno(), RemoteOpener) if isinstance(opener, RemoteOpener) else None
        return FanoutRun(ruleset, settings, config.workers, config.sources, opening)
    return WorkerPipeline(ruleset, settings, config.workers)


def source_of(config: Config, opener: Opener, position: Mapping[str, Any], pipeline: Run) -> LiveSource:
    """All sources of a configuration as one; each folder goes on at its part of the position."""
    if isinstance(pipeline, FanoutRun):  # its workers capture for themselves
        pipeline.listen()
        return pipeline
    interfaces = [one for one in config.sources if isinstance(one, InterfaceSettings)]
    sources: dict[str, LiveSource] = {}
    for kind in ("ring", "scapy"):
        if chosen := [one for one in interfaces if one.capture == kind]:
            sources[kind] = listen(chosen, opener=opener)
    for one in config.sources:
        if isinstance(one, FolderSettings):
            name = name_of(one)
            sources[name] = FolderSource(one, position.get(name))
    return SeveralSources(sources)


def test_record(config: Config, now_ns: int) -> Record:
    """An alert of no traffic, marked as a test, in the form of all others."""
    event_id, level = uuid.uuid4().hex, LEVELS[0]
    document = {
        "@timestamp": timestamp(now_ns),
        "ecs": {"version": ECS_VERSION},
        "message": "test alert: the path from this sensor works",
        "event": event_of(event_id, level),
        "rule": {"id": "test", "name": "Test alert"},
        "observer": observer_of(config.observer),
        "detector": {"level": level},
        "labels": {"test": "true"},
    }
    return Record(event_id, encoded(document))
