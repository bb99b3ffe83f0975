"""The mean of a difference over folds and seeds, and over subjects where there are any, with its interval.

Folds and seeds are crossed: every seed starts every fold with the same weights, every fold gives every seed the
same subjects. A new study would draw all of them anew, so each adds its variance (a random-effects model):

folds      (1 / folds + n_test / n_train) x variance of the fold means: folds share most of whom they train on
           (Nadeau and Bengio, Machine Learning 2003; see ``resampled``)
seeds      variance of the seed means / seeds
subjects   variance of the subjects' means / subjects, only where the same subjects are tested in all folds (as
           patients are): then no fold tells what other subjects would change

The degrees of freedom are those of Satterthwaite (Biometrics 1946). What folds and seeds do jointly is counted
under both, which errs on the wide side. ``docs/concepts/factorial.md`` has the coverage by simulation.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtr, stdtrit

from nigra.statistics.permutation import mean_of_known
from nigra.statistics.resampled import corrected_variance

Crossed = Float[ndarray, "n_folds n_seeds n_subjects"]
"""Differences (or values) per fold, seed and subject; one subject where there are none, NaN where none is known."""

NOTHING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval, the two-sided p against 0, and what it rests on; NaN where nothing is known."""

    estimate: float
    low: float
    high: float
    p: float
    freedom: float
    folds: int
    seeds: int
    subjects: int
    note: str = ""


def crossed_mean(values: Crossed, test_to_train: float, level: float = 0.95) -> Estimate:
    """Mean over folds, seeds and subjects, every fold weighing alike, with its interval.

    Args:
        values: NaN where a subject is not tested or a model is missing.
        test_to_train: number of tested over that of training controls; 0 for folds with nobody in common.
        level: of the interval.
    """
    values = _without_empty(values)
    folds, seeds, people = values.shape
    subjects = people if people > 1 else 0
    nan = float("nan")
    if not values.size:
        return Estimate(nan, nan, nan, nan, nan, 0, 0, 0, "no value")
    mean = float(mean_of_known(values_by_fold(values)))
    parts = variances(values, test_to_train)
    variance = sum(part for part, _ in parts)
    if not variance > NOTHING**2:
        same = "the same in every fold and seed" if parts else "one fold and one seed: no interval"
        return Estimate(mean, nan, nan, nan, nan, folds, seeds, subjects, same)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    half = float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance))
    p = float(2 * stdtr(freedom, -abs(mean) / np.sqrt(variance)))
    return Estimate(mean, mean - half, mean + half, p, freedom, folds, seeds, subjects, _note(folds, seeds))


def variances(values: Crossed, test_to_train: float) -> list[tuple[float, int]]:
    """Variance of the mean from folds, seeds and subjects, each with its degrees of freedom; those that are known.

    ``values`` has no fold, seed or subject without any value.
    """
    by_fold, found = values_by_fold(values), []
    if len(by_fold) > 1:
        found.append((float(corrected_variance(by_fold, test_to_train)), len(by_fold) - 1))
    # around the fold's mean: a fold that one seed lacks must not look like an effect of the seed
    by_seed = mean_of_known(mean_over(values, 2) - by_fold[:, None])
    if len(by_seed) > 1:
        found.append((float(by_seed.var(ddof=1)) / len(by_seed), len(by_seed) - 1))
    by_subject = mean_over(mean_over(values, 1), 0)
    if len(by_subject) > 1 and not np.isnan(values).all(axis=1).any():
        found.append((float(by_subject.var(ddof=1)) / len(by_subject), len(by_subject) - 1))
    return found


def values_by_fold(values: Crossed) -> Float[ndarray, " n_folds"]:
    """Mean of each fold over its subjects, then over its seeds."""
    return mean_over(mean_over(values, 2), 1)


def mean_over(values: Float[ndarray, "*some"], axis: int) -> ndarray:
    """Mean of the known values along an axis."""
    return np.asarray(mean_of_known(np.moveaxis(values, axis, 0)))


def _without_empty(values: Crossed) -> Float[ndarray, "some_folds some_seeds some_subjects"]:
    """Without folds, seeds and subjects of which nothing is known."""
    known = ~np.isnan(values)
    kept = (known.any(axis=tuple({0, 1, 2} - {axis})).nonzero()[0] for axis in range(3))
    return values[np.ix_(*kept)]


def _note(folds: int, seeds: int) -> str:
    said = []
    if folds < 2:
        said.append("one fold: the interval does not know what other training controls would change")
    if seeds < 2:
        said.append("one seed: the interval does not know what another seed would change")
    return "; ".join(said)
