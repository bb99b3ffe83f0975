"""A planted confound is found and told in words; without one, alarms stay at the nominal rate."""

import numpy as np
import pandas as pd
import pytest

from nigra.statistics.confounds import (
    ALARM,
    ALL,
    COLUMNS,
    CONTROLS,
    EXCEEDS,
    FOLLOWS,
    SCORE,
    SEPARATES,
    TOGETHER,
    confounds,
    verdict,
    warnings,
)


def study(rng, n=(30, 50), older=0.0, per_sd=0.0, disease=0.0, regions=("whole brain", "nucleus")):  # type: ignore[no-untyped-def]
    """Region table and covariates; age in sd: patients ``older``, the score rises by ``per_sd`` and ``disease``."""
    index = [f"sub-{i:03d}" for i in range(sum(n))]
    patient = np.arange(sum(n)) >= n[0]
    age = rng.normal(size=sum(n)) + older * patient
    table = pd.DataFrame({"age": 60 + 8 * age, "sex": rng.choice(["F", "M"], sum(n)).astype(object)}, index=index)
    rows = []
    for region in regions:
        score = rng.normal(size=sum(n)) + per_sd * age + disease * patient
        for fold in (0, 1):
            rows.append(
                pd.DataFrame(
                    {
                        "participant_id": index,
                        "group": np.where(patient, "patient", "control"),
                        "fold": fold,
                        "set": "test",
                        "region": region,
                        "percent": score + 0.1 * rng.normal(size=sum(n)),
                    }
                )
            )
    return pd.concat(rows), table


def pick(table, **where):  # type: ignore[no-untyped-def]
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def test_a_planted_age_effect_is_found_and_said(rng):  # type: ignore[no-untyped-def]
    table = confounds(*study(rng, older=1.5, per_sd=1.0))
    assert tuple(table.columns) == COLUMNS
    for subjects in (CONTROLS, ALL):
        rows = pick(table, question=FOLLOWS, subjects=subjects, column="age")
        assert (rows["low"] > 0).all()
        assert (rows["q"] < 0.01).all()
        assert rows["n"].tolist() == [30 if subjects == CONTROLS else 80] * 2
    assert pick(table, question=SEPARATES, column="age")["low"].item() > 0.6
    assert (pick(table, question=SCORE)["low"] > 0.5).all()  # the score separates, but by age
    assert pick(table, question=EXCEEDS, column="age")["note"].str.startswith(ALARM).all()
    sentences = warnings(table)
    assert sentences[0].startswith("age alone tells the groups apart (AUC 0.")
    assert "whole brain and 1 more regions" in sentences[0]
    assert not any("sex alone" in words for words in sentences)


def test_patients_of_one_site_and_controls_of_another_raise_the_alarm(rng):  # type: ignore[no-untyped-def]
    regions, covariates = study(rng, disease=3)
    site = pd.Series(np.where(np.arange(80) >= 30, "Lyon", "Nice"), covariates.index, dtype=object)
    sentences = warnings(confounds(regions, covariates[["age"]].assign(site=site)))
    assert "site alone tells the groups apart (AUC of its better side 1.00 (no interval))" in sentences[0]


def test_disease_without_confound_raises_no_alarm(rng):  # type: ignore[no-untyped-def]
    table = confounds(*study(rng, disease=2.5))
    assert warnings(table) == []
    notes = set(pick(table, question=EXCEEDS)["note"])
    assert notes == {"does not separate the groups"}
    assert (pick(table, question=EXCEEDS)["low"] > 0).all()
    assert TOGETHER in set(table["column"])


def test_under_the_null_alarms_and_associations_are_as_rare_as_promised(rng):  # type: ignore[no-untyped-def]
    alarms, significant = [], []
    for seed in range(60):
        regions, covariates = study(rng, n=(25, 35), regions=("whole brain",))
        table = confounds(regions, covariates[["age"]], seed=seed)
        alarms.append(len(warnings(table)))
        significant += (pick(table, question=FOLLOWS)["p"] < 0.05).tolist()
    assert np.mean(alarms) <= 0.15  # nominal .05: an interval off chance on either side
    assert 0.005 < np.mean(significant) < 0.11


def test_swapped_groups_flip_the_signs(rng):  # type: ignore[no-untyped-def]
    regions, covariates = study(rng, older=1, disease=1)
    swapped = regions.assign(group=regions["group"].map({"control": "patient", "patient": "control"}))
    once, again = (confounds(table, covariates[["age"]]) for table in (regions, swapped))
    for question in (SCORE, SEPARATES):
        first, second = pick(once, question=question)["estimate"], pick(again, question=question)["estimate"]
        np.testing.assert_allclose(first - 0.5, 0.5 - second)
        assert (first > 0.6).all()


def test_missing_values_are_counted_and_useless_columns_keep_their_rows(rng):  # type: ignore[no-untyped-def]
    regions, covariates = study(rng)
    covariates.iloc[:4, 0] = np.nan
    covariates["scanner"] = pd.Series("Trio", covariates.index, dtype=object)
    covariates["hoehn_yahr"] = np.where(np.arange(80) >= 30, rng.integers(1, 3, 80), np.nan)
    table = confounds(regions, covariates)
    rows = pick(table, question=FOLLOWS, column="age", subjects=CONTROLS)
    assert rows["note"].tolist() == ["4 of 30 subjects without a value"] * 2
    assert (rows["n"] == 26).all()
    assert pick(table, column="scanner")["note"].str.contains("same value").all()
    assert pick(table, column="scanner")["estimate"].isna().all()
    assert len(pick(table, column="scanner")) == 4
    assert SEPARATES not in set(pick(table, column="hoehn_yahr")["question"])
    assert pick(table, column=TOGETHER, question=SEPARATES)["n"].item() == 76


def test_a_cohort_without_patients_still_tells_what_the_score_follows(rng):  # type: ignore[no-untyped-def]
    regions, covariates = study(rng, per_sd=1.0)
    table = confounds(regions.assign(group="control"), covariates)
    follows = pick(table, question=FOLLOWS, column="age")
    assert (follows["low"] > 0.2).all()
    assert pick(table, question=SCORE)["estimate"].isna().all()
    assert SEPARATES not in set(table["question"])
    assert warnings(table) == []


def test_a_region_without_a_score_keeps_its_rows(rng):  # type: ignore[no-untyped-def]
    regions, covariates = study(rng)
    regions.loc[regions["region"] == "nucleus", "percent"] = np.nan
    table = confounds(regions, covariates)
    assert pick(table, region="nucleus")["estimate"].isna().all()
    assert set(pick(table, region="nucleus", question=EXCEEDS)["note"]) == {"too few subjects with both to compare"}
    assert pick(table, region="whole brain")["estimate"].notna().all()


@pytest.mark.parametrize(
    ("off_chance", "method", "difference", "words"),
    [
        (True, (0.9, 0.8, 1.0), (0.1, 0.02, 0.18), "less well"),
        (True, (0.8, 0.7, 0.9), (0.0, -0.1, 0.1), ALARM),
        (False, (0.8, 0.7, 0.9), (0.6, 0.4, 0.8), "does not separate"),
        (False, (0.7, 0.52, 0.9), (0.1, -0.1, 0.3), "too few subjects"),
        (True, (0.5, 0.4, 0.6), (-0.3, -0.4, -0.2), "itself is not above chance"),
    ],
)
def test_the_rule(off_chance, method, difference, words) -> None:  # type: ignore[no-untyped-def]
    assert words in verdict(off_chance, np.array(method), np.array(difference))
