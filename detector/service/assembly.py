"""The daemon put together: what must be opened with privileges first, then without them everything else, then the loop."""

from __future__ import annotations

import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from detector import __version__
from detector.alerts.ecs import ECS_VERSION, timestamp
from detector.capture.folder import FolderSource
from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import DirectOpener, Opener
from detector.capture.ring import RingSource
from detector.capture.several import SeveralSources
from detector.capture.sniff import SniffSource
from detector.capture.source import LiveSource
from detector.pipeline import Pipeline
from detector.service.config import Config
from detector.service.control import ControlServer
from detector.service.daemon import Daemon, Parts
from detector.service.exporter import Board, registry_of
from detector.service.health import HealthServer
from detector.service.logs import Logs
from detector.service.notify import Notifier
from detector.service.opener import OpenerProcess
from detector.service.privileges import drop, identity_of
from detector.service.publish import Publisher
from detector.service.reload import Outcome, Reloader, rules_of
from detector.sinks.delivery import Delivery
from detector.sinks.destination import Record
from detector.sinks.destinations import make
from detector.sinks.spool import Spool

log = logging.getLogger(__name__)

RELOAD_SECONDS = 120.0  # that a request over the control socket waits for a reload
TEST_SECONDS = 30.0  # that a test alert may take
SPOOL = "spool"
