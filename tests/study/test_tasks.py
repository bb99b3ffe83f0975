"""Tasks say what they read and leave, know when they are done, and are done one by one to the same end."""

from pathlib import Path

import pytest

from nigra.errors import NigraError
from nigra.files import read_tsv, write_json
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.settings import RunSettings
from nigra.study.tasks import NeedsError, Tasks
from tests.launch.launch_fixture import QUICK, small_settings
from tests.study.study_fixture import make_study, quick_settings

ONE = Execution(threads=1, device="cpu")
TABLES = ("regions.tsv", "calibration.tsv", "clusters.tsv", "evaluation.tsv")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "a study")


def tasks_of(study: Path, settings: RunSettings) -> Tasks:
    run = Run(study, settings, ONE)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.begin()
    return Tasks(run)


def done(study: Path, settings: RunSettings) -> list[bool]:
    tasks = Tasks(Run(study, settings, ONE))
    return [tasks.is_done(task) for task in tasks.all]


def test_a_run_is_trainings_scorings_and_what_comes_last(study: Path) -> None:
    tasks = tasks_of(study, quick_settings(baselines=["z"]))
    kinds = [task.kind for task in tasks.all]
    assert [kinds.count(kind) for kind in ("train", "score", "plant", "finish")] == [12, 6, 0, 1]
    assert tasks.all[0].name == "train_mlcn2021-ae_draw-00"
    name = "train_isbi2023-sae_draw-01_fold-1"
    assert list(tasks[name].row.values()) == [name, "train", "isbi2023-sae", "1", "1"]
    assert tasks["score_intensities_draw-01"].needs == ()
    assert len(tasks["score_isbi2023-sae_draw-01"].needs) == 3
    with pytest.raises(NigraError, match=r"train_nobody is no task of run quick"):
        tasks["train_nobody"]


def test_a_task_needs_exactly_those_whose_outputs_it_reads(study: Path) -> None:
    tasks = tasks_of(study, quick_settings(baselines=["z"]))
    for task in tasks.all:
        makers = [other.name for other in tasks.all if set(other.outputs) & set(task.inputs)]
        assert sorted(makers) == sorted(task.needs or task.after), task.name
    outputs = [path for task in tasks.all for path in task.outputs]
    assert len(outputs) == len(set(outputs)) > 30


def test_one_by_one_they_give_the_tables_of_the_whole_run(study: Path, tmp_path: Path) -> None:
    settings = small_settings(models=[QUICK])
    tasks = tasks_of(study, settings)
    assert [task.name for task in tasks.all] == [
        "train_isbi2023-ae_draw-00", "score_isbi2023-ae_draw-00", "score_intensities_draw-00", "finish",
    ]  # fmt: skip
    with pytest.raises(NeedsError, match=r"^needs train_isbi2023-ae_draw-00, which is not done$"):
        tasks.do(tasks.all[1], Steps())
    for task in tasks.all:
        assert not tasks.is_done(task), task.name
        tasks.do(task, Steps())
        assert tasks.is_done(task), task.name
    whole = make_study(tmp_path / "whole")
    run_study(whole, settings, ONE, ("train", "score", "evaluate"))
    for name in TABLES:
        made = (study / "runs/quick" / name).read_bytes()
        assert made == (whole / "runs/quick" / name).read_bytes()
        assert len(made) > 100
    weights = study / "runs/quick/isbi2023-ae/draw-00/model.safetensors"
    stamp = weights.stat().st_mtime_ns
    for task in tasks.all:
        tasks.do(task, Steps())
    assert weights.stat().st_mtime_ns == stamp

    other = small_settings(models=[QUICK], calibration={"controls": "training", "quantile": 0.9})
    assert done(study, other) == [True, False, False, False]
    assert done(study, small_settings(models=[QUICK | {"seed": 1}])) == [False, False, True, False]
    run_study(study, settings, ONE, ("evaluate",))
    assert not tasks.is_done(tasks["finish"]), "its tables were made by somebody else"


def test_the_tables_are_made_again_when_the_latent_stage_has_spoken(study: Path) -> None:
    tasks = tasks_of(study, small_settings(models=[QUICK]))
    before = {task.name: tasks.key(task) for task in tasks.all}
    path = tasks.run.folder / "latent" / "latent.tsv"
    path.parent.mkdir()
    keys = []
    for text in ("model\testimate\na\t0.5\n", "model\testimate\na\t0.6\n"):
        path.write_text(text)
        after = {task.name: tasks.key(task) for task in tasks.all}
        assert [name for name in after if after[name] != before[name]] == ["finish"]
        keys.append(after["finish"])
    assert keys[0] != keys[1]


def test_a_task_that_is_forgotten_starts_afresh(study: Path) -> None:
    tasks = tasks_of(study, small_settings(models=[QUICK]))
    train, score = tasks.all[:2]
    for task in (train, score):
        tasks.do(task, Steps())
    tasks.forget(score)
    assert (tasks.is_done(train), tasks.is_done(score)) == (True, False)
    tasks.do(score, Steps())
    left = score.outputs[0].with_name("of-earlier-weights")
    write_json(left, {})
    tasks.forget(train)
    assert not tasks.is_done(train)
    tasks.do(train, Steps())
    assert tasks.is_done(train)
    assert not left.exists()
    assert not tasks.is_done(score)


def test_plantings_are_tasks_where_the_settings_ask_for_them(study: Path) -> None:
    """They wait for every scoring, and what a task planted is not planted again by what comes last."""
    planted = {
        "shapes": [{"kind": "sphere", "sizes": [12]}], "subjects": 1, "lesions": 1, "distance_mm": 8,
        "bootstrap": 100,
        "effects": [{"kind": "add", "channels": {"FA": -1}, "strengths": [0.3]}],
    }  # fmt: skip
    tasks = tasks_of(study, small_settings(models=[QUICK], planted=planted))
    plants = [task for task in tasks.all if task.kind == "plant"]
    assert [task.name for task in plants] == ["plant_isbi2023-ae_draw-00", "plant_intensities_draw-00"]
    assert plants[0].needs == ("score_isbi2023-ae_draw-00",)
    assert plants[0].after == ("score_isbi2023-ae_draw-00", "score_intensities_draw-00")
    for task in tasks.all[:-1]:
        assert not tasks.is_done(task), task.name
        tasks.do(task, Steps())
        assert tasks.is_done(task), task.name
    made = sorted((study / "runs/quick/simulation/targets").glob("*/*_lesions.tsv"))
    assert [path.parent.name for path in made] == ["intensities", "isbi2023-ae"]
    table = read_tsv(made[1])
    assert set(table["strength"]) == {0.0, 0.3}
    stamps = [path.stat().st_mtime_ns for path in made]
    tasks.do(tasks["finish"], Steps())
    assert [path.stat().st_mtime_ns for path in made] == stamps
    assert len(read_tsv(study / "runs/quick/simulation/dose_response.tsv")) > 0
    tasks.forget(plants[0])
    assert [tasks.is_done(task) for task in plants] == [False, True]
    assert [path.exists() for path in made] == [True, False]
