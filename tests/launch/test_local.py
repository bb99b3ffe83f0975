"""Tasks as processes of this machine: who fails, who is killed, and that the tables are the same in the end."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.launch.local import _by, jobs_and_threads
from nigra.launch.runner import Outcome, launch
from nigra.launch.settings import LaunchSettings
from nigra.launch.status import read_status
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run, cores
from nigra.study.settings import RunSettings
from tests.launch.launch_fixture import BROKEN, QUICK, small_settings
from tests.study.study_fixture import make_study

ONE = Execution(threads=1, device="cpu")
LOCAL = LaunchSettings(launcher="local", jobs=2)
TABLES = ("regions.tsv", "calibration.tsv", "clusters.tsv", "evaluation.tsv")
LONG = QUICK | {"name": "long", "epochs": 12, "units_per_subject": 100}


def launched(study: Path, settings: RunSettings, command: str = "run") -> tuple[Outcome, str]:
    text = io.StringIO()
    outcome = launch(Run(study, settings, ONE), LOCAL, command, None, Console(file=text, width=200))
    return outcome, text.getvalue()


def test_a_failed_model_costs_the_others_nothing(tmp_path: Path) -> None:
    """The tables are those of a run without the model that failed; the same command tries it again."""
    study, alone = make_study(tmp_path / "a study"), make_study(tmp_path / "alone")
    outcome, text = launched(study, small_settings(models=[QUICK, BROKEN]))
    assert outcome.failed == ["train_broken_draw-00", "score_broken_draw-00"]
    assert (outcome.exit_code, outcome.finished, outcome.queued) == (1, True, [])
    table = read_tsv(study / "runs/quick/tasks.tsv", ("task",)).set_index("task")
    assert table["state"].to_dict() == {
        "train_isbi2023-ae_draw-00": "done", "train_broken_draw-00": "failed", "score_isbi2023-ae_draw-00": "done",
        "score_broken_draw-00": "skipped", "score_intensities_draw-00": "done", "finish": "done",
    }  # fmt: skip
    assert "lower learning_rate" in table.loc["train_broken_draw-00", "reason"]
    assert table.loc["score_broken_draw-00", "reason"] == "needs train_broken_draw-00, which failed"
    assert "- train_broken_draw-00 failed: the loss became" in text
    assert "broken is left out" in (study / "runs/quick/tasks/finish.log").read_text()
    assert "broken is left out: draw 0 could not be scored" in (study / "runs/quick/report.html").read_text()
    run_study(alone, small_settings(models=[QUICK]), ONE, ("train", "score", "evaluate"))
    for name in TABLES:
        made = (study / "runs/quick" / name).read_bytes()
        assert made == (alone / "runs/quick" / name).read_bytes()
        assert len(made) > 100

    again, text = launched(study, small_settings(models=[QUICK, BROKEN]), "train")
    assert again.failed == ["train_broken_draw-00"]
    assert "2 tasks, 1 of them done before" in text
    assert read_status(study / "runs/quick", "train_broken_draw-00").attempts == 2
    assert read_status(study / "runs/quick", "train_isbi2023-ae_draw-00").attempts == 1


def started(study: Path, settings: RunSettings, command: str = "train") -> subprocess.Popen[str]:
    """The command itself, in a process of its own."""
    own = {"models"} if settings.factorial else set()  # cells are the models of their run
    (study / "study.yaml").write_text(
        yaml.safe_dump(settings.model_dump(mode="json", exclude=own), sort_keys=False)
    )
    line = [sys.executable, "-m", "nigra", command, str(study), "--config", str(study / "study.yaml")]
    line += ["--launcher", "local", "--jobs", "2", "--threads", "1", "--device", "cpu"]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(what, seconds: float = 120.0):
    """What a question answers, once it does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = what()
        if answer:
            return answer
        time.sleep(0.005)
    raise AssertionError("it never came")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


def weights(study: Path) -> bytes:
    return (study / "runs/quick/long/draw-00/model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The long model's weights, trained without any interruption."""
    study = make_study(tmp_path_factory.mktemp("reference"))
    run_study(study, small_settings(models=[LONG]), ONE, ("train",))
    return weights(study)


def at_work(study: Path) -> int:
    """The process that trains the long model, once an epoch of it is on disk."""
    status = read_status(study / "runs/quick", "train_long_draw-00")
    begun = (study / "runs/quick/long/draw-00/training.jsonl").exists()
    return status.pid if status and status.state == "running" and begun else 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="looks into /proc, which Linux has")
def test_kill_9_of_the_launcher_ends_its_tasks_and_the_same_command_goes_on(
    tmp_path: Path, reference: bytes
) -> None:
    study, settings = make_study(tmp_path), small_settings(models=[LONG, QUICK])
    process = started(study, settings)
    pid = wait_for(lambda: at_work(study))
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not is_alive(pid), 20)
    assert not (study / "runs/quick/long/draw-00/model.json").exists()
    outcome, _ = launched(study, settings, "train")
    assert outcome.failed == []
    assert read_status(study / "runs/quick", "train_long_draw-00").attempts == 2
    assert weights(study) == reference


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="looks into /proc, which Linux has")
def test_kill_9_of_a_task_is_a_row_and_the_same_command_goes_on(tmp_path: Path, reference: bytes) -> None:
    study, settings = make_study(tmp_path), small_settings(models=[LONG, QUICK])
    process = started(study, settings)
    os.kill(wait_for(lambda: at_work(study)), signal.SIGKILL)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "train_long_draw-00: failed: killed by SIGKILL" in text
    table = read_tsv(study / "runs/quick/tasks.tsv", ("task",)).set_index("task")
    assert table["state"].to_dict() == {"train_long_draw-00": "failed", "train_isbi2023-ae_draw-00": "done"}
    outcome, _ = launched(study, settings, "train")
    assert outcome.failed == []
    assert weights(study) == reference


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="looks into /proc, which Linux has")
def test_ctrl_c_ends_the_tasks_and_nobody_else_may_work_there_meanwhile(tmp_path: Path) -> None:
    study, settings = make_study(tmp_path), small_settings(models=[LONG])
    process = started(study, settings)
    pid = wait_for(lambda: at_work(study))
    with pytest.raises(NigraError, match="in use by another nigra"):
        launched(study, settings, "train")
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on where it stopped" in text
    assert not is_alive(pid)
    assert read_status(study / "runs/quick", "train_long_draw-00").state == "stopped"


def test_cores_are_shared_and_no_job_is_left_idle() -> None:
    for jobs, tasks in ((0, 50), (0, 1), (3, 50), (3, 2)):
        chosen, threads = jobs_and_threads(Execution(), "cpu", jobs, tasks)
        assert 1 <= chosen <= tasks
        assert chosen == (min(jobs, tasks) if jobs else min(cores(), 8, tasks))
        assert threads == max(1, cores() // chosen)
    assert jobs_and_threads(Execution(threads=10_000 // 20), "cpu", 0, 50) == (1, 500)


def test_why_a_process_without_a_last_word_ended() -> None:
    assert _by(-15) == "killed by SIGTERM; the same command tries again"
    assert _by(1) == "ended with exit code 1; its log says more"
