"""Thresholds: from controls only, held out where they say so."""

import numpy as np
import pytest

from nigra.detection.calibration import CalibrationSettings, Threshold, fit_threshold, leave_fold_out_abnormal
from nigra.errors import NigraError
from nigra.provenance import FittedOnError

IDS = [f"sub-{i}" for i in range(6)]


def test_threshold_is_the_quantile_over_all_voxels_of_all_controls(rng):  # type: ignore[no-untyped-def]
    scores = rng.exponential(size=(6, 500)).astype(np.float32)
    scores[2, :30] = np.nan
    threshold = fit_threshold(scores, IDS, 0.98, "held-out")
    assert threshold.value == pytest.approx(np.nanquantile(scores, 0.98), rel=1e-6)
    above = threshold.abnormal(scores)
    assert above.sum() / np.isfinite(scores).sum() == pytest.approx(0.02, abs=0.001)
    assert not above[2, :30].any()


def test_highest_scores_are_abnormal_not_the_lowest() -> None:
    scores = np.arange(100, dtype=np.float32).reshape(1, 100)
    above = fit_threshold(scores, ["a"], 0.9, "training").abnormal(scores)[0]
    assert above[-10:].all()
    assert not above[:90].any()


def test_observed_percent_counts_scored_voxels_and_refuses_the_fitted(rng):  # type: ignore[no-untyped-def]
    threshold = Threshold(1.0, 0.98, "held-out", tuple(IDS))
    scores = np.array([[0.5, 2.0, np.nan, 3.0], [0.0, 0.0, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(threshold.observed_percent(scores, ["x", "y"]), [200 / 3, 0])
    with pytest.raises(FittedOnError, match="sub-3"):
        threshold.observed_percent(scores, ["x", "sub-3"])


def test_a_fold_meets_the_threshold_of_the_others(rng):  # type: ignore[no-untyped-def]
    scores = rng.random((6, 200)).astype(np.float32)
    scores[0] += 10  # an odd control must not raise the threshold it is judged by
    folds = [IDS[:2], IDS[2:4], IDS[4:]]
    abnormal = leave_fold_out_abnormal(scores, IDS, folds, 0.9)
    assert abnormal[0].all()
    expected = scores[2:4] > np.quantile(np.concatenate([scores[:2], scores[4:]]), 0.9)
    np.testing.assert_array_equal(abnormal[2:4], expected)


def test_a_constant_score_raises() -> None:
    with pytest.raises(NigraError, match="detects nothing"):
        fit_threshold(np.full((2, 9), 0.3, np.float32), IDS[:2], 0.98, "training")
    with pytest.raises(NigraError, match="no scored voxel"):
        fit_threshold(np.full((2, 9), np.nan, np.float32), IDS[:2], 0.98, "training")
    with pytest.raises(NigraError, match="one subject per map"):
        fit_threshold(np.ones((2, 9), np.float32), IDS, 0.98, "training")


def test_what_the_settings_promise_and_what_keys_are_made_of() -> None:
    quantile, conformal = CalibrationSettings(), CalibrationSettings(rule="conformal")
    assert (quantile.alpha, quantile.expected_percent(41), conformal.expected_percent(99)) == (0.02, 2, 2)
    assert conformal.expected_percent(80) == pytest.approx(100 / 81)
    assert conformal.expected_percent(40) == 0
    # runs made before there were rules keep their keys
    assert quantile.to_key() == {"quantile": 0.98, "controls": "held-out", "folds": 3}
    assert conformal.to_key() == quantile.to_key() | {"rule": "conformal"}
