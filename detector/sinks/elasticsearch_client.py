"""The official client as this program uses it: made of settings, without retries of its own, its failures by cause."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elastic_transport import (
    ApiError,
    ConnectionError,
    ConnectionTimeout,
    NodeConfig,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)
from elastic_transport.client_utils import url_to_node_config
from elasticsearch import Elasticsearch, UnsupportedProductError

from detector.errors import InputError
from detector.settings import Secret
from detector.sinks.destination import Unavailable
from detector.sinks.elasticsearch_settings import ElasticsearchSettings, with_port
from detector.sinks.tls import client_context, reason

MOST_WHY = 500  # characters of a reason
JSON_HEADERS = {"accept": "application/json", "content-type": "application/json"}


def connect(settings: ElasticsearchSettings, opaque_id: str = "") -> Elasticsearch:
    """A client. Nothing is sent yet; certificates and secrets of files are read now.

    It retries nothing: whether a request may be sent again is known only to who sent it. Of several hosts the next is
    taken with each request, those that failed last.

    Raises:
        InputError: a certificate, key or secret cannot be used.
    """
    credentials: dict[str, Any] = {}
    if settings.api_key:
        credentials["api_key"] = current(settings.api_key)
    if settings.username and settings.password:
        credentials["basic_auth"] = (settings.username, current(settings.password))
    if settings.bearer:
        credentials["bearer_auth"] = current(settings.bearer)
    return Elasticsearch(
        nodes(settings),
        node_class=Node,
        request_timeout=settings.timeout_seconds,
        http_compress=settings.compress,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        sniff_on_start=False,
        connections_per_node=1,
        opaque_id=opaque_id or None,
        **credentials,
    )


def nodes(settings: ElasticsearchSettings) -> list[NodeConfig]:
    """The hosts as the client takes them. Raises InputError where certificates cannot be used."""
    found = [url_to_node_config(with_port(host)) for host in settings.hosts]
    if not any(node.scheme == "https" for node in found):
        return found
    # Read once: while a file is being exchanged, new connections go on with what was read before.
    options: dict[str, Any] = {
        "ssl_context": tls_context(settings),
        "verify_certs": settings.verify,
        "ssl_show_warn": False,
    }
    return [node.replace(**options) if node.scheme == "https" else node for node in found]


class Node(Urllib3HttpNode):
    """A connection that trusts whom its TLS context trusts. The client's own would add the authorities of certifi."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        if config.scheme == "https":
            self.pool.ca_certs = None  # type: ignore[attr-defined] # it is the pool of https


def tls_context(settings: ElasticsearchSettings) -> ssl.SSLContext:
    """What is shown to the server, and whom it must be known by."""
    context = client_context(settings.ca, settings.client_certificate, settings.client_key)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def current(secret: Secret) -> str:
    """A secret as it is now: one that came from a file may have been changed there since."""
    origin, _, path = secret.source.partition(" ")
    if origin != "file":
        return secret.reveal()
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be used as secret: {reason(error)}") from None


@contextmanager
def told_by_cause() -> Iterator[None]:
    """Turns the client's failures into Unavailable."""
    try:
        yield
    except UnsupportedProductError as error:
        raise Unavailable("refused", "what answers is not Elasticsearch") from error
    except ApiError as error:
        raise of_answer(error) from error
    except ConnectionTimeout as error:
        raise Unavailable("timeout", "no answer in time") from error
    except ConnectionError as error:
        cause = "tls" if isinstance(error, TlsError) or has_tls_error(error) else "unreachable"
        raise Unavailable(cause, str(error.message)[:MOST_WHY]) from error
    except TransportError as error:  # an answer that is no JSON
        raise Unavailable("error", str(error)[:MOST_WHY]) from error


def of_answer(error: ApiError) -> Unavailable:
    """The failure that an HTTP status tells of a whole request."""
    status, why = int(error.meta.status), reason_of(error.body) or str(error)[:MOST_WHY]
    why = f"{status}: {why}"
    if "cluster_block_exception" in str(error.body) and status in (403, 429):
        return Unavailable("blocked", why)
    if status in (429, 503):
        return Unavailable("busy", why, after=seconds_of(error.meta.headers.get("retry-after")))
    if status in (502, 504):
        return Unavailable("unreachable", why)
    if status == 400 and "SSL certificate" in why:  # nginx, where a client certificate is missing or wrong
        return Unavailable("tls", why)
    return Unavailable("refused" if 400 <= status < 500 else "error", why)


def seconds_of(header: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not for clients that back off anyway."""
    return float(header) if header and header.isdecimal() else None


def reason_of(body: Any) -> str:
    """The server's own reason: its error and what caused it, in one line."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        text = str(error or "")
        return " ".join(text.split())[:MOST_WHY]
    parts = [f"{error.get('type', 'error')}: {error.get('reason', '')}"]
    if isinstance(error.get("caused_by"), dict):
        parts.append(reason_of(error["caused_by"]))
    return "; ".join(parts)[:MOST_WHY]


def has_tls_error(error: BaseException) -> bool:
    """Whether TLS failed below: a server that misses our certificate says so only after the handshake."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or one in seen:
            continue
        if isinstance(one, ssl.SSLError):
            return True
        seen.append(one)
        todo += [one.__cause__, one.__context__, *one.args, *getattr(one, "errors", ())]
    return False
