"""DeLong by midranks against the definition: every pair of patient and control, one by one."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nigra.statistics.delong import auc_covariance, auc_interval, placements


def by_pairs(scores, patient):
    """AUC and covariance from the kernel of all pairs."""
    psi = np.stack([
        (row[patient][:, None] > row[~patient]) + 0.5 * (row[patient][:, None] == row[~patient]) for row in scores
    ])  # fmt: skip
    v10, v01 = psi.mean(axis=2), psi.mean(axis=1)
    m, n = v10.shape[1], v01.shape[1]
    auc = psi.mean(axis=(1, 2))
    s10 = (v10 - auc[:, None]) @ (v10 - auc[:, None]).T / (m - 1)
    s01 = (v01 - auc[:, None]) @ (v01 - auc[:, None]).T / (n - 1)
    return auc, s10 / m + s01 / n


@pytest.mark.parametrize("decimals", [8, 0])
def test_auc_and_covariance_of_every_pair(rng, decimals):
    patient = np.arange(23) % 3 == 0
    common = rng.normal(size=23) + patient
    scores = np.round(common + rng.normal(size=(4, 23)), decimals)
    auc, covariance = auc_covariance(scores, patient)
    expected, expected_covariance = by_pairs(scores, patient)
    np.testing.assert_allclose(auc, [roc_auc_score(patient, row) for row in scores])
    np.testing.assert_allclose(auc, expected)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-14)
    assert np.linalg.matrix_rank(covariance) == 4
    one, variance = auc_covariance(scores[2:3], patient)
    assert one.item() == pytest.approx(auc[2])
    assert variance.item() == pytest.approx(covariance[2, 2])


def test_placements_hold_for_many_regions_at_once(rng):
    patient = np.arange(11) < 4
    scores = np.round(rng.normal(size=(3, 2, 11)), 1)
    of_patients, of_controls = placements(scores, patient)
    assert of_patients.shape == (3, 2, 4)
    assert of_controls.shape == (3, 2, 7)
    np.testing.assert_allclose(of_patients.mean(axis=-1), of_controls.mean(axis=-1))
    again, _ = placements(scores[1], patient)
    np.testing.assert_array_equal(of_patients[1], again)


def test_swapped_groups_mirror_the_auc(rng):
    patient, scores = np.arange(15) < 6, rng.normal(size=(2, 15))
    auc, covariance = auc_covariance(scores, patient)
    mirrored, same = auc_covariance(scores, ~patient)
    np.testing.assert_allclose(mirrored, 1 - auc)
    np.testing.assert_allclose(same, covariance)


def test_too_few_subjects_have_no_interval(rng):
    scores = rng.normal(size=(2, 5))
    auc, covariance = auc_covariance(scores, np.array([True, False, False, False, False]))
    assert np.isfinite(auc).all()
    assert np.isnan(covariance).all()
    auc, _ = auc_covariance(scores, np.zeros(5, dtype=bool))
    assert np.isnan(auc).all()


def test_the_interval_is_plain_on_the_logit_scale():
    """AUC .8, standard error .05: logit 1.386 +- 1.96 x .05 / .16."""
    low, high = auc_interval(0.8, 0.05**2)
    assert [np.log(x / (1 - x)) for x in (low, high)] == pytest.approx(
        [np.log(4) - 0.6125, np.log(4) + 0.6125], abs=1e-4
    )
    assert auc_interval(0.2, 0.05**2) == pytest.approx((1 - high, 1 - low))
    assert auc_interval(0.98, 0.03**2)[1] < 1
    for known_nothing in ((1.0, 0.0), (0.5, 0.0), (np.nan, np.nan)):
        assert np.isnan(auc_interval(*known_nothing)).all()
