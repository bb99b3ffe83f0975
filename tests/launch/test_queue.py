"""What SLURM's commands say, told by stand-ins that say it."""

from pathlib import Path

import pytest

from nigra.errors import NigraError
from nigra.launch.queue import parse_queue, queue, refuse_without_slurm, submit, why_ended


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command that prints a text, an error, and ends with an exit code; no other command is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def command(name: str, text: str = "", error: str = "", code: int = 0) -> None:
        (folder / name).write_text(f"#!/bin/sh\nprintf '{text}'\nprintf '{error}' >&2\nexit {code}\n")
        (folder / name).chmod(0o755)

    return command


def test_without_slurm_it_says_where_to_go(says) -> None:
    with pytest.raises(NigraError, match="log in to a machine of the cluster, or take --launcher local"):
        refuse_without_slurm()
    says("sbatch")
    says("squeue")
    refuse_without_slurm()


def test_the_id_of_a_job_also_where_clusters_have_names(says) -> None:
    says("sbatch", "4321;jean\\n")
    assert submit(Path("a.sbatch")) == "4321"


def test_a_refusal_is_one_sentence_in_slurms_words(says) -> None:
    says("sbatch", error="sbatch: error: Batch job submission failed: Invalid account\\n", code=1)
    with pytest.raises(
        NigraError, match=r"a\.sbatch: sbatch refuses it, saying: Batch job .* Invalid account; see to"
    ):
        submit(Path("a.sbatch"))


def test_the_queue_by_element(says) -> None:
    says("squeue", "7_0|RUNNING|None\\n7_1|PENDING|Resources\\n9|PENDING|(a|b)\\n")
    assert queue() == {"7_0": ("RUNNING", "None"), "7_1": ("PENDING", "Resources"), "9": ("PENDING", "(a|b)")}
    assert parse_queue("") == {}
    says("squeue", error="slurm_load_jobs error: Unable to contact\\n slurm controller\\n", code=1)
    with pytest.raises(NigraError, match="Unable to contact slurm controller; the jobs go on"):
        queue()


def test_why_a_job_ended_from_the_controller_or_from_the_accounts(says) -> None:
    assert why_ended("7_1") == "ended"
    says("sacct", "TIMEOUT|0:15\\nCANCELLED|0:15\\n")
    assert why_ended("7_1") == "TIMEOUT, exit code 0:15"
    says("scontrol", "JobId=8 ArrayJobId=7\\n   JobState=CANCELLED Reason=None\\n  ExitCode=0:0\\n")
    assert why_ended("7_1") == "CANCELLED"
