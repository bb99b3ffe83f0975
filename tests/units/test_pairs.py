"""Pairs: same place, another training subject, every subject and location equally often."""

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.units.pairs import draw_epoch

ROWS = np.array([2, 5, 7, 11, 12])


def test_partners_are_other_training_subjects_at_the_same_place(rng):  # type: ignore[no-untyped-def]
    epoch = draw_epoch(rng, ROWS, 40, 30)
    assert len(epoch) == 5 * 30
    assert (epoch.first != epoch.second).all()
    assert set(epoch.first) == set(ROWS) == set(epoch.second)
    rows, where = epoch.members(10, 20, 2)
    np.testing.assert_array_equal(rows, np.concatenate([epoch.first[10:20], epoch.second[10:20]]))
    np.testing.assert_array_equal(where[:10], where[10:])


def test_each_subject_has_distinct_locations(rng):  # type: ignore[no-untyped-def]
    epoch = draw_epoch(rng, ROWS, 40, 30)
    for row in ROWS:
        where = epoch.where[epoch.first == row]
        assert len(where) == 30 == len(np.unique(where))


def test_all_locations_when_none_is_asked_for(rng):  # type: ignore[no-untyped-def]
    epoch = draw_epoch(rng, ROWS, 9, None)
    counts = np.bincount(epoch.where, minlength=9)
    np.testing.assert_array_equal(counts, np.full(9, 5))


def test_partners_are_uniform_over_the_others(rng):  # type: ignore[no-untyped-def]
    epoch = draw_epoch(rng, ROWS, 20_000, 20_000)
    own = epoch.second[epoch.first == 7]
    counts = np.array([(own == row).sum() for row in ROWS if row != 7])
    assert abs(counts / 5000 - 1).max() < 0.06


def test_same_seed_same_epoch() -> None:
    one, two = (draw_epoch(np.random.default_rng(3), ROWS, 50, 20) for _ in range(2))
    np.testing.assert_array_equal(one.where, two.where)
    np.testing.assert_array_equal(one.second, two.second)
    other = draw_epoch(np.random.default_rng(4), ROWS, 50, 20)
    assert (one.where != other.where).any()


def test_one_subject_has_no_partner(rng):  # type: ignore[no-untyped-def]
    with pytest.raises(NigraError, match="two different training subjects"):
        draw_epoch(rng, ROWS[:1], 10, 5)
