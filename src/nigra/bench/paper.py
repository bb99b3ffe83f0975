"""Paper scale: mlcn2021's cohort in size, both published models, a one-class SVM per voxel; trained and scored.

56 controls and 129 patients of 121 x 145 x 121 voxels with two channels, 10 draws. Volumes are synthetic: their
size decides the time, not what they show. There is no peer that does the same work; beside the seconds stands the
arithmetic that no implementation of these models can avoid.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from nigra.bench.interleave import Comparison, Number, Side
from nigra.bench.machine import threads
from nigra.bench.samples import ellipsoid
from nigra.cohort.store import StoreWriter
from nigra.config import settings_from
from nigra.errors import NigraError
from nigra.models.composition import build
from nigra.models.siamese import Model
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.settings import ModelSettings, RunSettings
from nigra.study.train import all_fits
from nigra.training import Tick

SPACE = "MNI152NLin2009cAsym"


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Seconds of training and of scoring, all draws and cross-fitting folds included.

    Raises:
        NigraError: not quick, and torch sees no GPU: it would take days.
    """
    if not quick and not torch.cuda.is_available():
        raise NigraError(
            "paper scale needs a GPU that torch can use, but found none: on two cores it would take weeks. Add "
            "--quick to see that it works, or give the command on a machine with CUDA."
        )
    controls, patients, shape = (8, 3, (33, 35, 5)) if quick else (56, 129, (121, 145, 121))
    settings, spent = _settings(quick), {}
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder)
        write_cohort(study, controls, patients, shape)
        run = Run(study, settings, Execution(maps="none", threads=threads()))
        for number, stage in enumerate(("train", "score")):
            began = time.perf_counter()
            run_study(study, settings, run.execution, (stage,))
            spent[stage] = time.perf_counter() - began
            if tick:
                tick((number + 1) / 2, stage)
        work = {"train": training_operations(run), "score": scoring_operations(run)}
    size: dict[str, Number | str] = {
        "controls": controls, "patients": patients, "volume": " x ".join(map(str, shape)), "channels": 2,
        "draws": settings.splits.draws, "models": " and ".join(model.label for model in settings.models),
        "detectors": " and ".join(detector.label for detector in settings.detectors), "device": run.device,
    }  # fmt: skip
    titles = {"train": "Paper scale, training", "score": "Paper scale, codes, errors and detectors"}
    return [
        Comparison(
            name=f"paper-{stage}", title=titles[stage], work="multiply-adds that the models need",
            ours=Side("nigra", work[stage] / spent[stage], [spent[stage]], "one run", work[stage]), peers=[],
            largest_difference=None, difference_of="", goal="",
            sizes=size | {"seconds": round(spent[stage], 1), "multiply-adds": f"{work[stage]:.3g}"},
        )
        for stage in spent
    ]  # fmt: skip


def write_cohort(study: Path, controls: int, patients: int, shape: tuple[int, int, int]) -> None:
    """A cohort store of smooth random maps, written one subject at a time."""
    ids = [f"sub-C{i:03d}" for i in range(controls)] + [f"sub-P{i:03d}" for i in range(patients)]
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {
            "participant_id": ids, "group": ["control"] * controls + ["patient"] * patients,
            "age": rng.integers(40, 80, len(ids)), "sex": rng.choice(["F", "M"], len(ids)),
        }
    )  # fmt: skip
    writer = StoreWriter(
        study / "cohort", people, ("FA", "MD"), SPACE, ellipsoid(shape), np.diag([1.5, 1.5, 1.5, 1])
    )
    coarse = tuple(n // 4 + 1 for n in shape)
    for row in range(len(ids)):
        values = rng.random((2, *coarse), dtype=np.float32)
        for axis in (1, 2, 3):
            values = values.repeat(4, axis)
        values = values[:, : shape[0], : shape[1], : shape[2]]
        writer.write(row, values + 0.05 * rng.standard_normal(values.shape, dtype=np.float32))
    writer.close({})


def _settings(quick: bool) -> RunSettings:
    few = {"epochs": 1, "units_per_subject": 20} if quick else {}
    return settings_from(
        {
            "name": "paper",
            "splits": {"draws": 1 if quick else 10, "test_fraction": 15 / 56},
            "models": [{"preset": "mlcn2021-ae", **({"epochs": 1} if quick else {})},
                       {"preset": "mlcn2021-sae", **few}],
            "detectors": [{"kind": "error"}, {"kind": "one-class-svm"}],
            "calibration": {"folds": 2 if quick else 3},
        }
    )  # fmt: skip


def training_operations(run: Run) -> float:
    """Multiply-adds of all trainings: three passes' worth per unit, forward and two backward."""
    total, locations = 0.0, {m.label: len(run.unit(m).locate(run.cohort.mask)) for m in run.settings.models}
    for fit in all_fits(run):
        channels, shape = seen(run, fit.model)
        training, model = fit.model.training_on(shape), build(fit.model.composition, channels, shape)
        per_subject = min(training.units_per_subject or locations[fit.model.label], locations[fit.model.label])
        units = len(run.learners(fit)) * per_subject * training.epochs * model.members
        total += 3.0 * units * operations(model, channels, shape)
    return total


def scoring_operations(run: Run) -> float:
    """Multiply-adds of one plain pass of every model over the units of every subject it scores or reads."""
    total = 0.0
    for model in run.settings.models:
        channels, shape = seen(run, model)
        each = operations(build(model.composition, channels, shape), channels, shape)
        each *= len(run.unit(model).locate(run.cohort.mask))
        for draw in run.draws:
            read = sum(len(part.train) + len(part.scored) for part in run.parts(draw))
            total += each * read
    return total


def seen(run: Run, model: ModelSettings) -> tuple[int, tuple[int, ...]]:
    """Channels and shape of the units a model sees."""
    unit = run.unit(model)
    return unit.unit_channels(len(run.cohort.channels)), unit.unit_shape(run.cohort.mask.shape)


def operations(model: Model, channels: int, shape: tuple[int, ...]) -> float:
    """Multiply-adds of one forward pass of a unit, counted layer by layer.

    >>> from nigra.models.composition import Composition
    >>> round(operations(build(Composition(), 2, (15, 15)), 2, (15, 15)) / 1000)
    498
    """
    total = 0.0

    def count(layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        pixels = (
            made[0, 0] if isinstance(layer, nn.Conv2d) else given[0][0, 0]
        )  # a transposed one spreads its input
        total += pixels.numel() * layer.weight.numel()

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        model.eval()(torch.zeros(1, channels, *shape))
    for hook in hooks:
        hook.remove()
    return total
