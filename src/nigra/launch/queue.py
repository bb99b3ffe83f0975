"""The few words spoken with SLURM: sbatch, squeue, scontrol, sacct. Everything is plain text of the commands."""

import getpass
import re
import shutil
import subprocess
from pathlib import Path

from nigra.errors import NigraError


def refuse_without_slurm() -> None:
    """Tell that this machine cannot submit jobs, before anything is written."""
    if shutil.which("sbatch") is None or shutil.which("squeue") is None:
        raise NigraError(
            "--launcher slurm needs the commands sbatch and squeue, but found none; log in to a machine of the "
            "cluster, or take --launcher local."
        )


def submit(script: Path) -> str:
    """Submit a batch script; returns the job's id.

    Raises:
        NigraError: SLURM refuses it.
    """
    done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise NigraError(
            f"{script}: sbatch refuses it, saying: {said[-1].removeprefix('sbatch: error: ')}; see to the settings "
            "given with --slurm, then give the same command again: what was submitted is kept."
        )
    return done.stdout.strip().splitlines()[-1].split(";")[0]


def queue() -> dict[str, tuple[str, str]]:
    """The user's array elements that are queued or running: ``JOB_INDEX`` to state and reason.

    Raises:
        NigraError: SLURM does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i|%T|%r"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NigraError(f"squeue does not answer: {' '.join(done.stderr.split())}; the jobs go on without it.")
    return parse_queue(done.stdout)


def parse_queue(text: str) -> dict[str, tuple[str, str]]:
    """Lines of ``squeue --array --format "%i|%T|%r"``.

    >>> parse_queue("12_3|PENDING|Dependency\\n12_4|RUNNING|None\\n")
    {'12_3': ('PENDING', 'Dependency'), '12_4': ('RUNNING', 'None')}
    """
    rows = [line.strip().split("|", 2) for line in text.splitlines() if line.count("|") >= 2]
    return {name: (state, reason) for name, state, reason in rows}


def wait_for(jobs: list[str], others: list[str]) -> None:
    """Let jobs that still wait begin after others have ended, whatever they waited for before."""
    for job in jobs:
        change = [f"JobId={job}", f"Dependency=afterany:{':'.join(others)}"]
        subprocess.run(["scontrol", "update", *change], capture_output=True, check=False)  # one may have begun


def why_ended(element: str) -> str:
    """How SLURM says that an array's element ended, in its own words; ``ended`` where it has forgotten."""
    shown = _output(["scontrol", "show", "job", element])
    state = re.search(r"JobState=(\w+)", shown)
    if state:
        code = re.search(r"ExitCode=(\d+:\d+)", shown)
        return _worded(state[1], code[1] if code else "")
    rows = _output(["sacct", "--noheader", "--parsable2", "--jobs", element, "--format", "State,ExitCode"])
    first = rows.splitlines()[0].split("|") if rows else ["ended", ""]
    return _worded(first[0], first[-1])


def _worded(state: str, code: str) -> str:
    return state if code in ("", "0:0") else f"{state}, exit code {code}"


def _output(command: list[str]) -> str:
    """What a command prints, empty where it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
