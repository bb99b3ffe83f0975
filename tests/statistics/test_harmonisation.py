"""Harmonisation: the sites' shift goes, disease and age stay; nobody tested or of an unknown site takes part."""

import sys

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.provenance import FittedOnError
from nigra.statistics.harmonisation import Harmoniser, harmonise


@pytest.fixture
def combat():  # type: ignore[no-untyped-def]
    return pytest.importorskip("combatlearn", reason="the extra harmonisation is not installed")


def cohort(rng, n, prefix, shift=3.0, disease=0.0, ageing=0.0):  # type: ignore[no-untyped-def]
    index = [f"sub-{prefix}{i:02d}" for i in range(n)]
    site = pd.Series(np.where(np.arange(n) % 2, "Lyon", "Grenoble"), index, dtype=object)
    age = rng.uniform(50, 70, n) + 8 * (site == "Lyon").to_numpy()
    planted = shift * (site == "Lyon").to_numpy() + disease + ageing * age
    spread = np.where(site == "Lyon", 2.0, 1.0)
    values = spread[:, None] * rng.normal(size=(n, 8)) + planted[:, None]
    return pd.DataFrame(values, index, [f"r{i}" for i in range(8)]), site, pd.DataFrame({"age": age}, index)


def gap(scores, site):  # type: ignore[no-untyped-def]
    return (scores[site == "Lyon"].mean() - scores[site == "Grenoble"].mean()).mean()


def test_the_sites_difference_goes_and_disease_stays(rng, combat):  # type: ignore[no-untyped-def]
    controls, site, _ = cohort(rng, 60, "c")
    harmoniser = Harmoniser().fit(controls, site)
    test, where, _ = cohort(rng, 80, "t")
    ill, there, _ = cohort(rng, 80, "p", disease=2.0)
    clean, changed = harmoniser.transform(test, where), harmoniser.transform(ill, there)
    assert gap(test, where) > 2.5
    assert abs(gap(clean, where)) < 0.5
    spread = clean[where == "Lyon"].std().mean() / clean[where == "Grenoble"].std().mean()
    assert spread == pytest.approx(1, abs=0.25)
    assert changed.mean().mean() - clean.mean().mean() > 1.5


def test_age_that_differs_between_sites_is_kept_when_asked(rng, combat):  # type: ignore[no-untyped-def]
    """Lyon is older by 8 years of 0.3: kept, the sites still differ by 2.4; not kept, age goes with the site."""
    controls, site, covariates = cohort(rng, 200, "c", shift=5, ageing=0.3)
    test, where, own = cohort(rng, 200, "t", shift=5, ageing=0.3)
    own.iloc[3] = np.nan
    kept = Harmoniser(["age"]).fit(controls, site, covariates).transform(test, where, own)
    lost = Harmoniser().fit(controls, site).transform(test, where)
    assert abs(gap(lost, where)) < 0.5
    assert gap(kept, where) == pytest.approx(2.4, abs=0.6)
    assert kept.isna().any(axis=1).sum() == 1
    own["sex"] = pd.Series("F", own.index, dtype=object)
    covariates["sex"] = pd.Series(rng.choice(["F", "M"], 200), covariates.index, dtype=object)
    both = Harmoniser(["age", "sex"]).fit(controls, site, covariates)  # the tested are all women
    np.testing.assert_allclose(both.transform(test, where, own)[:3], kept[:3], atol=0.5)
    own.loc["sub-t05", "sex"] = "O"
    with pytest.raises(NigraError, match="sub-t05: sex is one of the controls'"):
        both.transform(test, where, own)


