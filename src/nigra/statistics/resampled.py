"""Means over draws that share their subjects: the corrected resampled variance of Nadeau and Bengio.

The plain standard error of a mean over draws takes draws for studies; they are looks at one cohort, and ever more
of them would make it as small as one likes. Nadeau and Bengio (Machine Learning 2003) put
``1 / draws + n_test / n_train`` in the place of ``1 / draws``. It covers what a new split would change: who trains,
who of the controls is tested, the seed. It does **not** cover who the patients are, as they are the same in all
draws: the subject bootstrap does.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtrit


def corrected_variance(per_draw: Float[ndarray, "n_draws *rest"], test_to_train: float) -> Float[ndarray, "*rest"]:
    """(1 / draws + n_test / n_train) x the variance over the draws (n - 1); NaN for a single draw.

    ``test_to_train`` is the number of tested over that of training controls, those that change between draws.
    """
    draws = len(per_draw)
    if draws < 2:
        return np.full(per_draw.shape[1:], np.nan)
    return np.asarray((1 / draws + test_to_train) * per_draw.var(axis=0, ddof=1))


def corrected_interval(
    per_draw: Float[ndarray, " n_draws"], test_to_train: float, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean over draws by the corrected resampled t (draws - 1 degrees of freedom).

    NaN for a single draw, and for draws that all agree: a few equal values know nothing of their spread.
    """
    error = np.sqrt(corrected_variance(per_draw, test_to_train))
    if not error > 1e-12:
        return np.nan, np.nan
    half = stdtrit(len(per_draw) - 1, (1 + level) / 2) * error
    return float(per_draw.mean() - half), float(per_draw.mean() + half)
