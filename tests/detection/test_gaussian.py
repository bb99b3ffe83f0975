import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import zscore
from sklearn.covariance import LedoitWolf

from nigra.detection.gaussian import VoxelwiseMahalanobis, VoxelwiseZ
from nigra.errors import NigraError


def test_z_is_the_root_mean_square_of_scipys(rng: np.random.Generator) -> None:
    codes = rng.normal(3, 2, size=(8, 11, 4)).astype(np.float32)
    expected = -np.sqrt((zscore(codes.astype(np.float64), axis=0, ddof=1) ** 2).mean(axis=2))
    np.testing.assert_allclose(VoxelwiseZ().fit(codes).score_samples(codes), expected, rtol=1e-5)


def test_z_in_one_dimension_by_hand() -> None:
    controls = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    detector = VoxelwiseZ().fit(controls)
    scores = detector.score_samples(np.array([2.0, 5.0, -4.0]).reshape(3, 1, 1))
    assert scores.ravel().tolist() == [0, -3, -6]
    # without 1: mean 2.5, sd 1/sqrt(2)
    expected = [-1.5 * np.sqrt(2), 0, -1.5 * np.sqrt(2)]
    np.testing.assert_allclose(detector.leave_one_out_scores().ravel(), expected, rtol=1e-6)


def test_a_feature_in_which_controls_agree_counts_by_the_floor(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(6, 2, 2)).astype(np.float32)
    codes[:, 0, 1] = 0.3  # one silent feature
    codes[:, 1] = 0.3  # a silent location
    detector = VoxelwiseZ(floor=0.5).fit(codes)
    assert detector.sd_[0, 1] == 0.5
    test = codes[:1].copy()
    test[0, 0] = [codes[:, 0, 0].mean(), 0.3 + 2]  # 4 floors away in one of two features
    scores = detector.score_samples(test)[0]
    assert scores[0] == pytest.approx(-np.sqrt(16 / 2), rel=1e-5)
    assert np.isnan(scores[1])
    assert np.isnan(detector.leave_one_out_scores()[:, 1]).all()


def test_z_left_out_where_all_others_agree_has_no_score() -> None:
    codes = np.full((5, 2, 1), 0.1, np.float32)
    codes[:, 1, 0] = range(5)
    codes[0, 0] = 0.7
    left_out = VoxelwiseZ().fit(codes).leave_one_out_scores()
    assert np.isnan(left_out[0, 0])
    assert np.isfinite(left_out[1:, 0]).all()


@pytest.mark.parametrize(("n", "d"), [(40, 16), (12, 30), (75, 3), (4, 2), (9, 1)])
def test_mahalanobis_is_that_of_scikit_learns_shrunk_covariance(n: int, d: int, rng: np.random.Generator) -> None:
    mix = rng.normal(size=(6, d, d))
    codes = np.einsum("nld,lde->nle", rng.normal(size=(n, 6, d)), mix).astype(np.float32)
    test = rng.normal(size=(5, 6, d)).astype(np.float32)
    detector = VoxelwiseMahalanobis().fit(codes)
    scores, left_out = detector.score_samples(test), detector.leave_one_out_scores()
    for at in range(6):
        there = codes[:, at].astype(np.float64)
        peer = LedoitWolf().fit(there)
        if d > 1:  # in one dimension there is nothing to shrink, whatever s
            assert detector.shrinkage_[at] == pytest.approx(peer.shrinkage_, rel=1e-6)
        inverse = np.linalg.inv(peer.covariance_)
        expected = [-mahalanobis(code, peer.location_, inverse) for code in test[:, at].astype(np.float64)]
        np.testing.assert_allclose(scores[:, at], expected, rtol=2e-5)
        others = LedoitWolf().fit(there[1:])
        expected_left_out = -mahalanobis(there[0], others.location_, np.linalg.inv(others.covariance_))
        assert left_out[0, at] == pytest.approx(expected_left_out, rel=1e-5)


def test_mahalanobis_where_all_controls_agree_has_no_score(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(7, 3, 2)).astype(np.float32)
    codes[:, 1] = [0.1, 0.7]
    codes[1:, 2] = [0.1, 0.7]  # all but one
    detector = VoxelwiseMahalanobis().fit(codes)
    assert np.isnan(detector.score_samples(codes)).any(axis=0).tolist() == [False, True, False]
    unknown = np.isnan(detector.leave_one_out_scores())
    assert unknown[:, 1].all()
    assert unknown[:, 2].tolist() == [True] + 6 * [False]
    assert not unknown[:, 0].any()


def test_shrinkage_can_be_a_number(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(10, 1, 3)) * [1, 2, 5]
    detector = VoxelwiseMahalanobis(shrinkage=0.25).fit(codes)
    covariance = np.cov(codes[:, 0].T, bias=True)
    shrunk = 0.75 * covariance + 0.25 * np.trace(covariance) / 3 * np.eye(3)
    expected = [-mahalanobis(code, codes[:, 0].mean(0), np.linalg.inv(shrunk)) for code in codes[:, 0]]
    np.testing.assert_allclose(detector.score_samples(codes)[:, 0], expected, rtol=1e-5)
    euclidean = VoxelwiseMahalanobis(shrinkage=1.0).fit(codes).score_samples(codes)
    expected = -np.linalg.norm(codes - codes.mean(0), axis=2) / np.sqrt(np.trace(covariance) / 3)
    np.testing.assert_allclose(euclidean, expected, rtol=1e-5)


def test_correlation_matters_to_mahalanobis_alone(rng: np.random.Generator) -> None:
    common = rng.normal(size=(50, 1, 1))
    codes = common + 0.1 * rng.normal(size=(50, 1, 2))
    along, across = np.array([[[1.0, 1.0]]]), np.array([[[1.0, -1.0]]])
    full, plain = VoxelwiseMahalanobis().fit(codes), VoxelwiseZ().fit(codes)
    assert full.score_samples(across) < 2 * full.score_samples(along)
    assert plain.score_samples(across) == pytest.approx(plain.score_samples(along), rel=0.5)


def test_small_parts_give_the_same_fit(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = rng.normal(size=(6, 13, 4)).astype(np.float32)
    whole = VoxelwiseMahalanobis().fit(codes)
    monkeypatch.setattr("nigra.detection.leave_one_out._PART_BYTES", 3 * 4 * 4 * 6)
    monkeypatch.setattr("nigra.detection.detector.BLOCK_BYTES", 5 * 4 * 4 * 6)
    parts = VoxelwiseMahalanobis().fit(codes)
    np.testing.assert_allclose(parts.leave_one_out_scores(), whole.leave_one_out_scores(), rtol=1e-6)
    np.testing.assert_allclose(parts.score_samples(codes), whole.score_samples(codes), rtol=1e-6)


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        (VoxelwiseMahalanobis(shrinkage=0.0), "shrinkage is 0.0; give 'ledoit-wolf' or a number"),
        (VoxelwiseMahalanobis(shrinkage=1.5), "shrinkage is 1.5; give"),
        (VoxelwiseZ(floor=0.0), "floor is 0; give a smallest standard deviation above 0"),
    ],
)
def test_refusals(detector: VoxelwiseZ, sentence: str, rng: np.random.Generator) -> None:
    with pytest.raises(NigraError, match=sentence):
        detector.fit(rng.normal(size=(6, 4, 2)))
