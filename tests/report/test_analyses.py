"""The short tables and sentences of the analyses, from tables made by the statistics themselves."""

import numpy as np
import pandas as pd
import pytest

from nigra.report.analyses import (
    analysis_tables,
    analysis_words,
    comparison_words,
    confound_words,
    disease_words,
)
from nigra.statistics.balance import balance
from nigra.statistics.calibration_panel import false_positives
from nigra.statistics.comparison import compare
from nigra.statistics.confounds import confounds
from nigra.statistics.disease import disease_questions


def region_rows(rng: np.random.Generator, effect: float) -> pd.DataFrame:
    """Forty controls (twenty tested) and twenty patients, two regions, one draw."""
    rows = []
    for number in range(60):
        patient, tested = number >= 40, number >= 20
        for region in ("whole brain", "putamen"):
            percent = float(np.clip(2 + effect * patient + 0.5 * rng.normal(), 0, 100))
            rows.append({
                "participant_id": f"sub-{number:02d}", "group": "patient" if patient else "control", "fold": 0,
                "set": "test" if tested else "held-out", "region": region, "voxels": 100,
                "abnormal": round(percent), "percent": percent, "score": percent,
            })  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    old = np.where(np.arange(60) >= 40, 75, 45) + rng.normal(0, 3, 60)
    return pd.DataFrame({
        "participant_id": [f"sub-{n:02d}" for n in range(60)], "age": old, "sex": ["F", "M"] * 30,
        "hoehn_yahr": [np.nan] * 40 + [1, 2] * 10,
    })  # fmt: skip


def found(people: pd.DataFrame, good: float, bad: float) -> dict[str, pd.DataFrame]:
    """All tables of two methods, labelled as the report reads them."""
    rng = np.random.default_rng(1)
    methods = {"net": region_rows(rng, good), "intensities+z": region_rows(rng, bad)}
    names = {"net": ("net", "error"), "intensities+z": ("intensities", "z")}
    covariates = people.set_index("participant_id")[["age", "sex"]]
    parts = [own.assign(model=names[name][0], detector=names[name][1]) for name, own in methods.items()]

    def each(make):
        return pd.concat([make(own).assign(model=name) for name, own in methods.items()], ignore_index=True)

    tested = methods["net"].query("set == 'test'").drop_duplicates("participant_id")
    return {
        "comparison": compare(pd.concat(parts), bootstraps=200),
        "balance": balance(covariates, tested.set_index("participant_id")["group"]),
        "confounds": each(lambda own: confounds(own, covariates)),
        "disease": each(lambda own: disease_questions(own, people, permutations=200, bootstraps=200)),
        "false_positives": each(lambda own: false_positives(own, covariates, 2.0, bootstraps=200)),
    }


def test_every_table_is_shown_with_its_numbers(people: pd.DataFrame) -> None:
    tables = found(people, 2.0, 0.0)
    shown = analysis_tables(tables)
    assert set(shown) == set(tables)
    for table in shown.values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.heads)}
    comparison = tables["comparison"]
    whole = comparison[(comparison["region"] == "whole brain") & comparison["measure"].str.startswith("auc")].iloc[
        0
    ]
    texts = [cell.text for cell in shown["comparison"].rows[0]]
    assert texts[0] == "whole brain"
    assert f"{whole['difference']:.2f}" in texts
    columns = {row[0].text for row in shown["balance"].rows}
    assert columns == {"age", "sex"}


def test_a_better_method_is_named_and_an_equal_one_is_not(people: pd.DataFrame) -> None:
    better = comparison_words(found(people, 2.0, 0.0)["comparison"])
    assert better == [
        "Whole brain: 1 of 1 pairs of methods differ in AUC (DeLong, p < 0.05 after Holm): net above intensities+z."
    ]
    equal = comparison_words(found(people, 0.0, 0.0)["comparison"])
    assert equal == ["Whole brain: none of 1 pairs of methods differs in AUC (DeLong, p < 0.05 after Holm)."]


def test_age_that_separates_the_groups_is_an_alarm(people: pd.DataFrame) -> None:
    words = confound_words(found(people, 2.0, 0.0)["confounds"])
    assert any("age alone tells the groups apart" in sentence for sentence in words)
    young = people.assign(age=np.random.default_rng(2).normal(60, 8, 60))
    quiet = confound_words(found(young, 4.0, 4.0)["confounds"])
    assert len(quiet) == 1
    assert quiet[0].startswith("No covariate was found to tell the groups apart as well as the scores do; with few")
    alone = found(people, 2.0, 0.0)["confounds"]
    alone = alone[alone["question"] == "score separates"]
    assert confound_words(alone) == ["No covariate could be held against the scores."]


def test_disease_words_count_regions(people: pd.DataFrame) -> None:
    table = found(people, 0.0, 0.0)["disease"]
    assert "Trend: no region at q < 0.05 by any method." in disease_words(table)
    planted = table.assign(q=np.where((table["question"] == "trend") & (table["region"] == "putamen"), 0.01, 1.0))
    assert any("q < 0.05 for net in 1 of 2 (most in putamen" in sentence for sentence in disease_words(planted))
    ordered = disease_words(planted.assign(low=np.nan, high=np.nan))  # every pair in order has no interval
    assert any("(no interval))" in sentence for sentence in ordered)
    assert not any("nan" in sentence for sentence in ordered)


def test_nothing_is_said_of_what_was_not_asked() -> None:
    assert analysis_tables({}) == {}
    assert analysis_words({}) == []
