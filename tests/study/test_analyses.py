"""The tables beside the group comparison, from a run of two methods that train nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nigra.config import settings_from
from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.study.analyses import TABLES, compared_scores, covariates_of, of_methods, tissues_of
from nigra.study.evaluate import atlas_of
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.settings import RunSettings
from tests.study.study_fixture import CONTROLS, PATIENTS, make_study, quick_settings


def settings(**changes: object) -> RunSettings:
    plain = {
        "models": [],
        "detectors": [{"kind": "z", "reads": "intensities"}],
        "baselines": ["raw", "regional-mean"],
    }
    return quick_settings(**(plain | changes))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("study"))
    run_study(folder, settings(), stages=("train", "score", "evaluate"))
    return folder


def test_every_question_the_cohort_can_answer_has_a_table(study: Path) -> None:
    folder = study / "runs" / "quick"
    there = {name for name in TABLES if (folder / f"{name}.tsv").exists()}
    assert there == {
        "comparison",
        "balance",
        "confounds",
        "false_positives",
    }  # no site, no stage, no clinical score
    evaluation = read_tsv(folder / "evaluation.tsv")
    methods = {tuple(pair) for pair in evaluation[["model", "detector"]].to_numpy()}
    assert methods == {("intensities", "z"), ("intensities", "raw"), ("intensities", "regional-mean")}
    comparison = read_tsv(folder / "comparison.tsv")
    assert len(comparison[["first", "second"]].drop_duplicates()) == 3
    assert set(read_tsv(folder / "balance.tsv")["column"]) == {"age", "sex"}


def test_the_false_positive_panel_shows_methods_with_a_threshold_only(study: Path) -> None:
    panel = read_tsv(study / "runs" / "quick" / "false_positives.tsv")
    assert set(panel["detector"]) == {"z", "raw"}
    np.testing.assert_allclose(panel["expected_percent"], 2)
    regions = read_tsv(study / "runs" / "quick" / "regions.tsv")
    own = regions[(regions["set"] == "test") & (regions["group"] == "control") & (regions["detector"] == "z")]
    whole = own[own["region"] == "whole brain"].groupby("participant_id")["percent"].mean()
    row = panel[(panel["detector"] == "z") & (panel["factor"] == "whole brain")].iloc[0]
    assert row["percent"] == pytest.approx(whole.mean())
    assert row["controls"] == len(whole)


def test_scores_are_compared_as_they_are_unless_asked_otherwise(study: Path) -> None:
    folder = study / "runs" / "quick"
    assert not (folder / "regions_compared.tsv").exists()
    regions = read_tsv(folder / "regions.tsv")
    assert compared_scores(Run(study, settings()), regions) is regions


def test_adjusted_scores_are_kept_apart(study: Path) -> None:
    regions = read_tsv(study / "runs" / "quick" / "regions.tsv")
    run = Run(study, settings(evaluation={"adjust_for": ["age"]}))
    adjusted = compared_scores(run, regions)
    assert set(of_methods(adjusted)) == set(of_methods(regions))
    keys = ["model", "detector", "fold", "set", "region", "participant_id"]
    both = regions.merge(adjusted, on=keys, suffixes=("", "_adjusted"))
    moved = (both["score"] - both["score_adjusted"]).abs()
    assert moved[both["set"] == "test"].max() > 1e-3
    people = run.cohort.participants.set_index("participant_id")["age"]
    rows = both[(both["detector"] == "z") & (both["region"] == "whole brain") & (both["fold"] == 0)]
    fit, test = rows[rows["set"] == "held-out"], rows[rows["set"] == "test"]
    slope = np.polyfit(people[fit["participant_id"]], fit["score"], 1)[0]  # the oracle: held-out controls alone
    away = people[test["participant_id"]].to_numpy() - people[fit["participant_id"]].mean()
    np.testing.assert_allclose(test["score_adjusted"], test["score"] - slope * away, rtol=1e-6, atol=1e-9)


def test_unknown_columns_are_named(study: Path) -> None:
    with pytest.raises(NigraError, match="covariates: motion is a column of the study, but found age, sex"):
        covariates_of(Run(study, settings(evaluation={"covariates": ["motion"]})))
    run = Run(study, settings(evaluation={"adjust_for": ["motion"]}))
    with pytest.raises(NigraError, match="motion"):
        compared_scores(run, read_tsv(study / "runs" / "quick" / "regions.tsv"))


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        ({"covariates": ["motion"]}, "covariates: motion"),
        ({"adjust_for": ["motion"]}, "adjustment for motion"),
        ({"reference": "mine"}, "reference: it is a method of the run .* but found mine"),
        ({"disease": {"stage": "updrs"}}, "disease: updrs is a column of participants.tsv"),
        ({"disease": {"stage": "grade"}}, "stage is 0 to 5.* found 9"),
        ({"harmonise": True}, "harmonisation needs a column site"),
    ],
)
def test_what_cannot_be_asked_is_told_before_the_training(
    tmp_path: Path, evaluation: dict[str, object], sentence: str
) -> None:
    folder = make_study(tmp_path / "study")
    path = folder / "cohort" / "participants.tsv"
    people = pd.read_csv(path, sep="\t")
    people["grade"] = [np.nan] * len(CONTROLS) + [1, 2, 2, 9]
    people.to_csv(path, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(NigraError, match=sentence):
        run_study(folder, settings(evaluation=evaluation))
    assert not (folder / "runs").exists()


def test_a_stage_that_could_not_be_rated_is_unknown_as_a_covariate_too(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study")
    path = folder / "cohort" / "participants.tsv"
    people = pd.read_csv(path, sep="\t")
    people["hoehn_yahr"] = [np.nan] * len(CONTROLS) + [1, 2, 101, 2]
    people.to_csv(path, sep="\t", index=False, na_rep="n/a")
    known = covariates_of(Run(folder, settings(evaluation={"covariates": ["hoehn_yahr"]})))
    np.testing.assert_array_equal(known["hoehn_yahr"].to_numpy()[len(CONTROLS) :], [1, 2, np.nan, 2])


def test_a_column_named_twice_is_refused() -> None:
    for name in ("covariates", "adjust_for"):
        with pytest.raises(NigraError, match="age is named 2 times"):
            settings_from({"evaluation": {name: ["age", "sex", "age"]}})
    with pytest.raises(NigraError, match="score is named 2 times"):
        settings_from({"evaluation": {"disease": {"clinical": ["score", "score"]}}})


def test_tissues_come_from_the_settings(study: Path) -> None:
    atlas = {"name": "file", "dseg": "space-MNI152NLin2009aSym_dseg.nii.gz"}
    run = Run(study, settings(atlas=atlas | {"tissues": {"grey matter": ["high", "putamen left"]}}))
    assert tissues_of(run, atlas_of(run)) == {"high": "grey matter", "putamen left": "grey matter"}
    assert tissues_of(Run(study, settings(atlas=atlas)), atlas_of(run)) == {}
    wrong = Run(study, settings(atlas=atlas | {"tissues": {"white matter": ["cortex"]}}))
    with pytest.raises(NigraError, match="cortex"):
        tissues_of(wrong, atlas_of(run))


def test_clinical_columns_bring_their_questions_and_stale_tables_go(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study")
    path = folder / "cohort" / "participants.tsv"
    people = pd.read_csv(path, sep="\t")
    people["hoehn_yahr"] = [np.nan] * len(CONTROLS) + [1, 2, 2, 3]
    people["site"] = ["one", "two"] * 7 + ["one"]
    people.to_csv(path, sep="\t", index=False, na_rep="n/a")
    run_study(folder, settings(), stages=("train", "score", "evaluate"))
    disease = read_tsv(folder / "runs" / "quick" / "disease.tsv")
    trend = disease[(disease["question"] == "trend") & (disease["region"] == "whole brain")]
    assert (trend["subjects"] == len(PATIENTS)).all()
    assert (folder / "runs" / "quick" / "site.tsv").exists()
    confounded = set(read_tsv(folder / "runs" / "quick" / "confounds.tsv")["column"].dropna())
    assert confounded == {"age", "sex", "site", "all together"}, "a stage that controls lack is no confound"
    run_study(folder, settings(), stages=("report",))
    pictures = {path.stem for path in (folder / "runs" / "quick" / "figures").glob("*.png")}
    assert {"comparison", "differences"} <= pictures
    assert {f"{name}-intensities+z" for name in ("panel", "confounds", "stage")} <= pictures
    page = (folder / "runs" / "quick" / "report.html").read_text(encoding="utf-8")
    for name in TABLES:
        assert f'id="table-{name}"' in page, name
    run_study(folder, settings(baselines=[]), stages=("evaluate",))
    assert not (folder / "runs" / "quick" / "comparison.tsv").exists(), "one method has nothing to compare with"
