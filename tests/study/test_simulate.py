"""A whole simulation on a small study: planted as recorded, scored as the run scores, found, and resumed."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra import cli
from nigra.config import settings_from
from nigra.errors import NigraError
from nigra.files import read_tsv, write_text
from nigra.provenance import FittedOnError
from nigra.simulation.settings import SimulationSettings
from nigra.study import features, planted
from nigra.study import simulate as simulation
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.settings import RunSettings
from nigra.study.simulate import simulate, to_do
from tests.study.study_fixture import CONTROLS, SPACE, brain, make_study, quick_settings

ONE = Execution(threads=1, device="cpu")
LESION = "lesion.nii.gz"
TABLES = ("lesions.tsv", "plantings.tsv", "dose_response.tsv", "smallest_effect.tsv", "froc.tsv")


def run_settings() -> RunSettings:
    """A patch model by its error and by z of its residuals, and z of the maps."""
    detectors = [
        {"kind": "error"}, {"kind": "z"}, {"kind": "z", "name": "z-maps", "reads": "intensities"},
    ]  # fmt: skip
    model = {"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}
    return quick_settings(
        splits={"draws": 1, "test_fraction": 0.27}, models=[model], detectors=detectors,
        calibration={"controls": "training"},
    )  # fmt: skip


def settings(**changes: object) -> SimulationSettings:
    plain = {
        "run": "quick",
        "shapes": [
            {"kind": "sphere", "sizes": [12]},
            {"kind": "region", "regions": ["putamen left"], "sizes": [1000]},
            {"kind": "mask", "files": [LESION]},
        ],
        "effects": [
            {"kind": "add", "name": "lower", "channels": {"FA": -1}, "strengths": [0.03, 0.3]},
            {"kind": "add", "name": "higher", "channels": {"FA": 1}, "strengths": [0.03, 0.3]},
        ],
        "subjects": 2, "lesions": 2, "distance_mm": 8, "bootstrap": 100, "rates": [0.005, 0.02, 0.1],
    }  # fmt: skip
    return settings_from({**plain, **changes}, "simulate.yaml", SimulationSettings)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("simulate"))
    lesion = np.zeros(brain().shape, np.uint8)
    lesion[4:7, 9:11, 3] = 1
    image = nib.load(folder / f"space-{SPACE}_dseg.nii.gz")
    nib.save(nib.Nifti1Image(lesion, image.affine), folder / LESION)
    run_study(folder, run_settings(), ONE, ("train", "score"))
    simulate(folder, run_settings(), settings(), ONE)
    return folder


def lesions_of(study: Path) -> pd.DataFrame:
    return read_tsv(study / "runs/quick/simulation/lesions.tsv")


def test_only_test_controls_are_planted_into(study: Path) -> None:
    run = Run(study, run_settings(), ONE)
    names = set(lesions_of(study)["participant_id"])
    assert len(names) == 2
    assert names <= set(run.draws[0].test) & set(CONTROLS)
    assert not names & set(run.draws[0].train)


def test_truth_images_are_the_recorded_places(study: Path) -> None:
    folder = study / "runs/quick/simulation"
    table = read_tsv(folder / "plantings.tsv")
    assert set(table["shape"]) == {"sphere", "region", "mask"}
    images = sorted((folder / "truth").glob("*.nii.gz"))
    assert len(images) == 6
    for path in images:
        labels = np.asarray(nib.load(path).dataobj)
        shape = path.name.split("shape-")[1].split("_")[0]
        own = table[(table["participant_id"] == path.name.split("_")[0]) & (table["shape"] == shape)]
        for row in own.to_dict("records"):
            assert (labels == row["number"]).sum() == row["voxels"]
            assert labels[row["i"], row["j"], row["k"]] == row["number"]
            assert row["size_mm3"] == pytest.approx(row["voxels"] * 64)
        assert not labels[~brain()].any()
    mask = table[table["shape"] == "mask"]
    assert set(mask["source"]) == {"lesion-1"}
    assert set(mask["voxels"]) == {6}


def test_measures_are_those_of_the_planted_volume(study: Path) -> None:
    """Oracle: plant by hand from the record and the truth image, z-score by hand from the training controls."""
    run = Run(study, run_settings(), ONE)
    draw, cohort = run.draws[0], run.cohort
    table = lesions_of(study)
    name = table["participant_id"].iloc[0]
    truth = next((study / "runs/quick/simulation/truth").glob(f"{name}*shape-sphere*"))
    labels = np.asarray(nib.load(truth).dataobj)
    volume = np.array(cohort.volumes[int(cohort.rows([name])[0])])
    volume[0, labels > 0] -= 0.3
    reader = features.Reader(run, None, 0, run.parts(draw)[0], [])
    maps = np.stack([reader.source.volume(int(row))[:, brain()].T for row in cohort.rows(draw.train)])
    new = reader.read_volume(volume)["intensities"]
    z = np.sqrt((((new - maps.mean(axis=0)) / np.maximum(maps.std(axis=0, ddof=1), 1e-3)) ** 2).mean(axis=1))
    method = next(m for m in run.settings.methods if m.label == "intensities+z-maps")
    scored = read_scores(run, method, draw)
    plain = scored.test[scored.test_ids.index(name)]
    mean, spread = maps.mean(axis=0), np.maximum(maps.std(axis=0, ddof=1), 1e-3)
    old = reader.read(name)["intensities"]
    offset = plain - np.sqrt((((old - mean) / spread) ** 2).mean(axis=1))  # the detector's margin
    expected = z + offset.mean()
    inside = labels[brain()] == 1
    row = table.query(
        "participant_id == @name and detector == 'z-maps' and shape == 'sphere' and effect == 'lower' "
        "and strength == 0.3 and number == 1"
    ).iloc[0]
    threshold = scored.threshold.value
    assert row["voxels"] == inside.sum()
    assert row["sensitivity"] == pytest.approx((expected[inside] > threshold).mean(), abs=1e-6)
    outside = expected[labels[brain()] == 0]
    auc = (expected[inside][:, None] > outside[None]).mean()
    assert row["auroc"] == pytest.approx(auc, abs=2e-3)
    assert row["observed_rate"] == pytest.approx((plain > threshold).mean())


def test_both_directions_are_found_and_nothing_where_nothing_is(study: Path) -> None:
    """Law 6, by every z; at strength 0 the planted volume is the scanned one."""
    table = lesions_of(study)
    mean = table.groupby(["detector", "effect", "strength"])[
        ["auroc", "auroc_paired", "sensitivity_matched"]
    ].mean()
    for effect in ("lower", "higher"):
        for detector in ("z", "z-maps"):
            assert mean.loc[(detector, effect, 0.3), "auroc"] > 0.9
            assert mean.loc[(detector, effect, 0.3), "sensitivity_matched"] > 0.5
            assert mean.loc[(detector, effect, 0.0), "sensitivity_matched"] < 0.2
            assert mean.loc[(detector, effect, 0.3), "auroc"] > mean.loc[(detector, effect, 0.03), "auroc"]
    assert (table.loc[table["strength"] == 0, "auroc_paired"] == 0.5).all()


def test_the_matched_threshold_keeps_its_rate_on_unplanted_controls(study: Path) -> None:
    run = Run(study, run_settings(), ONE)
    table = lesions_of(study).drop_duplicates(["model", "detector", "participant_id"])
    tested = [name for name in run.draws[0].test if name in CONTROLS]
    assert len(tested) == 3
    assert table["observed_rate_matched"].max() <= 0.06 + 1e-9  # three controls share 3 x 2 %
    assert table["observed_rate_matched"].mean() > 0


def test_the_region_that_holds_a_lesion_stands_out(study: Path) -> None:
    table = lesions_of(study)
    own = table[(table["shape"] == "region") & (table["detector"] == "z-maps")]
    assert set(own["region"]) == {"putamen left"}
    strong = own[own["strength"] == 0.3]
    assert (strong["region_percent"] > own[own["strength"] == 0]["region_percent"].max()).all()
    assert strong["region_found"].mean() > 0.5


def test_the_page_stands_alone_and_says_what_it_is(study: Path) -> None:
    page = (study / "runs/quick/simulation/simulation.html").read_text()
    assert "Research use only, not a medical device." in page
    assert page.count("data:image/") == 4
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "")
    assert "isbi2023-ae+z" in page
    assert "intensities+z-maps" in page


@pytest.fixture
def plain_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and page, which take seconds, are left out."""
    monkeypatch.setattr(simulation, "draw_figures", lambda *given: None)
    monkeypatch.setattr(simulation, "build_simulation_page", lambda folder: folder)


