"""Stage evaluate: region table, false-positive check, group comparison."""

import numpy as np
import pandas as pd

from nigra.cohort.splits import Draw
from nigra.cohort.store import CONTROL
from nigra.files import write_tsv
from nigra.regions import Atlas, load_atlas, packaged_atlas, region_table
from nigra.statistics.evaluation import evaluate
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.settings import ModelSettings


def atlas_of(run: Run) -> Atlas:
    """The run's atlas on the maps' grid."""
    settings, cohort = run.settings.atlas, run.cohort
    if settings.dseg is None:
        return packaged_atlas(settings.name, cohort.space, cohort.mask.shape, cohort.affine)
    dseg, tsv = run.study / settings.dseg, settings.tsv and run.study / settings.tsv
    return load_atlas(dseg, tsv, cohort.space, cohort.mask.shape, cohort.affine, settings.space, settings.merged)


def evaluate_all(run: Run, steps: Steps) -> None:
    """Write ``regions.tsv``, ``calibration.tsv`` and ``evaluation.tsv`` of the run."""
    atlas, regions, calibration = atlas_of(run), [], []
    pairs = [(model, draw) for model in run.settings.models for draw in run.draws]
    with steps.step("regions") as tick:
        for number, (model, draw) in enumerate(pairs):
            rows, check = _one_draw(run, model, draw, atlas)
            regions.append(rows)
            calibration.append(check)
            tick((number + 1) / len(pairs), model.label)
        table = pd.concat(regions, ignore_index=True)
        write_tsv(run.folder / "regions.tsv", table)
        write_tsv(run.folder / "calibration.tsv", pd.DataFrame(calibration))
    with steps.step("evaluation") as tick:
        results, settings = [], run.settings.evaluation
        for number, model in enumerate(run.settings.models):
            own = table[table["model"] == model.label].drop(columns="model")
            result = evaluate(own, settings.specificity, settings.bootstrap, settings.simulations, settings.seed)
            result.insert(0, "model", model.label)
            results.append(result)
            tick((number + 1) / len(run.settings.models), model.label)
        write_tsv(run.folder / "evaluation.tsv", pd.concat(results, ignore_index=True))


def _one_draw(run: Run, model: ModelSettings, draw: Draw, atlas: Atlas) -> tuple[pd.DataFrame, dict[str, object]]:
    """Region rows of a draw, and its line of the false-positive check on test controls."""
    scored = read_scores(run, model, draw)
    names = scored.calibration_ids + scored.test_ids
    people = run.cohort.participants.set_index("participant_id").loc[names, ["group"]].reset_index()
    controls = run.settings.calibration.controls
    sets = [controls] * len(scored.calibration_ids) + ["test"] * len(scored.test_ids)
    has_score = np.isfinite(scored.scores).all(axis=0)
    table = region_table(scored.abnormal(run), has_score, run.cohort.mask, atlas, people, draw.draw, sets)
    table.insert(0, "model", model.label)
    threshold = scored.threshold(run)
    is_control = people["group"].to_numpy()[len(scored.calibration_ids) :] == CONTROL
    tested = [name for name, keep in zip(scored.test_ids, is_control, strict=True) if keep]
    observed = threshold.observed_percent(scored.test[is_control], tested)
    check = {
        "model": model.label, "fold": draw.draw, "controls": controls, "quantile": threshold.quantile,
        "threshold": threshold.value, "expected_percent": 100 * (1 - threshold.quantile),
        "observed_percent": float(observed.mean()), "lowest_percent": float(observed.min()),
        "highest_percent": float(observed.max()), "test_controls": len(tested),
    }  # fmt: skip
    return table, check
