"""The null against the published protocol, theory and the definition, permutation by permutation."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.statistics.groups import BY_DRAW, measures
from nigra.statistics.multiplicity import p_value
from nigra.statistics.permutation import complete, mean_of_known, null, null_of_draw, relabel

AUC, GMEAN_TEST, GMEAN_HELD_OUT, BALANCED, SENSITIVITY, SPECIFICITY, AT_HIGH, ON_ROC = range(len(BY_DRAW))


def protocol(draws: int, controls: int = 56, test: int = 15, patients: int = 129, seed: int = 0):
    """Who is tested and who is a patient: repeated draws of controls, the same patients."""
    rng = np.random.default_rng(seed)
    tested = np.zeros((draws, controls + patients), dtype=bool)
    tested[:, controls:] = True
    for draw in range(draws):
        tested[draw, rng.permutation(controls)[:test]] = True
    return tested, np.arange(controls + patients) >= controls


def published(draws: int, permutations: int, seed: int = 0) -> np.ndarray:
    """The null of the published protocol for a score without ties that each subject keeps in all draws."""
    tested, patient = protocol(draws, seed=seed)
    scores = np.where(tested, np.random.default_rng(seed).random(len(patient)), np.nan)
    labels = relabel(tested, patient, permutations, seed)
    return null(complete(scores)[0], labels.study, np.full((draws, 2), np.nan))


def test_published_protocol_one_draw():
    """15 controls against 129 patients: best g-mean .545 +- .063, 95th percentile .647."""
    chance = published(1, 10_000)[GMEAN_TEST]
    assert chance.mean() == pytest.approx(0.545, abs=0.005)
    assert chance.std() == pytest.approx(0.063, abs=0.003)
    assert np.quantile(chance, 0.95) == pytest.approx(0.647, abs=0.005)


def test_published_protocol_ten_draws():
    """Mean over ten draws: 95th percentile .608, 99th .638, and only if each subject keeps its score."""
    chance = published(10, 10_000)[GMEAN_TEST]
    assert chance.mean() == pytest.approx(0.545, abs=0.005)
    assert np.quantile(chance, [0.95, 0.99]) == pytest.approx([0.608, 0.638], abs=0.005)
    # the negative control: a fresh score in every draw is ten studies, and its null is far narrower
    fresh = [published(1, 1000, seed=k)[GMEAN_TEST] for k in range(10)]
    assert np.quantile(np.mean(fresh, axis=0), 0.95) < 0.585


def test_auc_null_has_the_mann_whitney_variance():
    n, m = 15, 129
    chance = published(1, 10_000)[AUC]
    assert chance.mean() == pytest.approx(0.5, abs=0.003)
    assert chance.std() == pytest.approx(np.sqrt((n + m + 1) / (12 * n * m)), rel=0.03)


def test_a_fixed_cut_off_has_the_hypergeometric_null(rng):
    """Whatever the cut-off is worth: of 20 above it among 30 tested, patients get a hypergeometric number."""
    tested, patient = protocol(1, controls=12, test=12, patients=18)
    scores = rng.permutation(30).astype(float)
    labels = relabel(tested, patient, 20_000, 0)
    chance = null_of_draw(scores, labels.study[0], np.array([9.5, 25.5]))
    theory = scipy.stats.hypergeom(30, 20, 18)
    assert chance[SENSITIVITY].mean() == pytest.approx(20 / 30, abs=0.003)
    assert chance[SENSITIVITY].std() == pytest.approx(theory.std() / 18, rel=0.03)
    assert (18 * chance[SENSITIVITY] >= 13.5).mean() == pytest.approx(theory.sf(13), abs=0.01)
    assert chance[AT_HIGH].mean() == pytest.approx(4 / 30, abs=0.003)
    assert chance[BALANCED].mean() == pytest.approx(0.5, abs=0.003)


@settings(max_examples=40, deadline=None)  # the compiled walk is slow the first time
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 9), st.sampled_from([2, 5, 40]))
def test_every_permutation_equals_the_definition(seed, controls, patients, levels):
    """All measures of all permutations, ties included, against ``groups.measures`` of the relabelled subjects."""
    rng = np.random.default_rng(seed)
    tested, patient = protocol(3, controls + 2, controls, patients, seed)
    scores = rng.integers(0, levels, tested.shape).astype(float)
    cuts = rng.uniform(-1, levels, (3, 2))
    labels = relabel(tested, patient, 7, seed)
    for given_labels in (labels.study, labels.within):
        found = null(scores, given_labels, cuts)
        for k in range(7):
            each = []
            for draw, label in enumerate(given_labels[:, :, k]):
                seen = label > 0
                one = measures(scores[draw, seen], label[seen] == 2, np.ones((seen.sum(), 1)), cuts[draw][:, None])
                each.append(one[:, 0])
            np.testing.assert_allclose(found[:, k], np.mean(each, axis=0), atol=1e-12)


def test_parts_are_permuted_whole():
    tested, patient = protocol(4, 9, 3, 6)
    labels = relabel(tested, patient, 50, 0)
    ever = tested.any(axis=0)
    parts = {tuple(column) for column in np.where(tested, np.where(patient, 2, 1), 0)[:, ever].T}
    for k in range(50):
        given_parts = labels.study[:, ever, k]
        assert {tuple(column) for column in given_parts.T} == parts
        assert (given_parts == 1).sum(axis=1).tolist() == [3] * 4
        assert np.array_equal(labels.subjects[:, k] == 2, (labels.study[:, :, k] == 2).all(axis=0))
    assert (labels.study[:, ~ever] == 0).all()
    assert np.array_equal(labels.within > 0, np.repeat(tested[:, :, None], 50, axis=2))
    assert ((labels.within == 2).sum(axis=1) == 6).all()
    share = (labels.subjects[ever] == 2).mean(axis=1)  # everybody is a patient equally often
    assert share == pytest.approx(6 / ever.sum(), abs=0.25)


def test_completed_scores_by_hand():
    nan = np.nan
    scores = np.array([[1.0, 3.0, 5.0, nan, nan], [11.0, 15.0, nan, 13.0, nan], [nan] * 5])
    completed, pooled = complete(scores)
    # medians 3 and 13: departures -2, 0 and 2, 2, 0
    np.testing.assert_allclose(completed[:2], [[1, 3, 5, 3, nan], [11, 15, 15, 13, nan]])
    np.testing.assert_allclose(pooled, [8 - 2, 8 + 1, 8 + 2, 8, nan])
    assert np.isnan(completed[2]).all()
    assert np.isnan(complete(scores[2:])[1]).all()


def test_scores_that_are_equal_stay_equal(rng):
    tested, _ = protocol(10, 12, 4, 5)
    zeros = complete(np.where(tested, 0.0, np.nan))[1]
    assert np.unique(zeros[~np.isnan(zeros)]).tolist() == [0]
    levels = rng.random(10)[:, None] * 7
    shifted = complete(np.where(tested, levels + 1 / 3, np.nan))[1]
    assert len(np.unique(shifted[~np.isnan(shifted)])) == 1


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_p_is_uniform_or_cautious_when_scores_vary_from_draw_to_draw(noise):
    """400 studies, a new model a draw: a level of its own and noise on every subject."""
    rng = np.random.default_rng(8)
    tested, patient = protocol(4, 20, 7, 15)
    labels = relabel(tested, patient, 499, 0)
    cuts, p = np.full((4, 2), np.nan), []
    for _ in range(400):
        scores = rng.normal(size=35) + noise * rng.normal(size=(4, 35)) + 5 * rng.random((4, 1))
        scores[~tested] = np.nan
        ones = [
            measures(row[~np.isnan(row)], patient[~np.isnan(row)], np.ones(((~np.isnan(row)).sum(), 1)),
                     np.full((2, 1), np.nan))[:, 0]
            for row in scores
        ]  # fmt: skip
        estimate = np.mean(ones, axis=0)[[AUC, GMEAN_TEST]]
        chance = null(complete(scores)[0], labels.study, cuts)[[AUC, GMEAN_TEST]]
        p.append([p_value(values, value) for values, value in zip(chance, estimate, strict=True)])
    for values in np.array(p).T:
        assert (values <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
        if noise == 0:
            assert scipy.stats.kstest(values, "uniform").pvalue > 0.01


def test_without_patients_or_cut_offs_only_what_can_be_known(rng):
    tested, patient = protocol(2, 10, 4, 8)
    scores = np.where(tested, rng.random(18), np.nan)
    labels = relabel(tested, patient, 30, 0)
    chance = null(complete(scores)[0], labels.study, np.full((2, 2), np.nan))
    assert np.isfinite(chance[[AUC, GMEAN_TEST, ON_ROC]]).all()
    assert np.isnan(chance[[GMEAN_HELD_OUT, BALANCED, SENSITIVITY, SPECIFICITY, AT_HIGH]]).all()
    healthy = relabel(tested[:, ~patient], patient[~patient], 30, 0)
    chance = null(complete(scores[:, ~patient])[0], healthy.study, np.full((2, 2), 0.5))
    assert np.isnan(chance[[AUC, GMEAN_TEST, GMEAN_HELD_OUT, SENSITIVITY, ON_ROC]]).all()
    assert np.isfinite(chance[SPECIFICITY]).all()
    nothing = null(np.full((2, 18), np.nan), labels.study, np.full((2, 2), 0.5))
    assert np.isnan(nothing).all()


def test_same_seed_same_labels_other_seed_others():
    tested, patient = protocol(2, 10, 4, 8)
    first, again, other = (relabel(tested, patient, 40, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.study, again.study)
    assert np.array_equal(first.within, again.within)
    assert not np.array_equal(first.study, other.study)


def test_mean_of_known_skips_nan():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    assert mean_of_known(values) == pytest.approx([2, 5, np.nan], nan_ok=True)
