import numpy as np
import pandas as pd
import pytest

from nigra.report.words import (
    against_chance,
    calibration_words,
    cohort_words,
    coverage_words,
    estimate,
    model_words,
    region_words,
)
from tests.report.fake_run import MODELS, evaluation_rows


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.41, 0.70, "contains chance"), (0.55, 0.70, "lies above chance"), (0.2, 0.4, "lies below chance")],
)
def test_the_verdict_follows_the_interval(low, high, verdict):
    said = against_chance({"low": low, "high": high, "null_median": 0.5, "null_95": 0.66}, float("nan"))
    assert verdict in said
    assert said.startswith("chance gives 0.50 (95 % of chance results stay below 0.66)")


def test_no_interval_no_verdict():
    assert "without an interval" in against_chance({"low": float("nan"), "high": float("nan")}, 0.5)
    assert against_chance({"low": 0.1, "high": 0.2}, float("nan")) == "its chance level is not known."


def test_interval_and_p_must_agree_before_a_difference_is_claimed():
    row = {"low": 0.55, "high": 0.70, "null_median": 0.5, "null_95": 0.66}
    said = against_chance(row | {"p": 0.001}, 0.5)
    assert said.endswith("p = 0.001 by permuted labels (one-sided). The interval lies above chance.")
    assert "but labels at random reach as far too often" in against_chance(row | {"p": 0.2}, 0.5)
    around = row | {"low": 0.4}
    assert against_chance(around | {"p": 0.2}, 0.5).endswith("this is no evidence of a difference.")
    assert against_chance(around | {"p": 0.01}, 0.5).endswith("the two do not agree.")


def test_perfect_separation_is_not_given_an_interval_without_width():
    row = {"estimate": 1.0, "low": 1.0, "high": 1.0, "null_median": 0.5, "null_95": 0.7, "p": 0.0001}
    assert estimate(row) == "1.00 (no interval)"
    assert against_chance(row, 0.5).endswith("stay below 0.70), p = 0.0001 by permuted labels (one-sided).")


def test_regions_are_counted_after_correction():
    table = evaluation_rows(12, 8)
    assert region_words(table[table["model"] == MODELS[0]])[0].startswith("Regions: none of 5 lies above chance")
    assert "2 of 5 lie above chance at q < 0.05; the" in region_words(table[table["model"] == MODELS[1]])[0]
    strict = table.assign(p_max=np.where(table["region"] == "SN left", 0.01, 0.2))
    said = region_words(strict[strict["model"] == MODELS[1]])[0]
    assert "2 of 5 lie above chance at q < 0.05 (1 of them also against the best of all regions)" in said


def test_the_published_cut_off_is_called_optimistic_beside_its_null():
    said = model_words(evaluation_rows(12, 8).query("model == @MODELS[0]"))
    chosen = next(sentence for sentence in said if "chosen on the test subjects" in sentence)
    assert "g-mean 0.63, where an uninformative score already reads 0.55. Optimistic" in chosen


def test_the_observed_rate_stands_beside_the_expected():
    table = pd.DataFrame({"observed_percent": [1.5, 2.5], "expected_percent": 2.0})
    assert "2.0 % of the voxels" in calibration_words(table)[0]
    assert "(1.5 to 2.5 % over draws), where 2 % are expected" in calibration_words(table)[0]
    assert calibration_words(pd.DataFrame()) == []


def test_groups_by_another_name_are_a_disease_only_where_the_table_says_so():
    people = pd.DataFrame({"group": ["control"] * 3 + ["patient"] * 2})
    aged = {"control": "under 45", "patient": "65 and older"}
    assert cohort_words(people, aged)[1].endswith(
        "“patient” stands for 65 and older: no statement about any disease."
    )
    named = {"control": "control", "patient": "Parkinson's disease"}
    assert cohort_words(people, named, ill=True)[1:] == ["In this run “patient” stands for Parkinson's disease."]
    assert len(cohort_words(people, {"control": "control", "patient": "patient"})) == 1


def test_models_that_score_different_voxels_are_not_compared_in_silence():
    table = pd.DataFrame({"model": ["slices", "patches"] * 2, "region": "whole brain", "voxels": [600, 900] * 2})
    assert "slices 600, patches 900" in coverage_words(table)[0]
    assert coverage_words(table.assign(voxels=[899, 900] * 2)) == []  # places where controls agree are no coverage
    assert coverage_words(table.assign(voxels=900)) == coverage_words(pd.DataFrame()) == []
