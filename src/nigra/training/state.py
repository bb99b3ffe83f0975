"""Where training stands, on disk: model, optimiser, place within the epoch, best weights, log.

Everything kept is tensors and JSON, never a pickle. Batches are drawn by (seed, epoch) alone, so that a place
within an epoch is one number; with the sums of the loss so far and the moments of Adam it is all there is to know.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from nigra.errors import NigraError
from nigra.files import write_text
from nigra.models.saved import read_tensors, write_tensors
from nigra.models.siamese import Model
from nigra.training.settings import TrainingSettings

CHECKPOINT, LOG_FILE = "checkpoint.safetensors", "training.jsonl"


@dataclass
class Progress:
    """How far an epoch is: samples done, the sum of every loss term over them, seconds spent."""

    position: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, terms: dict[str, Tensor], count: int) -> None:
        """Count ``count`` samples whose mean terms are these."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach() * count


class State:
    """What a killed training goes on from; saved whole after every epoch, and within long ones."""

    def __init__(
        self, folder: Path, model: Model, optimiser: torch.optim.Optimizer, settings: TrainingSettings
    ) -> None:
        self.path, self.log_path = folder / CHECKPOINT, folder / LOG_FILE
        self.model, self.optimiser = model, optimiser
        self.settings = settings.model_dump_json()
        self.epoch, self.log = 0, []  # type: ignore[var-annotated]
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.best_loss = float("inf")
        if self.path.exists():
            self._load()

    def finish_epoch(self, losses: dict[str, float], health: dict[str, float | None], seconds: float) -> None:
        """Count and log a finished epoch, and keep its weights if they are the best so far."""
        self.epoch, self.progress = self.epoch + 1, Progress()
        self.log.append({"epoch": self.epoch, "seconds": round(seconds, 3), **losses, **health})
        if losses.get("validation_loss", float("inf")) < self.best_loss:
            self.best_loss = losses["validation_loss"]
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def save(self, sums: dict[str, Tensor] | None = None) -> None:
        """Write the checkpoint, then the log, which follows it; ``sums`` are those of an unfinished epoch."""
        sums = sums or {}
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        tensors |= {f"sum.{name}": value for name, value in sums.items()}
        for number, entry in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in entry.items()}
        metadata = {
            "epoch": str(self.epoch), "position": str(self.progress.position), "settings": self.settings,
            "seconds": repr(self.progress.seconds), "log": json.dumps(self.log), "best_loss": repr(self.best_loss),
            "terms": json.dumps(list(sums)),
        }  # fmt: skip
        write_tensors(self.path, tensors, metadata)
        write_text(self.log_path, "".join(json.dumps(line) + "\n" for line in self.log))

    def _load(self) -> None:
        tensors = read_tensors(self.path)
        with safe_open(self.path, framework="pt") as stream:
            metadata = stream.metadata()
        if metadata["settings"] != self.settings:
            raise NigraError(f"{self.path} was made with other settings; delete its folder or restore them.")
        self.epoch, self.log = int(metadata["epoch"]), json.loads(metadata["log"])
        self.best_loss = float(metadata["best_loss"])
        kinds: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "sum": {}, "optimiser": {}}
        for key, value in tensors.items():
            kind, name = key.split(".", 1)
            kinds[kind][name] = value
        self.model.load_state_dict(kinds["model"])
        self.best = kinds["best"]
        device = next(self.model.parameters()).device
        sums = {name: kinds["sum"][name].to(device) for name in json.loads(metadata.get("terms", "[]"))}
        self.progress = Progress(int(metadata.get("position", 0)), sums, float(metadata.get("seconds", 0)))
        self._load_optimiser(kinds["optimiser"])

    def _load_optimiser(self, tensors: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        for number, parameter in enumerate(self.model.parameters()):
            for name, value in moments.get(number, {}).items():
                if value.shape == parameter.shape:  # fused Adam walks memory: same strides, or it mixes elements
                    moments[number][name] = torch.empty_like(parameter).copy_(value)
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
