"""Training: one visible loop for every model, its state on disk, the health of what it learns."""

from nigra.training.feed import Feed, Task
from nigra.training.health import Health
from nigra.training.loop import run_epoch, train
from nigra.training.machine import keep_freed_memory, limit_threads
from nigra.training.settings import Tick, TrainingSettings, validation_split

__all__ = [
    "Feed", "Health", "Task", "Tick", "TrainingSettings", "keep_freed_memory", "limit_threads",
    "run_epoch", "train", "validation_split",
]  # fmt: skip
