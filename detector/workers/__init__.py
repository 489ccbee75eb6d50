"""Several processes, each with some of all flows, and one coordinator: the alerts of one process, sooner."""

from detector.workers.coordinator import WorkerPipeline
from detector.workers.crew import WorkerError
from detector.workers.fanout import FanoutRun, Opening
from detector.workers.processes import hand_over, load

__all__ = ["FanoutRun", "Opening", "WorkerError", "WorkerPipeline", "hand_over", "load"]
