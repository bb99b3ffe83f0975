"""Siamese terms against numpy; each falls as codes become more alike, each against its own way to collapse."""

import numpy as np
import pytest
import torch

from nigra.models import similarity

PUBLISHED = {
    "cosine": {},
    "squared": {},
    "vicreg": {"variance": 1.0, "covariance": 0.04},
    "barlow": {"off_diagonal": 0.005},
    "contrastive": {"temperature": 0.1},
}


@pytest.fixture
def codes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)


def value(name: str, codes, **settings: object) -> float:
    return float(getattr(similarity, name)(*(torch.as_tensor(each) for each in codes), **settings))


def test_cosine_and_squared(codes) -> None:
    a, b = codes
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert value("cosine", codes) == pytest.approx(-cosines.mean(), rel=1e-5)
    assert value("squared", codes) == pytest.approx(((a - b) ** 2).mean(), rel=1e-5)


def test_vicreg_is_the_papers_sum_of_three(codes) -> None:
    """Oracle: equations 1 to 6 with numpy's own covariance, the terms per dimension."""
    a, b = (each / 2 for each in codes)
    expected = ((a - b) ** 2).mean()
    for z in (a, b):
        expected += 0.7 * np.maximum(0, 1 - np.sqrt(z.var(axis=0, ddof=1) + 1e-4)).mean()
        covariance = np.cov(z.T)
        expected += 0.3 * (covariance[~np.eye(4, dtype=bool)] ** 2).sum() / 4
    assert value("vicreg", (a, b), variance=0.7, covariance=0.3) == pytest.approx(expected, rel=1e-4)


def test_barlow_is_the_papers_cross_correlation(codes) -> None:
    matrix = np.corrcoef(codes[0].T, codes[1].T)[:4, 4:]
    expected = ((1 - np.diag(matrix)) ** 2).sum() + 0.1 * (matrix[~np.eye(4, dtype=bool)] ** 2).sum()
    assert value("barlow", codes, off_diagonal=0.1) == pytest.approx(expected / 4, rel=1e-3)


def infonce(a: np.ndarray, b: np.ndarray, temperature: float, places: np.ndarray) -> float:
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    found = []
    for x, y in ((a, b), (b, a)):
        for i in range(len(x)):
            others = [j for j in range(len(x)) if j == i or places[j] != places[i]]
            logits = np.array([x[i] @ y[j] / temperature for j in others])
            found.append(np.log(np.exp(logits).sum()) - logits[others.index(i)])
    return float(np.mean(found))


def test_contrastive_is_infonce_both_ways(codes) -> None:
    expected = infonce(*codes, 0.5, np.arange(6))
    assert value("contrastive", codes, temperature=0.5) == pytest.approx(expected, rel=1e-5)


def test_pairs_of_the_same_place_are_no_negatives(codes) -> None:
    places = np.array([3, 1, 3, 7, 1, 3])
    found = value("contrastive", codes, temperature=0.5, places=torch.from_numpy(places))
    assert found == pytest.approx(infonce(*codes, 0.5, places), rel=1e-5)
    assert found < value("contrastive", codes, temperature=0.5) - 0.1
    nowhere = torch.zeros(6, dtype=torch.int64)
    assert value("contrastive", codes, temperature=0.5, places=nowhere) == pytest.approx(0, abs=1e-6)


def test_wasserstein_is_the_distance_of_normal_distributions(codes, rng: np.random.Generator) -> None:
    """Oracle: the general formula with matrix square roots; diagonal covariances commute."""
    spreads = [rng.normal(size=(6, 4)).astype(np.float32) for _ in range(2)]
    found = float(similarity.wasserstein(*(torch.from_numpy(each) for each in (*codes, *spreads))))
    expected = 0.0
    for m, n, s, t in zip(*codes, *spreads, strict=True):
        first, second = np.diag(np.exp(s.astype(float))), np.diag(np.exp(t.astype(float)))
        expected += ((m - n) ** 2).sum() + np.trace(first + second - 2 * np.sqrt(first @ second))
    assert found == pytest.approx(expected / 6 / 4, rel=1e-4)


@pytest.mark.parametrize("name", PUBLISHED)
def test_lower_is_more_similar(name: str, rng: np.random.Generator) -> None:
    """Along a line from unrelated to equal codes the term falls all the way."""
    a, other = (torch.from_numpy(rng.normal(size=(64, 5)).astype(np.float32)) for _ in range(2))
    values = [value(name, (a, (1 - t) * other + t * a), **PUBLISHED[name]) for t in (0.0, 0.3, 0.6, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.3


@pytest.mark.parametrize(("name", "blind"), [("cosine", True), ("squared", True), ("vicreg", False),
                                             ("barlow", False), ("contrastive", False)])  # fmt: skip
def test_one_code_for_everybody_pleases_the_blind_terms_alone(name: str, blind: bool, rng) -> None:
    """Collapse: cosine and squared distance are at their best; the others prefer partners that differ a little."""
    same = torch.ones(64, 5)
    spread = torch.from_numpy(rng.normal(size=(64, 5)).astype(np.float32))
    near = spread + 0.1 * torch.from_numpy(rng.normal(size=(64, 5)).astype(np.float32))
    collapsed = value(name, (same, same), **PUBLISHED[name])
    healthy = value(name, (spread, near), **PUBLISHED[name])
    assert (collapsed < healthy) == blind


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("make", [lambda: torch.zeros(4, 3), lambda: torch.ones(4, 3), lambda: torch.rand(1, 3)])
def test_constant_codes_and_a_single_pair_have_finite_gradients(name: str, make) -> None:
    first, second = make().requires_grad_(), make().requires_grad_()
    getattr(similarity, name)(first, second, **PUBLISHED[name]).backward()
    assert torch.isfinite(first.grad).all()
    assert torch.isfinite(second.grad).all()
