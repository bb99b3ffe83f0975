"""Principal components against scikit-learn's, leave-one-out against refits, blocks against the whole."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from nigra.detection.principal_components import PrincipalComponents, decompose, left_out_weights
from nigra.errors import NigraError


@pytest.fixture
def volumes(rng: np.random.Generator) -> np.ndarray:
    """Fourteen subjects, 200 locations, two channels: three modes of variation and noise."""
    modes = rng.normal(size=(3, 200, 2))
    return (5 + np.einsum("nk,kld->nld", rng.normal(size=(14, 3)) * [4, 2, 1], modes)
            + 0.2 * rng.normal(size=(14, 200, 2))).astype(np.float32)  # fmt: skip


def residuals(fitted_on: np.ndarray, new: np.ndarray, components: int | float) -> np.ndarray:
    """Oracle: joint residuals of scikit-learn's full decomposition."""
    pca = PCA(components, svd_solver="full").fit(fitted_on.reshape(len(fitted_on), -1).astype(float))
    flat = new.reshape(len(new), -1)
    away = flat - pca.inverse_transform(pca.transform(flat))
    return np.sqrt((away.reshape(new.shape) ** 2).sum(axis=2))


@pytest.mark.parametrize("components", [1, 3, 9, 0.5, 0.95])
def test_scores_are_scikit_learns_residuals(volumes: np.ndarray, components: int | float) -> None:
    detector = PrincipalComponents(components).fit(volumes[:11])
    expected = residuals(volumes[:11], volumes[11:], components)
    np.testing.assert_allclose(-detector.score_samples(volumes[11:]), expected, rtol=1e-3, atol=1e-4)
    assert expected.std() > 0.05
    np.testing.assert_allclose(detector.explained_variance_, PCA(components).fit(
        volumes[:11].reshape(11, -1).astype(float)).explained_variance_, rtol=1e-5)  # fmt: skip


@pytest.mark.parametrize("components", [2, 0.8])
def test_left_out_scores_are_those_of_refits(volumes: np.ndarray, components: int | float) -> None:
    detector = PrincipalComponents(components).fit(volumes)
    ours = detector.training_decisions(volumes) + detector.offset_
    for i in range(len(volumes)):
        refit = PrincipalComponents(components).fit(np.delete(volumes, i, axis=0))
        np.testing.assert_allclose(ours[i], refit.score_samples(volumes[i : i + 1])[0], rtol=1e-3, atol=1e-4)
    plain = detector.score_samples(volumes)
    assert (ours.mean(axis=1) < plain.mean(axis=1)).all(), "a control of the fit is rebuilt better than a new one"
    assert detector.offset_ == pytest.approx(np.quantile(ours, 0.02), rel=1e-5)


def test_left_out_error_falls_with_every_component(volumes: np.ndarray) -> None:
    """Why it cannot choose their number."""
    flat = volumes.reshape(14, -1).astype(float)
    flat -= flat.mean(axis=0)
    products = flat @ flat.T
    errors = [float(((left_out_weights(products, k) @ flat) ** 2).sum()) for k in range(1, 12)]
    assert (np.diff(errors) < 0).all()


def test_blocks_of_locations_give_the_same(volumes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PrincipalComponents(2).fit(volumes[:10])
    expected = whole.score_samples(volumes[10:])
    monkeypatch.setattr("nigra.detection.principal_components._BLOCK_BYTES", 4 * 10 * 2 * 7)
    told: list[float] = []
    parts = PrincipalComponents(2).fit(volumes[:10], tick=lambda done, text: told.append(done))
    assert len(told) == 29
    np.testing.assert_allclose(parts.score_samples(volumes[10:]), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.leave_one_out_, whole.leave_one_out_, rtol=1e-4, atol=1e-5)


def test_what_the_controls_vary_in_is_rebuilt_and_a_new_change_is_not(volumes: np.ndarray) -> None:
    detector = PrincipalComponents(3).fit(volumes)
    along = (volumes.mean(axis=0) + 3 * (volumes[0] - volumes[1]))[None]  # far off, in the controls' own way
    planted = along.copy()
    planted[0, 40:44] -= 8
    scores = -detector.score_samples(np.concatenate([along, planted]))
    assert scores[0].max() < 4 < np.abs(along - volumes.mean(axis=0)).mean()
    assert scores[1, 40:44].min() > 8
    assert np.delete(scores[1], slice(40, 44)).max() < 4


def test_an_unknown_code_stands_aside(volumes: np.ndarray) -> None:
    """Oracle: the fit and the projection without that location."""
    volumes[2, 17, 1] = np.nan
    scores = PrincipalComponents(2).fit(volumes[:10]).score_samples(volumes[10:])
    without = np.delete(volumes, 17, axis=1)
    expected = PrincipalComponents(2).fit(without[:10]).score_samples(without[10:])
    assert np.isnan(scores[:, 17]).all()
    np.testing.assert_allclose(np.delete(scores, 17, axis=1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("components", "words"),
    [(0, "give a number of components"), (1.5, "share of variance below 1"), (13, "14 controls have 12")],
)
def test_numbers_that_cannot_be_are_refused(volumes: np.ndarray, components: float, words: str) -> None:
    with pytest.raises(NigraError, match=words):
        PrincipalComponents(components).fit(volumes)
    with pytest.raises(NigraError, match="needs 3 controls"):
        PrincipalComponents(1).fit(volumes[:2])


def test_decompose_keeps_no_rounding() -> None:
    x = np.random.default_rng(0).normal(size=(2, 40))
    rank_two = np.array([[1, 0], [0, 1], [1, 1], [1, -1]]) @ x
    assert len(decompose(rank_two @ rank_two.T, 4)[0]) == 2
    assert len(decompose(rank_two @ rank_two.T, 0.999999)[0]) == 2
