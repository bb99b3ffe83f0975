import time

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
from sklearn.metrics import roc_auc_score

from nigra.errors import NigraError
from nigra.files import read_tsv, write_tsv
from nigra.statistics.evaluation import COLUMNS, evaluate
from nigra.statistics.groups import (
    AT_HELD_OUT,
    AUC,
    AUC_POOLED,
    BALANCED,
    BY_DRAW,
    DELTA,
    GMEAN_HELD_OUT,
    GMEAN_TEST,
    HALVES,
    MEASURES,
    POOLED,
    SENSITIVITY,
    SENSITIVITY_HELD_OUT,
    SENSITIVITY_TEST,
    SPECIFICITY,
)

FAST = {"bootstraps": 50, "permutations": 200}
TESTS = [measure for measure in MEASURES if measure not in HALVES]


def study(
    percent: np.ndarray, controls: int, draws: int = 1, test: int | None = None, noise: np.ndarray | None = None,
    names: list[str] | None = None, reference: str = "held-out", seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """A region table: ``percent`` (n_regions, n_subjects), controls first; draws differ by ``noise`` alone."""
    rng = np.random.default_rng(seed)
    n_regions, n = percent.shape
    names = names or [f"region {k}" for k in range(n_regions)]
    parts = []
    for fold in range(draws):
        tested = np.arange(n) >= controls
        tested[rng.permutation(controls)[: controls if test is None else test]] = True
        values = percent if noise is None else percent + noise[fold]
        part = pd.DataFrame({
            "participant_id": np.repeat([f"sub-{k:03}" for k in range(n)], n_regions),
            "group": np.repeat(np.where(np.arange(n) < controls, "control", "patient"), n_regions),
            "fold": fold,
            "set": np.repeat(np.where(tested, "test", reference), n_regions),
            "region": names * n,
            "percent": values.T.ravel(),
        })  # fmt: skip
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def cell(table: pd.DataFrame, measure: str, column: str, region: str = "region 0"):
    return table[(table["region"] == region) & (table["measure"] == measure)][column].item()


def test_every_number_against_its_definition(rng):
    percent = np.round(rng.gamma(2, 1, (3, 30)) + (np.arange(30) >= 18) * 1.0, 1)
    noise = np.round(rng.gamma(1, 0.5, (4, 3, 30)), 1)
    rows = study(percent, 18, 4, 6, noise)
    table = evaluate(rows, specificity=0.7, **FAST)
    assert tuple(table.columns) == COLUMNS
    assert table["region"].tolist() == [f"region {k}" for k in range(3) for _ in MEASURES]
    assert table["measure"].tolist() == list(MEASURES) * 3
    for region, of_region in rows.groupby("region"):
        expected = {measure: [] for measure in BY_DRAW}
        for _, fold in of_region.groupby("fold"):
            test, held_out = fold[fold["set"] == "test"], fold[fold["set"] == "held-out"]["percent"]
            patient, values = test["group"] == "patient", test["percent"]
            expected[AUC].append(roc_auc_score(patient, values))
            gmeans = [np.sqrt((values[patient] > c).mean() * (values[~patient] <= c).mean()) for c in values]
            expected[GMEAN_TEST].append(max(gmeans))
            cut = np.quantile(held_out, 0.7, method="inverted_cdf")
            expected[SENSITIVITY].append((values[patient] > cut).mean())
            expected[SPECIFICITY].append((values[~patient] <= cut).mean())
            expected[GMEAN_HELD_OUT].append(np.sqrt(expected[SENSITIVITY][-1] * expected[SPECIFICITY][-1]))
            expected[BALANCED].append((expected[SENSITIVITY][-1] + expected[SPECIFICITY][-1]) / 2)
            cut = np.quantile(held_out, 0.9, method="inverted_cdf")
            expected[SENSITIVITY_HELD_OUT].append((values[patient] > cut).mean())
            # six test controls: 90 % of them are all
            expected[SENSITIVITY_TEST].append((values[patient] > values[~patient].max()).mean())
        for measure, by_draw in expected.items():
            assert cell(table, measure, "estimate", region) == pytest.approx(np.mean(by_draw))
            assert cell(table, measure, "sd", region) == pytest.approx(np.std(by_draw, ddof=1), abs=1e-9)
            half = scipy.stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 6 / 12) * np.var(by_draw, ddof=1))
            low, high = np.clip([np.mean(by_draw) - half, np.mean(by_draw) + half], 0, 1)
            assert cell(table, measure, "low_corrected", region) == pytest.approx(low, abs=1e-9)
            assert cell(table, measure, "high_corrected", region) == pytest.approx(high, abs=1e-9)
    controls = rows[(rows["set"] == "test") & (rows["group"] == "control")]["participant_id"].nunique()
    assert set(table["controls"]) == {controls}
    assert set(table["patients"]) == {12}
    assert set(table["draws"]) == {4}
    assert (table["low"] <= table["high"]).all()


