"""Stage factorial: the answer of a run whose models are the cells of a factorial, in ``runs/NAME/factorial``.

``values.tsv`` every value · ``cells.tsv`` means per cell · ``factorial.tsv`` effects · ``simple.tsv`` methods
without a network · ``sweeps.tsv`` curves · ``matching.tsv`` what was matched · ``collapsed.tsv`` and ``failed.tsv``
what to be wary of · ``figures/`` · ``factorial.json`` provenance · ``factorial.html`` all of it on a page. Made of
the run's tables alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nigra.errors import NigraError
from nigra.figures.factorial import cells_figure, effects_figure, question_figure
from nigra.figures.style import save
from nigra.figures.sweep import sweep_figure
from nigra.files import read_json, write_json, write_tsv
from nigra.provenance import hash_file, record
from nigra.report.factorial import build_factorial_page
from nigra.statistics.cells import Levels, factors_of
from nigra.statistics.factorial import MAIN, cell_means, effects
from nigra.statistics.sweep import points_of, sweep, swept
from nigra.study.factorial_cells import ratio_of_tested, read_cells, read_health
from nigra.study.factorial_simple import simple_methods
from nigra.study.matching import matching
from nigra.study.outdated import draws_of, outdated

INPUTS = ("regions.tsv", "simulation/lesions.tsv", "latent/latent.tsv", "splits.json")
"""Tables of a run that the answer is made from, where they are there; beside them every ``model.json``."""

FAILED = ("task", "state", "reason", "attempts")


def is_factorial(levels: Levels) -> bool:
    """Whether the models of a run are the cells of a factorial: two levels of a factor, at least."""
    try:
        return bool(factors_of(levels)) if any(levels.values()) else False
    except NigraError:
        return False


def answer_factorial(run: Path, levels: Levels, seeds: Mapping[str, int]) -> Path:
    """Write everything of ``runs/NAME/factorial``; returns that folder.

    Args:
        run: the run's folder, its models trained and scored as far as they could be.
        levels: by model label, the level of every factor, in the order of the settings: the first is the reference.
        seeds: by model label, the seed; models of the same levels differ in it.

    Raises:
        NigraError: no factor varies, a model lacks a factor, or no outcome is known of any model.
    """
    factors, ratio = factors_of(levels), ratio_of_tested(run)
    cells = read_cells(run, levels, seeds)
    if cells.empty:
        raise NigraError(f"{run} has no outcome of any model of the factorial; train and score its models first.")
    folder = run / "factorial"
    for path in folder.glob("figures/*"):
        path.unlink()
    found = effects(cells, factors, ratio)
    curves = [sweep(cells, factors, name, ratio) for name in swept(factors)]
    write_tsv(folder / "values.tsv", cells)
    write_tsv(folder / "cells.tsv", cell_means(cells, factors, ratio))
    write_tsv(folder / "factorial.tsv", found)
    write_tsv(folder / "simple.tsv", simple_methods(run))
    write_tsv(folder / "matching.tsv", matching(run, levels))
    write_tsv(folder / "collapsed.tsv", collapsed_models(run, levels))
    write_tsv(folder / "failed.tsv", failed_tasks(run, levels))
    (folder / "sweeps.tsv").unlink(missing_ok=True)
    if curves:
        write_tsv(folder / "sweeps.tsv", pd.concat(curves, ignore_index=True))
    for name, figure in figures(cells, found, curves, factors).items():
        save(figure, folder / "figures" / name)
    write_json(folder / "factorial.json", _provenance(run, levels, seeds, ratio))
    build_factorial_page(folder)
    return folder


def figures(
    cells: pd.DataFrame, found: pd.DataFrame, curves: list[pd.DataFrame], factors: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Pictures by name: one per question, per outcome its effects and cells, one per sweep."""
    made: dict[str, Any] = {}
    known = found.dropna(subset=["estimate"])
    for number, name in enumerate(factors):
        own = known[(known["effect"] == MAIN) & (known["factor"] == name)]
        if len(own) and name not in swept(factors):  # a sweep has a curve
            made[f"question-{number + 1:02d}"] = question_figure(known, name)
    for number, curve in enumerate(curves):
        made[f"sweep-{number + 1:02d}"] = sweep_figure(
            curve, points_of(cells, factors, str(curve["factor"].iloc[0]))
        )
    for (outcome, detector), rows in known.groupby(["outcome", "detector"], sort=False):
        stem = f"{outcome}-{detector}" if detector else str(outcome)
        made[f"effects-{stem}"] = effects_figure(rows)
        made[f"cells-{stem}"] = cells_figure(cells, factors, str(outcome), str(detector))
    return made


def collapsed_models(run: Path, levels: Levels) -> pd.DataFrame:
    """Models that training's health check calls collapsed, and why."""
    rows = [
        {"model": row["model"], "fold": row["fold"], **levels[row["model"]], "why": " ".join(row["why"])}
        for row in read_health(run, levels) if row["collapsed"]
    ]  # fmt: skip
    names = dict.fromkeys(name for own in levels.values() for name in own)
    return pd.DataFrame(rows, columns=["model", "fold", *names, "why"])


def failed_tasks(run: Path, levels: Levels) -> pd.DataFrame:
    """Tasks of the factorial's models that failed, or could not be done as another failed, with the reason."""
    draws = draws_of(run)  # of models and draws that are no longer asked for there may be statuses too
    own = {f"{label}_draw-{draw:02d}" for label in levels for draw in draws}
    rows = [read_json(path) for path in sorted((run / "tasks").glob("*_draw-*.json"))]
    failed = [
        row for row in rows
        if row.get("state") in ("failed", "skipped") and re.sub("^[a-z]+_|_fold-[0-9]+$", "", row["task"]) in own
    ]  # fmt: skip
    return pd.DataFrame(failed, columns=list(FAILED))


def _provenance(run: Path, levels: Levels, seeds: Mapping[str, int], ratio: float) -> dict[str, Any]:
    paths = [run / name for name in INPUTS]
    paths += [path for label in levels for path in sorted((run / label).glob("draw-*/model.json"))]
    inputs = {path.relative_to(run).as_posix(): hash_file(path) for path in paths if path.exists()}
    settings = {"run": run.name, "levels": {k: dict(v) for k, v in levels.items()}, "seeds": dict(seeds),
                "test_to_train": ratio, "outdated": outdated(run, levels)}  # fmt: skip
    return record("factorial", settings, inputs)
