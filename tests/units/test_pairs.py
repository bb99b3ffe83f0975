"""Pairs: same place, another training subject, every subject and location equally often; or another rule."""

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from nigra.errors import NigraError
from nigra.units import Patches, Source
from nigra.units.pairs import Epoch, PairRule, PairSettings, draw_epoch

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


def test_the_published_rule_draws_the_numbers_it_always_drew() -> None:
    """Literal values of the first version: trainings of before can be repeated."""
    epoch = draw_epoch(np.random.default_rng([7, 2, 3]), ROWS, 40, 4)
    first = [7, 5, 12, 12, 11, 2, 2, 2, 11, 2, 11, 5, 5, 12, 11, 7, 12, 7, 5, 7]
    second = [5, 7, 2, 7, 12, 7, 7, 5, 2, 12, 12, 7, 12, 7, 7, 5, 7, 5, 2, 11]
    where = [4, 10, 0, 15, 27, 34, 5, 11, 8, 27, 30, 13, 36, 17, 11, 8, 5, 35, 20, 33]
    for found, expected in ((epoch.first, first), (epoch.second, second), (epoch.where, where)):
        assert found.tolist() == expected
    assert epoch.there is epoch.where
    large = draw_epoch(np.random.default_rng([0, 2, 0]), np.arange(38), 550_000, 15_000)
    digest = hashlib.sha256(np.stack([large.first, large.second, large.where]).tobytes()).hexdigest()
    assert digest == "bb95a2d7f2ae49693f94065c8024716968b85bf5f71ea8c40652dd7635016420"


MASK = np.ones((9, 4, 3), bool)
UNIT, SOURCE = Patches(3), Source.plain(np.zeros((1, 1, 9, 4, 3), np.float32))
LOCATIONS = UNIT.locate(MASK)


def drawn(rows: np.ndarray = ROWS, **settings: object) -> Epoch:
    rule = PairRule.of(PairSettings(**settings), UNIT, SOURCE, LOCATIONS)  # type: ignore[arg-type]
    return draw_epoch(np.random.default_rng(5), rows, len(LOCATIONS), 60, rule)


@pytest.mark.parametrize("place", ["mirrored", "neighbouring", "random"])
def test_other_places_leave_first_members_and_partners_as_they_are(place: str) -> None:
    """So that models with different rules see the same units."""
    plain, other = drawn(), drawn(place=place)
    for name in ("first", "second", "where"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(other, name))
    assert (other.there != other.where).mean() > 0.8
    rows, where = other.members(10, 20, 2)
    np.testing.assert_array_equal(rows[10:], other.second[10:20])
    np.testing.assert_array_equal(where, np.concatenate([other.where[10:20], other.there[10:20]]))
    np.testing.assert_array_equal(other.members(10, 20, 1)[1], other.where[10:20])


def test_partners_of_the_same_subject() -> None:
    plain, own = drawn(place="random"), drawn(place="random", subject="same")
    np.testing.assert_array_equal(own.first, own.second)
    np.testing.assert_array_equal(own.where, plain.where)
    np.testing.assert_array_equal(own.there, plain.there)
    alone = drawn(ROWS[:1], place="mirrored", subject="same")
    assert set(alone.second) == {2}
    with pytest.raises(ValidationError, match="one unit twice"):
        PairSettings(subject="same")


def test_an_epoch_of_a_large_cohort_takes_well_under_a_second() -> None:
    """600 000 pairs at 1.5 mm; the bound is ten times what one idle core needs."""
    import time

    x, y, z = np.indices((121, 145, 121))
    mask = ((x - 60) / 50) ** 2 + ((y - 70) / 60) ** 2 + ((z - 60) / 45) ** 2 <= 1
    unit = Patches()
    locations = unit.locate(mask)
    source = Source.plain(np.zeros((1, 1, *mask.shape), np.float32), mask)
    assert len(locations) > 500_000
    for settings in (PairSettings(), PairSettings(place="neighbouring"), PairSettings(place="mirrored")):
        rule = PairRule.of(settings, unit, source, locations)
        began = time.process_time()
        assert len(draw_epoch(np.random.default_rng(0), np.arange(40), len(locations), 15_000, rule)) == 600_000
        assert time.process_time() - began < 5
