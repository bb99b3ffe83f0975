"""Covariates: numbers, categories, missing ones; scores per subject."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.statistics.covariates import (
    CATEGORICAL,
    NUMERIC,
    dummies,
    kind_of,
    levels_of,
    read_covariates,
    subject_scores,
    unusable,
)
from nigra.statistics.draws import read_draws


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": ["sub-a", "sub-b", "sub-c", "sub-d"],
            "group": ["control", "control", "patient", "patient"],
            "age": ["60.5", "n/a", 70, 71.0],
            "sex": ["F", "M", "unknown", "F"],
            "site": [1, 2, 1, np.nan],
            "T1w": ["a/x.nii.gz", "b.nii", "c.nii.gz", "d.nii.gz"],
            "scanner": ["Trio", "3", "Trio", "Trio"],
        }
    )


def test_numbers_and_categories_are_told_apart() -> None:
    quality = pd.DataFrame(
        {"participant_id": ["sub-d", "sub-b", "sub-z"], "dice": [0.9, 0.8, 0.1], "age": 0, "note": "x"}
    )
    table = read_covariates(people(), quality)
    assert {name: kind_of(table[name]) for name in table} == {
        "age": NUMERIC, "sex": CATEGORICAL, "site": CATEGORICAL, "scanner": CATEGORICAL, "dice": NUMERIC,
    }  # fmt: skip
    np.testing.assert_array_equal(table["age"], [60.5, np.nan, 70, 71])
    np.testing.assert_array_equal(table["dice"], [np.nan, 0.8, np.nan, 0.9])
    assert table["sex"].isna().tolist() == [False, False, True, False]
    assert table.index.tolist() == ["sub-a", "sub-b", "sub-c", "sub-d"]


def test_a_subject_twice_or_no_id_is_refused() -> None:
    with pytest.raises(NigraError, match="found sub-a twice"):
        read_covariates(pd.concat([people(), people().head(1)]))
    with pytest.raises(NigraError, match="participant_id"):
        read_covariates(people().drop(columns="participant_id"))


def test_columns_that_tell_nothing_say_why() -> None:
    assert unusable(pd.Series([1.0, 2.0, np.nan])) == ""
    assert "no subject" in unusable(pd.Series([np.nan, np.nan]))
    assert "same value" in unusable(pd.Series(["a", "a", None], dtype=object))
    assert "3 different values in 4" in unusable(pd.Series(list("abcc"), dtype=object))


def test_a_subject_is_one_subject_however_often_it_is_tested() -> None:
    rows = [
        ("sub-a", "control", 0, "test", "whole brain", 2.0),
        ("sub-a", "control", 1, "test", "whole brain", 4.0),
        ("sub-a", "control", 2, "held-out", "whole brain", 90.0),
        ("sub-b", "patient", 0, "test", "whole brain", 7.0),
        ("sub-a", "control", 0, "test", "nucleus", np.nan),
        ("sub-b", "patient", 0, "test", "nucleus", np.nan),
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "group", "fold", "set", "region", "percent"])
    scores, group = subject_scores(read_draws(table))
    assert scores.columns.tolist() == ["whole brain", "nucleus"]
    # medians of the draws 4.5 and 4: departures -1.25 and 2.5 from 4.25 on average
    np.testing.assert_allclose(scores, [[3, np.nan], [6.75, np.nan]])
    assert group.to_dict() == {"sub-a": "control", "sub-b": "patient"}
    negative = read_draws(table.assign(score=-table["percent"]))
    np.testing.assert_allclose(subject_scores(negative)[0]["whole brain"], [-3, -6.75])


def test_dummies_leave_out_the_first_level_and_keep_the_unknown() -> None:
    values = pd.Series(["b", "a", None, "c"], dtype=object)
    assert levels_of(values) == ["a", "b", "c"]
    expected = [[1, 0], [0, 0], [np.nan, np.nan], [0, 1]]
    np.testing.assert_array_equal(dummies(values, levels_of(values)), expected)
