"""The batch script: its options, and what its shell does when signals come, run by a real bash."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nigra.launch.script import batch_script, task_command
from nigra.launch.settings import SlurmSettings
from nigra.study.execution import Execution
from nigra.study.run import Run
from tests.study.study_fixture import quick_settings


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "a study", quick_settings(), Execution(device="cpu"))
    (run.folder / "tasks").mkdir(parents=True)
    return run


def test_what_is_asked_of_the_cluster_is_in_the_script(run: Run) -> None:
    settings = SlurmSettings(
        partition="gpu_p13", account="abc@v100", qos="qos_gpu-t3", constraint="v100", time="01:30:00", notice=90,
        gpus=2, cpus=10, memory="32G", array_limit=8,
        setup=["module load pytorch"], extra=["--hint=nomultithread"],
    )  # fmt: skip
    lines = batch_script(run, settings, "train", Path("/runs/01-train.tasks"), 24, ["11", "12"]).splitlines()
    assert lines[0] == "#!/bin/bash"
    options = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert options == {
        "--job-name=nigra-quick-train", "--array=0-23%8", "--output=/runs/01-train.out", "--open-mode=append",
        "--partition=gpu_p13", "--account=abc@v100", "--qos=qos_gpu-t3", "--constraint=v100", "--time=01:30:00",
        "--mem=32G", "--nodes=1", "--ntasks=1", "--cpus-per-task=10", "--gres=gpu:2", "--signal=B:USR1@90",
        "--dependency=afterany:11:12", "--requeue", "--hint=nomultithread",
    }  # fmt: skip
    assert lines.index("module load pytorch") < next(n for n, line in enumerate(lines) if line.startswith("task="))
    plain = batch_script(run, SlurmSettings(), "train", Path("/runs/01-train.tasks"), 1)
    assert [name for name in ("partition", "gres", "dependency", "mem=", "account") if f"--{name}" in plain] == []


def test_several_gpus_share_a_training_and_nothing_else(run: Run) -> None:
    settings = SlurmSettings(gpus=4, cpus=8, python="/opt/python")
    train, score = task_command(run, settings, "train"), task_command(run, settings, "score")
    assert train.startswith("/opt/python -m torch.distributed.run --standalone --nproc-per-node=4 -m nigra task ")
    assert score.startswith("/opt/python -m nigra task ")
    assert "--threads 2 " in train
    assert "--threads 8 " in score
    assert 'a study\' "$task" --run quick --device cpu' in score


class Job:
    """A batch script at work, with a stand-in for the task and for scontrol, which writes down what it is told."""

    def __init__(self, run: Run, task: str, restarts: int = 0, index: int = 0) -> None:
        self.run, self.told = run, run.study / "told"
        stand_in, scontrol = run.study / "python", run.study / "scontrol"
        stand_in.write_text(f"#!/bin/bash\n{task}\n")
        scontrol.write_text(f'#!/bin/bash\necho "$@" >> "{self.told}"\nexit 1\n')
        for path in (stand_in, scontrol):
            path.chmod(0o755)
        names = run.study / "01-train.tasks"
        names.write_text("train_a\ntrain_b\n")
        script = run.study / "job.sh"
        script.write_text(batch_script(run, SlurmSettings(python=str(stand_in), requeues=3), "train", names, 2))
        given = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_JOB_ID": "7", "SLURM_RESTART_COUNT": str(restarts)}
        path = f"{run.study}:{os.environ['PATH']}"
        self.process = subprocess.Popen(["bash", str(script)], env={**os.environ, **given, "PATH": path})

    def log(self, name: str) -> str:
        path = self.run.folder / "tasks" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def signalled(self, number: signal.Signals, name: str = "train_a") -> tuple[int, str]:
        """Send a signal once the task is at work; returns the exit code and what scontrol was told."""
        until = time.monotonic() + 20
        while "at work" not in self.log(name) and time.monotonic() < until:
            time.sleep(0.01)
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        return code, self.told.read_text() if self.told.exists() else ""


SAVES = "trap 'echo saved; exit 75' TERM; echo at work $3 $4; for i in $(seq 400); do sleep 0.05; done"


def test_each_element_does_its_own_task(run: Run) -> None:
    job = Job(run, 'echo "$@"; exit 2', index=1)
    assert job.process.wait(timeout=20) == 2
    assert job.log("train_b").split() == [
        "-m", "nigra", "task", *str(run.study.resolve()).split(), "train_b", "--run", "quick", "--device", "cpu",
        "--threads", "4", "--maps", "first-draw",
    ]  # fmt: skip
    assert not job.told.exists()


def test_near_the_time_limit_a_task_saves_and_is_queued_again(run: Run) -> None:
    job = Job(run, SAVES)
    assert job.signalled(signal.SIGUSR1) == (75, "requeue 7_0\n")
    assert job.log("train_a").endswith("saved\n")


def test_not_for_ever(run: Run) -> None:
    assert Job(run, SAVES, restarts=3).signalled(signal.SIGUSR1) == (75, "")


def test_a_cancelled_task_saves_and_stays_away(run: Run) -> None:
    job = Job(run, SAVES)
    assert job.signalled(signal.SIGTERM) == (75, "")
    assert job.log("train_a").endswith("saved\n")


def test_a_task_that_is_done_just_then_is_not_queued_again(run: Run) -> None:
    ends_well = SAVES.replace("exit 75", "exit 0")
    assert Job(run, ends_well).signalled(signal.SIGUSR1) == (0, "")
