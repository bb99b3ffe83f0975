"""Curves, crossings and FROC by hand; intervals hold what they promise."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nigra.simulation.dose_response import (
    KEYS,
    MEASURES,
    crossing,
    dose_response,
    froc,
    resampled_means,
    resamplings,
    smallest_effect,
)

STRENGTHS = (0.0, 0.1, 0.2, 0.4)
CURVES = {"a": (0.0, 0.2, 0.4, 0.8), "b": (0.1, 0.3, 0.5, 0.9), "c": (0.0, 0.1, 0.6, 0.7)}


def lesion_table(curves: dict[str, tuple[float, ...]] = CURVES, model: str = "ae") -> pd.DataFrame:
    """Two lesions per subject, one 0.1 above and one 0.1 below the subject's curve."""
    rows = [
        {
            **dict(zip(KEYS, (model, "error", "sphere", "6 mm", "dark", strength), strict=True)),
            "participant_id": name, **dict.fromkeys(MEASURES, value + sign * 0.1), "precision_chance": 0.01,
            "observed_rate": 0.03, "observed_rate_matched": 0.02,
        }
        for name, curve in curves.items() for strength, value in zip(STRENGTHS, curve, strict=True)
        for sign in (-1, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_estimates_are_means_over_subjects_beside_chance() -> None:
    table = dose_response(lesion_table())
    assert len(table) == len(MEASURES) * len(STRENGTHS)
    row = table[(table["measure"] == "sensitivity_matched") & (table["strength"] == 0.2)].iloc[0]
    assert row["estimate"] == pytest.approx(0.5)
    assert row["unplanted"] == pytest.approx(0.1 / 3)
    assert (row["chance"], row["subjects"], row["lesions"]) == (0.02, 3, 6)
    expected = scipy.stats.ttest_1samp([0.4, 0.5, 0.6], 0).confidence_interval()  # two lesions count as one subject
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    chance = table.groupby("measure")["chance"].first()
    assert (chance["auroc"], chance["average_precision"], chance["sensitivity"]) == (0.5, 0.01, 0.03)
    assert np.isnan(chance["found"])


def test_a_subject_with_many_lesions_counts_once() -> None:
    many = pd.concat([lesion_table()] + [lesion_table({"a": CURVES["a"]})] * 9)
    plain, heavy = dose_response(lesion_table()), dose_response(many)
    np.testing.assert_allclose(plain["estimate"], heavy["estimate"])
    assert heavy["lesions"].max() == 24


def test_half_is_reached_where_the_line_crosses() -> None:
    table = smallest_effect(lesion_table(), 0.5, 500).set_index("measure")
    assert table.loc["found", "estimate"] == pytest.approx(0.2)
    assert (
        0.18 - 1e-9 <= table.loc["found", "low"] < 0.2 < table.loc["found", "high"] <= 0.25 + 1e-9
    )  # c to a alone
    alone = smallest_effect(lesion_table({"a": CURVES["a"]}), 0.5, 100).set_index("measure").loc["found"]
    assert alone["estimate"] == pytest.approx(0.25)
    assert np.isnan(alone["low"])
    assert alone["note"] == "one subject: no interval"


def test_what_lies_beyond_the_grid_is_said_in_words() -> None:
    weak = {name: tuple(value / 4 for value in curve) for name, curve in CURVES.items()}
    row = smallest_effect(lesion_table(weak), 0.5, 100).iloc[0]
    assert np.isnan(row["estimate"])
    assert row["note"] == "50% not reached at 0.4, the strongest planted"
    mixed = {"a": (0.0, 0.1, 0.2, 0.3), "b": (0.0, 0.4, 0.6, 0.9), "c": (0.0, 0.2, 0.5, 0.8)}
    row = smallest_effect(lesion_table(mixed), 0.5, 500).iloc[0]
    assert row["estimate"] == pytest.approx(0.2 + 0.2 * (0.5 - 1.3 / 3) / (2.0 / 3 - 1.3 / 3))
    assert np.isnan(row["high"])
    assert row["note"] == "the interval ends beyond 0.4, the strongest planted"
    always = {"a": (0.7, 0.8, 0.9, 0.9), "b": (0.6, 0.8, 0.9, 0.9)}
    assert smallest_effect(lesion_table(always), 0.5, 100).iloc[0]["note"] == "50% reached without any planting"


def test_crossings_by_hand() -> None:
    curves = np.array([[0.0, 0.6, 0.0, 0.0], [0.2, 0.6, 0.5, 0.9], [0.7, 0.6, 0.4, 0.1]])
    got = crossing(np.array([0.0, 1.0, 3.0]), curves, 0.5)
    np.testing.assert_allclose(got, [1 + 2 * 0.3 / 0.5, 0.0, 1.0, 5 / 9])


def test_resampled_means_leave_out_subjects_without_a_value(rng: np.random.Generator) -> None:
    values = rng.normal(size=(3, 7))
    values[1, 2:] = np.nan
    weights = resamplings(7, 50, 0)
    assert (weights.sum(axis=1) == 7).all()
    got = resampled_means(values, weights)
    for sample in range(50):
        drawn = np.repeat(np.arange(7), weights[sample].astype(int))
        chosen = values[:, drawn]
        with np.errstate(invalid="ignore"):
            expected = np.nansum(chosen, axis=1) / np.isfinite(chosen).sum(axis=1)
        np.testing.assert_allclose(got[:, sample], expected)


def test_froc_by_hand() -> None:
    keys = dict(zip(KEYS, ("ae", "error", "sphere", "6 mm", "dark", 0.2), strict=True))
    rows = [
        {**keys, "participant_id": name, "rate": rate, "lesions": 4, "found": found, "false_clusters": false}
        for name, rate, found, false in [("a", 0.01, 1, 0), ("a", 0.05, 3, 4), ("b", 0.01, 2, 2), ("b", 0.05, 4, 8)]
    ]
    table = froc(pd.DataFrame(rows)).set_index("rate")
    assert table["sensitivity"].tolist() == [3 / 8, 7 / 8]
    assert table["false_clusters"].tolist() == [1, 6]
    half = scipy.stats.t.ppf(0.975, 1)  # of two subjects: t times half their distance
    assert (table.loc[0.01, "low"], table.loc[0.01, "high"]) == (0, 1)
    assert table.loc[0.05, "false_low"] == 0
    assert table.loc[0.05, "false_high"] == pytest.approx(6 + half * 2)
    assert (table["subjects"] == 2).all()