@pytest.mark.usefixtures("plain_tables")
def test_a_second_call_scores_nothing_and_a_lost_target_comes_back_the_same(study: Path, monkeypatch) -> None:
    folder = study / "runs/quick/simulation"
    before = {name: (folder / name).read_bytes() for name in TABLES}
    reads: list[int] = []
    plain = features.Reader.read_volume
    monkeypatch.setattr(features.Reader, "read_volume", lambda self, volume: reads.append(1) or plain(self, volume))
    simulate(study, run_settings(), settings(), ONE)
    assert not reads
    lost = sorted((folder / "targets").glob("intensities/*_lesions.tsv"))
    assert len(lost) == 6
    lost[2].unlink()  # as a kill between the two tables would leave it
    assert {(model, done) for model, _, done in to_do(study, run_settings(), settings())} == {
        ("isbi2023-ae", 24), ("intensities", 20),
    }  # fmt: skip
    simulate(study, run_settings(), settings(), ONE)
    assert len(reads) == 4  # its two effects in two strengths
    assert {name: (folder / name).read_bytes() for name in TABLES} == before


@pytest.mark.usefixtures("plain_tables")
def test_other_settings_are_planted_anew_and_leave_nothing_behind(study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(study, tmp_path / "study")
    folder = study / "runs/quick/simulation"
    kept = {path.name for path in (folder / "targets").rglob("*.tsv")}
    one = settings(shapes=[{"kind": "sphere", "sizes": [12]}], seed=3)
    places = read_tsv(folder / "plantings.tsv")
    simulate(study, run_settings(), one, ONE)
    now = {path.name for path in (folder / "targets").rglob("*.tsv")}
    assert not kept & now
    assert len(list((folder / "truth").glob("*.nii.gz"))) == 2
    again = read_tsv(folder / "plantings.tsv")
    assert set(again["seed"]).isdisjoint(places["seed"])


def test_a_subject_that_trained_is_refused(study: Path, monkeypatch) -> None:
    run = Run(study, run_settings(), ONE)
    trained_on = [run.draws[0].train[0]]
    monkeypatch.setattr(planted.Plan, "subjects", lambda self, draw: trained_on)
    with pytest.raises(FittedOnError):
        simulate(study, run_settings(), settings(seed=8), ONE)


def test_a_strength_that_changes_no_voxel_is_said(study: Path) -> None:
    effects = [{"kind": "blur", "strengths": [1e-9, 2]}]
    plan = planted.Plan(Run(study, run_settings(), ONE), settings(effects=effects))
    found = {target: plan.lesions(target) for target in plan.targets[:1]}
    (sentence,) = plan.without_change(found)
    assert sentence.startswith("Caution: blur of strength 1e-09 changes no voxel of sub-")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"participants": ["sub-P0"]}, "sub-P0: participants planted into are test controls"),
        ({"draws": 9}, "draws: 9 are wanted, but the run has"),
        ({"participants": ["sub-nobody"]}, "the cohort store has no subject sub-nobody"),
        ({"shapes": [{"kind": "region", "regions": ["putamen lift"]}]}, "did you mean putamen left"),
        ({"shapes": [{"kind": "sphere", "sizes": [500]}]}, "none of the shapes fits"),
        ({"effects": [{"kind": "blur", "channels": {"T1w": 1}, "strengths": [2]}]}, "changes the channel T1w"),
        ({"shapes": [{"kind": "mask", "files": ["absent.nii"]}]}, "is not a readable mask"),
    ],
)
def test_what_does_not_fit_the_run_is_one_sentence(study: Path, changes: dict, sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        simulate(study, run_settings(), settings(**changes), ONE)


def test_the_command_says_what_it_would_do_and_refuses_an_unscored_run(study: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "simulate.yaml"
    write_text(path, "run: quick\nsubjects: 1\neffects: [{kind: blur, strengths: [2, 4]}]\n")
    assert cli.main(["simulate", str(study), "--config", str(path), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "isbi2023-ae: 4 planted volumes to score, 0 of them done before",
        "intensities: 4 planted volumes to score, 0 of them done before",
    ]
    write_text(path, "run: other\n")
    assert cli.main(["simulate", str(study), "--config", str(path)]) == 2
    assert "runs/other is no run; run `nigra score" in capsys.readouterr().err
