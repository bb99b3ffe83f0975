import time

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from nigra.errors import NigraError
from nigra.files import read_tsv, write_tsv
from nigra.statistics.evaluation import COLUMNS, evaluate
from nigra.statistics.groups import (
    AUC,
    GMEAN_HELD_OUT,
    GMEAN_TEST,
    MEASURES,
    SENSITIVITY,
    SPECIFICITY,
)

FAST = {"bootstraps": 50, "simulations": 200}


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
        expected = {measure: [] for measure in MEASURES}
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
        for measure, by_draw in expected.items():
            assert cell(table, measure, "estimate", region) == pytest.approx(np.mean(by_draw))
            assert cell(table, measure, "sd", region) == pytest.approx(np.std(by_draw, ddof=1), abs=1e-9)
    controls = rows[(rows["set"] == "test") & (rows["group"] == "control")]["participant_id"].nunique()
    assert set(table["controls"]) == {controls}
    assert set(table["patients"]) == {12}
    assert set(table["draws"]) == {4}
    assert (table["low"] <= table["high"]).all()


def test_swapped_groups_turn_the_effect_round(rng):
    rows = study(rng.random((4, 24)), 12)
    swapped = rows.assign(group=rows["group"].map({"control": "patient", "patient": "control"}))
    first, second = (evaluate(t, **FAST).query("measure == @AUC")["estimate"].to_numpy() for t in (rows, swapped))
    assert first == pytest.approx(1 - second, abs=1e-12)
    assert np.ptp(first) > 0.05


def test_permuted_labels_give_uniform_p(rng):
    """Each region holds the same percentages given to other subjects: 300 permutations of one study."""
    values = rng.gamma(2, 1, 45)
    percent = np.array([rng.permutation(values) for _ in range(300)])
    table = evaluate(study(percent, 25, 3, 10), bootstraps=0, simulations=4000)
    for measure in (AUC, GMEAN_TEST, GMEAN_HELD_OUT):
        p = table[table["measure"] == measure]["p"]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.005
    assert (table["q"] < 0.05).sum() == 0
    # negative control: a real difference is seen by the same test
    seen = evaluate(study(percent + (np.arange(45) >= 25) * 1.5, 25, 3, 10), bootstraps=0, simulations=4000)
    assert seen[seen["measure"] == AUC]["p"].median() < 0.02


def test_ties_only_make_p_conservative(rng):
    percent = np.array([rng.permutation(np.repeat([0.0, 1.0, 2.0], [30, 10, 5])) for _ in range(300)])
    table = evaluate(study(percent, 25, 3, 10), bootstraps=0, simulations=2000)
    for measure in (AUC, GMEAN_TEST, GMEAN_HELD_OUT):
        rows = table[table["measure"] == measure]
        assert (rows["p"] <= 0.05).mean() <= 0.08
        assert (
            rows["note"].str.contains("67% of the percentages are the same: the null is conservative").mean() > 0.1
        )


def test_bootstrap_interval_holds_the_truth(rng):
    """Normal scores one standard deviation apart: AUC = Phi(1 / sqrt 2) = .760, in 95 % of 100 intervals."""
    percent = rng.normal(size=(100, 80)) + (np.arange(80) >= 40) + 10
    table = evaluate(study(percent, 40), bootstraps=400, simulations=50).query("measure == @AUC")
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2))
    inside = ((table["low"] <= truth) & (truth <= table["high"])).sum()
    assert 88 <= inside <= 99
    # negative control: its width is that of theory (variance of U), so that it cannot hold just anything
    both = scipy.stats.multivariate_normal.cdf([1 / np.sqrt(2)] * 2, cov=[[1, 0.5], [0.5, 1]])
    error = np.sqrt(truth * (1 - truth) + 2 * 39 * (both - truth**2)) / 40
    assert (table["high"] - table["low"]).mean() == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_empty_constant_and_tied_regions_keep_rows_and_notes(rng):
    percent = rng.random((3, 20))
    percent[1], percent[2] = np.nan, 4.0
    rows = study(percent, 12, 2, 5, names=["whole brain", "SN left", "flat"])
    table = evaluate(rows, **FAST)
    empty = table[table["region"] == "SN left"]
    assert len(empty) == len(MEASURES)
    assert empty[["estimate", "sd", "low", "high", "null_median", "p", "q"]].isna().all(axis=None)
    assert set(empty["note"]) == {"no scored voxel in this region"}
    assert cell(table, AUC, "estimate", "flat") == 0.5
    assert cell(table, GMEAN_TEST, "estimate", "flat") == 0
    assert "all percentages equal in 2 of 2 draws" in cell(table, AUC, "note", "flat")
    assert cell(table, AUC, "note", "whole brain") == ""
    assert cell(table, GMEAN_TEST, "note", "whole brain") == "optimistic: cut-off chosen on the test subjects"
    rows.loc[(rows["region"] == "SN left") & (rows["fold"] == 1), "percent"] = 1.0
    half = evaluate(rows, **FAST)
    assert cell(half, AUC, "draws", "SN left") == 1
    assert "no scored voxel in 1 of 2 draws" in cell(half, AUC, "note", "SN left")


def test_a_healthy_cohort_says_that_there_is_nothing_to_compare(rng):
    table = evaluate(study(rng.random((1, 20)), 20, 3, 6), **FAST)
    for measure in set(MEASURES) - {SPECIFICITY}:
        assert np.isnan(cell(table, measure, "estimate"))
        assert "no patients: nothing to compare" in cell(table, measure, "note")
    assert 0.5 < cell(table, SPECIFICITY, "estimate") <= 1
    assert cell(table, SPECIFICITY, "patients") == 0


def test_the_source_of_the_cut_off_is_said(rng):
    percent = rng.random((1, 20))
    trained = evaluate(study(percent, 12, 2, 5, reference="training"), **FAST)
    assert "cut-off from training controls" in cell(trained, GMEAN_HELD_OUT, "note")
    assert "cut-off from training controls" not in cell(trained, AUC, "note")
    # those controls are not like the test controls, so that no null holds for a cut-off from them
    of_cut_off = trained[trained["measure"].isin([GMEAN_HELD_OUT, SENSITIVITY, SPECIFICITY])]
    assert of_cut_off[["null_median", "null_95", "p", "q"]].isna().all(axis=None)
    assert np.isfinite([cell(trained, m, c) for m in (AUC, GMEAN_TEST) for c in ("null_median", "p", "q")]).all()
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
    table = evaluate(study(percent, 56, 10, 15))
    assert time.process_time() - start < 20  # measured 5 s outside of pytest, which checks every array
    assert len(table) == 750