def test_nothing_is_learnt_from_the_tested_and_they_are_harmonised_one_by_one(rng, combat):  # type: ignore[no-untyped-def]
    controls, site, _ = cohort(rng, 30, "c")
    test, where, _ = cohort(rng, 12, "t")
    harmoniser = Harmoniser().fit(controls, site)
    before = controls.copy()
    together = harmoniser.transform(test, where)
    alone = pd.concat([harmoniser.transform(test.iloc[[i]], where) for i in range(12)])
    np.testing.assert_allclose(together, alone)
    pd.testing.assert_frame_equal(controls, before)
    with pytest.raises(FittedOnError, match="harmonisation was fitted on sub-c04"):
        harmoniser.transform(controls.iloc[[4]], site)


def test_an_unknown_site_is_one_sentence(rng, combat):  # type: ignore[no-untyped-def]
    controls, site, _ = cohort(rng, 20, "c")
    test, where, _ = cohort(rng, 4, "t")
    harmoniser = Harmoniser().fit(controls, site)
    where.iloc[2] = "Nice"
    with pytest.raises(NigraError, match=r"sub-t02: a site is one of .* \(Grenoble, Lyon\), but found Nice"):
        harmoniser.transform(test, where)
    where.iloc[2] = None
    with pytest.raises(NigraError, match="sub-t02: a harmonisation needs a site"):
        harmoniser.transform(test, where)


def test_small_sites_and_regions_without_scores(rng, combat):  # type: ignore[no-untyped-def]
    controls, site, _ = cohort(rng, 20, "c")
    with pytest.raises(NigraError, match="two sites with 3 held-out controls each, but found Lyon 2"):
        Harmoniser().fit(controls.iloc[[1, 3]], site)
    controls.iloc[3, 1] = np.nan
    controls["r5"] = 7.0
    harmoniser = Harmoniser().fit(controls, site)
    assert harmoniser.regions_ == ["r0", "r2", "r3", "r4", "r6", "r7"]
    test, where, _ = cohort(rng, 3, "t")
    test.iloc[1, 4] = np.nan
    done = harmoniser.transform(test, where)
    np.testing.assert_array_equal(done["r1"], test["r1"])
    assert done["r0"].isna().tolist() == [False, True, False]


def test_without_the_extra_the_command_is_told(rng, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "combatlearn", None)
    controls, site, _ = cohort(rng, 20, "c")
    with pytest.raises(NigraError, match=r"pip install 'nigra\[harmonisation\]'"):
        Harmoniser().fit(controls, site)


def test_a_region_table_is_harmonised_draw_by_draw(rng, combat):  # type: ignore[no-untyped-def]
    controls, site, own = cohort(rng, 40, "c")
    patients, there, theirs = cohort(rng, 20, "p", disease=2.0)
    covariates = pd.concat([own, theirs]).assign(site=pd.concat([site, there]))
    rows = [
        (name, "patient" if name[4] == "p" else "control", fold, set_, region, value)
        for fold in (0, 1)
        for name, row in pd.concat([controls, patients]).iterrows()
        for set_ in ["test" if name[4] == "p" or int(name[5:]) // 10 == fold else "held-out"]
        for region, value in row.items()
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "group", "fold", "set", "region", "percent"])
    done = harmonise(table, covariates)
    assert done.index.equals(table.index)
    for set_ in ("test", "held-out"):
        some = done[(done["set"] == set_) & (done["group"] == "control")]
        where = covariates.loc[some["participant_id"], "site"].to_numpy() == "Lyon"
        assert some["percent"][where].mean() - some["percent"][~where].mean() > 2
        assert abs(some["score"][where].mean() - some["score"][~where].mean()) < 1
    changed = table.copy()
    one = (table["set"] == "test") & (table["participant_id"] != "sub-p03")
    changed.loc[one, "percent"] = 99 + rng.normal(size=int(one.sum()))
    again = harmonise(changed, covariates)
    np.testing.assert_array_equal(again.loc[~one, "score"], done.loc[~one, "score"])
    with pytest.raises(NigraError, match="column site"):
        harmonise(table, own)
    with pytest.raises(NigraError, match="found test only"):
        harmonise(table[table["set"] == "test"], covariates)
