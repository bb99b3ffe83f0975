"""The variance spectrum: by hand, on planted ranks, collapsed, and wide."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from nigra.latent.spectrum import (
    effective_rank,
    live_dimensions,
    participation_ratio,
    spectrum,
    spectrum_numbers,
    spectrum_table,
    why_collapsed,
)
from tests.latent.latent_spaces import FEW


def test_effective_rank_by_hand() -> None:
    """Singular values 3 and 1: shares 3/4 and 1/4."""
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank(np.array([9.0, 1.0])) == pytest.approx(expected)
    assert effective_rank(np.ones(7)) == pytest.approx(7)
    assert effective_rank(np.zeros(3)) == 0


def test_participation_ratio_by_hand() -> None:
    assert participation_ratio(np.array([9.0, 1.0])) == pytest.approx(100 / 82)
    assert participation_ratio(np.zeros(2)) == 0


def test_the_spectrum_is_the_covariance_s_whichever_side_is_shorter(rng: np.random.Generator) -> None:
    for shape in ((50, 4), (6, 9)):
        codes = rng.normal(size=shape) @ np.diag(np.arange(1.0, shape[1] + 1)) + 100
        expected = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1]
        found = spectrum(codes)
        np.testing.assert_allclose(found[: len(expected)], expected[: len(found)], atol=1e-9)


@pytest.mark.parametrize("d", [8, 150])
def test_a_planted_rank_is_found_with_an_interval_around_it(rng: np.random.Generator, d: int) -> None:
    """Three directions of equal variance in d; wide codes take the jackknife."""
    axes = np.linalg.qr(rng.normal(size=(d, 3)))[0]
    codes = rng.normal(size=(10, 50, 3)) @ axes.T + 5
    rows = {row.measure: row for row in spectrum_numbers(codes, FEW)}
    for measure in ("effective rank", "participation ratio"):
        assert rows[measure].estimate == pytest.approx(3, abs=0.1)
        assert rows[measure].low <= rows[measure].estimate <= rows[measure].high < 3.2
        assert rows[measure].null > 0.8 * min(d, 100)
    assert rows["live dimensions"].null == d
    assert rows["collapsed"].estimate == 0


def test_the_estimate_by_moments_is_that_of_the_codes(rng: np.random.Generator) -> None:
    codes = (rng.normal(size=(5, 9, 6)) * np.arange(1, 7) + 1000).astype(np.float32)
    rows = {row.measure: row for row in spectrum_numbers(codes, FEW)}
    assert rows["effective rank"].estimate == pytest.approx(
        effective_rank(spectrum(codes.reshape(-1, 6))), rel=1e-5
    )


def test_collapse_is_told_and_a_healthy_code_is_not(rng: np.random.Generator) -> None:
    healthy = rng.normal(size=(200, 4))
    assert why_collapsed(healthy) == ""
    assert "alike" in why_collapsed(7 + 1e-5 * healthy)
    assert "line" in why_collapsed(healthy[:, :1] * np.ones(4) + 1e-3 * healthy)
    assert live_dimensions(healthy * [1, 1, 0, 0.001]) == 2
    assert live_dimensions(np.ones((5, 3))) == 0
    collapsed = np.broadcast_to(7 + 1e-5 * healthy[:10], (4, 10, 4))
    assert {row.measure: row.estimate for row in spectrum_numbers(collapsed, FEW)}["collapsed"] == 1


def test_the_spectrum_is_that_of_principal_components(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(6, 40, 5)) * [5, 3, 2, 1, 0]
    table = spectrum_table(codes)
    expected = PCA().fit(codes.reshape(-1, 5))
    np.testing.assert_allclose(table["share"], expected.explained_variance_ratio_, atol=1e-9)
    np.testing.assert_allclose(table["variance"], expected.explained_variance_ * 239 / 240, atol=1e-9)
    assert table["axis"].tolist() == [1, 2, 3, 4, 5]
    assert table["cumulative"].iloc[-1] == pytest.approx(1)
    assert table["null"].between(0.13, 0.27).all()
    assert (spectrum_table(np.ones((2, 3, 4)))["share"] == 0).all()
