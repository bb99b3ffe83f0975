"""The balance table against scipy, and against permuted labels."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.stats.contingency import association

from nigra.errors import NigraError
from nigra.statistics.balance import COLUMNS, balance


def cohort(rng, n=(17, 23), shift=0.0):  # type: ignore[no-untyped-def]
    index = [f"sub-{i}" for i in range(sum(n))]
    patient = np.arange(sum(n)) >= n[0]
    table = pd.DataFrame(
        {
            "age": rng.normal(60, 8, sum(n)) + shift * 8 * patient,
            "sex": rng.choice(["F", "M"], sum(n)),
            "site": rng.choice(["a", "b", "c"], sum(n), p=[0.5, 0.3, 0.2]),
        },
        index=index,
    ).astype({"sex": object, "site": object})
    return table, pd.Series(np.where(patient, "patient", "control"), index=index)


def test_values_against_scipy(rng):  # type: ignore[no-untyped-def]
    table, group = cohort(rng, shift=1)
    table.iloc[[0, 30, 31], 0] = np.nan
    table.iloc[[2], 2] = None
    found = balance(table, group)
    assert tuple(found.columns) == COLUMNS
    a, b = (table["age"][group == name].dropna() for name in ("control", "patient"))
    age = found[found["column"] == "age"].iloc[0]
    assert (age["controls"], age["controls_missing"], age["patients"], age["patients_missing"]) == (16, 1, 21, 2)
    assert age["difference"] == pytest.approx((b.mean() - a.mean()) / np.sqrt((a.var() + b.var()) / 2))
    assert age["p"] == pytest.approx(scipy.stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert age["low"] < age["difference"] < age["high"]
    assert age["note"] == "not balanced"
    crossed = {name: pd.crosstab(table[name], group) for name in ("sex", "site")}
    heads = found[(found["level"] == "")].set_index("column")
    for name, counts in crossed.items():
        assert heads.loc[name, "difference"] == pytest.approx(association(counts, correction=False))
    assert heads.loc["sex", "p"] == pytest.approx(scipy.stats.fisher_exact(crossed["sex"]).pvalue)
    # the permutation test agrees with chi2 where counts are large enough
    assert heads.loc["site", "p"] == pytest.approx(scipy.stats.chi2_contingency(crossed["site"]).pvalue, abs=0.05)
    levels = found[(found["column"] == "site") & (found["level"] != "")]
    assert levels["level"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(levels[["controls", "patients"]], crossed["site"][["control", "patient"]])
    np.testing.assert_allclose(levels["patients_mean"].sum(), 1)


def test_swapped_groups_flip_the_sign(rng):  # type: ignore[no-untyped-def]
    table, group = cohort(rng, shift=1)
    swapped = group.map({"control": "patient", "patient": "control"})
    once, again = balance(table[["age"]], group).iloc[0], balance(table[["age"]], swapped).iloc[0]
    assert once["difference"] == pytest.approx(-again["difference"])
    assert once["difference"] > 0.3
    assert once["low"] == pytest.approx(-again["high"])


def test_permuted_labels_give_uniform_p(rng):  # type: ignore[no-untyped-def]
    p = {"age": [], "site": []}
    for seed in range(300):
        table, group = cohort(rng)
        found = balance(table[["age", "site"]], group, 199, seed)
        for name, values in p.items():
            values.append(found.loc[(found["column"] == name) & (found["level"] == ""), "p"].item())
    assert scipy.stats.kstest(p["age"], "uniform").pvalue > 0.001  # chi2 has steps, t has none
    for values in p.values():
        assert 0.02 < np.mean(np.array(values) <= 0.05) < 0.09


def test_a_column_that_tells_nothing_keeps_its_row_and_says_why(rng):  # type: ignore[no-untyped-def]
    table, group = cohort(rng)
    table["scanner"] = "Trio"
    table["hoehn_yahr"] = np.where(group == "patient", 2.0, np.nan) + rng.integers(0, 2, 40)
    table["volume"] = np.nan
    found = balance(table[["scanner", "hoehn_yahr", "volume"]].astype({"scanner": object}), group)
    assert found["column"].tolist() == ["scanner", "hoehn_yahr", "volume"]
    assert found["p"].isna().all()
    assert ["same value" in found["note"][0], "controls" in found["note"][1], "no subject" in found["note"][2]] == [
        True
    ] * 3
    assert found.loc[1, ["controls", "controls_missing", "patients"]].tolist() == [0, 17, 23]


def test_a_group_that_does_not_vary_gives_welch_without_a_word_of_scipy(rng):  # type: ignore[no-untyped-def]
    """Warnings are errors here; p by hand: with no spread in one group its degrees of freedom are the other's."""
    table, group = cohort(rng)
    patient = (group == "patient").to_numpy()
    table["dose"] = np.where(patient, rng.normal(1, 1, len(group)), 0.3)
    found = balance(table[["dose"]], group).iloc[0]
    other = scipy.stats.ttest_1samp(table["dose"][patient], 0.3)
    assert found["p"] == pytest.approx(other.pvalue)


@pytest.mark.parametrize("scale", [1e-13, 1e300])
def test_rounding_is_no_spread_and_overflow_no_balance(rng, scale):  # type: ignore[no-untyped-def]
    table, group = cohort(rng)
    table["odd"] = 1 + scale * rng.random(len(group))
    found = balance(table[["odd"]], group).iloc[0]
    assert np.isnan(found["difference"])
    assert np.isnan(found["p"])
    assert "no difference" in found["note"]


def test_another_group_is_refused(rng):  # type: ignore[no-untyped-def]
    table, group = cohort(rng)
    with pytest.raises(NigraError, match="found prodromal"):
        balance(table, group.replace("patient", "prodromal"))
