"""Site: can the scanner be read off the region scores? If so, sites must not differ between the groups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.statistics.covariates import levels_of

REPEATS = 5
RIDGE = 1.0


@dataclass(frozen=True)
class Predictability:
    """``accuracy`` is balanced over the sites (mean of the share found in each), 95 % interval over subjects.

    ``chance`` is 1 / sites, ``null_95`` what permuted sites reach in 5 of 100, ``p`` one-sided against them;
    ``note`` says what was left out.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    null_95: float
    p: float
    sites: int
    subjects: int
    note: str


def predict_site(
    scores: pd.DataFrame,
    site: pd.Series,
    folds: int = 5,
    permutations: int = 999,
    bootstraps: int = 1000,
    seed: int = 0,
) -> Predictability:
    """Balanced accuracy of the site predicted from region scores, cross-validated by subject.

    ``scores`` (subjects x regions, one row per subject) and ``site`` by participant_id. Give controls only: with
    patients, a site that recruits more of them is found by the disease. The classifier is ridge regression on the
    sites' indicators, regions standardised on the training subjects, each site's prediction divided by its share of
    them so that a large site is not preferred. It is linear in the indicators, so that every permutation of the
    sites costs a matrix product; folds are drawn without looking at the sites, which keeps permutations exact.

    Left out, with a note: subjects without site or score, sites with fewer than two subjects, regions without a
    score in somebody or equal in all. Raises NigraError with fewer than two sites or regions left none.
    """
    x, y, names, note = _usable(scores, site)
    n, rng = len(x), np.random.default_rng(seed)
    shuffled = np.stack([y, *(rng.permutation(y) for _ in range(permutations))])
    indicators = np.moveaxis(shuffled[:, :, None] == np.arange(len(names)), 0, -1).astype(
        float
    )  # n, sites, 1 + perm
    folds = min(folds, n)
    votes = np.zeros(indicators.shape)
    for _ in range(REPEATS):
        fold = rng.permutation(n) % folds
        for number in range(folds):
            test = fold == number
            votes[test] += _predict(x[~test], x[test], indicators[~test]) / REPEATS
    right = votes.argmax(axis=1) == shuffled.T
    accuracy = _balanced(right, shuffled.T, len(names))
    resampled = _bootstrap(right[:, 0], y, len(names), bootstraps, rng)
    low, high = np.quantile(resampled, [0.025, 0.975])
    p = (1 + (accuracy[1:] >= accuracy[0] - 1e-12).sum()) / (1 + permutations)
    top = float(np.quantile(accuracy[1:], 0.95)) if permutations else np.nan
    return Predictability(
        float(accuracy[0]), float(low), float(high), 1 / len(names), top, float(p), len(names), n, note
    )  # fmt: skip


def _usable(scores: pd.DataFrame, site: pd.Series) -> tuple[ndarray, ndarray, list[str], str]:
    """Scores (n, regions), site codes, site names and the note of what was left out."""
    own = site.reindex(scores.index)
    sizes = own.value_counts()
    small = sorted(map(str, sizes.index[sizes < 2]))
    keep = (own.notna() & ~own.isin(small) & scores.notna().any(axis=1)).to_numpy()
    left = own[keep]
    names = levels_of(left)
    if len(names) < 2:
        raise NigraError(
            f"a site is predicted among two or more with two subjects each, but found {len(names)}; "
            "there is nothing to predict."
        )
    table = scores.to_numpy(dtype=float)[keep]
    regions = ~np.isnan(table).any(axis=0)
    regions[regions] &= np.ptp(table[:, regions], axis=0) > 0
    if not regions.any():
        raise NigraError("a site is predicted from regions scored in everybody, but found none; check the scores.")
    notes = [
        f"{number} {words} left out"
        for number, words in (
            (int(own.isna().sum()), "subjects without a site"),
            (len(small), "sites with one subject"),
            (int((~regions).sum()), "regions without a score in somebody, or equal in all,"),
        )
        if number
    ]
    return table[:, regions], pd.Categorical(left, names).codes.astype(np.int64), names, "; ".join(notes)


def _predict(
    train: Float[ndarray, "n_train regions"],
    test: Float[ndarray, "n_test regions"],
    indicators: Float[ndarray, "n_train sites samples"],
) -> Float[ndarray, "n_test sites samples"]:
    """Ridge predictions of the indicators over each site's share of the training subjects (dual form).

    A site absent from the training subjects is never predicted.
    """
    centre, spread = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-12)
    train, test = (train - centre) / spread, (test - centre) / spread
    share = indicators.mean(axis=0)
    # the penalty grows with the number of regions, so that their mean square is what it is measured against
    kernel = train @ train.T / train.shape[1] + RIDGE * np.eye(len(train))
    weights = np.linalg.solve(kernel, train @ test.T / train.shape[1]).T
    found = np.tensordot(weights, indicators - share, 1) + share
    return np.divide(found, share, out=np.full(found.shape, -np.inf), where=share > 0)


def _balanced(
    right: Bool[ndarray, "n samples"], y: Int[ndarray, "n samples"], sites: int
) -> Float[ndarray, " samples"]:
    """Mean over the sites of the share of its subjects that was found."""
    shares = [np.sum(right & (y == number), axis=0) / np.sum(y == number, axis=0) for number in range(sites)]
    return np.mean(shares, axis=0)


def _bootstrap(right: ndarray, y: ndarray, sites: int, bootstraps: int, rng: np.random.Generator) -> ndarray:
    """Balanced accuracy with the subjects of every site drawn again; predictions stay as they are."""
    shares = []
    for number in range(sites):
        own = right[y == number]
        shares.append(rng.binomial(len(own), own.mean(), bootstraps) / len(own))
    return np.mean(shares, axis=0)
