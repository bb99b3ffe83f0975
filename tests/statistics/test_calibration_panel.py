"""The panel: the percentages and intervals of test controls, subject by subject, and the nominal rate when kept."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nigra.errors import NigraError
from nigra.statistics.calibration_panel import BRAIN, COLUMNS, REGION, TISSUE, false_positives


def tables(rng, n=24, rate=2.0, wrong="", draws=(0, 1)):  # type: ignore[no-untyped-def]
    """Region table of ``n`` test controls and their covariates; region ``wrong`` has three times the rate."""
    index = [f"sub-{i:02d}" for i in range(n)]
    covariates = pd.DataFrame(
        {"age": np.linspace(20, 80, n), "sex": np.where(np.arange(n) % 2, "F", "M")}, index=index
    ).astype({"sex": object})
    person = rng.gamma(4, rate / 4, n)
    rows = []
    for region, voxels in (("cortex", 700), ("ventricle", 100), ("tiny", 0), ("whole brain", 1000)):
        for fold in draws:
            lam = person / 100 * voxels * (3 if region == wrong else 1)
            abnormal = np.minimum(rng.poisson(lam), voxels)
            percent = 100 * abnormal / voxels if voxels else np.full(n, np.nan)
            columns = {"participant_id": index, "group": "control", "fold": fold, "set": "test", "region": region}
            rows.append(pd.DataFrame(columns | {"voxels": voxels, "abnormal": abnormal, "percent": percent}))
    table = pd.concat(rows, ignore_index=True)
    other = table.head(9).assign(set="held-out", percent=90.0, participant_id="sub-x", fold=range(9))
    ill = table.head(9).assign(group="patient", percent=90.0, participant_id="sub-p", fold=range(9))
    return pd.concat([table, other, ill], ignore_index=True), covariates


def test_values_and_intervals_are_those_of_the_subjects(rng):  # type: ignore[no-untyped-def]
    regions, covariates = tables(rng)
    found = false_positives(
        regions, covariates, 2.0, {"cortex": "grey matter", "ventricle": "CSF"}, bootstraps=4000
    )
    assert tuple(found.columns) == COLUMNS
    test = regions[(regions["set"] == "test") & (regions["group"] == "control")]
    own = test[test["region"] == "whole brain"].groupby("participant_id")["percent"].mean()
    brain = found[found["factor"] == BRAIN].iloc[0]
    assert brain["percent"] == pytest.approx(own.mean())
    assert (brain["controls"], brain["lowest"], brain["highest"]) == (24, own.min(), own.max())
    oracle = scipy.stats.bootstrap((own.to_numpy(),), np.mean, n_resamples=4000, method="BCa", rng=rng)
    interval = oracle.confidence_interval
    np.testing.assert_allclose(brain[["low", "high"]].astype(float), interval, atol=0.12)
    by_sex = found[found["factor"] == "sex"].set_index("level")
    assert by_sex.loc["F", "percent"] == pytest.approx(own[covariates["sex"] == "F"].mean())
    assert by_sex["controls"].tolist() == [12, 12]
    ages = found[found["factor"] == "age"]
    assert ages["level"].tolist() == ["< 40", "40 to < 60", "60 and more"]
    assert ages["controls"].tolist() == [8, 8, 8]
    assert ages["percent"].iloc[2] == pytest.approx(own[covariates["age"] >= 60].mean())
    assert found.loc[found["factor"] == TISSUE, "level"].tolist() == ["grey matter", "CSF"]
    empty = found[(found["factor"] == REGION) & (found["level"] == "tiny")].iloc[0]
    assert (empty["controls"], empty["note"]) == (0, "no control with a value")


def test_tissues_count_voxels_together(rng):  # type: ignore[no-untyped-def]
    regions, covariates = tables(rng, draws=(0,))
    found = false_positives(regions, covariates, 2.0, {"cortex": "all", "ventricle": "all"})
    test = regions[(regions["set"] == "test") & regions["region"].isin(["cortex", "ventricle"])]
    sums = test[test["group"] == "control"].groupby("participant_id")[["abnormal", "voxels"]].sum()
    expected = (100 * sums["abnormal"] / sums["voxels"]).mean()
    assert found.loc[found["factor"] == TISSUE, "percent"].item() == pytest.approx(expected)
    with pytest.raises(NigraError, match="tissue of 'pons'"):
        false_positives(regions, covariates, 2.0, {"pons": "grey matter"})


def test_a_broken_promise_is_said_where_it_is_broken(rng):  # type: ignore[no-untyped-def]
    regions, covariates = tables(rng, n=40, wrong="ventricle")
    found = false_positives(regions, covariates, 2.0).set_index("level")
    assert found.loc["ventricle", "note"] == "more than promised"
    assert found.loc["cortex", "note"] == ""
    generous = false_positives(regions, covariates, 8.0).set_index("level")
    assert generous.loc["cortex", "note"] == "less than promised"


def test_a_kept_promise_is_inside_the_interval_nearly_as_often_as_promised(rng):  # type: ignore[no-untyped-def]
    inside = []
    for seed in range(150):
        regions, covariates = tables(rng, n=25, draws=(0,))
        only = regions[regions["region"] == "whole brain"]
        row = false_positives(only, covariates, 2.0, factors=(), bootstraps=400, seed=seed).iloc[0]
        inside.append(row["low"] <= 2 <= row["high"])
    assert 0.87 <= np.mean(inside) <= 0.99  # BCa of 25 skewed values: a little under .95


def test_few_controls_missing_values_and_own_bands(rng):  # type: ignore[no-untyped-def]
    regions, covariates = tables(rng, n=9)
    covariates.loc["sub-03", ["age", "sex"]] = [np.nan, None]
    found = false_positives(regions, covariates, 2.0, bands={"age": [30]})
    ages = found[found["factor"] == "age"].set_index("level")
    assert ages["controls"].to_dict() == {"< 30": 2, "30 and more": 6, "n/a": 1}
    assert "no interval" in ages.loc["< 30", "note"]
    assert "rough guess" in ages.loc["30 and more", "note"]
    assert "n/a" in found.loc[found["factor"] == "sex", "level"].tolist()


def test_nothing_to_show_is_one_sentence(rng):  # type: ignore[no-untyped-def]
    regions, covariates = tables(rng)
    with pytest.raises(NigraError, match="test controls, but found none"):
        false_positives(regions[regions["group"] == "patient"], covariates, 2.0)
    with pytest.raises(NigraError, match="thresholds none"):
        false_positives(regions.assign(percent=np.nan), covariates, 2.0)
