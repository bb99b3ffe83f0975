"""Training: one visible loop for every model.

Batches are drawn by (seed, epoch) alone, so a run that was killed goes on exactly where its last whole epoch
ended. Everything kept on disk is tensors and JSON, never a pickle.
"""

import ctypes
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open

from nigra.errors import NigraError
from nigra.files import write_text
from nigra.models.saved import read_tensors, write_tensors
from nigra.models.siamese import Model
from nigra.units import Source, Unit
from nigra.units.pairs import draw_epoch
from nigra.units.resident import Cut, reader

Tick = Callable[[float, str], None]
"""Progress: fraction done and a short text."""


def limit_threads(threads: int) -> None:
    """Use this many CPU threads, in compiled loops and in torch alike.

    numba comes first: when its threads start, it changes the number that torch's share the OpenMP runtime with,
    and another number of threads rounds sums in another way.
    """
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Let freed memory stay with this process, up to 1 GB.

    By default glibc hands the activations of every training step back to the system, which clears thousands of
    pages for the next one. The numbers computed are the same; other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS have no mallopt, Windows no CDLL(None)
        return
    mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # the largest it takes
    mallopt(_TRIM_THRESHOLD, 2**30)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # from malloc.h


class TrainingSettings(BaseModel):
    """Settings of the loop; a preset's own are the published ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(30, ge=1, description="passes over the drawn units")
    batch: int = Field(225, ge=2, description="units (for siamese models: pairs) per step of the optimiser")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    units_per_subject: int | None = Field(
        15_000, ge=1, description="units drawn per training subject and epoch; null: every location"
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the training controls kept out of the gradient to watch the loss"
    )
    keep: Literal["last", "best-on-validation"] = Field(
        "last", description="which epoch's weights become the model"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, batches and the validation choice")


@dataclass(frozen=True)
class Task:
    """What to train on: cohort rows split into those that drive the gradient and those that only watch."""

    source: Source
    unit: Unit
    train_rows: Int[ndarray, " n_train"]
    validation_rows: Int[ndarray, " n_validation"]


def validation_split(ids: list[str], settings: TrainingSettings) -> tuple[list[str], list[str]]:
    """Training subjects split by subject into (gradient, validation); pairs need two subjects in either."""
    if settings.keep == "best-on-validation" and settings.validation_fraction == 0:
        raise NigraError("keep is best-on-validation, but validation_fraction is 0; set it, for example to 0.1.")
    count = round(settings.validation_fraction * len(ids))
    if settings.validation_fraction:
        count = max(count, 2)
        if len(ids) - count < 2:
            raise NigraError(
                f"validation_fraction {settings.validation_fraction} of {len(ids)} training controls leaves "
                f"{max(len(ids) - count, 0)} to learn from; at least 2 are needed."
            )
    order = np.random.default_rng([settings.seed, 1]).permutation(len(ids))
    chosen = set(order[:count].tolist())
    return [s for i, s in enumerate(ids) if i not in chosen], [s for i, s in enumerate(ids) if i in chosen]


def train(
    model: Model, task: Task, settings: TrainingSettings, folder: Path,
    device: str = "cpu", resume: bool = True, tick: Tick | None = None,
) -> Model:  # fmt: skip
    """Train ``model`` in place and return it, on the CPU, in evaluation mode.

    Writes ``training.jsonl`` (one line per epoch, every loss term on its own) and ``checkpoint.safetensors``
    into ``folder``. With ``resume`` an existing checkpoint is taken up; on a CPU the result is then the same,
    bit for bit, as without the interruption.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    locations = task.unit.locate(task.source.mask)
    if len(locations) == 0:
        raise NigraError("the cohort's mask is empty; prepare the cohort again.")
    state = (
        _State(folder, model, optimiser, settings) if resume else _State.fresh(folder, model, optimiser, settings)
    )
    cut = reader(task.source, task.unit, np.concatenate([task.train_rows, task.validation_rows]), device)
    while state.epoch < settings.epochs:
        began = time.monotonic()
        rng = np.random.default_rng([settings.seed, 2, state.epoch])
        done = state.epoch / settings.epochs

        def within(part: float, text: str, done: float = done) -> None:
            if tick:
                tick(done + part / settings.epochs, text)

        losses = _epoch(model, cut, task.train_rows, locations, settings, rng, optimiser, within)
        if not np.isfinite(losses["loss"]):
            raise NigraError(f"the loss became {losses['loss']} in epoch {state.epoch + 1}; lower learning_rate.")
        if len(task.validation_rows):
            fixed = np.random.default_rng([settings.seed, 3])  # the same units every time, so epochs compare
            model.eval()
            with torch.no_grad():
                watched = _epoch(model, cut, task.validation_rows, locations, settings, fixed)
            model.train()
            losses |= {f"validation_{name}": value for name, value in watched.items()}
        state.finish_epoch(losses, time.monotonic() - began)
    if settings.keep == "best-on-validation":
        model.load_state_dict(state.best)
    return model.to("cpu").eval()


