"""Gives up privileges as it is imported: in the server process that workers are forked from.

That process is started before the daemon gives up its own privileges, since files of Python and of kernels may be out of
reach later: they are all loaded first. Whom it becomes stands in its environment; where this fails the process ends, and no
worker is ever started with privileges.
"""

from __future__ import annotations

import os

from detector.service.privileges import Identity, drop
from detector.warming import steps

VARIABLE = "DETECTOR_WORKERS_RUN_AS"

if text := os.environ.get(VARIABLE):
    for _, step in steps():  # per group of kernels
        step()
    user, group = map(int, text.split(":"))
    drop(Identity(user, group))
