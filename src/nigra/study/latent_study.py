"""What alpha, metric, loss, code size or unit do to latent spaces: one table, and one page of small multiples.

``runs/NAME/latent/study``: ``cells.tsv`` means · ``effects.tsv`` differences · ``values.tsv`` every number of every
fold and seed · ``figures/`` · ``study.html``. Made from the tables ``latent/latent.tsv`` of one or more runs.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from nigra.cohort.store import CONTROL
from nigra.errors import NigraError
from nigra.figures.factorial import question_figure
from nigra.figures.latent_numbers import MEASURES
from nigra.figures.latent_study import latent_study_figure
from nigra.figures.style import save
from nigra.files import read_json, read_tsv, write_json, write_tsv
from nigra.provenance import hash_file, record
from nigra.report.latent_study import build_latent_study_page
from nigra.statistics.cells import factors_of
from nigra.statistics.factorial import MAIN
from nigra.statistics.latent_study import TRAINED, TRAINING, UNTRAINED, study_cells, study_effects
from nigra.study.outdated import stale_spaces
from nigra.study.settings import RunSettings
from nigra.study.spaces import UNTRAINED as TWIN
from nigra.study.spaces import Space

KEYS = ("fold", "seed", TRAINING, "measure")


@dataclass(frozen=True)
class Named:
    """A model of a run: what tells it from the others (``levels``), and its seed."""

    levels: dict[str, str]
    seed: int


def study_of(folder: Path, test_to_train: float, others: Sequence[Path] = ()) -> Path | None:
    """Write ``latent/study`` of a run; returns that folder, None (and no folder) where there is nothing to compare.

    Args:
        folder: ``runs/NAME``, its latent stage done.
        test_to_train: number of tested over that of training controls of a fold.
        others: more such runs of the study, whose models are told from these by a factor ``run``.

    Raises:
        NigraError: another run has no latent stage, or not the same draws.
    """
    runs, into = [folder, *others], folder / "latent" / "study"
    values, factors = values_of(runs)
    shutil.rmtree(into, ignore_errors=True)
    models = values[[*factors, "fold", "seed", TRAINING]].drop_duplicates()
    if len(models) < 2:
        return None
    cells = study_cells(values, factors, test_to_train)
    found = study_effects(values, factors, test_to_train)
    write_tsv(into / "values.tsv", values)
    write_tsv(into / "cells.tsv", cells)
    write_tsv(into / "effects.tsv", found)
    save(latent_study_figure(cells, values, list(factors)), into / "figures" / "cells")
    named = found.rename(columns={"measure": "outcome"}).assign(detector="")
    named = named[named["outcome"].isin(list(MEASURES)) & named["estimate"].notna() & (named["effect"] == MAIN)]
    for at, name in enumerate(dict.fromkeys(named["factor"]), 1):
        save(question_figure(named, name), into / "figures" / f"effect-{at:02d}")
    inputs = {f"{run.name}/latent/latent.tsv": hash_file(run / "latent" / "latent.tsv") for run in runs}
    about: dict[str, Any] = {"run": folder.name, "beside": [run.name for run in others], "factors": factors}
    about["test_to_train"] = test_to_train
    write_json(into / "study.json", record("latent study", about, inputs))
    build_latent_study_page(into)
    return into


def tested_to_trained(spaces: Sequence[Space]) -> float:
    """Tested over training controls, mean over the draws examined."""
    participants = spaces[0].run.cohort.participants
    controls = set(participants.loc[participants["group"] == CONTROL, "participant_id"])
    draws = {space.draw.draw: space.draw for space in spaces}.values()
    return float(np.mean([len(controls & set(draw.test)) / len(draw.train) for draw in draws]))


def values_of(runs: Sequence[Path]) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Every number of every model, fold and seed of some runs, and the factors that tell the models apart.

    Models of a factorial are told apart by its factors, others by their name; several runs by a factor ``run``.
    """
    tables = [_numbers(run) for run in runs]
    if len(runs) > 1:
        _same_draws(runs)
    models = {(run.name, label): named for run in runs for label, named in _models(run).items()}
    used = {(run.name, label) for run, table in zip(runs, tables, strict=True) for label in table["model"]}
    factors = _factors({key: named for key, named in models.items() if key in used}, len(runs) > 1)
    rows = []
    for run, table in zip(runs, tables, strict=True):
        for label, own in table.groupby("model", sort=False):
            named = models[run.name, str(label)]
            told = {"run": run.name, "model": str(label), **named.levels}
            seed = named.seed if named.levels else 0
            rows.append(own.assign(**{name: told[name] for name in factors}, seed=seed))
    found = pd.concat(rows, ignore_index=True)[[*factors, *KEYS, "estimate", "null"]]
    return found[found["estimate"].notna()].reset_index(drop=True), factors


def _numbers(run: Path) -> pd.DataFrame:
    """A run's numbers with the model's own name in ``model`` and what became of it in ``training``."""
    path = run / "latent" / "latent.tsv"
    if not path.exists():
        raise NigraError(f"run {run.name} has no latent spaces to compare with; run `nigra latent` on it first.")
    table = read_tsv(path, ("model", "measure", "note"))
    known = set(_models(run))
    twin = table["model"].str.endswith(TWIN) & ~table["model"].isin(known)
    label = table["model"].where(~twin, table["model"].str.removesuffix(TWIN))
    training = twin.map({True: UNTRAINED, False: TRAINED})
    table = table.assign(model=label, training=training, fold=table["draw"])
    return table[table["model"].isin(known) & ~stale_spaces(run, table)]  # a twin is made with its model


def _models(run: Path) -> dict[str, Named]:
    """The models of a run by label, as its settings name them."""
    content = yaml.safe_load((run / "settings.yaml").read_text("utf-8"))
    return {model.label: Named(model.levels, model.seed) for model in RunSettings.model_validate(content).models}


def _factors(models: dict[tuple[str, str], Named], several: bool) -> dict[str, list[str]]:
    """Levels by factor: of the factorial where all models are of one, otherwise the models' names."""
    runs = {"run": list(dict.fromkeys(run for run, _ in models))} if several else {}
    levels = {f"{run}/{label}": named.levels for (run, label), named in models.items()}
    try:
        crossed = factors_of(levels) if all(levels.values()) else {}
    except NigraError:  # of different factorials, or of one whose levels are all the same
        crossed = {}
    if crossed and "run" not in crossed:
        return {**runs, **crossed}
    return {**runs, "model": list(dict.fromkeys(label for _, label in models))}


def _same_draws(runs: Sequence[Path]) -> None:
    """Refuse runs whose folds are of other people: differences within a fold would be of nothing."""
    draws = {run.name: read_json(run / "splits.json")["draws"] for run in runs}
    first = runs[0].name
    for name, own in draws.items():
        if own[: len(draws[first])] != draws[first][: len(own)]:
            raise NigraError(
                f"runs {first} and {name} train on different controls, so their models cannot be compared fold by "
                "fold; give both the same splits."
            )
