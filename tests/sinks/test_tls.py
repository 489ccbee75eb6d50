"""Certificates of the configuration: a mistake is one line that names the file."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.sinks.tls import client_context
from tests.sinks.certificates import Certificates


def test_names_and_certificates_are_checked(certificates: Certificates) -> None:
    context = client_context(certificates.ca, certificates.client, certificates.client_key)
    assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert [found["subject"][0][0][1] for found in context.get_ca_certs()] == ["ca"], "and no other is trusted"


def test_mistakes_name_the_file(certificates: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "ec", "-in", certificates.client_key, "-aes256", "-passout", "pass:secret", "-out", str(locked)],
                   check=True, capture_output=True)  # fmt: skip
    for ca, certificate, key, said in [
        ("/none.pem", "", "", "/none.pem: cannot be used as ca: No such file"),
        (str(text), "", "", f"{text}: cannot be used as ca"),
        ("", "/none.pem", "", "/none.pem: cannot be used as certificate: No such file"),
        ("", str(text), "", f"{text}: cannot be used as certificate"),
        ("", certificates.client, certificates.server_key, "cannot be used as certificate: .*(MISMATCH|mismatch)"),
        ("", certificates.client, str(locked), "cannot be used as certificate: its key has a password"),
    ]:
        with pytest.raises(InputError, match=said):
            client_context(ca, certificate, key)
