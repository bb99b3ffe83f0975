"""Quality against definitions written out plainly, against scikit-learn, and against chance."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness

from nigra.errors import NigraError
from nigra.latent import quality as module
from nigra.latent.quality import mean_by_subject, neighbourhoods, quality, rank_correlation
from tests.latent.shapes import clusters


def by_definition(codes: np.ndarray, points: np.ndarray, k: int) -> tuple[float, float, float]:
    """Venna and Kaski's sums, with ranks from full sorts."""
    n = len(codes)
    ranks, near = [], []
    for space in (codes, points):
        distances = cdist(space, space)
        np.fill_diagonal(distances, -1)
        order = np.argsort(distances, axis=1)
        ranks.append(np.argsort(order, axis=1))
        near.append(order[:, 1 : k + 1])

    def kept(rank: np.ndarray, neighbours: np.ndarray) -> float:
        excess = np.maximum(np.take_along_axis(rank, neighbours, axis=1) - k, 0).sum()
        return 1 - 2 * excess / (n * k * (2 * n - 3 * k - 1))

    recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)])
    return kept(ranks[0], near[1]), kept(ranks[1], near[0]), recall


@pytest.mark.parametrize(("n", "d", "k"), [(61, 5, 4), (150, 16, 15), (33, 2, 16)])
def test_the_numbers_are_those_of_the_definitions(n: int, d: int, k: int, rng) -> None:
    codes = rng.normal(size=(n, d)).astype(np.float32)
    points = codes[:, :2] + 0.5 * rng.normal(size=(n, 2))
    found = neighbourhoods(codes, points, k)
    means = found.trustworthiness.mean(), found.continuity.mean(), found.recall.mean()
    np.testing.assert_allclose(means, by_definition(codes, points, k), atol=1e-12)
    assert means[0] == pytest.approx(trustworthiness(codes, points, n_neighbors=k), abs=1e-9)
    assert means[1] == pytest.approx(trustworthiness(points, codes, n_neighbors=k), abs=1e-9)
    assert min(means) < 0.99


@pytest.mark.parametrize(("n", "k"), [(150, 15), (61, 4)])
def test_the_numbers_are_those_of_zadu(n: int, k: int, rng) -> None:
    """Independent (Jeon et al. 2023), of the mean and of every code; its LCMC is recall less chance."""
    pytest.importorskip("zadu", reason="zadu is not installed; make install brings it")
    from zadu.measures import local_continuity_meta_criteria, spearman_rho, trustworthiness_continuity

    codes = rng.normal(size=(n, 8))
    points = codes[:, :2] + 0.5 * rng.normal(size=(n, 2))
    found = neighbourhoods(codes, points, k)
    means, each = trustworthiness_continuity.measure(codes, points, k=k, return_local=True)
    np.testing.assert_allclose(found.trustworthiness, each["local_trustworthiness"], atol=1e-12)
    np.testing.assert_allclose(found.continuity, each["local_continuity"], atol=1e-12)
    assert found.trustworthiness.mean() == pytest.approx(means["trustworthiness"])
    kept = local_continuity_meta_criteria.measure(codes, points, k=k)["lcmc"]
    assert found.recall.mean() - found.chance()[2] == pytest.approx(kept)
    rho = spearman_rho.measure(codes, points)["spearman_rho"]
    assert rank_correlation(codes, points, pairs=n * n)[0] == pytest.approx(rho)
    assert 0.5 < means["trustworthiness"] < 0.99


def test_far_from_the_origin_nothing_changes(rng, monkeypatch) -> None:
    codes = rng.normal(size=(80, 4))
    points = rng.normal(size=(80, 2))
    near = neighbourhoods(codes, points, 6)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * 80 * 7)  # blocks of seven queries, a smaller one at the end
    far = neighbourhoods(codes + 1e5, points, 6)
    np.testing.assert_allclose(far.trustworthiness, near.trustworthiness, atol=1e-12)


def test_queries_are_rows_of_the_whole(rng) -> None:
    codes, points = rng.normal(size=(90, 5)), rng.normal(size=(90, 2))
    whole = neighbourhoods(codes, points, 7)
    rows = np.array([4, 88, 17])
    some = neighbourhoods(codes, points, 7, rows)
    assert np.array_equal(some.trustworthiness, whole.trustworthiness[rows])
    assert np.array_equal(some.recall, whole.recall[rows])


def test_shuffled_points_are_at_the_chance_values(rng) -> None:
    codes, _ = clusters(800, 6, rng)
    points = codes[:, :2] + 0.1 * rng.normal(size=(800, 2))
    good, shuffled = (neighbourhoods(codes, each, 12) for each in (points, rng.permutation(points)))
    for name, null in zip(("trustworthiness", "continuity", "recall"), shuffled.chance(), strict=True):
        assert getattr(shuffled, name).mean() == pytest.approx(null, abs=0.02)
        assert getattr(good, name).mean() > null + 0.1


def test_rank_correlation_is_spearmans_over_all_pairs_where_they_are_few(rng) -> None:
    codes, points = rng.normal(size=(70, 4)), rng.normal(size=(70, 2))
    points += codes[:, :2]
    rho, low, high = rank_correlation(codes, points, pairs=5000)
    assert rho == pytest.approx(spearmanr(pdist(codes), pdist(points))[0])
    sampled, low, high = rank_correlation(codes, points, pairs=1500)
    assert low < rho < high
    assert high - low < 0.1
    assert sampled != rho
    assert np.isnan(rank_correlation(np.zeros((9, 2)), points[:9])[0])


def test_the_table_says_estimates_intervals_and_chance(rng) -> None:
    codes, _ = clusters(400, 5, rng)
    subjects = [f"sub-{i % 20:02d}" for i in range(400)]
    exact = quality(codes, codes[:, :2], subjects, k=8)
    assert list(exact["measure"]) == ["trustworthiness", "continuity", "recall", "rank correlation"]
    assert ((exact["low"] < exact["estimate"]) & (exact["estimate"] < exact["high"])).all()
    assert (exact["estimate"] > exact["null"] + 0.1).all()
    sampled = quality(codes, codes[:, :2], subjects, k=8, queries=150, exact_up_to=300)
    assert sampled["note"][0] == "k = 8; 150 of 400 codes as queries"
    assert (np.abs(sampled["estimate"] - exact["estimate"]) < 0.05).all()
    some = quality(codes, codes[:, :2], subjects, k=8, among=np.arange(40))
    assert len(some) == 3
    assert some["estimate"][2] != exact["estimate"][2]


def test_intervals_resample_whole_subjects(rng) -> None:
    shifts = rng.normal(size=30)
    values = np.repeat(shifts, 40) + 0.01 * rng.normal(size=1200)
    subjects = np.repeat([f"s{i}" for i in range(30)], 40)
    mean, low, high = mean_by_subject(values, subjects, 400)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * shifts.std() / np.sqrt(30), rel=0.2)
    _, low, high = mean_by_subject(values, np.arange(1200), 400)
    assert (
        high - low < 0.3 * 2 * 1.96 * shifts.std() / np.sqrt(30) + 0.1
    )  # negative control: codes alone are too sure
    assert np.isnan(mean_by_subject(values, ["one"] * 1200, 400)[1])


def test_what_cannot_be_judged_is_refused(rng) -> None:
    codes = rng.normal(size=(20, 3))
    with pytest.raises(NigraError, match="give k below 10"):
        neighbourhoods(codes, codes[:, :2], 10)
    codes[3] = np.nan
    with pytest.raises(NigraError, match="not finite"):
        neighbourhoods(codes, np.zeros((20, 2)), 3)
