"""Effects by hand, with missing and collapsed models, against least squares, and by simulation."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from nigra.errors import NigraError
from nigra.statistics.cells import factors_of
from nigra.statistics.comparison import holm
from nigra.statistics.crossed import crossed_mean
from nigra.statistics.factorial import COLUMNS, INTERACTION, MAIN, cell_means, effects

FACTORS = {"unit": ["slice", "patch"], "siamese": ["none", "cosine", "vicreg"]}


def table(
    rng: np.random.Generator, factors: dict[str, list[str]] = FACTORS, folds: int = 4, seeds: int = 3,
    noise: float = 0.02, **gain: float,
) -> pd.DataFrame:  # fmt: skip
    """A value per cell, fold and seed: hard and easy folds, ``gain`` of levels (``unit_patch=0.1``), noise."""
    hard = rng.normal(0, 0.3, folds)
    rows = [
        (*cell, fold, seed, "planted_auroc", 0.5 + hard[fold] + rng.normal(0, noise)
         + sum(gain.get(f"{name}_{level}", 0.0) for name, level in zip(factors, cell, strict=True)))
        for cell in product(*factors.values()) for fold in range(folds) for seed in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[*factors, "fold", "seed", "outcome", "value"])


def row(found: pd.DataFrame, **wanted: str) -> pd.Series:
    hit = found[np.all([found[name] == value for name, value in wanted.items()], axis=0)]
    assert len(hit) == 1
    return hit.iloc[0]


def test_effects_are_differences_of_means_by_hand(rng):
    cells = table(rng, unit_patch=0.1)
    found = effects(cells, FACTORS, 0.3)
    assert list(found) == list(COLUMNS)
    assert len(found[found["effect"] == MAIN]) == 1 + 3  # every pair of the three levels
    assert len(found[found["effect"] == INTERACTION]) == 2
    means = cells.groupby(["unit", "siamese"])["value"].mean()
    unit = row(found, effect=MAIN, factor="unit")
    assert unit["first"] == pytest.approx(means["patch"].mean())
    assert unit["second"] == pytest.approx(means["slice"].mean())
    assert unit["estimate"] == pytest.approx(means["patch"].mean() - means["slice"].mean())
    pair = row(found, effect=MAIN, level="vicreg", reference="cosine")
    by_siamese = means.groupby("siamese").mean()
    assert pair["estimate"] == pytest.approx(by_siamese["vicreg"] - by_siamese["cosine"])
    both = row(found, effect=INTERACTION, by_level="vicreg")
    at = means["patch"] - means["slice"]
    assert (both["first"], both["second"]) == (pytest.approx(at["vicreg"]), pytest.approx(at["none"]))
    assert both["estimate"] == pytest.approx(at["vicreg"] - at["none"])
    assert (unit["pairs"], unit["pairs_planned"], both["pairs"]) == (36, 36, 12)
    np.testing.assert_allclose(found["p_holm"], holm(found["p"].to_numpy()))


def test_pairing_takes_hard_folds_out(rng):
    """Folds differ by .3, models of a fold by .02: the effect is known far better than any cell."""
    cells = table(rng, unit_patch=0.1)
    effect = row(effects(cells, FACTORS, 0.3), effect=MAIN, factor="unit")
    assert effect["low"] < 0.1 < effect["high"]
    assert effect["high"] - effect["low"] < 0.1
    mean = cell_means(cells, FACTORS, 0.3).iloc[0]
    assert mean["high"] - mean["low"] > 0.5
    values = cells[(cells["unit"] == "slice") & (cells["siamese"] == "none")]
    assert mean["estimate"] == pytest.approx(values["value"].mean())
    assert (mean["models"], mean["collapsed"], mean["folds"], mean["seeds"]) == (12, 0, 4, 3)


def test_estimates_are_those_of_least_squares(rng):
    two = {"unit": ["slice", "patch"], "siamese": ["none", "cosine"]}
    cells = table(rng, two, unit_patch=0.1, siamese_cosine=-0.05)
    found = effects(cells, two, 0.3)
    model = "value ~ C(unit, Treatment('slice')) * C(siamese, Treatment('none')) + C(fold) * C(seed)"
    fitted = smf.ols(model, cells).fit().params
    (crossed,) = [value for name, value in fitted.items() if "patch" in name and "cosine" in name]
    (patch,) = [value for name, value in fitted.items() if "patch" in name and "cosine" not in name]
    assert row(found, effect=INTERACTION)["estimate"] == pytest.approx(crossed)
    assert row(found, effect=INTERACTION)["second"] == pytest.approx(patch)
    assert row(found, effect=MAIN, factor="unit")["estimate"] == pytest.approx(patch + crossed / 2)


def test_a_missing_model_takes_its_pair_along_and_is_told(rng):
    cells = table(rng, unit_patch=0.1, noise=0.0)
    gone = (cells["unit"] == "patch") & (cells["siamese"] == "none") & (cells["fold"] == 0) & (cells["seed"] == 0)
    hole = cells[~gone]
    plain = hole.groupby("unit")["value"].mean()
    found = row(effects(hole, FACTORS, 0.3), effect=MAIN, factor="unit")
    assert found["estimate"] == pytest.approx(0.1)  # and not what unpaired means would say
    assert abs(plain["patch"] - plain["slice"] - 0.1) > 0.001
    assert (found["pairs"], found["pairs_planned"]) == (35, 36)
    assert "1 of 36 pairs missing" in found["note"]


def test_a_cell_that_never_was_leaves_the_others_to_compare(rng):
    cells = table(rng, unit_patch=0.1)
    half = cells[~((cells["unit"] == "slice") & (cells["siamese"] == "vicreg"))]
    found = effects(half, FACTORS, 0.3)
    assert row(found, effect=MAIN, factor="unit")["pairs"] == 24
    lost = row(found, effect=INTERACTION, by_level="vicreg")
    assert np.isnan([lost["estimate"], lost["p"], lost["p_holm"]]).all()
    assert lost["note"] == "no value; no pair of models to compare"


def test_collapsed_models_count_are_told_and_have_an_estimate_without(rng):
    cells = table(rng, unit_patch=0.1, noise=0.0).assign(collapsed=False)
    flat = (cells["unit"] == "patch") & (cells["siamese"] == "cosine") & (cells["seed"] == 1)
    cells.loc[flat, ["value", "collapsed"]] = [9.0, True]  # it would win
    found = row(effects(cells, FACTORS, 0.3), effect=MAIN, factor="unit")
    assert found["collapsed"] == 4
    assert found["estimate"] > 0.5
    assert found["estimate_healthy"] == pytest.approx(0.1)
    assert "4 collapsed" in found["note"]
    assert row(effects(cells, FACTORS, 0.3), level="vicreg", reference="none")["collapsed"] == 0


def test_subjects_are_no_models(rng):
    """Ten subjects per fold: the effect is the mean over folds, not over subjects, and models are counted once."""
    cells = pd.concat([
        table(np.random.default_rng(5), unit_patch=0.1).assign(participant_id=f"sub-{k}") for k in range(10)
    ]).reset_index(drop=True)  # fmt: skip
    cells["value"] += rng.normal(0, 0.05, len(cells))
    found = row(effects(cells, FACTORS, 0.3), effect=MAIN, factor="unit")
    assert (found["subjects"], found["pairs"], found["folds"]) == (10, 36, 4)
    wide = cells.pivot_table(index=["fold", "seed", "participant_id"], columns="unit", values="value")
    away = (wide["patch"] - wide["slice"]).to_numpy().reshape(4, 3, 10)
    assert found["low"] == pytest.approx(crossed_mean(away, 0.3).low)


def test_levels_that_are_numbers_are_compared_with_the_first_only(rng):
    sweep = {"alpha": ["0", "0.005", "0.5"], "unit": ["slice", "patch"]}
    main = effects(table(rng, sweep), sweep, 0.3).query("effect == @MAIN and factor == 'alpha'")
    assert main[["level", "reference"]].to_numpy().tolist() == [["0.005", "0"], ["0.5", "0"]]


def test_null_factors_are_shown_as_often_as_promised():
    """100 studies without any effect: p below .05 after Holm in 5 of them at most, for all effects together."""
    two, shown, inside = {"a": ["0", "x"], "b": ["0", "x"]}, 0, []
    for number in range(100):
        found = effects(table(np.random.default_rng(number), two, folds=3, seeds=2), two, 0.5)
        shown += (found["p_holm"] < 0.05).any()
        inside += ((found["low"] <= 0) & (found["high"] >= 0)).tolist()
    assert shown <= 5
    assert 0.93 <= np.mean(inside) < 1


def test_what_cannot_be_compared_is_one_sentence(rng):
    cells = table(rng)
    with pytest.raises(NigraError, match="lacks the column seed"):
        effects(cells.drop(columns="seed"), FACTORS, 0.3)
    with pytest.raises(
        NigraError, match=r"planted_auroc: one value per model.*unit slice, siamese none, fold 0, seed 0"
    ):
        effects(pd.concat([cells, cells.iloc[:1]]), FACTORS, 0.3)
    with pytest.raises(NigraError, match="b: every model of a factorial has a level of unit"):
        factors_of({"a": {"unit": "slice"}, "b": {}})
    with pytest.raises(NigraError, match="a factor is called fold, which the tables call something else"):
        factors_of({"a": {"fold": "x"}, "b": {"fold": "y"}})
    with pytest.raises(NigraError, match="all models have the same"):
        factors_of({"a": {"unit": "slice"}, "b": {"unit": "slice"}})


def test_the_interval_of_a_mean_ends_where_the_outcome_does(rng):
    cells = table(rng, folds=2, seeds=2)
    of_auc, of_rank = cell_means(cells, FACTORS, 0.3), cell_means(cells.assign(outcome="rank"), FACTORS, 0.3)
    assert (of_rank["high"] > 1).any()  # two folds leave no small interval
    assert (of_rank["low"] < 0).any()
    np.testing.assert_array_equal(of_auc["low"], of_rank["low"].clip(lower=0))
    np.testing.assert_array_equal(of_auc["high"], of_rank["high"].clip(upper=1))
    np.testing.assert_array_equal(of_auc["estimate"], of_rank["estimate"])
