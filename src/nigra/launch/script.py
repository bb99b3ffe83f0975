"""The text of a batch script: an array of jobs, each of which does one task of a list."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nigra.launch.settings import SlurmSettings
from nigra.study.run import Run

_BODY = """
task=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {names})
again=0
# near the time limit: the task saves where it is and is queued once more
trap 'again=1; kill -TERM "$child" 2>/dev/null' USR1
# cancelled or preempted: it saves where it is; SLURM itself queues what it preempts
trap 'kill -TERM "$child" 2>/dev/null' TERM
{command} >> {tasks}/"$task".log 2>&1 &
child=$!
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done  # a trap ends wait, not the task
if [ "$again" = 1 ] && [ "$code" != 0 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {requeues} ]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && sleep 60
fi
exit "$code"
"""


def batch_script(
    run: Run, settings: SlurmSettings, kind: str, names: Path, count: int, after: Sequence[str] = ()
) -> str:
    """A batch script of ``count`` tasks of one kind, whose names are the lines of the file ``names``.

    The array begins when the jobs ``after`` have ended, done or failed. All its elements share one file for what
    SLURM and the set-up lines say; each task has its own log.
    """
    limit = f"%{settings.array_limit}" if settings.array_limit else ""
    options = {
        "job-name": f"nigra-{run.settings.name}-{kind}", "array": f"0-{count - 1}{limit}",
        "output": shlex.quote(str(names.with_suffix(".out")).replace("%", "%%")), "open-mode": "append",
        "partition": settings.partition, "account": settings.account, "qos": settings.qos,
        "constraint": settings.constraint, "time": settings.time, "mem": settings.memory,
        "nodes": "1", "ntasks": "1", "cpus-per-task": str(settings.cpus),
        "gres": f"gpu:{settings.gpus}" if settings.gpus else "", "signal": f"B:USR1@{settings.notice}",
        "dependency": f"afterany:{':'.join(after)}" if after else "",
    }  # fmt: skip
    lines = ["#!/bin/bash", *(f"#SBATCH --{name}={value}" for name, value in options.items() if value)]
    lines += ["#SBATCH --requeue", *(f"#SBATCH {option}" for option in settings.extra), *settings.setup]
    body = _BODY.format(
        names=shlex.quote(str(names)), tasks=shlex.quote(str(run.folder.resolve() / "tasks")),
        command=task_command(run, settings, kind), requeues=settings.requeues,
    )  # fmt: skip
    return "\n".join(lines) + body


def task_command(run: Run, settings: SlurmSettings, kind: str) -> str:
    """The command line of one task, whose name is in the shell's ``$task``.

    Several GPUs share a training: torchrun starts one process for each.
    """
    python, execution = shlex.quote(settings.python or sys.executable), run.execution
    start = f"{python} -m nigra"
    if settings.gpus > 1 and kind == "train":
        start = f"{python} -m torch.distributed.run --standalone --nproc-per-node={settings.gpus} -m nigra"
    threads = execution.threads or max(1, settings.cpus // (max(settings.gpus, 1) if kind == "train" else 1))
    flags = f"--run {run.settings.name} --device {execution.device} --threads {threads} --maps {execution.maps}"
    return f'{start} task {shlex.quote(str(run.study.resolve()))} "$task" {flags}'
