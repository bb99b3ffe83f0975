"""The null: what an uninformative score reaches on this study's own draws.

Every subject gets one independent random score and keeps it in all the draws in which it is tested or serves for
the cut-off. This is what reproduces the figures known for the protocol of mlcn2021 (15 of 56 controls drawn ten
times, the same 129 patients): a real score too follows the subject, so that draws are repeated looks, not
repeated studies. Fresh scores in every draw would average out and give too narrow a null.
"""

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.statistics.groups import MEASURES, combine, roc

BLOCK = 1000  # simulations held in memory at once


def simulate(
    tested: Bool[ndarray, "n_draws n_subjects"],
    reference: Bool[ndarray, "n_draws n_subjects"],
    patient: Bool[ndarray, " n_subjects"],
    specificity: float = 0.8,
    simulations: int = 10_000,
    seed: int = 0,
) -> Float[ndarray, "measures simulations"]:
    """``MEASURES`` averaged over the draws, for scores that know nothing; the same seed gives the same null.

    ``tested`` and ``reference`` say who is tested and who sets the cut-off in each draw. The scores have no ties;
    real percentages often do (many subjects at 0), which only makes this null conservative.
    """
    rng = np.random.default_rng(seed)
    blocks = []
    for start in range(0, simulations, BLOCK):
        scores = rng.random((len(patient), min(BLOCK, simulations - start)))
        draws = [_one_draw(scores, *who, patient, specificity) for who in zip(tested, reference, strict=True)]
        blocks.append(mean_of_known(np.stack(draws)))
    return np.concatenate(blocks, axis=1) if blocks else np.empty((len(MEASURES), 0))


def _one_draw(
    scores: ndarray, tested: ndarray, reference: ndarray, patient: ndarray, specificity: float
) -> Float[ndarray, "measures simulations"]:
    """``MEASURES`` of one draw for all simulated scores (n_subjects, simulations)."""
    seen = scores[tested]
    ranked = patient[tested][np.argsort(-seen, axis=0)]
    curve = roc(ranked.astype(float), (~ranked).astype(float))
    if not reference.any():
        return combine(curve, np.zeros(scores.shape[1], dtype=int), np.zeros(scores.shape[1], dtype=bool))
    place = max(int(np.ceil(specificity * reference.sum() - 1e-9)) - 1, 0)
    cut = np.sort(scores[reference], axis=0)[place]
    return combine(curve, (seen > cut).sum(axis=0), np.ones(scores.shape[1], dtype=bool))


def mean_of_known(values: Float[ndarray, "n_draws *rest"]) -> Float[ndarray, "*rest"]:
    """Mean over draws of the values that are not NaN; NaN where none is (``numpy.nanmean`` would warn)."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def p_value(null: Float[ndarray, " simulations"], estimate: float) -> float:
    """(1 + null values at least as high) / (1 + null values) (Phipson and Smyth 2010); NaN if unknown."""
    if np.isnan(estimate) or not len(null) or np.isnan(null).any():
        return float("nan")
    # equal averages of differently ordered sums may differ in the last bit
    return float((1 + (null >= estimate - 1e-12).sum()) / (1 + len(null)))


def benjamini_hochberg(p: Float[ndarray, " n_regions"]) -> Float[ndarray, " n_regions"]:
    """False discovery rate over the regions tested (Benjamini and Hochberg 1995); NaN is no test and stays NaN."""
    known = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    if known.any():
        q[known] = scipy.stats.false_discovery_control(p[known])
    return q
