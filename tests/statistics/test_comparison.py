"""Differences between methods: against definitions, on methods that are the same, and on noise."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nigra.errors import NigraError
from nigra.statistics.comparison import COLUMNS, MEASURES, compare, corrected_t, holm, read_methods
from nigra.statistics.groups import AUC, AUC_POOLED, SENSITIVITY
from nigra.statistics.resampled import corrected_variance
from tests.statistics.test_delong import by_pairs, of_kernel
from tests.statistics.test_evaluation import study


def run(percents, controls, draws=3, test=6, noise=None, seed=0):
    """A region table of several methods on the same draws; ``percents`` label -> (n_regions, n_subjects)."""
    parts = []
    for name, percent in percents.items():
        table = study(percent, controls, draws, test, None if noise is None else noise[name], seed=seed)
        table.insert(0, "detector", name.partition("+")[2] or "error")
        table.insert(0, "model", name.partition("+")[0])
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def kernel(rows):
    """Every pair of patient and control by their means over the draws in which both were tested."""
    wide = rows.pivot_table(index=["group", "participant_id"], columns="fold", values="percent")
    apart = np.nanmean(wide.loc["patient"].to_numpy()[:, None] - wide.loc["control"].to_numpy(), axis=2)
    return (np.sign(np.round(apart, 9)) + 1) / 2


def row(table, measure, first="a", second="b", region="region 0"):
    at = (table["measure"] == measure) & (table["first"] == first) & (table["second"] == second)
    return table[at & (table["region"] == region)].iloc[0]


@pytest.fixture
def scores(rng):
    common = rng.normal(size=(2, 40)) + 0.7 * (np.arange(40) >= 22)
    return {name: np.round(common + rng.normal(size=(2, 40)), 1) for name in ("a", "b", "c+z")}


def test_differences_are_those_of_the_definitions(scores, rng):
    noise = {name: rng.normal(size=(3, 2, 40)) for name in scores}
    regions = run(scores, 22, noise=noise)
    table = compare(regions, bootstraps=60)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 2 * 3 * len(MEASURES)
    own = {name: rows[rows["set"] == "test"] for name, rows in regions.groupby("model")}
    rows = {name: rows[rows["region"] == "region 0"] for name, rows in own.items()}
    patient = rows["a"].groupby("participant_id")["group"].first().eq("patient").to_numpy()
    auc, covariance = of_kernel(np.stack([kernel(rows["a"]), kernel(rows["b"])]))
    se = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = row(table, AUC_POOLED)
    assert found["difference"] == pytest.approx(auc[0] - auc[1])
    assert found["high"] - found["low"] == pytest.approx(2 * 1.959964 * se)
    assert found["p"] == pytest.approx(2 * scipy.stats.norm.sf(abs(auc[0] - auc[1]) / se))
    assert (found["controls"], found["patients"]) == ((~patient).sum(), patient.sum())
    by_draw = [
        np.diff([by_pairs(r["percent"].to_numpy()[None], (r["group"] == "patient").to_numpy())[0].item()
                 for r in (rows["b"][rows["b"]["fold"] == f], rows["a"][rows["a"]["fold"] == f])]).item()
        for f in range(3)
    ]  # fmt: skip
    found = row(table, AUC)
    assert found["difference"] == pytest.approx(np.mean(by_draw))
    assert found["low"] <= found["difference"] <= found["high"]
    assert 0 < found["p_draws"] <= 1
    assert np.isnan(row(table, SENSITIVITY)["p"])


def test_swapping_the_methods_turns_the_sign(scores):
    table = compare(run(scores, 22), bootstraps=60)
    turned = compare(run(dict(reversed(scores.items())), 22), bootstraps=60)
    for measure in MEASURES:
        one, other = row(table, measure), row(turned, measure, "b", "a")
        assert one["difference"] == pytest.approx(-other["difference"])
        assert one["low"] == pytest.approx(-other["high"])
        assert (one["p"] == pytest.approx(other["p"])) or np.isnan(one["p"])
    assert (table["difference"].abs() > 0).any()


def test_identical_methods_differ_by_nothing(scores):
    table = compare(run({"a": scores["a"], "b": scores["a"]}, 22), bootstraps=60)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table.loc[table["measure"] != "x", "first_estimate"] > 0).all()
    tested = table[table["test"] != ""]
    assert (tested[["p", "p_holm", "q"]] == 1).all(axis=None)
    assert (tested["p_draws"].dropna() == 1).all()


def test_a_better_method_is_found_against_the_reference(rng):
    ill = np.arange(60) >= 30
    common = rng.normal(size=(1, 60))
    good, bad = common * 0.4 + 3 * ill, common * 0.4 + rng.normal(size=(1, 60))
    table = compare(run({"a": good, "b": bad, "c": -good}, 30, test=12), reference="b", bootstraps=300)
    assert set(zip(table["first"], table["second"], strict=True)) == {("a", "b"), ("c", "b")}
    for measure in (AUC_POOLED, AUC):
        better, worse = row(table, measure), row(table, measure, "c")
        assert better["low"] > 0 > worse["high"]
        assert max(better["p_holm"], worse["p_holm"]) < 0.02
    assert row(table, AUC)["p_draws"] < 0.02


def test_a_plain_difference_passes_holm_however_few_resamples():
    """100 resamples cannot count a p below .02, and six methods are 15 pairs."""
    rng = np.random.default_rng(1)
    patient = np.arange(60) >= 30
    good = rng.normal(size=(1, 60)) + 3 * patient
    methods = {"a": good} | {name: rng.normal(size=(1, 60)) for name in "bcdef"}
    table = compare(run(methods, 30, test=12), bootstraps=100)
    better = table[(table["measure"] == AUC) & (table["first"] == "a")]
    assert len(better) == 5
    assert (better["p_holm"] < 0.05).all()
    noise = table[(table["measure"] == AUC) & (table["first"] != "a")]
    assert (noise["p_holm"] > 0.05).all()  # negative control
    found = row(table, AUC, second="b")
    assert 0 < found["p"] < 2 / 101


def test_holm_by_hand_and_never_below_p(rng):
    np.testing.assert_allclose(holm(np.array([0.02, 0.01, 0.5, 0.03])), [0.06, 0.04, 0.5, 0.06])
    p = rng.random(50)
    assert (holm(p) >= p).all()
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_corrected_t_by_hand():
    """Differences .1 .2 .3: mean .2, s² .01; factor 1/3 + 1/2; t = .2 / sqrt(.01 x 5/6) = 2.1909, 2 df."""
    d = np.array([0.1, 0.2, 0.3])
    assert corrected_variance(d, 0.5) == pytest.approx(0.01 * 5 / 6)
    assert corrected_t(d, 0.5) == pytest.approx(2 * scipy.stats.t.sf(2.19089, 2), rel=1e-5)
    assert corrected_t(d, 0.5, 0.01) == pytest.approx(2 * scipy.stats.t.sf(0.2 / np.sqrt(0.01 * 11 / 6), 2))
    assert corrected_t(np.zeros(4), 0.5) == 1
    assert np.isnan(corrected_t(np.array([0.1]), 0.5))


def test_a_subject_without_a_score_is_left_out_for_all_and_a_silent_method_is_named(scores):
    regions = run(scores, 22)
    one = (regions["participant_id"] == "sub-030") & (regions["model"] == "a")
    regions.loc[one & (regions["region"] == "region 0"), "percent"] = np.nan
    regions.loc[(regions["model"] == "c") & (regions["region"] == "region 1"), "percent"] = np.nan
    table = compare(regions, bootstraps=40)
    without = compare(regions[regions["participant_id"] != "sub-030"], bootstraps=40)
    for measure in (AUC_POOLED, AUC):
        found = row(table, measure, "b", "c+z")
        assert found["difference"] == pytest.approx(row(without, measure, "b", "c+z")["difference"])
        assert found["note"] == "left out for want of a score by every method: 1"
        assert found["patients"] == 17
    silent = row(table, AUC, "a", "c+z", "region 1")
    assert silent["note"] == "no score by c+z"
    assert np.isnan(silent["difference"])
    assert np.isfinite(row(table, AUC, "a", "b", "region 1")["p"])


def test_what_cannot_be_compared_is_one_sentence(scores):
    regions = run(scores, 22)
    with pytest.raises(NigraError, match="two methods, but found 1"):
        compare(regions[regions["model"] == "a"])
    with pytest.raises(NigraError, match="no method; choose of a, b, c\\+z"):
        compare(regions, reference="d")
    with pytest.raises(NigraError, match="c\\+z has others than a"):
        read_methods(regions[(regions["model"] != "c") | (regions["participant_id"] != "sub-030")])
    with pytest.raises(NigraError, match="lacks the column model"):
        compare(regions.drop(columns="model"))


def rates_on_noise(studies):
    """Shares of p below .05, and the p themselves; the published protocol made small: 20 of 36 controls train."""
    rng = np.random.default_rng(7)
    p = []
    for seed in range(studies):
        common = rng.normal(size=(1, 66))
        scores = {name: common + rng.normal(size=(1, 66)) for name in "ab"}
        noise = {name: 0.3 * rng.normal(size=(4, 1, 66)) for name in "ab"}
        table = compare(run(scores, 36, 4, 16, noise, seed), bootstraps=100, seed=seed)
        p.append([row(table, AUC_POOLED)["p"], row(table, AUC)["p"], row(table, AUC)["p_draws"]])
    return (np.array(p) < 0.05).mean(axis=0), np.array(p)


def test_noise_is_rarely_called_different():
    """Of 50 studies, 5 % have a standard error of 3 %."""
    rates, p = rates_on_noise(50)
    assert (rates <= 0.14).all()
    assert (p.std(axis=0) > 0.15).all()


@pytest.mark.slow
def test_noise_is_called_different_at_the_nominal_rate():
    """Of 600 studies, 5 % have a standard error of 0.9 %; the corrected t may be the more cautious."""
    rates, p = rates_on_noise(600)
    assert (rates <= 0.075).all()
    assert (rates[:2] >= 0.025).all()
    assert scipy.stats.kstest(p[:, 0], "uniform").pvalue > 0.01
