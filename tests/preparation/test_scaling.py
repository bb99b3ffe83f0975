"""Scaling: quantiles of the training controls' brain voxels, and of nothing else (DESIGN, law 4)."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nigra.cohort.store import Cohort
from nigra.errors import NigraError
from nigra.preparation.scaling import IntensityScaling, ScalingSettings, fit_scaling

TRAIN = ["sub-3", "sub-0", "sub-1"]


@pytest.fixture
def cohort(rng, mask, affine) -> Cohort:
    """FA-like and MD-like channels, five orders of magnitude apart; garbage outside the mask."""
    volumes = np.stack([rng.beta(2, 5, (5, *mask.shape)), rng.gamma(4, 2e-4, (5, *mask.shape))], axis=1)
    volumes = volumes.astype(np.float32)
    volumes[:, :, ~mask] = 1e6
    table = pd.DataFrame({"participant_id": [f"sub-{n}" for n in range(5)], "group": ["control"] * 4 + ["patient"]})
    return Cohort(volumes, mask, affine, ("FA", "MD"), "S", table)


def test_quantiles_are_numpys_over_the_training_brains(cohort: Cohort, mask: np.ndarray) -> None:
    fitted = fit_scaling(cohort, TRAIN, ScalingSettings(low_quantile=0.05, high_quantile=0.9))
    for channel in range(2):
        voxels = [cohort.volumes[row, channel, x, y, z] for row in (0, 1, 3) for x, y, z in np.argwhere(mask)]
        low, high = np.percentile(np.array(voxels), [5, 90])
        assert fitted.low[channel] == pytest.approx(low, rel=1e-6)
        assert fitted.high[channel] == pytest.approx(high, rel=1e-6)
    assert fitted.fitted_on == tuple(TRAIN)


def test_gain_and_offset_send_the_quantiles_to_0_and_1(cohort: Cohort, mask: np.ndarray) -> None:
    fitted = fit_scaling(cohort, TRAIN)
    np.testing.assert_allclose(fitted.low * fitted.gain + fitted.offset, 0, atol=1e-5)
    np.testing.assert_allclose(fitted.high * fitted.gain + fitted.offset, 1, atol=1e-5)
    assert fitted.gain.dtype == fitted.offset.dtype == np.float32
    training = cohort.volumes[[0, 1, 3]][:, :, mask] * fitted.gain[:, None] + fitted.offset[:, None]
    below, above = (training < 0).mean(axis=(0, 2)), (training > 1).mean(axis=(0, 2))
    np.testing.assert_allclose(below, 0.01, atol=2e-3)
    np.testing.assert_allclose(above, 0.01, atol=2e-3)


def test_other_subjects_and_the_background_change_nothing(cohort: Cohort, mask: np.ndarray) -> None:
    first = fit_scaling(cohort, TRAIN)
    volumes = cohort.volumes.copy()
    volumes[[2, 4]] = -77
    volumes[:, :, ~mask] = np.nan
    second = fit_scaling(replace(cohort, volumes=volumes), TRAIN)
    np.testing.assert_array_equal([first.low, first.high], [second.low, second.high])
    # negative control: a training control's brain does
    volumes[3][:, mask] = 5
    third = fit_scaling(replace(cohort, volumes=volumes), TRAIN)
    assert (third.high > first.high).all()


def test_the_order_of_subjects_changes_nothing_and_the_volumes_stay(cohort: Cohort) -> None:
    before = cohort.volumes.copy()
    one, two = fit_scaling(cohort, TRAIN), fit_scaling(cohort, TRAIN[::-1])
    np.testing.assert_array_equal([one.low, one.high], [two.low, two.high])
    np.testing.assert_array_equal(cohort.volumes, before)


def test_a_constant_channel_is_refused_by_name(cohort: Cohort, mask: np.ndarray) -> None:
    volumes = cohort.volumes.copy()
    volumes[[0, 1, 3], 1] = 0.25  # the other subjects still vary
    with pytest.raises(NigraError, match=r"channel MD of the training controls is constant \(0\.25\)"):
        fit_scaling(replace(cohort, volumes=volumes), TRAIN)


def test_settings_that_cannot_scale_are_refused(cohort: Cohort) -> None:
    with pytest.raises(NigraError, match=r"low_quantile 0\.9 is not below high_quantile 0\.1; swap them"):
        fit_scaling(cohort, TRAIN, ScalingSettings(low_quantile=0.9, high_quantile=0.1))
    with pytest.raises(NigraError, match="no subject sub-9"):
        fit_scaling(cohort, ["sub-9"])


def test_to_json_there_and_back(cohort: Cohort) -> None:
    fitted = fit_scaling(cohort, TRAIN, ScalingSettings(clip=True))
    back = IntensityScaling.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal([back.low, back.high], [fitted.low, fitted.high])
    np.testing.assert_array_equal([back.gain, back.offset], [fitted.gain, fitted.offset])
    assert (back.clip, back.fitted_on) == (True, tuple(TRAIN))
