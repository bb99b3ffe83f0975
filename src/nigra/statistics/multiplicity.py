"""p-values from permutations, alone, over many regions and over draws."""

import numpy as np
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

TOLERANCE = 1e-9
"""Equal averages of differently ordered sums may differ in their last bits."""


def p_value(null: Float[ndarray, " permutations"], estimate: float) -> float:
    """(1 + null values at least as high) / (1 + null values) (Phipson and Smyth 2010); NaN if unknown."""
    if np.isnan(estimate) or not len(null) or np.isnan(null).any():
        return float("nan")
    return float((1 + (null >= estimate - TOLERANCE).sum()) / (1 + len(null)))


def benjamini_hochberg(p: Float[ndarray, " n_regions"]) -> Float[ndarray, " n_regions"]:
    """False discovery rate over the regions tested (Benjamini and Hochberg 1995); NaN is no test and stays NaN."""
    known = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    if known.any():
        q[known] = scipy.stats.false_discovery_control(p[known])
    return q


def standardised(values: Float[ndarray, "*some"], null: Float[ndarray, " permutations"]) -> Float[ndarray, "*some"]:
    """Distance from the null's mean in its standard deviations; minus infinity where the null does not vary.

    Regions with many ties vary less by chance; without this the others alone would rule the maximum.
    """
    spread = null.std()
    if spread < TOLERANCE:
        return np.full(np.shape(values), -np.inf)
    return np.asarray((values - null.mean()) / spread)


def twice_the_mean(p: Float[ndarray, " n_draws"]) -> float:
    """One p from those of several draws, valid however the draws depend on each other; of one draw its own.

    Twice the mean, at most 1 (Rueschendorf 1982; Vovk and Wang, Biometrika 2020). NaN draws are left out.
    """
    known = p[~np.isnan(p)]
    if not len(known):
        return float("nan")
    return float(known[0] if len(known) == 1 else min(1.0, 2 * known.mean()))
