"""Stability: perfect where nothing is drawn, poor where there is nothing to find, chance beside both."""

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.latent.embedding_settings import EmbeddingSettings
from nigra.latent.stability import left_out, shared_neighbours, stability
from tests.latent.shapes import sheet

SETTINGS = EmbeddingSettings(stability_codes=260, seeds=2, subsamples=2, neighbours=10, judged_neighbours=10)
SUBJECTS = [f"s{i % 13}" for i in range(300)]


def test_principal_components_rest_on_no_subject(rng) -> None:
    codes = sheet(300, rng)
    found = stability(codes, SUBJECTS, "pca", SETTINGS).set_index("measure")
    assert list(found.index) == [
        "subsamples: residual",
        "subsamples: shared neighbours",
        "projection: error",
        "projection: shared neighbours",
    ]
    assert found["estimate"]["projection: error"] < 0.15
    assert found["estimate"]["projection: shared neighbours"] > 0.7
    assert found["estimate"]["subsamples: residual"] < 0.02
    assert found["null"]["projection: error"] == pytest.approx(np.sqrt(2), abs=0.3)
    assert found["null"]["subsamples: residual"] > 0.9
    assert (found["low"] <= found["estimate"]).all()
    assert found["note"].iloc[0] == "260 codes, range over 2 refits"


def test_a_method_that_draws_is_fitted_with_other_seeds(rng) -> None:
    codes = sheet(300, rng)
    told: list[float] = []
    found = stability(codes, SUBJECTS, "pacmap", SETTINGS, lambda done, _: told.append(done)).set_index("measure")
    assert len(found) == 6
    assert 0 < found["estimate"]["seeds: residual"] < 0.5 * found["null"]["seeds: residual"]
    assert found["estimate"]["seeds: shared neighbours"] > 5 * found["null"]["seeds: shared neighbours"]
    assert found["estimate"]["projection: error"] < 0.7 * found["null"]["projection: error"]
    assert told == sorted(told)
    assert max(told) <= 1


def test_noise_without_a_shape_has_no_stable_picture(rng) -> None:
    """The second axis of a ball is anybody's: other subjects turn it, and the residual says so."""
    ball = rng.normal(size=(260, 12)).astype(np.float32)
    residuals = [
        stability(codes, SUBJECTS[:260], "pca", SETTINGS).set_index("measure")["estimate"]["subsamples: residual"]
        for codes in (ball, sheet(260, rng))
    ]
    assert residuals[0] > 5 * residuals[1]


def test_whole_subjects_are_left_out(rng) -> None:
    out = left_out(SUBJECTS, rng)
    gone = {name for name, is_out in zip(SUBJECTS, out, strict=True) if is_out}
    assert len(gone) == 3
    assert all(is_out == (name in gone) for name, is_out in zip(SUBJECTS, out, strict=True))
    assert left_out(["one"] * 50, rng).sum() == 10


def test_shared_neighbours_by_hand(rng) -> None:
    line = np.arange(5.0)[:, None]
    assert shared_neighbours(line, line * 7, 2) == 1
    assert shared_neighbours(np.array([[0.0], [1], [3], [7]]), np.array([[0.0], [9], [3], [4]]), 1) == 0.25


@pytest.mark.parametrize("owners", [list("aabbccddeeff"), list("aaaaaaabbbbb")])
def test_fewer_codes_than_judged_neighbours_are_judged_by_fewer(rng, owners) -> None:
    settings = SETTINGS.model_copy(update={"judged_neighbours": 15})
    found = stability(sheet(12, rng), owners, "pca", settings).set_index("measure")
    null = found["null"]["subsamples: shared neighbours"]
    assert 3 / 11 <= null <= 1
    assert found["estimate"]["subsamples: shared neighbours"] >= null - 1e-9


def test_too_few_codes_are_one_sentence(rng) -> None:
    with pytest.raises(NigraError, match="tsne needs 92 codes or more, but got 50"):
        stability(rng.normal(size=(50, 4)), SUBJECTS[:50], "tsne", SETTINGS)
