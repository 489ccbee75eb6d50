"""Destination: alerts as JSON by HTTP POST.

2xx means delivered. What says that a document cannot be taken (400, 413, 422 and others of 4xx) is refused: where several
were sent, the halves are tried, so that only those that are at fault go to quarantine. What says that we or the address
are at fault (401, 403, 404, 407, redirects) is tried again, as are 408, 429 (after Retry-After) and 5xx: an expired
password must not empty the spool into the quarantine. A receiver tells a resend by the ids in the headers.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from detector.errors import InputError
from detector.settings import Secret, setting
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.tls import client_context, reason

log = logging.getLogger(__name__)

OURS = (401, 403, 404, 405, 407)  # we, or the address, are wrong, not the document
LATER = (408, 425, 429)
ANSWER_BYTES = 65536  # of an answer are read
SAID = 300  # characters of it are kept as the reason


@dataclass(frozen=True)
class WebhookSettings:
    """What the configuration says of a receiver of HTTP POST."""

    url: str = setting("text", "where alerts are posted to", example="https://soar.example.org/alerts")
    name: str = setting("text", "name of this destination in metrics and in the spool", "webhook")
    format: str = setting(
        "text", "a JSON array of documents, or one document a line", "array", choices=("array", "ndjson")
    )
    headers: dict[str, str] = setting("table", "further headers", {})
    secrets: dict[str, Secret] = setting(
        "secrets", "headers whose values are not shown", {}, example="{Authorization: {file: /etc/detector/token}}"
    )
    ca: str = setting("path", "certificates to trust, in PEM; those of the system where it is not given", "")
    certificate: str = setting("path", "our certificate, in PEM", "")
    key: str = setting("path", "the key of our certificate, in PEM", "")
    timeout: int = setting("span", "longest wait for the receiver", 10 * 10**9, least=10**8)
    batch: int = setting("number", "alerts of one request; their ids are listed in a header", 100, least=1, most=150)

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of the address."""
        try:
            checked_url(self.url)
        except InputError as error:
            yield "url", error.problem, error.hint or "https://host/path"


@dataclass(frozen=True)
class Answer:
    """status: of HTTP. said: its reason and the beginning of its body. after: seconds, by Retry-After."""

    status: int
    said: str
    after: float | None


class Webhook:
    """One request for each delivery, each over a connection of its own.

    Raises:
        InputError: the address, a header or a certificate cannot be used.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self.name = settings.name
        self.batch = settings.batch
        self._settings = settings
        self._url = checked_url(settings.url)
        check_headers(settings)
        self._context = self._make_context()

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        """Posts the documents.

        Raises:
            Unavailable: the receiver did not take them now.
        """
        answer = self._post(records, is_resent)
        if answer.status in LATER or answer.status >= 500:
            raise Unavailable("busy", answer.said, answer.after)
        if answer.status in OURS or not 200 <= answer.status < 500 or 300 <= answer.status < 400:
            raise Unavailable("refused", answer.said, answer.after)
        if answer.status < 300:
            return Receipt(len(records))
        if len(records) == 1:
            return Receipt(0, [(records[0], answer.said)])
        return self._deliver_halves(records, is_resent)

    def reopen(self) -> None:
        """Takes the certificates as they are now; those of before where they cannot be used."""
        try:
            self._context = self._make_context()
        except InputError as error:
            log.error("%s: goes on with the certificates of before: %s", self.name, error)

    def close(self) -> None:
        """There is nothing to close."""

    def _deliver_halves(self, records: Sequence[Record], is_resent: bool) -> Receipt:
        delivered = 0
        refused: list[tuple[Record, str]] = []
        half = len(records) // 2
        for start, stop in ((0, half), (half, len(records))):
            try:
                receipt = self.deliver(records[start:stop], is_resent=is_resent)
            except Unavailable as failure:
                return Receipt(delivered, refused, records[start:], failure.cause, failure.why)
            delivered += receipt.delivered
            refused += receipt.refused
            if receipt.again:
                return Receipt(delivered, refused, [*receipt.again, *records[stop:]], receipt.cause, receipt.why)
        return Receipt(delivered, refused)

    def _post(self, records: Sequence[Record], is_resent: bool) -> Answer:
        connection = self._connection()
        try:
            connection.request("POST", self._url.target, self._body(records), self._headers(records, is_resent))
            answer = connection.getresponse()
            said = answer.read(ANSWER_BYTES).decode(errors="replace")
            text = " ".join(f"HTTP {answer.status} {answer.reason} {said}".split())
            return Answer(answer.status, text[:SAID], seconds_after(answer.getheader("Retry-After")))
        except ssl.SSLError as error:
            raise Unavailable("tls", f"{self._settings.url}: {reason(error)}") from None
        except TimeoutError:
            raise Unavailable("timeout", f"{self._settings.url}: no answer") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("unreachable", f"{self._settings.url}: {reason(error) or type(error).__name__}") from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        seconds = self._settings.timeout / 1e9
        if self._context is None:
            return http.client.HTTPConnection(self._url.host, self._url.port, timeout=seconds)
        return http.client.HTTPSConnection(self._url.host, self._url.port, timeout=seconds, context=self._context)

    def _body(self, records: Sequence[Record]) -> bytes:
        bodies = [record.body for record in records]
        return (
            b"".join(body + b"\n" for body in bodies)
            if self._settings.format == "ndjson"
            else b"[" + b",".join(bodies) + b"]"
        )

    def _headers(self, records: Sequence[Record], is_resent: bool) -> dict[str, str]:
        ids = ",".join(record.id for record in records)
        kind = "application/x-ndjson" if self._settings.format == "ndjson" else "application/json"
        ours = {"Content-Type": kind, "User-Agent": "detector", "Idempotency-Key": hashlib.sha256(ids.encode()).hexdigest(),
                "Detector-Alert-Ids": ids, "Detector-Resent": "true" if is_resent else "false"}  # fmt: skip
        return ours | self._settings.headers | {name: value.reveal() for name, value in self._settings.secrets.items()}

    def _make_context(self) -> ssl.SSLContext | None:
        told = self._settings
        return client_context(told.ca, told.certificate, told.key) if self._url.is_tls else None


@dataclass(frozen=True)
class Url:
    """An address taken apart. target: path and query."""

    is_tls: bool
    host: str
    port: int | None
    target: str


def checked_url(text: str) -> Url:
    """An address of HTTP.

    Raises:
        InputError: it is none.
    """
    try:
        found = urlsplit(text)
        host, port = found.hostname, found.port
    except ValueError as error:
        raise InputError(f"{text!r} is no address: {error}") from None
    if found.scheme not in ("http", "https") or not host:
        raise InputError(f"{text!r} is no address", hint="https://host/path")
    if found.username is not None:
        raise InputError(
            "a password does not belong into an address", hint="give the header Authorization in `secrets`"
        )
    target = (found.path or "/") + (f"?{found.query}" if found.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise InputError(f"{text!r} is no address", hint="percent-encode blanks and letters that are not ASCII")
    return Url(found.scheme == "https", host, port, target)


def check_headers(settings: WebhookSettings) -> None:
    """Names and values that can be sent.

    Raises:
        InputError: one cannot.
    """
    values = settings.headers | {name: secret.reveal() for name, secret in settings.secrets.items()}
    for name, value in values.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{name!r} cannot be the name of a header")
        if not value.isprintable() or not value.isascii():
            raise InputError(f"the header {name} has characters that cannot be sent", hint="printable ASCII")


def seconds_after(header: str | None) -> float | None:
    """Retry-After (RFC 9110, 10.2.3): seconds, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
