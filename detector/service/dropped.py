"""Gives up privileges as it is imported: in the server process that workers are forked from, once all else is loaded.

That process is started before the daemon gives up its own privileges, since Python's files may be out of reach later. Whom
it becomes stands in its environment; where this fails the process ends, and no worker is ever started with privileges.
So everything that a worker may come to need is loaded here as well, every kernel too.
"""

from __future__ import annotations

import os

from detector.service.privileges import Identity, drop
from detector.warming import steps

VARIABLE = "DETECTOR_WORKERS_RUN_AS"

if text := os.environ.get(VARIABLE):
    for _, step in steps():
        step()
    user, group = map(int, text.split(":"))
    drop(Identity(user, group))
