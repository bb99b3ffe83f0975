"""Site predictability: found when planted, uniform p when not, the classifier against scikit-learn's ridge."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.linear_model import Ridge

from nigra.errors import NigraError
from nigra.statistics.site import _predict, predict_site


def cohort(rng, sizes=(24, 16, 10), regions=6, shift=0.0):  # type: ignore[no-untyped-def]
    index = [f"sub-{i}" for i in range(sum(sizes))]
    site = np.repeat(["A", "B", "C"][: len(sizes)], sizes)
    values = rng.normal(size=(len(index), regions)) + shift * (site == "B")[:, None] * np.eye(1, regions)
    return pd.DataFrame(values, index, [f"r{i}" for i in range(regions)]), pd.Series(site, index, dtype=object)


def test_a_planted_site_is_found_above_chance(rng):  # type: ignore[no-untyped-def]
    scores, site = cohort(rng, (24, 16), shift=3)
    found = predict_site(scores, site)
    assert found.accuracy > 0.8
    assert found.low > found.chance == 0.5
    assert found.low <= found.accuracy <= found.high
    assert found.p == 0.001
    assert 0.5 < found.null_95 < 0.75
    assert (found.sites, found.subjects, found.note) == (2, 40, "")
    assert predict_site(scores * 7 + 3, site).accuracy == found.accuracy  # no unit


def test_without_a_difference_p_is_uniform_and_accuracy_chance(rng):  # type: ignore[no-untyped-def]
    """Sites of unequal size: the plain accuracy would be .48, that of always saying A."""
    found = [predict_site(*cohort(rng), permutations=59, bootstraps=10, seed=seed) for seed in range(120)]
    assert np.mean([one.accuracy for one in found]) == pytest.approx(1 / 3, abs=0.03)
    p = np.array([one.p for one in found])
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(p <= 0.05) < 0.12


def test_the_classifier_is_ridge_regression(rng):  # type: ignore[no-untyped-def]
    train, test = rng.normal(size=(30, 4)) * [1, 5, 9, 2], rng.normal(size=(7, 4))
    y = np.eye(3)[rng.integers(0, 3, 30)]
    found = _predict(train, test, y[:, :, None])[:, :, 0]
    centre, spread = train.mean(axis=0), train.std(axis=0)
    oracle = Ridge(alpha=4.0).fit((train - centre) / spread, y)
    np.testing.assert_allclose(found, oracle.predict((test - centre) / spread) / y.mean(axis=0))


def test_what_is_left_out_is_said(rng):  # type: ignore[no-untyped-def]
    scores, site = cohort(rng, (10, 9))
    site.iloc[0], site.iloc[18] = None, "alone"
    scores.iloc[4, 1] = np.nan
    scores["r2"] = 5.0
    found = predict_site(scores, site, permutations=19)
    assert found.subjects == 17
    assert found.note == (
        "1 subjects without a site left out; 1 sites with one subject left out; "
        "2 regions without a score in somebody, or equal in all, left out"
    )
    with pytest.raises(NigraError, match="two or more"):
        predict_site(scores, site.map(lambda _: "A"))
    with pytest.raises(NigraError, match="found none"):
        predict_site(scores[["r2"]], site)
