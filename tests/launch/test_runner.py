"""What is launched, refused or started afresh, without any process of its own."""

import io
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from nigra import cli
from nigra.errors import NigraError
from nigra.files import write_text
from nigra.launch import runner
from nigra.launch.board import Board
from nigra.launch.runner import launch
from nigra.launch.settings import LaunchSettings
from nigra.study.execution import Execution
from nigra.study.run import Run
from nigra.study.tasks import Tasks
from tests.launch.launch_fixture import QUICK, small_settings
from tests.study.study_fixture import make_study

ONE = Execution(threads=1, device="cpu")
LOCAL = LaunchSettings(launcher="local")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the tasks that each launch would begin; all are said to be done at once."""
    found: list[list[str]] = []

    def instead(tasks: Tasks, board: Board, jobs: int, threads: int) -> None:
        found.append([name for name, state in board.schedule.states.items() if state == "waiting"])
        for name in found[-1]:
            board.mark(name, "done")

    monkeypatch.setattr(runner, "run_local", instead)
    return found


def test_each_command_launches_its_own_kinds(study: Path, begun: list[list[str]]) -> None:
    run = Run(study, small_settings(models=[QUICK]), ONE)
    train, own, maps = "train_isbi2023-ae_draw-00", "score_isbi2023-ae_draw-00", "score_intensities_draw-00"
    assert launch(run, LOCAL, "train").done == [train]
    text = io.StringIO()
    outcome = launch(run, LOCAL, "score", console=Console(file=text, width=200))
    assert outcome.failed == [own]
    assert outcome.exit_code == 1
    assert f"{own}: skipped: needs {train}, which is not done" in text.getvalue()
    assert launch(run, LOCAL).finished
    assert begun == [[train], [maps], [train, own, maps, "finish"]]


def test_overwrite_starts_afresh(study: Path, begun: list[list[str]]) -> None:
    run = Run(study, small_settings(models=[QUICK]), ONE)
    launch(run, LOCAL, "train")
    key = run.fit_key(Tasks(run).all[0].fit)
    folder = run.folder / "isbi2023-ae/draw-00"
    write_text(folder / "model.json", f'{{"key": "{key}"}}')
    write_text(folder / "model.safetensors", "")
    launch(run, LOCAL, "train")
    launch(Run(study, run.settings, ONE.model_copy(update={"overwrite": True})), LOCAL, "train")
    assert [len(names) for names in begun] == [1, 0, 1]
    assert not (folder / "model.json").exists()


def test_two_launchers_do_not_work_in_one_folder(study: Path, begun: list[list[str]]) -> None:
    run = Run(study, small_settings(), ONE)
    run.folder.mkdir(parents=True)
    held, free = threading.Event(), threading.Event()

    def other() -> None:
        with FileLock(run.folder / ".lock"):
            held.set()
            free.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(20)
    with pytest.raises(NigraError, match="in use by another nigra"):
        launch(run, LOCAL)
    free.set()
    thread.join()
    assert begun == []


def test_what_a_run_refuses_is_refused_before_anything_is_written(study: Path, begun: list[list[str]]) -> None:
    settings = small_settings(atlas={"name": "file", "dseg": "nowhere.nii.gz"})
    with pytest.raises(NigraError, match="nowhere"):
        launch(Run(study, settings, ONE), LOCAL)
    assert begun == []
    assert not (study / "runs").exists()


def test_the_commands_say_what_they_lack(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["task", str(study), "train_a", "--run", "nobody"]) == 2
    assert "is no run; give the command with its launcher first" in capsys.readouterr().err
    assert cli.main(["run", str(study), "--launcher", "slurm", "--slurm", str(study / "no.yaml")]) == 2
    assert "no.yaml does not exist" in capsys.readouterr().err
    (study / "slurm.yaml").write_text("partitoin: gpu\n")
    assert cli.main(["run", str(study), "--launcher", "slurm", "--slurm", str(study / "slurm.yaml")]) == 2
    assert "partitoin is unknown; did you mean partition?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["run", str(study), "--launcher", "cloud"])
    assert cli.main(["settings", "slurm"]) == 0
    assert "account:" in capsys.readouterr().out
