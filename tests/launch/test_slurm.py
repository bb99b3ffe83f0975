"""Job arrays: what is submitted and taken up, by stand-ins; and whole runs by a real SLURM where there is one."""

import io
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from nigra.errors import NigraError
from nigra.files import read_json, read_tsv
from nigra.launch import slurm as module
from nigra.launch.board import Board
from nigra.launch.queue import queue
from nigra.launch.runner import Outcome, launch
from nigra.launch.schedule import Schedule
from nigra.launch.settings import LaunchSettings, SlurmSettings
from nigra.launch.slurm import Job, read_jobs, submit_all, watch
from nigra.launch.status import Status, read_status, write_status
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.settings import RunSettings
from nigra.study.tasks import KINDS, Tasks
from tests.launch.launch_fixture import BROKEN, QUICK, small_settings
from tests.study.study_fixture import make_study

ONE = Execution(threads=1, device="cpu")
SLURM = LaunchSettings(launcher="slurm")
FAST = SlurmSettings(time="10", cpus=1, poll=0.01)


class Cluster:
    """Stands for SLURM: it lists what was submitted until told that it ended."""

    def __init__(self) -> None:
        self.listed: dict[str, tuple[str, str]] = {}
        self.scripts: dict[str, list[str]] = {}
        self.moved: list[tuple[list[str], list[str]]] = []
        self.silent = 0

    def submit(self, script: Path) -> str:
        number = str(len(self.scripts) + 1)
        self.scripts[number] = script.read_text().splitlines()
        names = script.with_suffix(".tasks").read_text().splitlines()
        self.listed |= {f"{number}_{n}": ("PENDING", "Priority") for n in range(len(names))}
        return number

    def queue(self) -> dict[str, tuple[str, str]]:
        if self.silent:
            self.silent -= 1
            raise NigraError("squeue does not answer")
        return dict(self.listed)

    def option(self, job: str, name: str) -> str:
        return next(
            (line.split("=", 1)[1] for line in self.scripts[job] if line.startswith(f"#SBATCH --{name}=")), ""
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(module, "submit", cluster.submit)
    monkeypatch.setattr(module, "queue", cluster.queue)
    monkeypatch.setattr(module, "wait_for", lambda jobs, others: cluster.moved.append((jobs, others)))
    monkeypatch.setattr(module, "why_ended", lambda element: f"CANCELLED {element}")
    return cluster


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    run = Run(make_study(tmp_path), small_settings(), ONE)
    run.folder.mkdir(parents=True)
    run.begin()
    return Tasks(run)


def submitted(tasks: Tasks, settings: SlurmSettings = FAST) -> tuple[Board, dict[str, str]]:
    board = Board(tasks.run.folder, Schedule.of(tasks, KINDS))
    return board, submit_all(tasks, board, settings)


def test_one_array_per_kind_each_after_those_before(tasks: Tasks, cluster: Cluster) -> None:
    board, elements = submitted(tasks)
    assert [each.kind for each in read_jobs(tasks.run)] == ["train", "score", "finish"]
    assert elements["train_broken_draw-00"] == "1_1"
    assert elements["finish"] == "3_0"
    assert [cluster.option(job, "dependency") for job in "123"] == ["", "afterany:1", "afterany:1:2"]
    assert [cluster.option(job, "array") for job in "123"] == ["0-1", "0-2", "0-0"]
    assert set(board.schedule.states.values()) == {"queued"}


def test_large_arrays_come_in_parts(tasks: Tasks, cluster: Cluster) -> None:
    submitted(tasks, FAST.model_copy(update={"largest_array": 2}))
    assert [each.tasks for each in read_jobs(tasks.run)][1:] == [
        ("score_isbi2023-ae_draw-00", "score_broken_draw-00"), ("score_intensities_draw-00",), ("finish",),
    ]  # fmt: skip
    assert cluster.option("4", "dependency") == "afterany:1:2:3"
    scripts = sorted(path.name for path in (tasks.run.folder / "slurm").glob("*.sbatch"))
    assert scripts == ["01-train.sbatch", "02-score.sbatch", "03-score.sbatch", "04-finish.sbatch"]


def test_the_same_command_submits_nothing_twice(tasks: Tasks, cluster: Cluster) -> None:
    _, first = submitted(tasks)
    _, second = submitted(tasks)
    assert second == first
    assert len(cluster.scripts) == 3
    del cluster.listed["1_1"]  # it failed, while the rest still waits
    _, third = submitted(tasks)
    assert third["train_broken_draw-00"] == "4_0"
    assert cluster.moved == [(["2", "3"], ["1", "4"])], "what waited for the first array waits for the new one too"
    assert [each.id for each in read_jobs(tasks.run)] == ["1", "2", "3", "4"]
    cluster.listed.clear()
    _, fourth = submitted(tasks)
    assert set(fourth.values()) == {"5_0", "5_1", "6_0", "6_1", "6_2", "7_0"}


def test_a_refusal_keeps_what_was_submitted(
    tasks: Tasks, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(script: Path) -> str:
        if "score" in script.name:
            raise NigraError("sbatch refuses it")
        return cluster.submit(script)

    monkeypatch.setattr(module, "submit", refusing)
    with pytest.raises(NigraError, match="refuses"):
        submitted(tasks)
    assert [each.kind for each in read_jobs(tasks.run)] == ["train"]
    monkeypatch.setattr(module, "submit", cluster.submit)
    _, elements = submitted(tasks)
    assert elements["train_broken_draw-00"] == "1_1"
    assert cluster.option("2", "dependency") == "afterany:1"


def test_watching_tells_what_slurm_or_the_task_says(
    tasks: Tasks, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task is done, one fails with a sentence, one is cancelled without a word; SLURM is silent for a while."""
    board, elements = submitted(tasks)
    done: set[str] = set()
    monkeypatch.setattr(Tasks, "is_done", lambda self, task: task.name in done)
    left = iter(["train_isbi2023-ae_draw-00", "train_broken_draw-00", "score_isbi2023-ae_draw-00",
                 "score_intensities_draw-00", "finish"])  # fmt: skip
    cluster.silent = 5

    def listed() -> dict[str, tuple[str, str]]:
        found = Cluster.queue(cluster)
        name = next(left, "")
        if name:
            del cluster.listed[elements[name]]
        if name in ("train_isbi2023-ae_draw-00", "score_intensities_draw-00", "finish"):
            done.add(name)
        if name == "train_broken_draw-00":
            write_status(tasks.run.folder, Status(task=name, state="failed", reason="lower it", job=elements[name]))
        return found

    monkeypatch.setattr(module, "queue", listed)
    watch(tasks, board, elements, FAST)
    assert board.schedule.states == {
        "train_isbi2023-ae_draw-00": "done", "train_broken_draw-00": "failed",
        "score_isbi2023-ae_draw-00": "failed", "score_broken_draw-00": "skipped",
        "score_intensities_draw-00": "done", "finish": "done",
    }  # fmt: skip
    assert board.schedule.reasons["train_broken_draw-00"] == "lower it"
    assert "SLURM ended job 2_0: CANCELLED 2_0" in board.schedule.reasons["score_isbi2023-ae_draw-00"]


def test_a_word_of_an_earlier_job_is_not_taken_for_one_of_this(
    tasks: Tasks, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "train_broken_draw-00"
    write_status(tasks.run.folder, Status(task=name, state="failed", reason="of yesterday", job="0_9"))
    board, elements = submitted(tasks)
    cluster.listed.clear()
    watch(tasks, board, elements, FAST)
    assert "SLURM ended job 1_1: CANCELLED" in board.schedule.reasons[name]


def test_a_silent_slurm_is_given_up_in_the_end(
    tasks: Tasks, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 3)
    board, elements = submitted(tasks)
    cluster.silent = 3
    with pytest.raises(NigraError, match="does not answer"):
        watch(tasks, board, elements, FAST)


def test_elements_are_numbered_as_the_list() -> None:
    assert Job("7", "train", ("a", "b")).elements == {"a": "7_0", "b": "7_1"}


# --- a real SLURM ------------------------------------------------------------------------------------------------

LONG = QUICK | {"name": "long", "epochs": 40, "units_per_subject": 100}
REAL = SlurmSettings(time="10", cpus=1, poll=0.5, notice=30)
TABLES = ("regions.tsv", "calibration.tsv", "clusters.tsv", "evaluation.tsv")


@pytest.fixture
def real() -> None:
    """A SLURM that answers, or a skip."""
    if shutil.which("sbatch") is None or subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("no SLURM answers on this machine")


def launched(study: Path, settings: RunSettings, command: str = "run") -> tuple[Outcome, str]:
    text = io.StringIO()
    outcome = launch(Run(study, settings, ONE), SLURM, command, REAL, Console(file=text, width=200))
    return outcome, text.getvalue()


def wait_for(what: Callable[[], object], seconds: float = 240.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)


def begun(study: Path, settings: RunSettings) -> tuple[Run, str]:
    """Submit a training without waiting; returns its run and its element once an epoch of it is on disk."""
    run = Run(study, settings, ONE)
    outcome = launch(run, SLURM.model_copy(update={"wait": False}), "train", REAL)
    assert outcome.queued == ["train_long_draw-00"]
    wait_for((run.folder / "long/draw-00/training.jsonl").exists)
    return run, f"{read_jobs(run)[0].id}_0"


@pytest.mark.slurm
def test_a_run_by_slurm_gives_the_same_tables_and_a_failure_is_a_row(real: None, tmp_path: Path) -> None:
    study, alone = make_study(tmp_path / "a study"), make_study(tmp_path / "alone")
    outcome, text = launched(study, small_settings(models=[QUICK, BROKEN]))
    assert outcome.failed == ["train_broken_draw-00", "score_broken_draw-00"], text
    assert outcome.finished
    table = read_tsv(study / "runs/quick/tasks.tsv", ("task",)).set_index("task")
    assert "lower learning_rate" in table.loc["train_broken_draw-00", "reason"]
    run_study(alone, small_settings(models=[QUICK]), ONE, ("train", "score", "evaluate"))
    for name in TABLES:
        assert (study / "runs/quick" / name).read_bytes() == (alone / "runs/quick" / name).read_bytes()
    again, text = launched(study, small_settings(models=[QUICK, BROKEN]), "train")
    assert again.failed == ["train_broken_draw-00"]
    assert "1 tasks are in the queue" in text


@pytest.mark.slurm
def test_near_its_time_limit_a_training_is_queued_again_and_ends_the_same(real: None, tmp_path: Path) -> None:
    study, alone = make_study(tmp_path / "a study"), make_study(tmp_path / "alone")
    run, element = begun(study, small_settings(models=[LONG]))
    subprocess.run(["scancel", "--batch", "--signal=USR1", element], check=True)
    wait_for(lambda: read_status(run.folder, "train_long_draw-00").state == "stopped")
    wait_for(lambda: queue().get(element, ("",))[0] == "PENDING")
    time.sleep(3)  # slurmd does not launch a job again that it ended in the very same second
    subprocess.run(["scontrol", "update", f"JobId={element}", "StartTime=now"], check=True)  # else in two minutes
    outcome, text = launched(study, run.settings, "train")
    assert outcome.done == ["train_long_draw-00"], text
    assert read_status(run.folder, "train_long_draw-00").attempts == 2
    assert len(read_json(run.folder / "slurm" / "jobs.json")) == 1, "it was taken up, not submitted anew"
    run_study(alone, run.settings, ONE, ("train",))
    weights = "runs/quick/long/draw-00/model.safetensors"
    assert (study / weights).read_bytes() == (alone / weights).read_bytes()


@pytest.mark.slurm
def test_a_cancelled_job_is_a_row_and_the_same_command_submits_it_again(real: None, tmp_path: Path) -> None:
    run, element = begun(make_study(tmp_path), small_settings(models=[LONG]))
    subprocess.run(["scancel", element], check=True)
    wait_for(lambda: element not in queue())
    board = Board(run.folder, Schedule.of(Tasks(run), ("train",)))
    watch(Tasks(run), board, {"train_long_draw-00": element}, REAL)
    assert f"SLURM ended job {element}: CANCELLED" in board.schedule.reasons["train_long_draw-00"]
    outcome, text = launched(run.study, run.settings, "train")
    assert outcome.failed == [], text
    assert read_status(run.folder, "train_long_draw-00").attempts == 2
