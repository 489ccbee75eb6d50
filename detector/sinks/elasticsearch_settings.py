"""What a configuration says of an Elasticsearch destination. Apart from the client, whose import takes long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from detector.errors import InputError, InputErrors
from detector.settings import Secret, setting

DATASET = "detector.alert"
DAY_NS = 86_400 * 10**9
SECOND_NS = 10**9
# Elastic's rules for the last part of a data stream's name: no hyphen, which would start another part.
EXAMPLE = "for example https://es1.example:9200"
NAMESPACE = re.compile(r"[a-z0-9_][a-z0-9_.+]{0,99}")


@dataclass(frozen=True)
class ElasticsearchSettings:
    """One destination. Of the credentials at most one kind: api_key, username and password, or bearer."""

    hosts: tuple[str, ...] = setting("texts", "URLs of nodes, tried in turn; the port is 9200 where none is given",
                                     example="[https://es1.example:9200, https://es2.example:9200]")  # fmt: skip
    name: str = setting("text", "name of this destination in metrics and in the spool", "elasticsearch")
    namespace: str = setting("text", "last part of the data stream's name, logs-detector.alert-NAMESPACE", "default")
    api_key: Secret | None = setting("secret", "an API key in its encoded form", None, example="{file: /etc/detector/api-key}")  # fmt: skip
    username: str = setting("text", "a user, with password", "")
    password: Secret | None = setting("secret", "the user's password", None)
    bearer: Secret | None = setting("secret", "a token for the Authorization header", None)
    ca: str = setting("path", "certificates to trust, in PEM; those of the system where it is not given", "")
    client_certificate: str = setting("path", "our certificate, in PEM", "")
    client_key: str = setting("path", "the key of our certificate, in PEM; the same file where it is not given", "")
    verify: bool = setting("flag", "false: any certificate of the server is taken, and anybody can pose as it", True)
    compress: bool = setting("flag", "requests are sent compressed", True)
    timeout: int = setting("span", "how long an answer is waited for", 30 * SECOND_NS, least=SECOND_NS, most=600 * SECOND_NS)  # fmt: skip
    batch: int = setting("number", "alerts of one request at most", 500, least=1, most=10_000)
    retention: int = setting("span", "how long alerts are kept, by `detector setup`; 0s: for good", 365 * DAY_NS, least=0)  # fmt: skip

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of single settings, and of settings together."""
        if not self.hosts:
            yield "hosts", "hosts has no entry", EXAMPLE
        for host in self.hosts:
            try:
                with_port(host)
            except InputError as error:
                yield "hosts", error.problem, error.hint
        if not NAMESPACE.fullmatch(self.namespace):
            yield ("namespace", f"namespace {self.namespace!r} cannot end the name of a data stream",
                   "small letters, digits, _ and ., for example plant_1")  # fmt: skip
        kinds = [kind for kind in ("api_key", "username", "bearer") if getattr(self, kind)]
        if len(kinds) > 1:
            yield (
                kinds[1],
                f"{' and '.join(kinds)} are given: only one kind of credentials can be used",
                "keep one of them",
            )
        if self.username and self.password is None:
            yield "username", "username is given without password", "password: {file: /etc/detector/password}"
        if self.password is not None and not self.username:
            yield "password", "password is given without username", "username: NAME"
        if self.client_key and not self.client_certificate:
            yield "client_key", "client_key is given without client_certificate", "a certificate that it is the key of"

    @property
    def data_stream(self) -> str:
        """Its full name."""
        return f"logs-{DATASET}-{self.namespace}"

    @property
    def timeout_seconds(self) -> float:
        """For clients, who count in seconds."""
        return self.timeout / SECOND_NS


def with_port(host: str) -> str:
    """A host's URL with its port, without what could hold a secret. Raises InputError where it is no such URL."""
    try:
        parts = urlsplit(host)
        port = parts.port or 9200
    except ValueError:
        raise InputError("a host is no URL", hint=EXAMPLE) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("a host has a password in its URL", hint="username and password are settings of their own")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"the host {host!r} is no URL of http or https", hint=EXAMPLE)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}"


def check(settings: ElasticsearchSettings) -> None:
    """Raises InputErrors with every mistake in the settings."""
    mistakes = [InputError(problem, hint=hint) for _, problem, hint in settings.mistakes()]
    if mistakes:
        raise InputErrors(mistakes)
