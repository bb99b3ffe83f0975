"""The crossed interval by hand, against a mixed model, and by simulation of studies with a known effect."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from nigra.statistics.crossed import crossed_mean, mean_over, values_by_fold, variances
from nigra.statistics.resampled import corrected_interval

SEEDS_APART = np.array([[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]])[:, :, None]


def test_by_hand():
    """Fold means 1, 3, 5 and seed means 2 apart: variances 4 (1/3 + .5) and 2 / 2; t(2.864) at .975 is 3.2694."""
    assert variances(SEEDS_APART, 0.5) == [(pytest.approx(10 / 3), 2), (pytest.approx(1.0), 1)]
    found = crossed_mean(SEEDS_APART, 0.5)
    assert (found.estimate, found.freedom) == (pytest.approx(3.0), pytest.approx(2.8644068))
    half = 3.2693922 * (10 / 3 + 1) ** 0.5
    assert (found.low, found.high) == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert (found.folds, found.seeds, found.subjects, found.note) == (3, 2, 0, "")
    assert 0.24 < found.p < 0.26
    assert crossed_mean(SEEDS_APART + half, 0.5).p == pytest.approx(crossed_mean(-SEEDS_APART - half, 0.5).p)


def test_p_and_interval_agree():
    found = crossed_mean(SEEDS_APART, 0.5)
    assert crossed_mean(SEEDS_APART - found.low, 0.5).p == pytest.approx(0.05)


def test_one_seed_is_the_corrected_t_over_folds(rng):
    values = rng.normal(size=(5, 1, 1))
    found = crossed_mean(values, 0.25)
    assert (found.low, found.high) == pytest.approx(corrected_interval(values[:, 0, 0], 0.25))
    assert found.note == "one seed: the interval does not know what another seed would change"


def test_the_variance_is_that_of_a_mixed_model_and_the_residual_once_more(rng):
    folds, seeds = 6, 5
    values = (
        1 + rng.normal(size=(folds, 1)) * 2 + rng.normal(size=(1, seeds)) + 0.5 * rng.normal(size=(folds, seeds))
    )
    long = pd.DataFrame([(f, s, values[f, s], 1) for f in range(folds) for s in range(seeds)],
                        columns=["fold", "seed", "y", "all"])  # fmt: skip
    crossed = {"fold": "0 + C(fold)", "seed": "0 + C(seed)"}
    fitted = smf.mixedlm("y ~ 1", long, groups="all", re_formula="0", vc_formula=crossed).fit()
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    residual = (left**2).sum() / ((folds - 1) * (seeds - 1))
    ours = sum(part for part, _ in variances(values[:, :, None], 0.0))
    assert fitted.params["Intercept"] == pytest.approx(values.mean())
    assert ours - residual / (folds * seeds) == pytest.approx(fitted.bse["Intercept"] ** 2, rel=1e-3)


def test_patients_tested_in_all_folds_add_their_variance_and_controls_tested_once_do_not(rng):
    people = rng.normal(size=12)
    same = np.broadcast_to(people, (4, 2, 12)) + 0.01 * rng.normal(size=(4, 2, 12))
    parts = variances(same, 0.3)
    by_person = mean_over(mean_over(same, 1), 0)
    assert parts[2] == (pytest.approx(by_person.var(ddof=1) / 12), 11)
    assert crossed_mean(same, 0.3).freedom == pytest.approx(11, abs=0.5)
    once = np.full((4, 2, 12), np.nan)
    for fold in range(4):
        once[fold, :, fold::4] = people[fold::4]
    assert len(variances(once, 0.3)) == 2
    assert crossed_mean(once, 0.3).subjects == 12


def test_a_missing_model_changes_no_effect_of_the_seed():
    """Without the hard last fold of seed 1 that seed would look good; around the folds' means it does not."""
    values = np.array([[0.0, 0.2], [0.0, 0.2], [9.0, np.nan]])[:, :, None]
    (_, _), (seeds, freedom) = variances(values, 0.0)
    assert (seeds, freedom) == (pytest.approx(np.var([-0.2 / 3, 0.1], ddof=1) / 2), 1)
    assert values_by_fold(values) == pytest.approx([0.1, 0.1, 9.0])


def test_what_nothing_is_known_of_has_no_interval():
    nothing = crossed_mean(np.full((3, 2, 1), np.nan), 0.5)
    assert np.isnan([nothing.estimate, nothing.low, nothing.p]).all()
    assert nothing.note == "no value"
    alone = crossed_mean(np.array([[[0.7]]]), 0.5)
    assert (alone.estimate, alone.note) == (0.7, "one fold and one seed: no interval")
    assert np.isnan([alone.low, alone.p]).all()
    same = crossed_mean(np.full((3, 2, 1), 0.25), 0.5)
    assert (same.estimate, same.note) == (0.25, "the same in every fold and seed")
    one_fold = crossed_mean(np.array([[[0.1], [0.3]]]), 0.5)
    assert one_fold.note == "one fold: the interval does not know what other training controls would change"
    assert one_fold.low < 0.2 < one_fold.high


STUDIES = {
    "k-fold": {"folds": 3, "seeds": 2},
    "seeds matter": {"folds": 3, "seeds": 2, "seed": 0.6},
    "more of both": {"folds": 5, "seeds": 3},
    "repeated draws": {"folds": 10, "seeds": 2, "repeated": True},
    "one seed": {"folds": 5, "seeds": 1, "seed": 0.0},
    "patients": {"folds": 5, "seeds": 3, "patients": 30, "repeated": True},
}


def study(
    rng: np.random.Generator, folds: int, seeds: int, seed: float = 0.3, patients: int = 0, repeated: bool = False
) -> tuple[np.ndarray, float]:
    """Differences that depend on who trains, who is tested and the seed; their mean over studies is 0."""
    controls = 36
    trains, tests, seed_effects = rng.normal(size=controls), rng.normal(size=controls), rng.normal(0, seed, seeds)
    order, sick = rng.permutation(controls), rng.normal(0, 2, patients)
    values = np.full((folds, seeds, patients or controls), np.nan)
    for fold in range(folds):
        tested = rng.permutation(controls)[:10] if repeated else order[fold::folds]
        train = np.setdiff1d(np.arange(controls), tested)
        for number in range(seeds):
            common = trains[train].mean() + seed_effects[number] + rng.normal(0, 0.3)
            if patients:
                values[fold, number] = common + sick - tests[tested].mean() + rng.normal(0, 0.6, patients)
            else:
                values[fold, number, tested] = common + tests[tested]
    return values, len(tested) / len(train)


def coverage(kind: str, studies: int, effect: float = 0.0) -> tuple[float, float]:
    """Share of studies whose interval holds the true effect, and of those a plain t over all models holds it in."""
    rng, hits = np.random.default_rng(7), np.zeros(2)
    for _ in range(studies):
        values, ratio = study(rng, **STUDIES[kind])
        found, cells = crossed_mean(values + effect, ratio), mean_over(values, 2) + effect
        half = 1.96 * cells.std(ddof=1) / cells.size**0.5
        hits += [found.low <= effect <= found.high, abs(cells.mean() - effect) <= half]
    return tuple(hits / studies)


def test_the_interval_holds_a_known_effect_and_a_plain_one_does_not():
    crossed, plain = coverage("k-fold", 250, effect=0.4)
    assert crossed >= 0.93
    assert plain < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUDIES)
def test_coverage(kind):
    """What `docs/concepts/factorial.md` records; a null effect is contained as often as a true one is."""
    crossed, plain = coverage(kind, 1500)
    assert crossed >= 0.93
    assert plain < crossed
