"""Law 5, and what theory says of scores that know nothing: no sign, no p and no interval may lean to one side."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.statistics.evaluation import evaluate
from nigra.statistics.groups import AUC, AUC_POOLED, BALANCED, DELTA, GMEAN_HELD_OUT, GMEAN_TEST, SENSITIVITY_TEST
from tests.statistics.test_evaluation import cell, study

TESTS = (AUC, GMEAN_TEST, GMEAN_HELD_OUT, BALANCED, SENSITIVITY_TEST, AUC_POOLED, DELTA)
OTHER = {"control": "patient", "patient": "control"}


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_swapped_labels_flip_the_sign_of_every_effect(controls, patients, levels, seed):
    """AUC - 1/2, pooled too, and Cliff's delta, with their intervals; ties of all kinds. One draw: patients do not
    train, so that groups can only be swapped where nobody does."""
    n = controls + patients
    scores = np.random.default_rng(seed).integers(0, levels, (2, n)) / 3
    rows = study(scores, controls)
    swapped = rows.assign(group=rows["group"].map(OTHER))
    first, second = (evaluate(table, bootstraps=0, permutations=20) for table in (rows, swapped))
    for measure, mirror in ((AUC, 1), (AUC_POOLED, 1), (DELTA, 0)):
        for column, turned in (("estimate", "estimate"), ("low_delong", "high_delong")):
            there, back = (t[t["measure"] == measure][c] for t, c in ((first, column), (second, turned)))
            np.testing.assert_allclose(there.to_numpy(), mirror - back.to_numpy(), atol=1e-9)
    assert first["estimate"].notna().any()


def test_swapped_labels_flip_a_real_effect(rng):
    rows = study(rng.random((1, 24)) + 0.5 * (np.arange(24) >= 12), 12)
    swapped = rows.assign(group=rows["group"].map(OTHER))
    first, second = (evaluate(table, bootstraps=2000, permutations=500) for table in (rows, swapped))
    assert cell(first, DELTA, "estimate") > 0.4
    assert cell(second, DELTA, "estimate") == pytest.approx(-cell(first, DELTA, "estimate"))
    assert cell(first, DELTA, "low") > 0 > cell(second, DELTA, "high")
    assert cell(second, DELTA, "low") == pytest.approx(-cell(first, DELTA, "high"), abs=0.03)
    assert cell(first, AUC, "p") < 0.05
    assert cell(second, AUC, "p") > 0.95


@pytest.mark.parametrize("draws", [1, 3])
def test_permuted_labels_give_uniform_p(rng, draws):
    """Each region holds the same scores given to other subjects: 80 permuted studies."""
    values = rng.gamma(2, 1, 45)
    percent = np.array([rng.permutation(values) for _ in range(80)])
    table = evaluate(study(percent, 25, draws, 10), bootstraps=0, permutations=400)
    for measure in (AUC, GMEAN_TEST, AUC_POOLED, DELTA):  # the others take few values: their p cannot be uniform
        assert scipy.stats.kstest(table[table["measure"] == measure]["p"], "uniform").pvalue > 0.005
    for measure in TESTS:
        p = table[table["measure"] == measure]["p"]
        assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)
        assert p.nunique() > 5
    assert (table["q"] < 0.05).sum() == 0
    # negative control: a real difference is seen by the same tests
    higher = percent[:9] + (np.arange(45) >= 25) * 2.5
    seen = evaluate(study(higher, 25, draws, 10), bootstraps=0, permutations=300)
    for measure in (AUC, GMEAN_TEST, AUC_POOLED):
        assert seen[seen["measure"] == measure]["p"].median() < 0.03


def noise_studies(
    studies: int, regions: int, bootstraps: int, permutations: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of studies without any effect: whether intervals hold one half, and whether anything is found."""
    covered, found = [], []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        percent, noise = rng.gamma(2, 1, (regions, 60)), rng.normal(size=(3, regions, 60))
        table = evaluate(study(percent, 30, 3, 12, noise, seed=seed), 0.8, bootstraps, permutations, seed)
        one, pooled = (table[table["measure"] == measure] for measure in (AUC, AUC_POOLED))
        covered.append(pd.DataFrame({
            "mean": (one["low"].to_numpy() <= 0.5) & (one["high"].to_numpy() >= 0.5),
            "pooled": (pooled["low"].to_numpy() <= 0.5) & (pooled["high"].to_numpy() >= 0.5),
            "delong": (pooled["low_delong"].to_numpy() <= 0.5) & (pooled["high_delong"].to_numpy() >= 0.5),
        }))  # fmt: skip
        found.append({column: bool((one[column] < 0.05).any()) for column in ("p", "q", "p_max")})
    return pd.concat(covered), pd.DataFrame(found)


def test_noise_is_not_found():
    """8 studies of 6 regions: AUC intervals hold one half; significant regions are as rare as promised."""
    covered, found = noise_studies(8, 6, 100, 150)
    assert len(covered) == 48
    assert (covered.mean() >= 0.85).all()  # of 48 at .95 fewer have p = .002
    assert not covered.all(axis=None)
    assert (found[["q", "p_max"]].sum() <= 3).all()


@pytest.mark.slow
def test_noise_is_found_at_the_nominal_rate():
    """100 studies of 10 regions."""
    covered, found = noise_studies(100, 10, 400, 500)
    assert ((covered.mean() >= 0.93) & (covered.mean() < 0.98)).all()
    assert (found[["q", "p_max"]].sum() <= 11).all()  # of 100 at .05 more have p = .004
    assert found["p"].sum() > 20  # negative control: without correction


def test_a_planted_difference_is_found_after_correction(rng):
    percent = rng.gamma(2, 1, (10, 60)) + 2.0 * (np.arange(60) >= 30) * (np.arange(10)[:, None] == 3)
    table = evaluate(study(percent, 30, 3, 12), bootstraps=100, permutations=1000)
    found: pd.DataFrame = table[(table["measure"] == AUC) & (table["q"] < 0.05)]
    assert found["region"].tolist() == ["region 3"]
    assert (found["p_max"] < 0.05).all()
    assert (found["low"] > 0.5).all()
