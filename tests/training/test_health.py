"""Health: the numbers against hand-computed ones, the verdict against codes made to collapse."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.training.health import Health, cosines, effective_rank, measure

GOOD = (1.0, 4.0, 10.0)
"""Squared errors of the reconstructions, of the mean image, of the mean unit."""


@pytest.fixture
def pairs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of first members, of partners that resemble them, and of random ones."""
    first = rng.normal(size=(300, 8)).astype(np.float32)
    return first, first + 0.3 * rng.normal(size=first.shape).astype(np.float32), np.roll(first, 7, axis=0)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_as_many_equal_directions_as_dimensions(d: int) -> None:
    codes = np.concatenate([np.eye(d), -np.eye(d)])
    assert effective_rank(3 * codes + 100) == pytest.approx(d)


def test_effective_rank_of_unequal_directions() -> None:
    """Variances 4 : 1, so shares 0.8 and 0.2: exp(-0.8 ln 0.8 - 0.2 ln 0.2) = 1.6494 by hand."""
    codes = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    assert effective_rank(codes) == pytest.approx(1.64938, abs=1e-5)
    turned = codes @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    assert effective_rank(turned) == pytest.approx(1.64938, abs=1e-5)


def test_effective_rank_agrees_with_the_covariance(rng: np.random.Generator) -> None:
    """Another way: the eigenvalues of numpy's covariance; also with more dimensions than codes."""
    for shape in ((50, 6), (6, 50)):
        codes = rng.normal(size=shape) * rng.uniform(0.1, 3, shape[1]) + 5
        shares = np.linalg.eigvalsh(np.cov(codes.T)).clip(1e-300)
        shares = shares / shares.sum()
        assert effective_rank(codes) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-9)
        assert 1 < effective_rank(codes) <= min(shape[0] - 1, shape[1])


def test_a_constant_code_has_rank_0_up_to_rounding(rng: np.random.Generator) -> None:
    constant = np.full((40, 3), 0.1)
    assert effective_rank(constant) == 0
    assert effective_rank(constant * (1 + 1e-8 * rng.normal(size=(40, 3)))) == 0
    assert effective_rank(constant * (1 + 1e-3 * rng.normal(size=(40, 3)))) > 2  # small, but it varies
    assert np.isnan(effective_rank(np.array([[1.0, np.nan], [0, 1]])))


def test_cosines() -> None:
    one, two = np.array([[3.0, 4], [1, 0], [1, 0], [0, 0]]), np.array([[6.0, 8], [0, 2], [-5, 0], [1, 1]])
    np.testing.assert_allclose(cosines(one, two), [1, 0, -1, 0], atol=1e-12)


def test_numbers_of_a_healthy_model(pairs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    found = measure(*pairs, GOOD)
    first, second, random = pairs
    own = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(first, second, strict=True)]
    other = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(first, random, strict=True)]
    assert found.similarity == pytest.approx(np.mean(own), rel=1e-5)
    assert found.random_similarity == pytest.approx(np.mean(other), abs=1e-6)
    assert found.alike == pytest.approx(np.mean([a > b for a, b in zip(own, other, strict=True)]))
    assert found.alike > 0.99
    codes = np.concatenate([first, second])
    np.testing.assert_allclose(found.dimension_sd, codes.std(axis=0), rtol=1e-5)
    assert found.code_sd == pytest.approx(np.sqrt(codes.var(axis=0).mean()), rel=1e-5)
    assert (found.pairs, found.dimensions, found.active_units) == (300, 8, 8)
    assert (found.error, found.unit_error) == (0.25, 0.1)
    assert np.isnan(found.kl)
    assert found.why == []
    assert not found.collapsed


def test_ties_are_chance() -> None:
    same = np.ones((10, 2))
    assert measure(same, same, same, GOOD).alike == 0.5


def test_dimensions_far_below_the_largest_are_not_active(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scale = np.array([1, 0.5, 0.02, 0.005, 0, 1, 1, 1], np.float32)
    assert measure(*(codes * scale for codes in pairs), GOOD).active_units == 6  # all but 0.005 and 0


def test_active_units_of_a_variational_model_go_by_kl(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    found = measure(*pairs, GOOD, kl=np.array([0, 0.001, 0.02, 2, 0, 0, 0, 0.009]))
    assert found.active_units == 2
    assert found.kl == pytest.approx(2.03)
    assert found.why == []
    assert "KL below 0.01" in measure(*pairs, GOOD, kl=np.full(8, 0.005)).why[0]


@pytest.mark.parametrize(
    ("spoil", "errors", "sentence"),
    [
        (lambda codes: 0 * codes + 3, GOOD, "same code"),
        (lambda codes: codes[:, :1] * np.arange(1, 9), GOOD, "one direction"),
        (lambda codes: codes, (11.0, 4.0, 10.0), "1.10 times"),
        (lambda codes: codes * np.nan, GOOD, "not finite"),
        (lambda codes: codes * np.inf, GOOD, "not finite"),
        (lambda codes: codes, (np.nan, 4.0, 10.0), "not finite"),
    ],
)
def test_what_is_flagged(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray], spoil, errors: tuple[float, float, float], sentence: str
) -> None:  # type: ignore[no-untyped-def]
    found = measure(*(spoil(codes) for codes in pairs), errors)
    assert found.collapsed
    assert len(found.why) == 1
    assert sentence in found.why[0]


def test_worse_than_the_mean_image_alone_is_no_collapse(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    found = measure(*pairs, (5.0, 4.0, 10.0))
    assert found.error == 1.25
    assert not found.collapsed


def test_fewer_than_two_pairs_are_refused() -> None:
    with pytest.raises(NigraError, match="at least 2 pairs, but found 0"):
        measure(*[np.zeros((0, 3))] * 3, GOOD)


def test_written_whole_with_null_for_what_is_missing(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        measure(*pairs, GOOD).write(tmp_path)
    assert caplog.text == ""
    content = json.loads((tmp_path / "health.json").read_text())
    assert (content["collapsed"], content["why"], content["kl"], content["error"]) == (False, [], None, 0.25)
    assert len(content["dimension_sd"]) == 8
    with caplog.at_level(logging.WARNING):
        measure(*(0 * codes for codes in pairs), GOOD).write(tmp_path)
    assert "the model collapsed: every unit has the same code." in caplog.text
    content = json.loads((tmp_path / "health.json").read_text())
    assert (content["collapsed"], content["active_units"]) == (True, 0)


def test_columns_are_the_numbers_that_change(pairs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    found: Health = measure(*pairs, GOOD)
    columns = found.columns()
    assert list(columns) == [
        f"health_{name}"
        for name in (
            "code_sd", "effective_rank", "active_units", "kl", "similarity", "random_similarity", "alike", "error",
            "unit_error",
        )
    ]  # fmt: skip
    assert columns["health_kl"] is None
    assert columns["health_error"] == 0.25
