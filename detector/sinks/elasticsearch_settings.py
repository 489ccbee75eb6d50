"""What a configuration says of an Elasticsearch destination. Apart from the client, whose import takes long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from detector.errors import InputError
from detector.settings import Secret, setting

DATASET = "detector.alert"
DAY_NS = 86_400 * 10**9
SECOND_NS = 10**9
# Elastic's rules for the last part of a data stream's name: no hyphen, which would start another part.
NAMESPACE = re.compile(r"[a-z0-9_][a-z0-9_.+]{0,99}")


@dataclass(frozen=True)
class ElasticsearchSettings:
    """One destination. Of the credentials at most one kind: api_key, username and password, or bearer."""

    hosts: tuple[str, ...] = setting("texts", "URLs of nodes, tried in turn; the port is 9200 where none is given",
                                     example="[https://es1.example:9200, https://es2.example:9200]")  # fmt: skip
    name: str = setting("text", "what metrics and logs call this destination", "elasticsearch")
    namespace: str = setting("text", "last part of the data stream's name, logs-detector.alert-NAMESPACE", "default")
    api_key: Secret | None = setting("secret", "an API key in its encoded form", None, example="{file: /etc/detector/api-key}")  # fmt: skip
    username: str = setting("text", "a user, with password", "")
    password: Secret | None = setting("secret", "the user's password", None)
    bearer: Secret | None = setting("secret", "a token for the Authorization header", None)
    ca: str | None = setting("path", "certificates that the server's is checked with, PEM", None)
    client_certificate: str | None = setting("path", "certificate that is shown to the server, PEM", None)
    client_key: str | None = setting("path", "its key, PEM; none where the certificate's file holds it", None)
    verify: bool = setting("flag", "false: any certificate of the server is taken", True)
    compress: bool = setting("flag", "requests are sent compressed", True)
    timeout: int = setting("span", "how long an answer is waited for", 30 * SECOND_NS, least=SECOND_NS, most=600 * SECOND_NS)  # fmt: skip
    batch: int = setting("number", "alerts of one request at most", 500, least=1, most=10_000)
    retention: int = setting("span", "how long alerts are kept, by `detector setup`; 0s: for good", 365 * DAY_NS, least=0)  # fmt: skip

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """Of settings together."""
        try:
            check(self)
        except InputError as error:
            name, _, problem = error.problem.partition(": ")
            yield name, problem, error.hint

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
    hint = "for example https://es1.example:9200"
    try:
        parts = urlsplit(host)
        port = parts.port or 9200
    except ValueError:
        raise InputError("hosts: a host that is not a URL", hint=hint) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("hosts: a URL with a password in it", hint="username and password are settings of their own")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"hosts: not a URL of http or https: {host!r}", hint=hint)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}"


def check(settings: ElasticsearchSettings) -> None:
    """Raises InputError where settings do not go together."""
    if not settings.hosts:
        raise InputError("hosts: none is given", hint="for example https://es1.example:9200")
    for host in settings.hosts:
        with_port(host)
    if not NAMESPACE.fullmatch(settings.namespace):
        raise InputError(f"namespace: {settings.namespace!r} cannot end the name of a data stream",
                         hint="small letters, digits, _ and ., for example plant_1")  # fmt: skip
    kinds = [kind for kind in ("api_key", "username", "bearer") if getattr(settings, kind)]
    if len(kinds) > 1:
        raise InputError(f"{' and '.join(kinds)}: only one kind of credentials can be used")
    if bool(settings.username) != (settings.password is not None):
        raise InputError("username and password: one without the other")
    if settings.client_key and not settings.client_certificate:
        raise InputError("client_key: without client_certificate")
