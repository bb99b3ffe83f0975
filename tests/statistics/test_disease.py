"""The table of disease questions: each answer is the single function's, nobody is dropped without a word."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nigra.errors import NigraError
from nigra.statistics.disease import COLUMNS, Questions, disease_questions, read_subjects
from nigra.statistics.multiplicity import benjamini_hochberg
from tests.statistics.test_evaluation import study

FAST = {"permutations": 300, "bootstraps": 100}
REGIONS = ["whole brain", "SN left", "SN right", "noise left", "noise right", "odd left"]


@pytest.fixture
def cohort(rng):
    """20 controls, 24 patients; SN follows the stage, the motor score and the side, noise nothing."""
    n, controls = 44, 20
    ill = np.arange(n) >= controls
    stage = np.where(ill, 1.0 + np.arange(n) % 3, np.nan)
    left = np.arange(n) % 4 < 2
    percent = rng.gamma(4, 0.5, (len(REGIONS), n))
    burden = np.nan_to_num(stage)
    percent[1] += 2 * burden * np.where(left, 0.4, 1)
    percent[2] += 2 * burden * np.where(left, 1, 0.4)
    people = pd.DataFrame({
        "participant_id": [f"sub-{k:03}" for k in range(n)],
        "hoehn_yahr": stage,
        "motor_score": np.where(ill, 9 * burden + rng.normal(0, 2, n), np.nan),
        "more_affected_side": np.where(ill, np.where(left, "L", "R"), None),
        "age": rng.normal(61, 9, n),
        "sex": rng.choice(["F", "M"], n),
    })  # fmt: skip
    return study(percent, controls, 2, 8, names=REGIONS), people


def cell(table, question, region, column="estimate"):
    return table[(table["question"] == question) & (table["region"] == region)][column].item()


def test_planted_answers_are_found_and_noise_is_not(cohort):
    table = disease_questions(*cohort, **FAST)
    assert tuple(table.columns) == COLUMNS
    questions = ["trend", "correlation", "correlation given age and sex", "lateralisation"]
    assert table["question"].drop_duplicates().tolist() == questions
    for question in questions[:3]:
        for region in ("SN left", "SN right"):
            assert cell(table, question, region, "low") > 0
            assert cell(table, question, region, "q") < 0.05
        assert cell(table, question, "noise left", "q") > 0.05
    assert cell(table, "lateralisation", "SN", "low") > 0
    assert cell(table, "lateralisation", "SN", "q") < 0.05
    assert cell(table, "lateralisation", "noise", "q") > 0.05
    for region in ("whole brain", "odd left"):
        assert cell(table, "lateralisation", region, "note") == "no partner on the other side"
    for _, family in table.groupby(["question", "variable"]):
        np.testing.assert_allclose(family["q"], benjamini_hochberg(family["p"].to_numpy()))


def test_a_merged_region_called_like_a_pair_has_no_second_row(cohort):
    regions, people = cohort
    table = disease_questions(regions.replace({"region": {"whole brain": "SN"}}), people, **FAST)
    assert cell(table, "lateralisation", "SN", "low") > 0  # item() refuses two
    assert len(table[table["region"] == "SN"]) == 4  # and its own trend and correlations


def test_answers_are_about_the_patients_mean_scores(cohort):
    regions, people = cohort
    table = disease_questions(regions, people, **FAST)
    test = regions[(regions["set"] == "test") & (regions["group"] == "patient") & (regions["region"] == "SN left")]
    scores = test.groupby("participant_id")["percent"].mean()
    rows = people.set_index("participant_id").loc[scores.index]
    expected = scipy.stats.spearmanr(scores, rows["motor_score"]).statistic
    assert cell(table, "correlation", "SN left") == pytest.approx(expected)
    expected = scipy.stats.somersd(rows["hoehn_yahr"], scores).statistic
    assert cell(table, "trend", "SN left") == pytest.approx(expected)
    assert set(table[table["p"].notna()]["subjects"]) == {24}


def test_swapped_sides_flip_the_lateralisation(cohort):
    regions, people = cohort
    table = disease_questions(regions, people, **FAST)
    swapped = people.assign(more_affected_side=people["more_affected_side"].map({"L": "R", "R": "L"}))
    turned = disease_questions(regions, swapped, **FAST)
    for region in ("SN", "noise"):
        first, second = (cell(found, "lateralisation", region) for found in (table, turned))
        assert first == pytest.approx(-second)
    assert cell(table, "trend", "SN left") == cell(turned, "trend", "SN left")


def test_missing_values_are_counted(cohort):
    regions, people = cohort
    people.loc[20, "hoehn_yahr"], people.loc[21, "hoehn_yahr"] = 101, np.nan
    people.loc[22, "more_affected_side"], people.loc[23, "age"] = "symmetric", np.nan
    regions.loc[(regions["participant_id"] == "sub-030") & (regions["region"] == "SN left"), "percent"] = np.nan
    table = disease_questions(regions, people, **FAST)
    assert cell(table, "trend", "SN left", "note") == "no hoehn_yahr: 2; no score: 1"
    assert cell(table, "trend", "SN left", "missing") == 3
    assert cell(table, "trend", "noise left", "missing") == 2
    assert cell(table, "correlation given age and sex", "noise left", "note") == "no age or sex: 1"
    assert cell(table, "lateralisation", "SN", "note").startswith("no more_affected_side: 1; no score: 1; contra")
    assert cell(table, "lateralisation", "SN", "subjects") == 22


def test_controls_as_zero_and_columns_that_are_not_there(cohort):
    regions, people = cohort
    asked = Questions(clinical=("updrs",), side="side", controls_as_zero=True)
    table = disease_questions(regions, people, asked, **FAST)
    tested = regions[regions["set"] == "test"]["participant_id"].nunique()
    assert cell(table, "trend, controls as stage 0", "SN left", "subjects") == tested > 24
    assert "patients average more draws" in cell(table, "trend, controls as stage 0", "SN left", "note")
    assert "average" not in cell(disease_questions(regions, people, **FAST), "trend", "SN left", "note")
    assert cell(table, "correlation", "", "note") == "the participants have no column updrs"
    assert cell(table, "lateralisation", "", "note") == "the participants have no column side"


def test_signed_scores_are_compared_by_difference(cohort):
    """A quotient of scores around zero has no meaning, and could have any sign."""
    regions, people = cohort
    signed = regions.assign(score=regions["percent"] - 3, percent=np.nan)
    table = disease_questions(signed, people, **FAST)
    assert cell(table, "lateralisation", "SN", "effect") == "(contra - ipsi) / 2"
    shifted = disease_questions(regions.assign(score=regions["percent"] - 100), people, **FAST)
    assert cell(table, "lateralisation", "SN") == pytest.approx(cell(shifted, "lateralisation", "SN"))
    assert cell(table, "lateralisation", "SN", "low") > 0


def test_a_region_that_is_empty_or_the_same_for_all_keeps_its_rows(cohort):
    regions, people = cohort
    regions.loc[regions["region"].str.startswith("noise"), "percent"] = 0.0
    regions.loc[regions["region"] == "whole brain", "percent"] = np.nan
    table = disease_questions(regions, people, **FAST)
    assert cell(table, "trend", "noise left") == 0
    assert cell(table, "trend", "noise left", "p") == 1
    assert np.isnan(cell(table, "correlation", "noise left", "p"))
    assert "0 on both sides: 24" in cell(table, "lateralisation", "noise", "note")
    assert cell(table, "trend", "whole brain", "note") == "no score: 24; fewer than two stages"


def test_participants_that_do_not_fit_are_one_sentence(cohort):
    regions, people = cohort
    with pytest.raises(NigraError, match=r"sub-043: .* found no row"):
        read_subjects(regions, people.iloc[:-1])
    with pytest.raises(NigraError, match=r"sub-000: .* found two"):
        read_subjects(regions, pd.concat([people, people.iloc[:1]]))
