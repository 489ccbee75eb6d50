"""Loads what workers need as it is imported: by the server process that they are forked from, once for all of them."""

from __future__ import annotations

from detector.workers.worker import load_kernels

load_kernels()
