"""A certificate authority, a server's certificate for localhost and a client's, made by openssl for one test run."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.differential.tshark import require_tool
from tests.servers.certificates import Authority


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: str
    server: str
    server_key: str
    client: str
    client_key: str
    other_ca: str

    def server_context(self, *, asks: bool = False) -> ssl.SSLContext:
        """asks: for a client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def made_in(folder: Path) -> Certificates:
    require_tool("openssl")
    authority, other = Authority(folder / "ours", "ca"), Authority(folder / "others", "other")
    server, client = authority.issue("server"), authority.issue("client", usage="clientAuth")
    paths = (authority.certificate, *server.paths, *client.paths, other.certificate)
    return Certificates(*map(str, paths))