def _epoch(
    model: Model, cut: Cut, rows: np.ndarray, locations: np.ndarray, settings: TrainingSettings,
    rng: np.random.Generator, optimiser: torch.optim.Optimizer | None = None, within: Tick | None = None,
) -> dict[str, float]:  # fmt: skip
    """One pass over freshly drawn units; with an optimiser it learns. Returns the mean of every loss term."""
    drawn = draw_epoch(rng, rows, len(locations), settings.units_per_subject)
    sums: dict[str, torch.Tensor] = {}
    for begin in range(0, len(drawn), settings.batch):
        end = min(begin + settings.batch, len(drawn))
        if optimiser and end - begin < 2:
            continue  # a batch of one has no variance for BatchNorm to use
        subjects, where = drawn.members(begin, end, model.members)
        terms = model.terms(cut(subjects, locations[where]).contiguous(memory_format=torch.channels_last))
        if optimiser:
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()
            optimiser.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value.detach() * (end - begin)
        if within and begin // settings.batch % 20 == 0:
            within(begin / len(drawn), f"{drawn_text(begin, len(drawn))} units")
    return {name: float(value) / len(drawn) for name, value in sums.items()}


def drawn_text(done: int, total: int) -> str:
    """Units done of all, in thousands where that is shorter.

    >>> drawn_text(12_000, 600_000), drawn_text(3, 80)
    ('12k/600k', '3/80')
    """
    return f"{done // 1000}k/{total // 1000}k" if total >= 10_000 else f"{done}/{total}"


class _State:
    """Where training stands: model, optimiser, epoch, best weights, log; saved whole after every epoch."""

    def __init__(
        self, folder: Path, model: Model, optimiser: torch.optim.Optimizer, settings: TrainingSettings
    ) -> None:
        self.path, self.log_path = folder / "checkpoint.safetensors", folder / "training.jsonl"
        self.model, self.optimiser = model, optimiser
        self.settings = settings.model_dump_json()
        self.epoch, self.log = 0, []  # type: ignore[var-annotated]
        self.best: dict[str, torch.Tensor] = {}
        self.best_loss = float("inf")
        if self.path.exists():
            self._load()

    @classmethod
    def fresh(cls, folder: Path, *parts: Any) -> "_State":
        """Forget what an earlier run left."""
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
        return cls(folder, *parts)

    def finish_epoch(self, losses: dict[str, float], seconds: float) -> None:
        """Count, log and save a finished epoch; the log is written last and follows the checkpoint."""
        self.epoch += 1
        self.log.append({"epoch": self.epoch, "seconds": round(seconds, 3), **losses})
        if losses.get("validation_loss", float("inf")) < self.best_loss:
            self.best_loss = losses["validation_loss"]
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for number, entry in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in entry.items()}
        metadata = {
            "epoch": str(self.epoch), "settings": self.settings, "log": json.dumps(self.log),
            "best_loss": repr(self.best_loss),
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
        named: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            kind, rest = key.split(".", 1)
            if kind == "optimiser":
                index, name = rest.split(".")
                moments.setdefault(int(index), {})[name] = value
            else:
                named[kind][rest] = value
        self.model.load_state_dict(named["model"])
        self.best = named["best"]
        groups = self.optimiser.state_dict()["param_groups"]
        for number, parameter in enumerate(self.model.parameters()):
            for name, value in moments[number].items():
                if value.shape == parameter.shape:  # fused Adam walks memory: same strides, or it mixes elements
                    moments[number][name] = torch.empty_like(parameter).copy_(value)
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
