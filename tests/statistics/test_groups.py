import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from nigra.statistics.groups import BY_DRAW, auc, cut_off, measures

AUC, GMEAN_TEST, GMEAN_HELD_OUT, BALANCED, SENSITIVITY, SPECIFICITY, AT_HIGH, ON_ROC = range(len(BY_DRAW))
integers = st.lists(st.integers(0, 6), min_size=1, max_size=12)


def measure(patients, controls, cut=np.nan, weights=None) -> np.ndarray:
    scores = np.concatenate([patients, controls]).astype(float)
    patient = np.arange(len(scores)) < len(patients)
    weights = np.ones((len(scores), 1)) if weights is None else weights
    return measures(scores, patient, weights, np.full((2, weights.shape[1]), float(cut)))


def brute_gmean(patients, controls) -> float:
    """Best over every threshold between and beyond the values, straight from the definition."""
    cuts = np.concatenate([[-1.0], np.unique(np.concatenate([patients, controls]))])
    return max(np.sqrt(np.mean(patients > cut) * np.mean(controls <= cut)) for cut in cuts)


@given(integers, integers)
def test_auc_is_mann_whitney_and_sklearn_with_ties(patients, controls):
    found = measure(patients, controls)[AUC, 0]
    u = scipy.stats.mannwhitneyu(patients, controls, method="asymptotic").statistic if len(
        set(patients + controls)) > 1 else len(patients) * len(controls) / 2  # fmt: skip
    assert found == pytest.approx(u / (len(patients) * len(controls)), abs=1e-12)
    truth = np.repeat([1, 0], [len(patients), len(controls)])
    assert found == pytest.approx(roc_auc_score(truth, patients + controls), abs=1e-12)


@given(integers, integers)
def test_best_gmean_is_the_best_of_all_cut_offs(patients, controls):
    expected = brute_gmean(np.array(patients), np.array(controls))
    assert measure(patients, controls)[GMEAN_TEST, 0] == pytest.approx(expected, abs=1e-12)


@given(integers, integers)
def test_swapped_labels_turn_the_auc_round(patients, controls):
    assert measure(patients, controls)[AUC, 0] == pytest.approx(1 - measure(controls, patients)[AUC, 0], abs=1e-12)


@given(integers, integers, st.floats(-1, 7))
def test_the_held_out_cut_off_counts_subjects_above_it(patients, controls, cut):
    found = measure(patients, controls, cut)[:, 0]
    sensitivity, specificity = np.mean(np.array(patients) > cut), np.mean(np.array(controls) <= cut)
    assert found[SENSITIVITY] == pytest.approx(sensitivity)
    assert found[SPECIFICITY] == pytest.approx(specificity)
    assert found[GMEAN_HELD_OUT] == pytest.approx(np.sqrt(sensitivity * specificity), abs=1e-7)
    assert found[BALANCED] == pytest.approx((sensitivity + specificity) / 2)
    assert found[AT_HIGH] == pytest.approx(sensitivity)
    assert found[GMEAN_HELD_OUT] <= found[GMEAN_TEST] + 1e-7


@given(integers, integers)
def test_sensitivity_on_the_roc_is_the_best_of_the_cut_offs_allowed(patients, controls):
    """At least 90 % of the controls are not above the cut-off; every cut-off is tried."""
    found = measure(patients, controls)[ON_ROC, 0]
    cuts = [-1.0, *patients, *controls]
    allowed = [cut for cut in cuts if np.mean(np.array(controls) <= cut) >= 0.9]
    assert found == pytest.approx(max(np.mean(np.array(patients) > cut) for cut in allowed))


def test_the_two_cut_offs_are_kept_apart():
    scores, patient = np.array([1.0, 2, 3, 4, 5, 6]), np.array([False, False, False, True, True, True])
    found = measures(scores, patient, np.ones((6, 1)), np.array([[2.5], [4.5]]))[:, 0]
    assert found[[SENSITIVITY, AT_HIGH]] == pytest.approx([1, 2 / 3])
    assert found[SPECIFICITY] == pytest.approx(2 / 3)
    one = measures(scores, patient, np.ones((6, 1)), np.array([[2.5], [np.nan]]))[:, 0]
    assert np.isnan(one[AT_HIGH])
    assert one[BALANCED] == found[BALANCED]


@given(integers, integers, st.floats(-1, 7), st.integers(0, 2**32 - 1))
def test_a_weight_is_that_many_copies(patients, controls, cut, seed):
    weights = np.random.default_rng(seed).integers(0, 3, (len(patients) + len(controls), 4)).astype(float)
    found = measure(patients, controls, cut, weights)
    for sample in range(4):
        first, second = np.split(weights[:, sample].astype(int), [len(patients)])
        copies = np.repeat(patients, first), np.repeat(controls, second)
        if len(copies[0]) and len(copies[1]):
            assert found[:, sample] == pytest.approx(measure(*copies, cut)[:, 0], abs=1e-7)
        else:
            assert np.isnan(found[[AUC, GMEAN_TEST, GMEAN_HELD_OUT, BALANCED, ON_ROC], sample]).all()
    scores, patient = np.array(patients + controls, dtype=float), np.arange(len(weights)) < len(patients)
    np.testing.assert_array_equal(auc(scores, patient, weights), found[AUC])


def test_perfect_reversed_and_constant_scores():
    assert measure([3, 4], [1, 2])[:2, 0] == pytest.approx([1, 1])
    assert measure([1, 2], [3, 4])[:2, 0] == pytest.approx([0, 0])
    assert measure([5, 5, 5], [5, 5])[:2, 0] == pytest.approx([0.5, 0])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.98]))
def test_cut_off_is_numpys_inverted_cdf_and_keeps_its_specificity(reference, specificity):
    reference = np.array(reference, dtype=float)
    cut = cut_off(reference, np.ones((len(reference), 1)), specificity)[0]
    assert cut == np.quantile(reference, specificity, method="inverted_cdf")
    assert np.mean(reference <= cut) >= specificity - 1e-12
    assert np.mean(reference < cut) < specificity


def test_cut_off_weights_are_copies_and_nothing_is_unknown():
    reference = np.array([3.0, 1.0, 2.0])
    weights = np.array([[0.0, 1.0, 0.0], [4.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    found = cut_off(reference, weights, 0.8)
    assert found[:2].tolist() == [1.0, 3.0]
    assert np.isnan(found[2])
    assert np.isnan(cut_off(np.empty(0), np.empty((0, 2)), 0.8)).all()
