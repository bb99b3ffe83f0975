"""A planted age effect goes, a planted disease stays, and nothing is learnt from the tested."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm

from nigra.errors import NigraError
from nigra.provenance import FittedOnError
from nigra.statistics.adjustment import Adjustment, adjust


def people(rng, n, older=0.0, prefix="c"):  # type: ignore[no-untyped-def]
    index = [f"sub-{prefix}{i:03d}" for i in range(n)]
    return pd.DataFrame(
        {"age": rng.uniform(40, 75, n) + older, "sex": rng.choice(["F", "M"], n).astype(object)}, index=index
    )


def scores(rng, covariates, disease=0.0):  # type: ignore[no-untyped-def]
    sex = (covariates["sex"] == "M").to_numpy(dtype=float)
    noise = rng.normal(size=(len(covariates), 2))
    planted = 0.1 * covariates["age"].to_numpy() + 0.8 * sex + disease
    return pd.DataFrame(noise + planted[:, None], covariates.index, ["whole brain", "nucleus"])


def region_table(rng, disease=0.0, older=8.0):  # type: ignore[no-untyped-def]
    """Two draws: 60 controls of whom 20 others are tested each time, and 40 older patients."""
    controls, patients = people(rng, 60), people(rng, 40, older, "p")
    covariates = pd.concat([controls, patients])
    values = pd.concat([scores(rng, controls), scores(rng, patients, disease)])
    rows = []
    for fold in (0, 1):
        tested = controls.index[20 * fold : 20 * fold + 20]
        for name in covariates.index:
            group = "patient" if name in patients.index else "control"
            set_ = "test" if group == "patient" or name in tested else "held-out"
            rows += [(name, group, fold, set_, region, values.loc[name, region]) for region in values]
    return pd.DataFrame(rows, columns=["participant_id", "group", "fold", "set", "region", "percent"]), covariates


def groups_of(table, column):  # type: ignore[no-untyped-def]
    test = table[(table["set"] == "test") & (table["region"] == "whole brain")]
    return [test.loc[test["group"] == name, column].to_numpy() for name in ("control", "patient")]


def test_the_line_is_statsmodels(rng):  # type: ignore[no-untyped-def]
    covariates = people(rng, 40)
    values = scores(rng, covariates)
    found = Adjustment().fit(values, covariates)
    design = sm.add_constant(np.column_stack([covariates["age"], covariates["sex"] == "M"]).astype(float))
    oracle = sm.OLS(values["nucleus"].to_numpy(), design).fit()
    np.testing.assert_allclose(found.coefficients_[:, 1], oracle.params[1:])
    new = people(rng, 9, prefix="n")
    raw = scores(rng, new)
    own = sm.add_constant(np.column_stack([new["age"], new["sex"] == "M"]).astype(float))
    expected = raw["nucleus"] - oracle.predict(own) + values["nucleus"].mean()
    np.testing.assert_allclose(found.transform(raw, new)["nucleus"], expected)


def test_left_out_residuals_are_those_of_a_fit_without_the_subject(rng):  # type: ignore[no-untyped-def]
    covariates = people(rng, 15)
    values = scores(rng, covariates)
    found = Adjustment().fit(values, covariates)
    left = found.left_out(values)
    for name in covariates.index[:5]:
        others = [other for other in covariates.index if other != name]
        sex = (covariates["sex"] == "M").to_numpy(dtype=float)
        design = sm.add_constant(np.column_stack([covariates["age"], sex]) - found.means_, has_constant="add")
        keep = covariates.index.isin(others)
        beta = sm.OLS(values["nucleus"].to_numpy()[keep], design[keep]).fit().params
        i = covariates.index.get_loc(name)
        assert left.loc[name, "nucleus"] == pytest.approx(values["nucleus"].iloc[i] - design[i, 1:] @ beta[1:])


def test_age_goes_and_disease_stays(rng):  # type: ignore[no-untyped-def]
    raw, without, ill = [], [], []
    for _ in range(12):
        table, covariates = region_table(rng)
        done = adjust(table, covariates)
        raw.append(np.diff([side.mean() for side in groups_of(done, "percent")]).item())
        without.append(np.diff([side.mean() for side in groups_of(done, "score")]).item())
        planted = adjust(*region_table(rng, disease=1.5))
        ill.append(np.diff([side.mean() for side in groups_of(planted, "score")]).item())
    assert np.mean(raw) > 0.6  # older by 8 years of 0.1 each, not ill
    assert np.mean(without) == pytest.approx(0, abs=0.25)
    assert np.mean(ill) == pytest.approx(1.5, abs=0.25)
    test = done[(done["set"] == "test") & (done["region"] == "whole brain")].drop_duplicates("participant_id")
    age = covariates.loc[test["participant_id"], "age"].to_numpy()
    assert abs(scipy.stats.spearmanr(age, test["score"]).statistic) < 0.3
    assert scipy.stats.spearmanr(age, test["percent"]).statistic > 0.5


def test_nothing_is_fitted_on_the_tested(rng):  # type: ignore[no-untyped-def]
    table, covariates = region_table(rng)
    changed = table.copy()
    tested = changed["set"] == "test"
    one = tested & (changed["participant_id"] == "sub-p003")
    changed.loc[tested & ~one, "percent"] = 1000 * rng.normal(size=int((tested & ~one).sum()))
    first, second = adjust(table, covariates), adjust(changed, covariates)
    np.testing.assert_array_equal(first.loc[one, "score"], second.loc[one, "score"])
    np.testing.assert_array_equal(first.loc[~tested, "score"], second.loc[~tested, "score"])
    assert (first.loc[tested & ~one, "score"] != second.loc[tested & ~one, "score"]).all()
    assert first.index.equals(table.index)
    assert first["percent"].equals(table["percent"])


def test_those_of_the_fit_are_refused_as_held_out(rng):  # type: ignore[no-untyped-def]
    covariates = people(rng, 20)
    values = scores(rng, covariates)
    with pytest.raises(FittedOnError, match="adjustment was fitted on sub-c003"):
        Adjustment().fit(values, covariates).transform(values.iloc[3:4], covariates)


def test_an_unseen_category_is_one_sentence(rng):  # type: ignore[no-untyped-def]
    covariates, new = people(rng, 20), people(rng, 2, prefix="n")
    new.loc["sub-n001", "sex"] = "O"
    found = Adjustment().fit(scores(rng, covariates), covariates)
    with pytest.raises(NigraError, match=r"sub-n001: sex is one of the controls' \(F, M\), but found O; add"):
        found.transform(scores(rng, new), new)


def test_a_missing_covariate_is_a_missing_score_and_too_few_controls_are_refused(rng):  # type: ignore[no-untyped-def]
    covariates, new = people(rng, 20), people(rng, 3, prefix="n")
    values = scores(rng, covariates)
    covariates.loc["sub-c004", "age"] = np.nan
    new.loc["sub-n001", "age"] = np.nan
    new.loc["sub-n002", "age"] = 90
    found = Adjustment().fit(values, covariates)
    done = found.transform(scores(rng, new), new)
    assert done.isna().any(axis=1).tolist() == [False, True, False]
    assert found.left_out(values).isna().any(axis=1).sum() == 1
    assert found.outside(new) == {"age": 1}
    with pytest.raises(NigraError, match="needs 5 controls with all of it, but found 4"):
        Adjustment().fit(values.iloc[5:9], covariates)
    with pytest.raises(NigraError, match="adjustment for weight: it is a covariate, but found age, sex"):
        Adjustment(["weight"]).fit(values, covariates)


def test_a_region_without_a_score_stays_without(rng):  # type: ignore[no-untyped-def]
    table, covariates = region_table(rng)
    table.loc[table["region"] == "nucleus", "percent"] = np.nan
    done = adjust(table, covariates)
    assert done.loc[done["region"] == "nucleus", "score"].isna().all()
    assert done.loc[done["region"] == "whole brain", "score"].notna().all()