def test_one_score_per_subject_judges_each_pair_over_the_draws_of_both(rng):
    """AUC and delta are those of every pair, DeLong's interval theirs."""
    percent = rng.gamma(2, 1, (1, 30)) + (np.arange(30) >= 18)
    rows = study(percent, 18, 4, 6, rng.normal(size=(4, 1, 30)))
    table = evaluate(rows, **FAST)
    test = rows[rows["set"] == "test"].pivot_table(
        index=["group", "participant_id"], columns="fold", values="percent"
    )
    apart = test.loc["patient"].to_numpy()[:, None] - test.loc["control"].to_numpy()
    pairs = np.sign(np.nanmean(apart, axis=2))
    assert cell(table, DELTA, "estimate") == pytest.approx(pairs.mean())
    assert cell(table, AUC_POOLED, "estimate") == pytest.approx((pairs.mean() + 1) / 2)
    psi = (pairs + 1) / 2
    error = np.sqrt(psi.mean(axis=1).var(ddof=1) / 12 + psi.mean(axis=0).var(ddof=1) / psi.shape[1])
    auc = psi.mean()
    parts = [psi.mean(axis=1 - k).var(ddof=1) / psi.shape[k] for k in (0, 1)]
    degrees = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, psi.shape, strict=True))  # Welch
    quantile = scipy.stats.t.ppf(0.975, degrees)
    low = scipy.special.expit(scipy.special.logit(auc) - quantile * error / (auc * (1 - auc)))
    assert cell(table, AUC_POOLED, "low_delong") == pytest.approx(low, abs=1e-6)
    for column in ("low", "high", "low_delong", "high_delong"):
        assert cell(table, DELTA, column) == pytest.approx(2 * cell(table, AUC_POOLED, column) - 1)
    assert table[table["measure"].isin(POOLED)][["sd", "low_corrected", "high_corrected"]].isna().all(axis=None)
    assert table[~table["measure"].isin(POOLED)][["low_delong", "high_delong"]].isna().all(axis=None)


def test_a_level_of_each_draw_does_not_blur_the_pooled_score(rng):
    """A model whose scores are all higher says nothing on the controls it happens to test."""
    rows = study(rng.random((1, 40)) + (np.arange(40) >= 25), 25, 6, 8)
    shifted = rows.assign(percent=rows["percent"] + 10 * rows["fold"])
    assert cell(evaluate(shifted, **FAST), AUC_POOLED, "estimate") == pytest.approx(
        cell(evaluate(rows, **FAST), AUC_POOLED, "estimate"), abs=0.02
    )
    plain = shifted[shifted["set"] == "test"].groupby(["group", "participant_id"])["percent"].mean()
    naive = (plain["patient"].to_numpy()[:, None] > plain["control"].to_numpy()).mean()
    assert naive < cell(evaluate(rows, **FAST), AUC_POOLED, "estimate") - 0.1  # negative control


