"""Baselines of a run: which they are, that none is scored twice, what the tables and the report hold of them."""

from pathlib import Path

import numpy as np
import pytest

from nigra.cohort.store import open_cohort
from nigra.config import settings_from
from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.scoring.smoothing import smooth
from nigra.study import features
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.settings import BASELINES, REGIONAL_MEAN, RunSettings
from tests.study.study_fixture import PATIENTS, brain, make_study, planted, quick_settings

ONE = Execution(threads=1, device="cpu")
ALL = ["z", "smooth-z", "regional-mean", "pca", "mixture", "raw"]


def settings(**changes: object) -> RunSettings:
    """One small network beside all baselines; training controls, so that four-control folds play no part."""
    plain: dict[str, object] = {
        "splits": {"draws": 1, "test_fraction": 0.27}, "figures": {"examples": 0}, "baselines": ALL,
        "models": [{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}],
        "calibration": {"controls": "training"},
    }  # fmt: skip
    return quick_settings(**{**plain, **changes})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("baselines"))
    run_study(folder, settings(), ONE)
    return folder


def labels(**content: object) -> list[str]:
    return [method.label for method in settings_from(dict(content)).methods]


def test_every_run_has_them_unless_told_otherwise() -> None:
    networks = ["mlcn2021-ae", "mlcn2021-sae"]
    assert labels() == networks + [f"intensities+{name}" for name in BASELINES]
    assert labels(baselines=[]) == networks
    assert labels(baselines=["raw", "z", "raw", "regional-mean"]) == [*networks, "intensities+raw", "intensities+z"]
    assert labels(models=[], baselines=["pca"]) == ["intensities+pca"]
    assert set(ALL) == {*BASELINES, REGIONAL_MEAN} == set(RunSettings().baselines)


def test_none_is_scored_twice() -> None:
    """One asked for under its name, or the same under another, stands for it; a z of residuals does not."""
    given = [
        {"kind": "error"}, {"kind": "z"}, {"kind": "raw", "side": "low"},
        {"kind": "z", "name": "z-maps", "reads": "intensities"},
    ]  # fmt: skip
    found = settings_from({"models": [{"preset": "mlcn2021-ae"}], "detectors": given, "baselines": ["z", "raw"]})
    assert [m.label for m in found.methods] == [
        "mlcn2021-ae", "mlcn2021-ae+z", "intensities+raw", "intensities+z-maps"
    ]  # fmt: skip
    assert found.methods[2].detector.side == "low"


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        ({"kind": "z", "name": "regional-mean", "reads": "intensities"}, "regional-mean is the name of a baseline"),
        ({"kind": "pca", "components": "bic"}, "components of pca are a number, or a share of variance below 1"),
        ({"kind": "student-mixture", "components": 0.5}, "components of student-mixture are a number, or bic"),
        ({"kind": "pca", "smoothing_mm": 4}, "smoothing_mm is no setting of pca"),
        ({"kind": "z", "reads": "codes", "smoothing_mm": 4}, "codes are not smoothed"),
        ({"kind": "z", "side": "low"}, "side is no setting of z"),
    ],
)
def test_settings_that_make_no_sense_are_one_sentence(detector: dict[str, object], sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        settings_from({"detectors": [detector]})
    with pytest.raises(NigraError, match="baselines"):
        settings_from({"baselines": ["zz"]})


def test_all_are_in_the_tables_and_find_the_planted_region(study: Path) -> None:
    table = read_tsv(study / "runs/quick/evaluation.tsv")
    auc = table[(table["measure"] == "auc") & (table["region"] == "putamen left")].set_index("detector")["estimate"]
    assert list(auc.index) == ["error", "z", "smooth-z", "pca", "mixture", "raw", "regional-mean"]
    assert auc["regional-mean"] == auc["z"] == auc["smooth-z"] == 1
    low = table[(table["measure"] == "auc") & (table["region"] == "low")].set_index("detector")["estimate"]
    assert low["regional-mean"] < 1
    text = (study / "runs/quick/report.html").read_text()
    assert "intensities+regional-mean" in text
    assert "Networks and baselines" in text
    assert "the best baseline, intensities+" in text


def test_rows_of_the_regional_mean_are_what_numpy_makes_of_the_store(study: Path) -> None:
    table = read_tsv(study / "runs/quick/regions.tsv")
    voxelwise = table[table["detector"] != REGIONAL_MEAN]
    np.testing.assert_array_equal(voxelwise["score"], voxelwise["percent"])
    rows = table[(table["detector"] == REGIONAL_MEAN) & (table["region"] == "putamen left")]
    rows = rows.set_index("participant_id")
    assert rows[["voxels", "abnormal", "percent"]].isna().all(axis=None)
    counts = read_tsv(study / "runs/quick/regions.tsv", ("voxels", "abnormal"))["voxels"].dropna()
    assert counts.str.fullmatch(r"\d+").all(), "counts stay whole numbers"
    cohort, draw = open_cohort(study), Run(study, settings(), ONE).draws[0]
    inside = planted() & brain()
    means = {name: cohort.volumes[row][:, inside].mean(axis=1, dtype=float) for row, name in enumerate(cohort.ids)}
    controls = np.stack([means[name] for name in draw.train])
    for name in (PATIENTS[0], draw.test[0]):
        z = (means[name] - controls.mean(axis=0)) / controls.std(axis=0, ddof=1)
        assert rows.loc[name, "score"] == pytest.approx(np.sqrt((z**2).mean()), rel=1e-3)
    assert rows.loc[PATIENTS[0], "score"] > 10 > rows[rows["group"] == "control"]["score"].max()


def test_smoothed_z_is_the_z_of_smoothed_maps(study: Path) -> None:
    run = Run(study, settings(), ONE)
    method = next(m for m in run.settings.methods if m.label == "intensities+smooth-z")
    reader = features.Reader(run, None, 0, run.parts(run.draws[0])[0], [method.detector])

    def smoothed(name: str) -> np.ndarray:
        plain = reader.source.volume(int(run.cohort.rows([name])[0]))[:, brain()].T
        return smooth(np.ascontiguousarray(plain), brain(), run.cohort.affine, 4.0)

    controls = np.stack([smoothed(name) for name in run.draws[0].train])
    z = (smoothed(PATIENTS[1]) - controls.mean(axis=0)) / controls.std(axis=0, ddof=1)
    scored = read_scores(run, method, run.draws[0])
    got = scored.test[scored.test_ids.index(PATIENTS[1])]
    expected = np.sqrt((z**2).mean(axis=1))
    np.testing.assert_allclose(np.diff(got), np.diff(expected), rtol=2e-3, atol=5e-3)  # less a constant offset
    assert got.std() > 0.3


def test_maps_themselves_are_read_unclipped(tmp_path: Path) -> None:
    """A value far beyond the scale of the training controls reaches the detector as far as it is."""
    study = make_study(tmp_path)
    run = Run(study, quick_settings(models=[], detectors=[{"kind": "z", "reads": "intensities"}]))
    draw = run.draws[0]
    reader = features.Reader(run, None, 0, run.parts(draw)[0], [method.detector for method in run.settings.methods])
    volume = np.array(run.cohort.volumes[0])
    before = reader.read_volume(volume)["intensities"]
    volume[:, run.cohort.mask] *= 3
    after = reader.read_volume(volume)["intensities"]
    assert before.max() < 2 < after.max()
