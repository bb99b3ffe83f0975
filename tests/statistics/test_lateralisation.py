"""Sides: names, signs, and what the hemispheres' own difference must not do."""

import numpy as np
import pytest
import scipy.stats

from nigra.phantom.parcellation import region_table
from nigra.statistics.lateralisation import UNKNOWN, asymmetry, lateralisation, pair_regions, side_of

FAST = {"permutations": 400}


def test_pairs_of_the_atlases_in_use_and_what_is_left_over():
    pairs, alone = pair_regions(["whole brain", *region_table()["name"]])
    assert len(pairs) == (len(region_table()) - 1) // 2
    assert pairs["SN"] == ("SN left", "SN right")
    assert alone == ["whole brain", "brainstem"]
    names = [
        "Right_Putamen",
        "3rd_Ventricle",
        "Left_Putamen",
        "Left_vessel",
        "lh.bankssts",
        "rh.bankssts",
        "Vermis_L",
    ]
    pairs, alone = pair_regions(names)
    assert pairs == {"Putamen": ("Left_Putamen", "Right_Putamen"), "bankssts": ("lh.bankssts", "rh.bankssts")}
    assert alone == ["3rd_Ventricle", "Left_vessel", "Vermis_L"]


def test_sides_are_words_and_ambiguous_names_stay_alone():
    assert side_of("Leftover") == ("Leftover", None)
    assert side_of("left right crossing") == ("left right crossing", None)
    assert side_of("R") == ("R", None)
    assert side_of("area l 4") == ("area l 4", None)
    assert side_of("Putamen (L)") == ("Putamen", "left")
    pairs, alone = pair_regions(["Left Putamen", "Putamen_L", "Putamen_R"])
    assert pairs == {}
    assert alone == ["Left Putamen", "Putamen_L", "Putamen_R"]


def test_asymmetry_by_hand():
    found = asymmetry(np.array([1.0, 0, 0, 3]), np.array([3.0, 2, 0, 1]))
    np.testing.assert_allclose(found, [0.5, 1, np.nan, -0.5])


def test_index_is_contra_against_ipsi(rng):
    """Affected on the left: the right hemisphere is contralateral."""
    left, right = rng.random(9) + 0.5, rng.random(9) + 0.5
    affected_left = np.array([1, 1, 0, 0, 1, 0, 1, 1, 0], dtype=bool)
    contra, ipsi = np.where(affected_left, right, left), np.where(affected_left, left, right)
    index = (contra - ipsi) / (contra + ipsi)
    found = lateralisation(asymmetry(left, right), affected_left, **FAST)
    expected = (index[affected_left].mean() + index[~affected_left].mean()) / 2
    assert found.estimate == pytest.approx(expected)
    assert found.contra == pytest.approx((index > 0).mean())
    assert found.p_sign == pytest.approx(scipy.stats.binomtest(int((index > 0).sum()), 9).pvalue)
    assert found.low < found.estimate < found.high


def test_swapped_sides_flip_the_sign(rng):
    values, affected_left = rng.normal(0.1, 0.3, 20), rng.random(20) < 0.4
    found = lateralisation(values, affected_left, **FAST)
    for swapped in (lateralisation(values, ~affected_left, **FAST), lateralisation(-values, affected_left, **FAST)):
        assert swapped.estimate == pytest.approx(-found.estimate)
        assert swapped.contra == pytest.approx(1 - found.contra)
        assert swapped.p_sign == pytest.approx(found.p_sign)
    assert abs(found.estimate) > 0.001


def test_planted_side_is_found_and_a_difference_of_hemispheres_is_not(rng):
    affected_left = np.arange(40) < 30
    ill = np.where(affected_left, 0.2, -0.2) + 0.2 * rng.normal(size=40)
    found = lateralisation(ill, affected_left, **FAST)
    assert found.low > 0.05
    assert found.high < 0.3
    assert found.p < 0.01
    skewed = lateralisation(0.5 + 0.2 * rng.normal(size=40), affected_left, **FAST)
    assert skewed.low < 0 < skewed.high
    assert skewed.p > 0.01
    assert skewed.p_sign < 0.01  # the sign test is fooled, as its docstring says


def test_intervals_contain_the_truth(rng):
    affected_left = np.arange(24) < 17
    truth = np.where(affected_left, 0.1, -0.1)
    found = [lateralisation(0.2 + truth + 0.2 * rng.normal(size=24), affected_left, 10) for _ in range(400)]
    assert np.mean([f.low <= 0.1 <= f.high for f in found]) == pytest.approx(0.95, abs=0.025)


def test_null_p_is_uniform(rng):
    p = [lateralisation(rng.normal(0.3, 1, 22), rng.random(22) < 0.5, 300, seed).p for seed in range(300)]
    assert scipy.stats.kstest(p, "uniform").statistic < 0.1
    assert (np.array(p) < 0.05).mean() < 0.09


def test_nothing_to_compare():
    assert lateralisation(np.empty(0), np.empty(0, dtype=bool)) == UNKNOWN
    one = lateralisation(np.array([0.2, 0.1, -0.1]), np.ones(3, dtype=bool), **FAST)
    assert np.isnan([one.estimate, one.p]).all()
    assert one.contra == pytest.approx(2 / 3)
    two = lateralisation(np.array([0.2, 0.1, -0.1]), np.array([True, True, False]), **FAST)
    assert two.estimate == pytest.approx(0.125)
    assert np.isnan(two.low)
    same = lateralisation(np.zeros(4), np.array([True, True, False, False]), **FAST)
    assert (same.estimate, same.low, same.high, same.p, same.p_sign) == (0, 0, 0, 1, 1)


def test_the_interval_is_welch_s_and_a_side_all_alike_says_nothing_of_scipy(rng):
    left, right = rng.normal(0.2, 0.1, 7), rng.normal(-0.1, 0.3, 5)
    values, affected = np.r_[left, right], np.arange(12) < 7
    oracle = scipy.stats.ttest_ind(left, right, equal_var=False).confidence_interval(0.95)
    found = lateralisation(values, affected, 99, 0)
    np.testing.assert_allclose([found.low, found.high], [oracle.low / 2, oracle.high / 2])
    alike = lateralisation(np.r_[np.full(7, 0.3), right], affected, 99, 0)  # warnings are errors here
    one = scipy.stats.ttest_1samp(right, 0.3).confidence_interval(0.95)
    np.testing.assert_allclose([alike.low, alike.high], [(0.3 - one.high) / 2, (0.3 - one.low) / 2])
