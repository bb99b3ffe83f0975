"""Every probe finds what was planted and stays at chance without it, in people it was not fitted on."""

import numpy as np
import pytest

from nigra.latent.probes import (
    ProbeSettings,
    place_numbers,
    probe_many,
    probe_number,
    probe_two,
    subject_folds,
)
from tests.latent.latent_spaces import FEW, QUICK, shuffled, spaces


def flat(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, d) and whose each is."""
    return codes.reshape(-1, codes.shape[2]), np.repeat(np.arange(len(codes)), codes.shape[1])


def place_rows(codes: np.ndarray, mm: np.ndarray) -> dict:
    regions = np.where(mm[:, 0] < -20, "left", np.where(mm[:, 0] > 20, "right", ""))
    rows = place_numbers(*flat(codes), np.tile(mm, (len(codes), 1)), np.tile(regions, len(codes)), QUICK)
    return {row.measure: row for row in rows}


def test_a_planted_place_is_read_off(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng, place=4)
    rows = place_rows(codes, mm)
    assert rows["place R2"].low > 0.6
    assert rows["region balanced accuracy"].low > 0.8
    assert rows["region balanced accuracy"].null == 0.5, "the unnamed places are no region"


def test_without_a_place_or_with_shuffled_places_nothing_is_read_off(rng: np.random.Generator) -> None:
    planted, mm = spaces(rng, place=4)
    for codes in (spaces(rng)[0], shuffled(planted, rng), spaces(rng, person=4)[0]):
        rows = place_rows(codes, mm)
        assert rows["place R2"].estimate == pytest.approx(0, abs=0.06)
        assert rows["place R2"].null == pytest.approx(0, abs=0.06)
        assert rows["region balanced accuracy"].estimate == pytest.approx(0.5, abs=0.08)


def test_a_slice_has_one_coordinate(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng, place=4)
    mm[:, :2] = np.nan
    rows = place_numbers(*flat(codes), np.tile(mm, (12, 1)), np.full(len(codes) * 60, ""), QUICK)
    assert rows[0].low > 0.5
    assert np.isnan(rows[1].estimate)
    assert rows[1].note


def test_r2_of_one_division_is_that_by_hand(rng: np.random.Generator) -> None:
    """With the code itself as the value, a ridge reads it off whole: 1; with noise as value, below 1."""
    x = rng.normal(size=(80, 1))
    owner = np.repeat(np.arange(8), 10)
    assert probe_number("m", x, owner, 3 * x + 7, QUICK).estimate == pytest.approx(1, abs=1e-3)
    noisy = 3 * x + 3 * rng.normal(size=x.shape)
    assert probe_number("m", x, owner, noisy, QUICK).estimate == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("signal", [0.0, 1.2])
@pytest.mark.parametrize("places", [1, 20])
def test_two_groups_are_told_apart_by_what_was_planted(
    rng: np.random.Generator, signal: float, places: int
) -> None:
    group = np.arange(40) % 2 == 0
    codes = rng.normal(size=(40, places, 5)) + signal * group[:, None, None]
    row = probe_two("sex AUC", *flat(codes), group, QUICK)
    assert row.null == 0.5
    if signal:
        assert row.low > 0.6
    else:
        assert abs(row.estimate - 0.5) < 0.2
        assert row.low < 0.5 < row.high


def test_a_person_s_own_codes_do_not_tell_a_random_group(rng: np.random.Generator) -> None:
    """The trap: codes say who it is, groups are at random; with codes as samples the AUC would be 1."""
    found = []
    for _ in range(5):
        codes, _ = spaces(rng, 20, 15, 6, person=5)
        group = rng.permutation(20) < 10
        found.append(probe_two("group AUC", *flat(codes), group, ProbeSettings(5, 1, 4000, FEW)).estimate)
    assert np.mean(found) == pytest.approx(0.5, abs=0.2)


def test_chance_is_a_half_also_for_an_unbalanced_group_on_average(rng: np.random.Generator) -> None:
    """Pooling the folds' predictions would give less than .5 (Airola 2011)."""
    settings = ProbeSettings(5, 2, 4000, FEW)
    found = [
        probe_two("a", *flat(rng.normal(size=(24, 1, 4))), np.arange(24) < 8, settings).estimate
        for _ in range(30)
    ]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_a_planted_age_is_read_off_and_none_is_not(rng: np.random.Generator) -> None:
    age = rng.uniform(40, 80, 40)
    for signal, places in ((0.0, 1), (0.0, 10), (1.0, 1), (1.0, 10)):
        codes = 0.5 * rng.normal(size=(40, places, 5)) + signal * ((age - 60) / 12)[:, None, None]
        rows, owner = flat(codes)
        row = probe_number("age R2", rows, owner, age[owner][:, None], QUICK)
        if signal:
            assert row.low > 0.5
        else:
            assert row.estimate < 0.15


def test_three_sites_are_told_apart(rng: np.random.Generator) -> None:
    site = np.arange(30) % 3
    for signal in (0.0, 3.0):
        codes = rng.normal(size=(30, 1, 5))
        codes[np.arange(30), 0, site] += signal
        rows, owner = flat(codes)
        row = probe_many("site", rows, owner, site[owner], QUICK, per_subject=True)
        assert row.null == pytest.approx(1 / 3)
        assert (row.low > 0.6) if signal else (row.low < 1 / 3 < row.high)


def test_wide_codes_are_narrowed_inside_the_folds(rng: np.random.Generator) -> None:
    group = np.arange(30) % 2 == 0
    codes = 0.3 * rng.normal(size=(30, 1, 400)) + group[:, None, None]
    assert probe_two("auc", *flat(codes), group, QUICK).estimate > 0.95


def test_too_few_are_told_not_probed(rng: np.random.Generator) -> None:
    codes, owner = flat(rng.normal(size=(3, 4, 2)))
    rows = [
        probe_number("a", codes, owner, rng.normal(size=(12, 1)), QUICK),
        probe_two("b", codes, owner, np.array([True, False, False]), QUICK),
        probe_many("c", codes, owner, owner % 2, QUICK),
    ]
    assert all(np.isnan(row.estimate) and row.note for row in rows)


def test_folds_hold_whole_subjects_and_spread_levels(rng: np.random.Generator) -> None:
    labels = np.array(["a"] * 7 + ["b"] * 6)
    fold = subject_folds(labels, 3, rng)
    assert sorted(np.bincount(fold)) == [4, 4, 5]
    assert np.bincount(fold[:7]).min() == 2
    assert np.bincount(fold[7:]).min() == 2
