"""Measures: AUROC and average precision against scikit-learn, lesion-wise counts by hand, a z-score by theory."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from nigra.detection.detector import score_map_values
from nigra.detection.gaussian import VoxelwiseZ
from nigra.simulation.measures import (
    auroc,
    average_precision,
    hits,
    in_box,
    share_above,
    threshold_at,
    voxel_measures,
)


@pytest.mark.parametrize("digits", [1, 9])
def test_auroc_and_average_precision_are_scikit_learns(digits: int, rng: np.random.Generator) -> None:
    """One digit makes many ties."""
    positive, negative = np.round(rng.normal(0.7, 1, 60), digits), np.round(rng.normal(0, 1, 900), digits)
    truth, scores = np.repeat([1, 0], [60, 900]), np.concatenate([positive, negative])
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(positive, negative) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert auroc(positive, negative) > 0.6  # negative control: not a constant
    assert average_precision(positive, negative) > 0.1


def test_voxels_without_a_score_count_for_nothing() -> None:
    positive, negative = np.array([1.0, np.nan, 3.0]), np.array([0.0, 2.0, np.nan])
    assert auroc(positive, negative) == 0.75
    assert share_above(positive, 2.0) == 0.5
    assert np.isnan(auroc(np.array([np.nan]), negative))
    assert np.isnan(average_precision(positive, np.array([np.nan])))
    assert np.isnan(share_above(np.array([np.nan]), 0.0))


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_matched_threshold_keeps_its_rate_to_one_voxel(rate: float, rng: np.random.Generator) -> None:
    scores = rng.normal(size=(5, 777))
    scores[:, :7] = np.nan
    above = (scores > threshold_at(scores, rate)).sum()
    assert abs(above - rate * 5 * 770) <= 1


def test_lesions_and_false_clusters_by_hand() -> None:
    lesions, abnormal = np.zeros((12, 5, 1), np.int32), np.zeros((12, 5, 1), dtype=bool)
    lesions[0:2, 0:2, 0], lesions[5:7, 0:2, 0], lesions[9:11, 0:2, 0] = 1, 2, 3
    abnormal[0:2, 0, 0] = True  # half of the first
    abnormal[5, 0, 0] = True  # a quarter of the second
    abnormal[3, 4, 0] = abnormal[4, 4, 0] = True  # a false cluster of two
    abnormal[9, 4, 0] = True  # a false cluster of one
    abnormal[11, 2, 0] = abnormal[10, 1, 0] = True  # touches the third by a corner: no false one
    result = hits(abnormal, lesions, share=0.5)
    assert result.found.tolist() == [True, False, False]
    assert result.false == 2
    assert hits(abnormal, lesions, share=0.25).found.tolist() == [True, True, True]
    two = hits(abnormal, lesions, share=0.25, smallest=2)
    assert two.found.tolist() == [True, False, True]
    assert two.false == 1
    nothing = hits(np.zeros_like(abnormal), lesions)
    assert (nothing.found.tolist(), nothing.false) == ([False] * 3, 0)


def test_a_box_holds_the_mask_and_no_more(mask: np.ndarray) -> None:
    box = in_box(mask)
    assert mask[box].sum() == mask.sum()
    assert [s.stop - s.start for s in box] == [int(np.ptp(axis)) + 1 for axis in np.nonzero(mask)]


@pytest.mark.parametrize("strength", [-2.0, 0.5, 1.0, 3.0])
def test_the_sensitivity_of_a_z_score_is_the_tail_of_the_normal(strength: float, rng: np.random.Generator) -> None:
    """Gaussian voxels, a shift of so many standard deviations, downwards too: |z| above the two-sided threshold."""
    fitted, voxels = 2000, 4000
    detector = VoxelwiseZ().fit(rng.normal(3, 2, (fitted, voxels, 1)).astype(np.float32))
    healthy = rng.normal(3, 2, (2, voxels, 1)).astype(np.float32)
    planted, lesions = healthy[:1].copy(), np.zeros(voxels, np.int32)
    lesions[:2000] = 1
    planted[:, lesions == 1] += 2 * strength
    unplanted = score_map_values(detector, healthy)[0]
    threshold = threshold_at(score_map_values(detector, rng.normal(3, 2, (20, voxels, 1)).astype(np.float32)), 0.02)
    scores = score_map_values(detector, planted)[0]
    row = voxel_measures(scores, unplanted, lesions, threshold, threshold)[0]
    bound = stats.norm.isf(0.01)
    expected = stats.norm.sf(bound - strength) + stats.norm.cdf(-bound - strength)
    assert row["sensitivity_matched"] == pytest.approx(expected, abs=3.5 * np.sqrt(expected / 2000) + 0.003)
    assert row["sensitivity"] == row["sensitivity_matched"]
    assert row["precision_chance"] == 0.5
    assert row["auroc"] > 0.53  # law 6, dark or bright
    assert row["auroc_paired"] > 0.53
    nothing = voxel_measures(unplanted, unplanted, lesions, threshold, threshold)[0]
    assert nothing["auroc_paired"] == 0.5
    assert nothing["sensitivity"] == pytest.approx(0.02, abs=0.012)
    assert nothing["auroc"] == pytest.approx(0.5, abs=0.03)
