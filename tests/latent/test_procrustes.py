"""Alignment against scipy's Procrustes and against transforms that are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from nigra.errors import NigraError
from nigra.latent.procrustes import align, align_all, residuals, shared_rows


def test_a_shift_turn_mirror_and_scale_are_found(rng) -> None:
    points = rng.normal(size=(40, 3))
    turn = ortho_group.rvs(3, random_state=1)
    reference = 2.5 * points @ turn + [1.0, -4.0, 7.0]
    found = align(points, reference)
    assert found.residual == pytest.approx(0, abs=1e-12)
    assert found.scale == pytest.approx(2.5)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-9)
    new = rng.normal(size=(5, 3))
    np.testing.assert_allclose(found.apply(new), 2.5 * new @ turn + [1.0, -4.0, 7.0], atol=1e-9)


def test_the_residual_is_scipys_and_the_same_both_ways(rng) -> None:
    first, second = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    second += 0.8 * first
    assert align(second, first).residual == pytest.approx(procrustes(first, second)[2])
    assert align(second, first).residual == pytest.approx(align(first, second).residual)
    left = first - first.mean(axis=0)
    away = align(second, first).apply(second) - first
    assert (away**2).sum() / (left**2).sum() == pytest.approx(align(second, first).residual)


def test_sets_of_different_width_share_what_they_can(rng) -> None:
    points = rng.normal(size=(50, 2))
    wide = np.hstack([points, np.zeros((50, 1))]) @ ortho_group.rvs(3, random_state=2)
    assert align(points, wide).residual == pytest.approx(0, abs=1e-12)
    assert align(wide, points).apply(wide).shape == (50, 3)


def test_all_sets_meet_in_their_mean(rng) -> None:
    points = rng.normal(size=(60, 2))
    sets = [s * points @ ortho_group.rvs(2, random_state=i) + i for i, s in enumerate((1.0, 3.0, 0.2))]
    first, *others = align_all(sets)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-7)
    noisy = align_all([each + 0.3 * rng.normal(size=each.shape) for each in sets])
    assert 0.01 < np.square(noisy[0] - noisy[1]).sum() < 1.5


def test_pairs_are_told_beside_chance(rng) -> None:
    points = rng.normal(size=(200, 2))
    table = residuals({"a": points, "b": points[:, ::-1] * 3, "c": rng.normal(size=(200, 2))})
    assert list(table["first"] + table["second"]) == ["ab", "ac", "bc"]
    assert table["residual"][0] == pytest.approx(0, abs=1e-12)
    assert (table["null"] > 0.9).all()
    assert table["residual"][1] > 0.9  # negative control


def test_code_tables_meet_on_subject_and_place() -> None:
    one = pd.DataFrame({"participant_id": ["a", "a", "b"], "x": [1, 2, 1], "y": 0, "z": 5})
    other = one.iloc[[2, 0]].reset_index(drop=True)
    first, second = shared_rows(one, other)
    assert sorted(zip(first, second, strict=True)) == [(0, 1), (2, 0)]
    with pytest.raises(NigraError, match="share 0 codes"):
        shared_rows(one, one.assign(z=6))
    with pytest.raises(NigraError, match="several codes of one subject and place"):
        shared_rows(one, pd.concat([one, one]))


def test_nothing_to_align_is_refused() -> None:
    with pytest.raises(NigraError, match="lie on one place"):
        align(np.ones((5, 2)), np.eye(5, 2))
    with pytest.raises(NigraError, match="finite"):
        align(np.full((5, 2), np.nan), np.eye(5, 2))