def test_ties_leave_p_uniform(rng):
    """Labels are permuted among the very scores: many at zero make neither more nor fewer findings."""
    percent = np.array([rng.permutation(np.repeat([0.0, 1.0, 2.0], [30, 10, 5])) for _ in range(80)])
    table = evaluate(study(percent, 25, 3, 10), bootstraps=0, permutations=500)
    for measure in (AUC, AUC_POOLED):
        rows = table[table["measure"] == measure]
        assert 0.007 <= (rows["p"] <= 0.05).mean() <= 0.1
        assert rows["note"].str.contains("67% of the scores are the same").mean() > 0.1


def test_exact_p_is_p_for_one_draw_and_never_far_below_it_for_several(rng):
    percent = rng.random((12, 40)) + 0.4 * (np.arange(40) >= 20)
    one = evaluate(study(percent, 20), **FAST)
    tests = one["measure"].isin(TESTS)
    np.testing.assert_array_equal(one["p"][tests], one["p_exact"][tests])
    assert tests.sum() == 12 * len(TESTS)
    several = evaluate(study(percent, 20, 5, 8), bootstraps=0, permutations=1000).query("measure == @AUC")
    assert (several["p_exact"] >= several["p"]).mean() > 0.9
    assert several["p_exact"].min() < 0.1
    strong = evaluate(study(percent + (np.arange(40) >= 20), 20, 5, 8), bootstraps=0, permutations=1000)
    assert (strong.query("measure == @AUC")["p_exact"] < 0.01).all()


def test_the_maximum_keeps_the_chance_of_any_false_finding(rng):
    """30 studies of 5 regions that go together, no effect: at least one p_max below .2 in a fifth of them."""
    found = {"p_max": 0, "p": 0}
    for seed in range(30):
        percent = rng.normal(size=(5, 30)) + rng.normal(size=30)
        table = evaluate(study(percent, 15), bootstraps=0, permutations=150, seed=seed).query("measure == @AUC")
        found = {name: count + (table[name] <= 0.2).any() for name, count in found.items()}
        assert (table["p_max"] >= table["p"]).all()
        assert (table["p_max"] <= 5 * table["p"] + 0.02).all()
    assert 1 <= found["p_max"] <= 12
    assert found["p"] > found["p_max"] + 2  # negative control: uncorrected


def test_empty_constant_and_tied_regions_keep_rows_and_notes(rng):
    percent = rng.random((3, 20))
    percent[1], percent[2] = np.nan, 4.0
    rows = study(percent, 12, 2, 5, names=["whole brain", "SN left", "flat"])
    table = evaluate(rows, **FAST)
    empty = table[table["region"] == "SN left"]
    assert len(empty) == len(MEASURES)
    numbers = [name for name in COLUMNS[2:-1] if name not in ("draws", "controls", "patients")]
    assert empty[numbers].isna().all(axis=None)
    assert (empty[["draws", "controls", "patients"]] == 0).all(axis=None)
    assert set(empty["note"]) == {"no scored voxel in this region"}
    assert cell(table, AUC, "estimate", "flat") == 0.5
    assert cell(table, GMEAN_TEST, "estimate", "flat") == 0
    assert "all scores equal in 2 of 2 draws" in cell(table, AUC, "note", "flat")
    assert cell(table, AUC, "note", "whole brain") == ""
    assert cell(table, GMEAN_TEST, "note", "whole brain") == "optimistic: cut-off chosen on the test subjects"
    rows.loc[(rows["region"] == "SN left") & (rows["fold"] == 1), "percent"] = 1.0
    half = evaluate(rows, **FAST)
    assert cell(half, AUC, "draws", "SN left") == 1
    assert "no scored voxel in 1 of 2 draws" in cell(half, AUC, "note", "SN left")


