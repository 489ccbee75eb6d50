"""Loads what workers need as it is imported: by the server process that they are forked from, once for all of them.

Python's files may be out of reach of the user whom that process becomes afterwards.
"""

from __future__ import annotations

from multiprocessing import popen_forkserver  # noqa: F401 - what a worker begins with, once it is forked

from detector.alerts.dissection import scapy_class
from detector.protocols import PROTOCOLS
from detector.workers.fanout_worker import load_ring_kernels
from detector.workers.worker import load_kernels

load_kernels()
load_ring_kernels()
for name in ("scapy.layers.inet.IP", *(name for protocol in PROTOCOLS for name in protocol.scapy.values())):
    scapy_class(name)
