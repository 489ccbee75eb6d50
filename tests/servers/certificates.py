"""Certificates that tests make for themselves with openssl: an authority, servers, clients."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Paths of a certificate and its key."""

    certificate: Path
    key: Path

    @property
    def paths(self) -> tuple[Path, Path]:
        """Both."""
        return self.certificate, self.key


def openssl(*words: str | Path) -> None:
    """Runs openssl; its complaint is the test's."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.own = Pair(folder / "ca.pem", folder / "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.own.key, "-out", self.own.certificate,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip

    @property
    def certificate(self) -> Path:
        """What clients and servers trust."""
        return self.own.certificate

    def issue(self, name: str, *alternatives: str, days: int = 2, usage: str = "") -> Pair:
        """A certificate of this authority. alternatives: such as IP:127.0.0.1, DNS:localhost. usage: such as clientAuth."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        names = ",".join(alternatives or ("IP:127.0.0.1", "DNS:localhost"))
        said = [f"subjectAltName={names}", "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"]
        extensions.write_text("\n".join([*said, *([f"extendedKeyUsage={usage}"] if usage else [])]) + "\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", pair.key, "-out", request)  # fmt: skip
        openssl("x509", "-req", "-in", request, "-CA", self.own.certificate, "-CAkey", self.own.key, "-CAcreateserial",
                "-days", str(days), "-extfile", extensions, "-out", pair.certificate)  # fmt: skip
        return pair