def test_a_healthy_cohort_says_that_there_is_nothing_to_compare(rng):
    table = evaluate(study(rng.random((1, 20)), 20, 3, 6), **FAST)
    for measure in set(MEASURES) - {SPECIFICITY}:
        assert np.isnan([cell(table, measure, name) for name in ("estimate", "low", "p", "p_exact", "p_max")]).all()
        assert "no patients: nothing to compare" in cell(table, measure, "note")
    assert 0.5 < cell(table, SPECIFICITY, "estimate") <= 1
    assert cell(table, SPECIFICITY, "patients") == 0


def test_the_source_of_the_cut_off_is_said(rng):
    percent = rng.random((1, 20))
    trained = evaluate(study(percent, 12, 2, 5, reference="training"), **FAST)
    assert "cut-off from training controls" in cell(trained, GMEAN_HELD_OUT, "note")
    assert "cut-off from training controls" not in cell(trained, AUC, "note")
    # labels of test subjects are permuted below the very same cut-off: chance is known whatever it is worth
    for measure in set(AT_HELD_OUT) - set(HALVES):
        assert np.isfinite(
            [cell(trained, measure, c) for c in ("null_median", "null_99", "p", "p_exact", "q")]
        ).all()
    held_out = evaluate(study(percent, 12, 2, 5), **FAST)
    assert cell(held_out, GMEAN_HELD_OUT, "estimate") == cell(trained, GMEAN_HELD_OUT, "estimate")
    assert cell(held_out, GMEAN_HELD_OUT, "note") == ""
    assert np.isfinite([cell(held_out, GMEAN_HELD_OUT, column) for column in ("null_median", "p", "q")]).all()
    alone = evaluate(study(percent, 12), **FAST)
    assert np.isnan(cell(alone, GMEAN_HELD_OUT, "estimate"))
    assert "no held-out controls" in cell(alone, GMEAN_HELD_OUT, "note")
    assert np.isfinite(cell(alone, AUC, "estimate"))


def test_patients_never_move_the_held_out_cut_off(rng):
    percent = rng.random((1, 30))
    rows = study(percent, 20, 2, 8)
    sick = rows.assign(percent=rows["percent"] + 100 * (rows["group"] == "patient"))
    first, second = evaluate(rows, **FAST), evaluate(sick, **FAST)
    assert cell(first, SPECIFICITY, "estimate") == cell(second, SPECIFICITY, "estimate")
    assert cell(second, SENSITIVITY, "estimate") == 1
    assert cell(first, SENSITIVITY, "estimate") < 0.6


def test_same_seed_same_table_and_the_input_untouched(rng, tmp_path):
    rows = study(rng.random((2, 20)), 12, 2, 5)
    before = rows.copy()
    first = evaluate(rows, **FAST)
    pd.testing.assert_frame_equal(rows, before)
    pd.testing.assert_frame_equal(first, evaluate(rows.sample(frac=1, random_state=1).sort_index(), **FAST))
    assert evaluate(rows, seed=1, **FAST)["low"].tolist() != first["low"].tolist()
    write_tsv(tmp_path / "evaluation.tsv", first)
    back = read_tsv(tmp_path / "evaluation.tsv", ("region", "measure", "note"))
    assert back["estimate"].to_numpy() == pytest.approx(first["estimate"].to_numpy())


def test_a_specificity_out_of_range_is_one_sentence(rng):
    with pytest.raises(NigraError, match=r"specificity is 80.0; choose a share"):
        evaluate(study(rng.random((1, 6)), 3), specificity=80.0)


@pytest.mark.slow
def test_a_published_study_with_150_regions_takes_seconds(rng):
    percent = np.round(rng.gamma(2, 1, (150, 185)), 2)
    start = time.process_time()
    table = evaluate(study(percent, 56, 10, 15), permutations=2000)
    assert time.process_time() - start < 60  # measured 11 s outside of pytest, which checks every array
    assert len(table) == 150 * len(MEASURES)
