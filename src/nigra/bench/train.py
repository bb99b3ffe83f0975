"""Training the published SAE: our loop against the same steps fed by a plain DataLoader.

The full size is that of mlcn2021: 41 training controls, 600 000 patches an epoch, 30 epochs, batches of 225 pairs.

    nigra bench train                           # an epoch of a fifteenth of the size, extrapolated
    python -m nigra.bench.train --full          # the whole training, timed; half an hour and more
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from nigra.bench.gather import QUICK, Pairs, Work, write_volumes
from nigra.bench.interleave import Comparison, Goals, interleave
from nigra.bench.machine import cores, describe
from nigra.bench.samples import ellipsoid
from nigra.models.published import PRESETS, build
from nigra.models.siamese import Model
from nigra.training import Feed, Task, Tick, TrainingSettings, keep_freed_memory, limit_threads, run_epoch, train
from nigra.units import Source
from nigra.units.pairs import draw_epoch

CONTROLS, UNITS, SHAPE = 41, 600_000, (121, 145, 121)
PUBLISHED = PRESETS["mlcn2021-sae"]
MINUTES = 35
"""The whole training may take so long on two cores."""

Losses = list[float]


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Epochs of the same pairs on both sides; the mean losses of each epoch are compared."""
    n_subjects, shape = QUICK if quick else (CONTROLS, SHAPE)
    settings = TrainingSettings(batch=PUBLISHED.batch, units_per_subject=150 if quick else 1_000)
    units = n_subjects * (settings.units_per_subject or 0)
    rounds = 2 if quick else 5
    keep_freed_memory()  # for both sides: it holds for the process
    with tempfile.TemporaryDirectory() as folder:
        task = _task(Path(folder), n_subjects, shape)
        losses: dict[str, Losses] = {"ours": [], "peer": []}
        ours, peers = interleave(
            2 * units, _our_epochs(task, settings, losses["ours"]),
            {"DataLoader-fed loop": _fed_epochs(task, settings, losses["peer"])}, rounds=rounds,
            notes={"DataLoader-fed loop": "num_workers 0; same model, pairs and optimiser"}, tick=tick,
        )  # fmt: skip
    whole = 2 * UNITS * PUBLISHED.epochs
    sizes: dict[str, float | int | str] = {
        "subjects": n_subjects, "volume": " x ".join(map(str, shape)), "pairs in a batch": settings.batch,
        "pairs an epoch": units, "whole training, minutes, extrapolated": round(whole / ours.rate / 60, 1),
    }  # fmt: skip
    return [
        Comparison(
            name="train",
            title="Training the siamese auto-encoder of mlcn2021",
            work="patches learnt from",
            ours=ours,
            peers=peers,
            largest_difference=float(np.abs(np.subtract(losses["ours"], losses["peer"])).max()),
            difference_of="mean loss of an epoch",
            sizes=sizes,
            goal=f"600 000 patches x 30 epochs x both members in {MINUTES} minutes; the same losses to 1e-5",
            goals=Goals(rate=whole / (60 * MINUTES), difference=1e-5),
        )
    ]


def _task(folder: Path, n_subjects: int, shape: tuple[int, int, int]) -> Task:
    source = Source.plain(write_volumes(folder, n_subjects, shape), ellipsoid(shape))
    return Task(source, PUBLISHED.unit, np.arange(n_subjects), np.zeros(0, dtype=np.int64))


def _fresh() -> tuple[Model, torch.optim.Optimizer]:
    model = build("mlcn2021-sae").train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, torch.optim.Adam(model.parameters(), lr=PUBLISHED.learning_rate, fused=True)


def _our_epochs(task: Task, settings: TrainingSettings, losses: Losses) -> Callable[[], None]:
    """Each call learns one more epoch by the product's loop."""
    model, optimiser = _fresh()
    feed, numbers = Feed(task, settings, model.members), itertools.count()

    def epoch() -> None:
        drawn = feed.draw(np.random.default_rng([settings.seed, 2, next(numbers)]), task.train_rows)
        losses.append(run_epoch(model.terms, feed, drawn, optimiser)["loss"])

    return epoch


def _fed_epochs(task: Task, settings: TrainingSettings, losses: Losses) -> Callable[[], None]:
    """The same epochs as most training code would have them: a dataset of pairs, a DataLoader, a step."""
    model, optimiser = _fresh()
    locations = task.unit.locate(task.source.mask)
    numbers = itertools.count()

    def epoch() -> None:
        rng = np.random.default_rng([settings.seed, 2, next(numbers)])
        drawn = draw_epoch(rng, task.train_rows, len(locations), settings.units_per_subject)
        total = 0.0
        for both in DataLoader(Pairs(Work(task.source, drawn, locations)), settings.batch):
            units = torch.cat([both[:, 0], both[:, 1]]).to(memory_format=torch.channels_last)
            loss = model.terms(units)["loss"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(both)
        losses.append(total / len(drawn))

    return epoch


def whole_training() -> dict[str, object]:
    """Train the published model at its full size and say how long it took."""
    settings = TrainingSettings(
        epochs=PUBLISHED.epochs, batch=PUBLISHED.batch, units_per_subject=UNITS // CONTROLS + 1
    )
    with tempfile.TemporaryDirectory() as folder:
        task = _task(Path(folder), CONTROLS, SHAPE)
        began = time.monotonic()
        train(build("mlcn2021-sae"), task, settings, Path(folder) / "run", tick=partial(print, flush=True))
        seconds = time.monotonic() - began
    return {"minutes": round(seconds / 60, 1), "machine": describe()}


def main() -> None:
    """The whole training by hand, for those who do not trust an extrapolation."""
    parser = argparse.ArgumentParser(description="Time the whole training of the SAE of mlcn2021.")
    parser.add_argument("--full", action="store_true", required=True, help="all 30 epochs of 600 000 patches")
    parser.add_argument("--threads", type=int, default=cores(), help="CPU threads (default: all cores)")
    parser.add_argument("--json", type=Path, help="write the result there")
    parsed = parser.parse_args()
    limit_threads(parsed.threads)
    text = json.dumps(whole_training(), indent=2) + "\n"
    print(text)
    if parsed.json:
        parsed.json.write_text(text)


if __name__ == "__main__":
    main()
