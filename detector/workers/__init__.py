"""Several processes, each with some shards of all flows, and one coordinator: the alerts of one process, sooner."""

from detector.workers.coordinator import WorkerError, WorkerPipeline
from detector.workers.processes import hand_over, load

__all__ = ["WorkerError", "WorkerPipeline", "hand_over", "load"]
