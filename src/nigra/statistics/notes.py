"""What a reader must know beside a number of ``evaluation.tsv``."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.statistics.draws import TRAINING, Draws
from nigra.statistics.groups import (
    AT_HELD_OUT,
    HIGH_SPECIFICITY,
    ON_TEST,
    SENSITIVITY,
    SENSITIVITY_HELD_OUT,
    SPECIFICITY,
    cut_off,
)

MANY_TIES = 0.2
"""Share of equal scores from which a note tells of it."""


def notes(draws: Draws, region: int, measure: str) -> list[str]:
    """Remarks on a measure of a region, most important first."""
    if np.isnan(draws.scores_tested[region]).all():
        return ["no scored voxel in this region"]
    return (
        _of_groups(draws, measure) + _of_cut_off(draws, region, measure) + _of_scores(draws.scores_tested[region])
    )


def _of_groups(draws: Draws, measure: str) -> list[str]:
    """A group of which nobody is tested."""
    found = []
    if not (draws.patient & draws.tested).any() and measure != SPECIFICITY:
        found.append("no patients: nothing to compare")
    if not (~draws.patient & draws.tested).any() and measure not in (SENSITIVITY, SENSITIVITY_HELD_OUT):
        found.append("no test controls: nothing to compare")
    return found


def _of_cut_off(draws: Draws, region: int, measure: str) -> list[str]:
    """Where the cut-off comes from, and what it kept of its promise."""
    if measure in ON_TEST:
        return ["optimistic: cut-off chosen on the test subjects"]
    if measure not in AT_HELD_OUT:
        return []
    if not draws.reference_set:
        return ["no held-out controls to set a cut-off"]
    found = []
    if draws.reference_set == TRAINING:
        found.append("cut-off from training controls, scored by the model that saw them: expect it to be too low")
    if measure == SENSITIVITY_HELD_OUT:
        kept = _specificity_kept(draws, region)
        found += [f"{kept:.0%} of the test controls are not above the cut-off"] if not np.isnan(kept) else []
    return found


def _specificity_kept(draws: Draws, region: int) -> float:
    """Share of test controls, mean over the draws, not above the cut-off at the high specificity."""
    kept = []
    for scores, reference in zip(draws.scores_tested[region], draws.scores_reference[region], strict=True):
        controls, known = scores[~draws.patient & ~np.isnan(scores)], reference[~np.isnan(reference)]
        if len(controls) and len(known):
            kept.append(float((controls <= cut_off(known, np.ones((len(known), 1)), HIGH_SPECIFICITY)).mean()))
    return float(np.mean(kept)) if kept else float("nan")


def _of_scores(scores: Float[ndarray, "n_draws n_subjects"]) -> list[str]:
    """Scores that are equal or missing."""
    found = []
    constant = sum(np.ptp(row[~np.isnan(row)]) == 0 for row in scores if not np.isnan(row).all())
    if constant:
        found.append(f"all scores equal in {constant} of {len(scores)} draws")
    empty = int(np.isnan(scores).all(axis=1).sum())
    if empty:
        found.append(f"no scored voxel in {empty} of {len(scores)} draws")
    seen = scores[~np.isnan(scores)]
    tied = float(np.unique(seen, return_counts=True)[1].max() / len(seen))
    if tied > MANY_TIES:
        found.append(f"{tied:.0%} of the scores are the same")
    return found
