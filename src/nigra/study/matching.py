"""What the cells of a factorial share and what they could not: numbers beside every claim of a fair comparison."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nigra.statistics.cells import Levels
from nigra.study.factorial_cells import models_of

QUANTITIES = {
    "parameters": "trained parameters",
    "unit_values": "values in a unit",
    "code_length": "values in a code",
    "compression": "unit values per code value",
    "training_subjects": "subjects that train",
    "units_per_epoch": "units seen per epoch",
    "values_per_epoch": "unit values seen per epoch",
    "epochs": "epochs",
    "units_per_step": "units per step",
    "steps": "optimiser steps",
    "learning_rate": "learning rate",
    "coverage": "share of mask voxels scored",
    "seconds": "seconds of training",
}
"""Columns of ``matching.tsv`` in order, each followed by ``NAME_ratio``, its ratio to the reference cell."""

APART = 0.02
"""A ratio this far from 1 is no match."""


def matching(run: Path, levels: Levels) -> pd.DataFrame:
    """One row per cell, mean over folds and seeds; the first row is the reference cell.

    Args:
        run: the run's folder.
        levels: by model label, the level of every factor.

    Returns:
        A column per factor, models (trained), ``QUANTITIES`` with their ratios, and ``unmatched``: the quantities
        whose ratio is not 1, in words. NaN where the run does not know a number.
    """
    rows = [
        {**quantities(run, label, fold, content), **levels[label], "models": 1}
        for label, fold, content in models_of(run, levels)
    ]
    factors = list(dict.fromkeys(name for own in levels.values() for name in own))
    every = pd.DataFrame([dict(own) for own in levels.values()], columns=factors).drop_duplicates()
    if not rows:
        return every.assign(models=0, unmatched="no model is trained")
    grouped = pd.DataFrame(rows).groupby(factors, sort=False)
    means = (
        grouped[[name for name in QUANTITIES if name not in factors]]
        .mean()
        .join(grouped["models"].sum())
        .reset_index()
    )
    table = every.merge(means, how="left", on=factors).fillna({"models": 0})
    return with_ratios(table, factors)


def with_ratios(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """The table with the ratio of every quantity to that of the first row beside it."""
    found = table[[*factors, "models"]].copy()
    said: list[list[str]] = [[] for _ in range(len(table))]
    for name, text in QUANTITIES.items():
        if name in factors:  # a factor of this name says it itself
            continue
        values = table[name].to_numpy(dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = values / values[0]
        found[name], found[f"{name}_ratio"] = values, ratio
        for number, one in enumerate(ratio):
            if name != "seconds" and np.isfinite(one) and abs(one - 1) > APART:
                said[number].append(f"{text} × {one:.3g}")
    return found.assign(models=found["models"].astype(int), unmatched=["; ".join(each) for each in said])


def quantities(run: Path, label: str, fold: int, content: Mapping[str, Any]) -> dict[str, float]:
    """``QUANTITIES`` of one trained model, from its ``model.json``, its log and its scores.

    Capacity is looked for in ``model.json`` itself, then one level down. Units are counted as the model sees them:
    both members of a pair.
    """
    settings = content.get("provenance", {}).get("settings", {})
    known = {name: _find(content, name) for name in QUANTITIES}
    known["unit_values"] = _first(known["unit_values"], _product(content))
    learners = float(len(content.get("trained_on", [])) - len(content.get("validation", [])))
    locations = _find(content, "locations")
    # None stands for every location; fewer locations than asked for are drawn but once
    each = np.fmin(_number(settings.get("units_per_subject")), locations)
    drawn, batch = learners * each, _number(settings.get("batch"))
    members = 2 if (content.get("composition") or {}).get("siamese") else 1
    known |= {
        "training_subjects": learners, "units_per_epoch": members * drawn, "units_per_step": members * batch,
        "values_per_epoch": members * drawn * known["unit_values"], "epochs": _number(settings.get("epochs")),
        "learning_rate": _number(settings.get("learning_rate")),
    }  # fmt: skip
    known["steps"] = known["epochs"] * np.ceil(drawn / batch)
    folder = run / label / f"draw-{fold:02d}"
    known["seconds"], known["coverage"] = seconds_of(folder / "training.jsonl"), coverage_of(folder)
    return known


def seconds_of(log: Path) -> float:
    """Seconds of all epochs of a training log; NaN without one."""
    if not log.exists():
        return np.nan
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip())
    return float(sum(line.get("seconds", np.nan) for line in lines))


def coverage_of(folder: Path) -> float:
    """Share of the mask's voxels at which the last subject has a score, by the first detector; NaN unscored."""
    for path in [folder / "error" / "scores.npy", *sorted(folder.glob("*/scores.npy"))]:
        if path.exists():
            return float(np.isfinite(np.load(path, mmap_mode="r", allow_pickle=False)[-1]).mean())
    return np.nan


def _find(content: Mapping[str, Any], name: str) -> float:
    """A number by name, in a mapping or in one of the mappings it holds."""
    inner = [value for key, value in content.items() if isinstance(value, Mapping) and key != "provenance"]
    return next((_number(each[name]) for each in (content, *inner) if name in each), np.nan)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _first(*values: float) -> float:
    return next((value for value in values if np.isfinite(value)), np.nan)


def _product(content: Mapping[str, Any]) -> float:
    shape = content.get("shape")
    return float(content.get("channels", np.nan) * np.prod(shape)) if shape else np.nan
