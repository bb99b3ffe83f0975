"""Raw intensity: what numpy makes of it, and what each side sees."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nigra.detection.raw_intensity import RawIntensity, grand_mean
from nigra.errors import NigraError


@pytest.fixture
def maps(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, 1, size=(9, 60, 2)).astype(np.float32)


def test_scores_are_distances_to_the_grand_mean(maps: np.ndarray) -> None:
    mean = maps[:6].reshape(-1, 2).astype(float).mean(axis=0)
    away = maps[6:] - mean
    for side, expected in (
        ("both", -np.sqrt((away**2).mean(axis=2))), ("high", -away.mean(axis=2)), ("low", away.mean(axis=2))
    ):  # fmt: skip
        scores = RawIntensity(side).fit(maps[:6]).score_samples(maps[6:])
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("side", "bright", "dark"), [("high", 1, 0), ("low", 0, 1), ("both", 1, 1)])
def test_each_side_sees_its_own(maps: np.ndarray, side: str, bright: int, dark: int) -> None:
    detector, truth = RawIntensity(side).fit(maps), np.zeros(60)
    truth[:5] = 1
    for shift, expected in ((2, bright), (-2, dark)):
        new = maps[0] + np.float32(shift) * truth[:, None].astype(np.float32)
        assert roc_auc_score(truth, -detector.score_samples(new[None])[0]) == expected


def test_grand_mean_leaves_out_what_is_not_known(maps: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nigra.detection.detector.BLOCK_BYTES", 4 * 9 * 2 * 7)
    maps[3, 5, 0] = np.nan
    known = np.isfinite(maps).all(axis=2)
    np.testing.assert_allclose(grand_mean(maps), maps[known].mean(axis=0, dtype=float), rtol=1e-6)
    with pytest.raises(NigraError, match="no control has a finite code"):
        grand_mean(np.full((2, 3, 1), np.nan))


def test_an_unknown_side_is_refused(maps: np.ndarray) -> None:
    with pytest.raises(NigraError, match="give high, low or both"):
        RawIntensity().set_params(side="middle").fit(maps)
