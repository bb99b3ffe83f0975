"""A factorial run as one long table: every outcome of every model, fold and seed, gathered from the run's tables.

A part of the run that was not done (no simulation, no latent stage, no patients) is an outcome less, never a guess.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nigra.cohort.store import CONTROL, PATIENT
from nigra.files import read_json, read_tsv
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.cells import Levels, with_text
from nigra.statistics.draws import TEST, column_of
from nigra.study.outdated import draws_of, stale_plantings, stale_spaces

COLUMNS = ("model", "fold", "seed", "outcome", "detector", "participant_id", "value", "collapsed")
"""Columns of the long table behind those of the factors."""

PLANTED = {"sensitivity_matched": "planted_sensitivity", "auroc": "planted_auroc"}
LATENT = {"place R2": "location_r2", "subject AUC": "subject_leakage"}
HEALTH = {"alike": "pair_auc", "effective_rank": "effective_rank", "error": "reconstruction"}
"""What the tables of a run call the outcomes."""

TEXT = (
    "participant_id",
    "model",
    "detector",
    "shape",
    "size",
    "effect",
    "region",
    "group",
    "set",
    "measure",
    "note",
)
CONDITION = ["shape", "size", "effect", "strength"]


def read_cells(run: Path, levels: Levels, seeds: Mapping[str, int]) -> pd.DataFrame:
    """The long table of ``runs/NAME``: a column per factor, then ``COLUMNS``; the fold is the run's draw.

    Args:
        run: the run's folder.
        levels: by model label, the level of every factor.
        seeds: by model label.

    planted_*    ``simulation/lesions.tsv``: mean over lesions, then over all that was planted, per subject
    group_auc    ``regions.tsv``, whole brain: of each patient, the share of tested controls that score lower (ties
                 count half); its mean over patients is the AUC, and patients can be told apart
    code         ``latent/latent.tsv``: place and subject told from the code
    health       ``model.json``: pairs alike, effective rank, error against that of the mean of other subjects at
                 the place; of training controls, all three

    Draws that the run no longer has are left out, and so is what was made of models trained since
    (``nigra.study.outdated``).

    Raises:
        NigraError: a file of the run cannot be read.
    """
    health = {(str(row["model"]), int(row["fold"])): row for row in read_health(run, levels)}
    read = (planted_rows, group_rows, latent_rows, lambda run: _health_rows(health.values()))
    parts: list[pd.DataFrame] = [each(run) for each in read]
    table = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=["model", "fold", "value"])])
    known = table["model"].isin(list(levels)) & table["fold"].isin(draws_of(run))
    table = table[known].dropna(subset=["value"]).reset_index(drop=True)
    table["seed"] = [seeds[label] for label in table["model"]]
    table["collapsed"] = [
        bool(health.get((label, fold), {}).get("collapsed"))
        for label, fold in zip(table["model"], table["fold"], strict=True)
    ]
    names = list(dict.fromkeys(name for own in levels.values() for name in own))
    for name in names:
        table[name] = [levels[label].get(name, "") for label in table["model"]]
    return with_text(table.reindex(columns=[*names, *COLUMNS]))


def planted_rows(run: Path) -> pd.DataFrame:
    """What each model and detector finds of everything planted, per subject."""
    path = run / "simulation" / "lesions.tsv"
    if not path.exists():
        return pd.DataFrame()
    lesions = read_tsv(path, TEXT)
    lesions = lesions[(lesions["strength"] > 0) & ~stale_plantings(run, lesions)]
    who = ["model", "detector", "draw", "participant_id"]
    by_condition = lesions.groupby([*who, *CONDITION], sort=False, dropna=False)[list(PLANTED)].mean()
    means = by_condition.groupby(who, sort=False).mean().rename(columns=PLANTED).reset_index()
    long = means.melt(who, list(PLANTED.values()), "outcome", "value")
    return long.rename(columns={"draw": "fold"})


def group_rows(run: Path) -> pd.DataFrame:
    """Of each tested patient, how many tested controls have a lower whole-brain score; nothing without patients."""
    path = run / "regions.tsv"
    if not path.exists():
        return pd.DataFrame()
    regions = read_tsv(path, TEXT)
    own = regions[(regions["region"] == WHOLE_BRAIN) & (regions["set"] == TEST)]
    rows, column = [], column_of(own)
    for (model, detector, fold), tested in own.dropna(subset=[column]).groupby(
        ["model", "detector", "fold"], sort=False
    ):
        score, group = tested[column].to_numpy(dtype=float), tested["group"].to_numpy()
        patients, controls = score[group == PATIENT], score[group == CONTROL]
        if len(patients) and len(controls):
            below = (patients[:, None] > controls) + 0.5 * (patients[:, None] == controls)
            names = tested["participant_id"].to_numpy()[group == PATIENT]
            rows.append(pd.DataFrame({
                "model": model, "detector": detector, "fold": fold, "outcome": "group_auc",
                "participant_id": names, "value": below.mean(axis=1),
            }))  # fmt: skip
    return pd.concat(rows) if rows else pd.DataFrame()


def latent_rows(run: Path) -> pd.DataFrame:
    """Numbers of the latent stage, of the models as trained."""
    path = run / "latent" / "latent.tsv"
    if not path.exists():
        return pd.DataFrame()
    table = read_tsv(path, TEXT)
    table = table[table["measure"].isin(list(LATENT)) & ~stale_spaces(run, table)]
    return pd.DataFrame({
        "model": table["model"], "fold": table["draw"], "outcome": table["measure"].map(LATENT),
        "value": table["estimate"],
    })  # fmt: skip


def read_health(run: Path, levels: Levels) -> list[dict[str, Any]]:
    """What every trained model says of its health: model, fold, collapsed, why and the numbers."""
    found = []
    for label, fold, content in models_of(run, levels):
        health = content.get("health") or {}
        found.append({"model": label, "fold": fold, "collapsed": False, "why": [], **health})
    return found


def models_of(run: Path, levels: Levels) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Label, draw and ``model.json`` of every model of the factorial that is trained, by the run's own draws."""
    for label in levels:
        for draw in draws_of(run):
            path = run / label / f"draw-{draw:02d}" / "model.json"
            if path.exists():
                yield label, draw, read_json(path)


def _health_rows(health: Any) -> pd.DataFrame:
    rows = [
        {"model": row["model"], "fold": row["fold"], "outcome": outcome, "value": row[name]}
        for row in health for name, outcome in HEALTH.items() if row.get(name) is not None
    ]  # fmt: skip
    return pd.DataFrame(rows)


def ratio_of_tested(run: Path) -> float:
    """Tested over training controls, mean over the draws of ``splits.json``."""
    draws = read_json(run / "splits.json")["draws"]
    patients: set[str] = set()
    if (run / "regions.tsv").exists():
        regions = read_tsv(run / "regions.tsv", TEXT)
        patients = set(regions.loc[regions["group"] == PATIENT, "participant_id"])
    ratios = [len(set(draw["test"]) - patients) / len(draw["train"]) for draw in draws]
    return float(np.mean(ratios))
