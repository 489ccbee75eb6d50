"""TLS of destinations: whom to trust, and who we are."""

from __future__ import annotations

import ssl

from detector.errors import InputError


def client_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or later; the server's certificate and name are checked.

    Args:
        ca: file of certificates to trust, "" for those of the system.
        certificate: file of our own certificate, with those between it and its root; "" for none.
        key: file of its key, "" where it is in the same file.

    Raises:
        InputError: a file cannot be read, or is none of that kind.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{ca}: cannot be used as ca: {reason(error)}", hint="a PEM file of certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        try:
            context.load_cert_chain(certificate, key or None, password=no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise InputError(
                f"{certificate}: cannot be used as certificate: {reason(error)}",
                hint="a PEM file of the certificate, and one of its key without a password",
            ) from None
    return context


def no_password() -> str:
    """Instead of a question on the terminal, which a daemon has not."""
    raise ValueError("its key has a password")


def reason(error: Exception) -> str:
    """What went wrong, for people."""
    return getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
