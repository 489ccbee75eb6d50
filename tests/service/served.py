"""A health server for tests, asked with http.client as a probe would."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detector.service.exporter import Board, registry_of
from detector.service.health import HealthServer, MetricsSettings
from detector.service.status import Check


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def served(
    *, health: Callable[[], str] = lambda: "", checks: Callable[[], Sequence[Check]] = lambda: (), board: Board | None = None,
    refresh: Callable[[], None] | None = None,
    **settings: Any,
) -> Iterator[HealthServer]:  # fmt: skip
    server = HealthServer(
        MetricsSettings(**{"listen": ("127.0.0.1", 0), **settings}),
        registry_of(board or Board(), refresh),
        health,
        checks,
    )
    try:
        server.start()
        yield server
    finally:
        server.close()


def ask(server: HealthServer, path: str, *, method: str = "GET", tls: ssl.SSLContext | None = None, user: str = "",
        timeout: float = 10, **headers: str) -> Reply:  # fmt: skip
    host, port = server.address
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)
        if tls
        else http.client.HTTPConnection(host, port, timeout=timeout)
    )
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            named["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
