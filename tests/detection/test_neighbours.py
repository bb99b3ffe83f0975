import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from nigra.detection.neighbours import KNearest
from nigra.errors import NigraError


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("offset", [0, 100])
def test_scores_are_scikit_learns_mean_distances(k: int, offset: float, rng: np.random.Generator) -> None:
    codes = (rng.normal(size=(12, 7, 4)) + offset).astype(np.float32)
    test = (rng.normal(size=(5, 7, 4)) + offset).astype(np.float32)
    detector = KNearest(k).fit(codes)
    scores, left_out = detector.score_samples(test), detector.leave_one_out_scores()
    for at in range(7):
        peer = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(codes[:, at].astype(np.float64))
        np.testing.assert_allclose(-scores[:, at], peer.kneighbors(test[:, at])[0].mean(1), rtol=3e-6)
        np.testing.assert_allclose(-left_out[:, at], peer.kneighbors()[0].mean(1), rtol=3e-6)


def test_equal_controls_are_at_distance_nought() -> None:
    codes = np.zeros((7, 2, 1), np.float32)
    codes[:, 1, 0] = range(7)
    detector = KNearest(2).fit(codes)
    scores = detector.score_samples(np.array([[[3.0], [9.0]]]))
    assert scores.tolist() == [[-3.0, -3.5]]
    assert detector.score_samples(codes)[0, 0] == 0


def test_controls_are_read_in_parts_and_never_copied(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = rng.normal(size=(9, 20, 3)).astype(np.float32)
    detector = KNearest(3).fit(codes)
    whole = detector.score_samples(codes[:1])
    assert detector.codes_ is codes
    monkeypatch.setattr("nigra.detection.detector.BLOCK_BYTES", 4 * 9 * 3 * 2)
    np.testing.assert_array_equal(KNearest(3).fit(codes).score_samples(codes[:1]), whole)


def test_neighbours_must_be_some(rng: np.random.Generator) -> None:
    with pytest.raises(NigraError, match="neighbours is 0; give 1 or more"):
        KNearest(0).fit(rng.normal(size=(6, 4, 2)))
