"""Alerts into an Elasticsearch data stream: created in bulk under their own ids, none twice, none lost.

Three facts shape it. `create` answers 409 where the id is there already, which is success. An id is unique within one
backing index only: after a rollover the same `create` makes a second document. And who loses an answer does not know
whether the request was carried out, nor whether it still will be. So what may have been sent before is handled like this:

1. Wait until no bulk request of ours runs on the cluster any more. Each carries our X-Opaque-Id, by which the list of
   tasks shows it; also one that a process before us sent, since the id is made of the destination, data stream and host.
2. Refresh the data stream and look the ids up over all its backing indices.
3. Create those that are missing.

The race that remains: the old request was not read by the server yet when we asked for tasks, is carried out after we
looked, and the data stream rolled over between its write and ours. Without a rollover in those moments both meet in one
index, where the second gets 409. A request stays unread while it waits in the receive buffer of a paused node or of a
proxy. A paused node that answers again reads it at once, at least as soon as our four requests (tasks twice, refresh,
search), which are sent one after the other; and while a paused node belongs to the cluster, the list of tasks does not
come before it has answered. What is left is a node that was cut off, dropped from the cluster and comes back with our
request in its buffer, in the very moment of a rollover, and a proxy that holds a request back. Naming the backing index
in the request would close this too, but Elasticsearch takes `create` only by the data stream's name, and an update of a
backing index would need the right to change alerts: with this way a stolen key of a sensor can add alerts, never alter one.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import ApiError, NotFoundError

from detector.errors import InputError
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.elasticsearch_client import JSON_HEADERS, connect, reason_of, told_by_cause
from detector.sinks.elasticsearch_settings import DATASET, ElasticsearchSettings, check

LOG = logging.getLogger(__name__)
CREATED, CONFLICT, TOO_LARGE = (200, 201), 409, 413
LOOK_UP = 1000  # ids of one search
COPIES = 10  # of one id in different backing indices that a search has room for
QUIET_LOOKS, QUIET_SECONDS = 2, 0.2
YEAR = re.compile(rb'\{\s*"@timestamp"\s*:\s*"([0-9]{4})-')  # how a document of alerts/ecs.py begins
EPOCH = "1970-01-01T00:00:00.000000000Z"


@dataclass
class Outcome:
    """A Receipt that is being filled. in_doubt: ids that the server may have written although it reported an error."""

    delivered: int = 0
    refused: list[tuple[Record, str]] = field(default_factory=list)
    again: list[Record] = field(default_factory=list)
    in_doubt: set[str] = field(default_factory=set)
    cause: str = ""
    why: str = ""

    def note(self, record: Record, item: dict[str, Any]) -> None:
        """Takes the answer to one record."""
        status, error = int(item["status"]), item.get("error") or {}
        # Where the server puts aside what it cannot index, it calls that created; the alert is not in the data stream.
        if item.get("failure_store") == "used":
            self.refused.append((record, "the server put it into the data stream's failure store"))
        elif status in CREATED or status == CONFLICT:
            self.delivered += 1
        elif cause := cause_of(status, str(error.get("type"))):
            self.again.append(record)
            self.cause, self.why = cause, f"{status}: {reason_of(error)}"
            if status >= 500:
                self.in_doubt.add(record.id)
        else:
            self.refused.append((record, f"{status}: {reason_of(error)}"))

    def receipt(self) -> Receipt:
        """What it has come to."""
        return Receipt(self.delivered, self.refused, self.again, self.cause, self.why)


def cause_of(status: int, kind: str) -> str:
    """Why a record is to be tried again, of destination.CAUSES; "" where it never will be taken."""
    if kind == "cluster_block_exception":  # a write block (403), a full disk (429), no master (503)
        return "blocked"
    if status in (429, 503):
        return "busy"
    if status in (401, 403, 404):  # privileges, or the data stream's template, are missing: an operator must act
        return "refused"
    return "error" if status >= 500 else ""


class ElasticsearchDestination:
    """One data stream, and one client.

    Raises:
        InputErrors: settings do not go together.
        InputError: a certificate, key or secret cannot be used.
    """

    def __init__(self, settings: ElasticsearchSettings, *, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        check(settings)
        self.name = settings.name
        self.batch = settings.batch
        self.settings = settings
        self.opaque_id = f"detector/{settings.name}/{settings.data_stream}/{socket.gethostname()}"
        self._client = connect(settings, self.opaque_id)
        self._in_doubt: set[str] = set()
        self._clock, self._sleep = clock, sleep

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        """Creates the records that are not there yet.

        Raises:
            Unavailable: to be tried again as a whole, as resent.
        """
        with told_by_cause():
            ids = {record.id for record in records}
            there = self._there(ids) if is_resent or ids & self._in_doubt else set()
            outcome = Outcome(delivered=sum(record.id in there for record in records))
            self._create([record for record in records if record.id not in there], outcome)
        self._in_doubt = self._in_doubt - ids | outcome.in_doubt
        return outcome.receipt()

    def present(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that can be found in the data stream, by now.

        Raises:
            Unavailable: they could not be looked up.
        """
        with told_by_cause():
            return self._found(list(ids))

    def reopen(self) -> None:
        """Makes the client anew; certificates and secrets of files are read again. The old one stays where that fails."""
        try:
            made = connect(self.settings, self.opaque_id)
        except InputError as error:
            LOG.warning("%s: goes on with the certificates and secrets it had: %s", self.name, error)
            return
        self._client.close()
        self._client = made

    def close(self) -> None:
        """Closes connections."""
        self._client.close()

    def _create(self, records: Sequence[Record], outcome: Outcome) -> None:
        if not records:
            return
        try:
            items = self._bulk(records)
        except ApiError as error:
            if error.meta.status != TOO_LARGE:
                raise
            # A proxy or the server takes no request as large as this one: it has not looked at what is in it.
            if len(records) == 1:
                outcome.refused.append((records[0], f"{TOO_LARGE}: larger than the server takes"))
                return
            half = len(records) // 2
            self._create(records[:half], outcome)
            self._create(records[half:], outcome)
            return
        for record, item in zip(records, items, strict=True):
            outcome.note(record, item)

    def _bulk(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """The server's answer to each record, in their order."""
        lines: list[Any] = []
        for record in records:
            lines += [json.dumps({"create": {"_id": record.id}}).encode(), placed(storable(record.body), self.settings)]
        # The server gives up on a shard that is away before we give up on the server: an answer is better than none.
        patience = max(1, int(self.settings.timeout_seconds * 0.8))
        answer = self._client.bulk(
            operations=lines,
            index=self.settings.data_stream,
            require_data_stream=True,
            timeout=f"{patience}s",
            filter_path=["items.create.status", "items.create.error", "items.create.failure_store"],
        )
        items = [item["create"] for item in answer.get("items", [])]
        if len(items) != len(records):
            raise Unavailable("error", f"{len(records)} alerts were sent and {len(items)} answered")
        return items

    def _there(self, ids: set[str]) -> set[str]:
        """Those of the ids that an earlier request has written; when this returns, none of ours runs any more."""
        self._wait_for_own_requests()
        return self._found(sorted(ids))

    def _wait_for_own_requests(self) -> None:
        until = self._clock() + self.settings.timeout_seconds
        quiet = 0
        while True:
            quiet = 0 if self._runs_request() else quiet + 1
            if quiet == QUIET_LOOKS:
                return
            if self._clock() > until:
                raise Unavailable("busy", "an earlier request of ours is still being carried out")
            self._sleep(QUIET_SECONDS)

    def _runs_request(self) -> bool:
        # Not client.tasks.list: it warns that the interface may change.
        answer = self._client.perform_request("GET", "/_tasks", params={"actions": "indices:data/write/bulk*"},
                                              headers=JSON_HEADERS).body  # fmt: skip
        if answer.get("node_failures") or answer.get("task_failures"):
            return True  # not known of every node
        return any(task.get("headers", {}).get("X-Opaque-Id") == self.opaque_id
                   for node in answer.get("nodes", {}).values() for task in node["tasks"].values())  # fmt: skip

    def _found(self, ids: list[str]) -> set[str]:
        stream = self.settings.data_stream
        try:
            self._client.indices.refresh(index=stream)
            return {found for page in pages(ids) for found in self._look_up(page)}
        except NotFoundError as error:
            if "index_not_found_exception" not in str(error.body):
                raise
            return set()  # no data stream yet

    def _look_up(self, ids: list[str]) -> Iterator[str]:
        answer = self._client.search(
            index=self.settings.data_stream,
            query={"ids": {"values": ids}},
            size=len(ids) * COPIES,
            source=False,
            track_total_hits=False,
            allow_partial_search_results=False,  # a shard that is away must not look like one without our ids
        )
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise Unavailable("busy", "the data stream could not be searched as a whole")
        return (hit["_id"] for hit in answer["hits"]["hits"])


def pages(ids: list[str]) -> Iterator[list[str]]:
    """The ids in parts that one search takes."""
    return (ids[start : start + LOOK_UP] for start in range(0, len(ids), LOOK_UP))


def placed(body: bytes, settings: ElasticsearchSettings) -> bytes:
    """The document with its data stream, as Elastic's conventions want it: dashboards choose alerts by the namespace."""
    if not body.endswith(b'"}') and not body.endswith(b"}}"):
        return body  # no document of ours: the server says what is wrong with it
    stream = {"type": "logs", "dataset": DATASET, "namespace": settings.namespace}
    if b'"data_stream"' in body:  # a key twice would be refused
        try:
            return json.dumps(json.loads(body) | {"data_stream": stream}, ensure_ascii=False).encode("utf-8", "replace")
        except (ValueError, TypeError, RecursionError):
            return body
    return body[:-1] + b',"data_stream":' + json.dumps(stream, separators=(",", ":")).encode() + b"}"


def storable(body: bytes) -> bytes:
    """The document with a time that a date in nanoseconds can hold: it begins in 1970.

    A capture may hold an earlier time (a clock that was never set). That alert is filed under 1970-01-01, and says when
    it was in event.start, which holds it in milliseconds.
    """
    year = YEAR.match(body)
    if year is None or year[1] >= b"1970":
        return body
    try:
        document = json.loads(body)
    except ValueError:
        return body  # the server says what is wrong with it
    document |= {"@timestamp": EPOCH, "event": {**document.get("event", {}), "start": document["@timestamp"]}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
