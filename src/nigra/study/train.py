"""Stage train: every model on every draw, and once more without each cross-fitting fold."""

import shutil

import numpy as np

from nigra.errors import NigraError
from nigra.files import key_in, read_json, write_json
from nigra.models.composition import build, describe
from nigra.models.saved import Trained, load, save
from nigra.preparation.scaling import fit_scaling
from nigra.provenance import record
from nigra.study.progress import Steps
from nigra.study.run import Fit, Run
from nigra.training import Task, Tick, train, validation_split
from nigra.training.parallel import Ranks, joined
from nigra.units import Source


def all_fits(run: Run) -> list[Fit]:
    """Every training of the run, in the order they are done."""
    return [fit for model in run.settings.models for draw in run.draws for fit in run.fits(model, draw)]


def is_trained(run: Run, fit: Fit) -> bool:
    """Whether this very training is already done."""
    folder = run.place(fit.model, fit.draw, fit.fold)
    return key_in(folder / "model.json") == run.fit_key(fit) and (folder / "model.safetensors").exists()


def train_all(run: Run, steps: Steps) -> None:
    """Do the trainings that are not yet done; a half-done one goes on from its last epoch."""
    for fit in all_fits(run):
        if is_trained(run, fit) and not run.execution.overwrite:
            steps.skip(f"train {fit.text}")
            continue
        with steps.step(f"train {fit.text}") as tick:
            train_one(run, fit, tick)


def train_one(run: Run, fit: Fit, tick: Tick | None = None) -> None:
    """Train one fit and save its model, alone or, under torchrun, together with other processes."""
    with joined(run.device) as (ranks, device):
        if ranks.first:
            _begin(run, fit)
        ranks.wait(device)  # nobody reads what is being cleared
        _learn(run, fit, ranks, device, tick)
        ranks.wait(device)  # nor asks for a model before it is written


def _begin(run: Run, fit: Fit) -> None:
    """Clear what an earlier fit with other settings left behind, and say which this one is."""
    path, key = run.place(fit.model, fit.draw, fit.fold) / "task.json", run.fit_key(fit)
    if run.execution.overwrite or key_in(path) != key:
        shutil.rmtree(path.parent, ignore_errors=True) if fit.fold is not None else _clear(run, fit)
        write_json(path, {"key": key})


def _learn(run: Run, fit: Fit, ranks: Ranks, device: str, tick: Tick | None) -> None:
    """Train; the first process saves the model."""
    folder = run.place(fit.model, fit.draw, fit.fold)
    cohort, unit, composition = run.cohort, run.unit(fit.model), fit.model.composition
    shape, channels = unit.unit_shape(cohort.mask.shape), unit.unit_channels(len(cohort.channels))
    settings = fit.model.training_on(shape)
    learners = run.learners(fit)
    scaling = fit_scaling(cohort, learners, run.settings.scaling)
    learn, watch = validation_split(learners, settings)
    capacity = describe(composition, channels, shape)
    model = build(composition, channels, shape, settings.seed)
    watch_rows = cohort.rows(watch) if watch else np.zeros(0, dtype=np.int64)
    task = Task(Source.scaled(cohort, scaling), unit, cohort.rows(learn), watch_rows, fit.model.pairs)
    train(model, task, settings, folder, device, tick=tick)
    if not ranks.first:
        return
    description = {
        "key": run.fit_key(fit),
        "composition": composition.model_dump(mode="json"),
        "channels": channels,
        "channel_names": list(cohort.channels),
        "shape": list(shape),
        "space": cohort.space,
        **{name: value for name, value in capacity.items() if name != "code_shape"},
        "locations": len(unit.locate(cohort.mask)),
        "health": read_json(folder / "health.json"),
        "validation": watch,
        "provenance": record("train", settings.model_dump(), {"cohort/volumes.npy": cohort.digest}),
    }
    save(folder, Trained(model, scaling, tuple(learners)), description)
    (folder / "checkpoint.safetensors").unlink()


def _clear(run: Run, fit: Fit) -> None:
    """Remove a draw's own files and its scores but not the folds inside it, which have keys of their own."""
    folder = run.place(fit.model, fit.draw)
    for path in folder.glob("*") if folder.exists() else ():
        if path.is_file():
            path.unlink()
        elif not path.name.startswith("fold-"):  # or maps of subjects that train now would stay
            shutil.rmtree(path)


def trained(run: Run, fit: Fit) -> Trained:
    """The finished model of a fit; one trained with other settings or on others is refused."""
    if not is_trained(run, fit):
        raise NigraError(f"{fit.text} is not trained with these settings; run `nigra train` with them first.")
    return load(run.place(fit.model, fit.draw, fit.fold))
