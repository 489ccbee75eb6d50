"""A daemon as the commands that talk to one see it: its control socket, with a status that a test may change."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from pathlib import Path

from detector.service.control import ControlServer
from detector.service.status import Status

STATUS: Status = {
    "sensor": "substation-7", "version": "0.1.0", "pid": 4711, "started": 0.0, "ready": True,
    "checks": [{"name": "rules", "ok": True, "why": ""}, {"name": "spool", "ok": True, "why": ""}],
    "sources": [
        {"name": "eth1", "kind": "interface", "up": True, "packets": 1_234_567, "bytes": 300_000_000, "dropped": {"ring": 10, "interface": 2},
         "lag_seconds": 0.1, "last_packet": 0.0, "reconnects": 1},
        {"name": "captures", "kind": "folder", "up": True, "packets": 5, "bytes": 500, "dropped": {}, "lag_seconds": 0.0, "last_packet": 0.0,
         "reconnects": 0},
    ],
    "rules": {"active": 27, "inactive": [{"title": "Modbus write outside known registers", "why": "$MODBUS_WRITABLE_REGISTERS is not set"}],
              "shed": [], "errors": [{"rule": "5c2d", "title": "Register scan", "count": 3}]},
    "spool": {"bytes": 5_000_000, "limit": 2**30},
    "sinks": [{"name": "es", "kind": "elasticsearch", "up": True, "delivered": 5120, "waiting": 12, "oldest_seconds": 3.0, "quarantined": 1,
               "lost": {"oldest": 4}, "failures": {"timeout": 2}, "last_error": "no answer within 30 s"}],
    "reload": {"result": "ok", "time": 0.0, "message": "", "diff": {"added": ["a", "b"], "removed": [], "changed": ["c"], "inactive": []}},
    "checkpoint": {"time": 0.0, "ok": True, "message": ""},
    "workers": {"count": 2, "restarts": 1},
    "memory_bytes": 400 * 2**20,
    "overload": {"level": 0, "shed": []},
    "top": {"rules": [{"rule": "5c2d", "title": "Modbus write from unknown master", "level": "high", "alerts": 12, "suppressed": 300}],
            "talkers": [{"source": "10.20.0.10", "destination": "10.20.0.21", "packets": 9000, "bytes": 800_000}]},
}  # fmt: skip


def fresh_status() -> Status:
    """A healthy daemon that was started two hours ago and saw its last packet just now."""
    status = copy.deepcopy(STATUS)
    now = time.time()
    status["started"] = now - 7300
    for source in status["sources"]:
        source["last_packet"] = now - 0.2
    status["reload"]["time"] = now - 300
    status["checkpoint"]["time"] = now - 12
    return status


@contextlib.contextmanager
def daemon(path: Path, status: Status, packets: int = 0) -> Iterator[ControlServer]:
    """Answers `status`; the first source has so many packets more at each question."""

    def answer(request: dict[str, object]) -> Status:
        for source in status["sources"][:1]:
            source["packets"] += packets
            source["bytes"] += packets * 100
        return copy.deepcopy(status)

    server = ControlServer(path, {"status": answer})
    try:
        server.start()
        yield server
    finally:
        server.close()
