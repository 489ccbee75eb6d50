"""Several processes, each with some shards of all flows, and one coordinator: the alerts of one process, sooner."""

from detector.workers.coordinator import WorkerError, WorkerPipeline

__all__ = ["WorkerError", "WorkerPipeline"]
