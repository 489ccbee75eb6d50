"""What tests of Elasticsearch share: records, a set-up server, what is in a data stream, a proxy that cuts connections."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from detector.settings import Secret
from detector.sinks.destination import Record
from detector.sinks.elasticsearch import ElasticsearchDestination
from detector.sinks.elasticsearch_client import connect
from detector.sinks.elasticsearch_settings import SECOND_NS, ElasticsearchSettings
from detector.sinks.elasticsearch_setup import apply, plan
from tests.servers.elasticsearch import Server


def a_namespace() -> str:
    """One that no other test has."""
    return f"t{uuid4().hex[:12]}"


def settings_for(url: str, *others: str, **given: Any) -> ElasticsearchSettings:
    """Settings with a short timeout and a namespace of their own. Texts become secrets where secrets are due."""
    for name in ("api_key", "password", "bearer"):
        if isinstance(given.get(name), str):
            given[name] = Secret(given[name])
    seconds = given.pop("seconds", 20)
    return ElasticsearchSettings(
        hosts=(url, *others), **{"namespace": a_namespace(), "timeout": seconds * SECOND_NS, **given}
    )


def set_up(settings: ElasticsearchSettings) -> int:
    """Installs the templates; how many changes that took."""
    with connect(settings) as client:
        planned = plan(client, settings)
        for change in planned.changes:
            apply(client, change)
    return len(planned.changes)


def document(**given: Any) -> dict[str, Any]:
    """A small alert."""
    return {"@timestamp": "2024-05-01T08:00:00.123456789Z", "event": {"kind": "alert"}, "message": "an alert", **given}


def record(name: str, **given: Any) -> Record:
    """A small alert with an id."""
    return Record(name, json.dumps(document(**given)).encode())


def some_records(count: int, prefix: str = "a", **given: Any) -> list[Record]:
    return [record(f"{prefix}{number}", **given) for number in range(count)]


def names(records: Iterable[Record]) -> Counter[str]:
    return Counter(one.id for one in records)


def stored(server: Server, settings: ElasticsearchSettings) -> Counter[str]:
    """{id: how many documents have it} over all backing indices."""
    server.call("POST", f"/{settings.data_stream}/_refresh")
    answer = server.call("GET", f"/{settings.data_stream}/_search?size=10000&_source=false")
    return Counter(hit["_id"] for hit in answer["hits"]["hits"])


def roll_over(server: Server, settings: ElasticsearchSettings) -> None:
    assert server.call("POST", f"/{settings.data_stream}/_rollover")["rolled_over"]


def destination_for(settings: ElasticsearchSettings) -> ElasticsearchDestination:
    return ElasticsearchDestination(settings)


@dataclass
class CuttingProxy:
    """A TCP proxy in front of a server. `cut` says of each answer, by what was asked, whether it is thrown away and the
    connection closed; `most` is how much of a request is passed on before the connection is closed, -1: all."""

    upstream: int
    cut: Callable[[bytes], bool] = lambda request: False
    most: int = -1
    cuts: int = 0
    _listener: socket.socket = field(default_factory=socket.socket)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> CuttingProxy:
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _start(self, run: Callable[..., None], *given: Any) -> None:
        self._threads.append(threading.Thread(target=run, args=given, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.upstream)) as server:
            asked = bytearray()
            answering = threading.Thread(target=self._answer, args=(client, server, asked), daemon=True)
            answering.start()
            while data := received(client):
                asked += data
                if 0 <= self.most < len(asked) and b"_bulk" in asked:
                    server.sendall(data[: self.most])
                    self.cuts += 1
                    break
                server.sendall(data)
            shut(server)
            shut(client)
            answering.join(30)

    def _answer(self, client: socket.socket, server: socket.socket, asked: bytearray) -> None:
        while data := received(server):
            request = bytes(asked)
            if self.cut(request):
                self.cuts += 1
                break
            asked.clear()
            try:
                client.sendall(data)
            except OSError:
                break
        shut(client)


def received(one: socket.socket) -> bytes:
    """What came, nothing at the end however it came."""
    try:
        return one.recv(65536)
    except OSError:
        return b""


def shut(one: socket.socket) -> None:
    """Ends a connection in both directions, where the other side has not."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
