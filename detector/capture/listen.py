"""Interfaces to a live source: rings where there are such, Scapy's sockets elsewhere and on request."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import Fanout, Opener
from detector.capture.ring import RingSource
from detector.capture.sniff import SniffSource
from detector.capture.source import LiveSource
from detector.errors import InputError


def listen(
    settings: Sequence[InterfaceSettings], *, opener: Opener | None = None, fanout: Fanout | None = None
) -> LiveSource:
    """A source of the packets of one or several interfaces, opened.

    Args:
        settings: the interfaces, each once, all captured in the same way.
        opener: who opens packet sockets; None: this process. Scapy's sockets are opened by this process.
        fanout: the share of a worker; the nth interface is shared in group `group + n`. Rings only.

    Raises:
        InputError: an interface that is not there (save it is waited for) or cannot be opened, a filter that is wrong.
    """
    named = Counter(one.interface for one in settings)
    if twice := [name for name, count in named.items() if count > 1]:
        raise InputError(f"interface {twice[0]!r} is named twice: its packets would be judged twice")
    ways = {one.capture if sys.platform == "linux" else "scapy" for one in settings}
    if ways == {"ring"}:
        return RingSource(settings, opener=opener, fanout=fanout)
    if ways != {"scapy"}:
        raise InputError(
            "interfaces of one source are captured in the same way", hint="capture: ring, or capture: scapy"
        )
    if fanout is not None:
        raise InputError("several workers need rings: Scapy's sockets cannot share an interface", hint="capture: ring")
    return SniffSource(settings)
