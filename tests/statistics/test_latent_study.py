"""Numbers over folds and seeds: planted differences are found, of the size planted, and no others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from nigra.statistics.latent_study import TRAINED, UNTRAINED, study_cells, study_effects

SIAMESE = {"siamese": ["AE", "SAE"]}


def values(
    rng: np.random.Generator, planted: Mapping[str, float], noise: float = 0.01, folds: int = 4
) -> pd.DataFrame:
    """SAE has ``planted`` more than AE where both are trained; a fold moves everything."""
    rows = []
    for fold in range(folds):
        moved = rng.normal()
        for level in SIAMESE["siamese"]:
            for training in (TRAINED, UNTRAINED):
                for seed in range(2):
                    for measure in ("tightness", "place R2"):
                        more = planted.get(measure, 0.0) * (level == "SAE" and training == TRAINED)
                        learnt = 0.3 * (training == TRAINED and measure == "place R2")
                        value = moved + more + learnt + noise * rng.normal()
                        rows.append((level, training, fold, seed, measure, value, 1.0))
    columns = ["siamese", "training", "fold", "seed", "measure", "estimate", "null"]
    return pd.DataFrame(rows, columns=columns)


def effect(table: pd.DataFrame, measure: str, factor: str) -> pd.Series:
    own = table[(table["measure"] == measure) & (table["factor"] == factor)]
    assert len(own) == 1
    return own.iloc[0]


def test_a_planted_difference_is_found_within_folds_that_differ_far_more(rng: np.random.Generator) -> None:
    found = study_effects(values(rng, {"tightness": -0.2}), SIAMESE, 0.5)
    row = effect(found, "tightness", "siamese")
    assert row["low"] < -0.2 < row["high"] < -0.1
    assert row["p_holm"] < 0.01
    assert (row["level"], row["reference"], row["folds"], row["seeds"], row["pairs"]) == ("SAE", "AE", 4, 2, 8)
    other = effect(found, "place R2", "siamese")
    assert other["low"] < 0 < other["high"]
    learnt = effect(found, "place R2", "training")
    assert learnt["low"] < 0.3 < learnt["high"]
    assert learnt["p"] < 0.01


def test_without_a_difference_few_intervals_leave_zero_out() -> None:
    outside = 0
    for seed in range(60):
        found = study_effects(values(np.random.default_rng(seed), {}, 0.1), SIAMESE, 0.5)
        row = effect(found, "tightness", "siamese")
        outside += not row["low"] < 0 < row["high"]
    assert outside <= 8  # 3 expected at 5 %


def test_cells_hold_means_nulls_and_keep_shares_between_0_and_1(rng: np.random.Generator) -> None:
    own = values(rng, {})
    own["estimate"] = 0.99 + 0.01 * rng.normal(size=len(own))
    own["measure"] = own["measure"].replace("place R2", "group AUC, shift")
    found = study_cells(own, SIAMESE, 0.5).set_index(["siamese", "training", "measure"])
    assert len(found) == 8
    same = own[(own["siamese"] == "SAE") & (own["training"] == UNTRAINED) & (own["measure"] == "tightness")]
    row = found.loc[("SAE", UNTRAINED, "tightness")]
    assert row["estimate"] == pytest.approx(same["estimate"].mean())
    assert (row["null"], row["models"], row["folds"], row["seeds"]) == (1.0, 8, 4, 2)
    shares = found.xs("group AUC, shift", level="measure")
    assert shares["high"].max() == 1.0
    assert found.xs("tightness", level="measure")["high"].max() > shares["high"].max()  # no share: not cut


def test_what_is_never_negative_has_no_interval_below_zero(rng: np.random.Generator) -> None:
    own = values(rng, {}, folds=2)
    own["estimate"] = np.where(own["fold"] == 0, 1.0, 20.0)
    own["measure"] = own["measure"].replace("tightness", "effective rank")
    found = study_cells(own, SIAMESE, 0.5).set_index("measure")
    assert (found.loc["effective rank", "low"] == 0).all()
    assert (found.loc["place R2", "low"] < 0).all()  # negative control: R² may be negative


def test_one_model_without_a_twin_has_no_effect(rng: np.random.Generator) -> None:
    own = values(rng, {})
    alone = own[(own["siamese"] == "AE") & (own["training"] == TRAINED)]
    assert study_effects(alone, {"siamese": ["AE"]}, 0.5).empty
    assert len(study_cells(alone, {"siamese": ["AE"]}, 0.5)) == 2
