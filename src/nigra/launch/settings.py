"""How the tasks of a run are spread, never what they compute. Imports nothing heavy: the command line shows it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LaunchSettings(BaseModel):
    """Where the tasks of a run are done."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    launcher: Literal["none", "local", "slurm"] = Field(
        "none", description="none: this process does one thing after the other; local: several processes on this "
        "machine; slurm: jobs of a cluster",
    )  # fmt: skip
    jobs: int = Field(
        0,
        ge=0,
        le=512,
        description="local: tasks at the same time; 0: one per GPU, or else one per core, at most 8",
    )
    slurm: Path | None = Field(
        None, description="slurm: what to ask of the cluster, YAML (see `nigra settings slurm`)"
    )
    wait: bool = Field(True, description="slurm: watch the jobs until they end")


class SlurmSettings(BaseModel):
    """What a job asks of the cluster; each job does one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    partition: str = Field("", description="partition; empty: the cluster's own choice, as with all that follows")
    account: str = Field("", description="account that pays, such as abc@v100")
    qos: str = Field("", description="quality of service")
    constraint: str = Field("", description="features that nodes must have")
    time: str = Field(
        "02:00:00", pattern=r"^(\d+-)?\d+(:\d\d){0,2}$", description="time limit of a job, as [days-]hours:minutes:"
        "seconds or minutes; a task that reaches it is queued again and goes on",
    )  # fmt: skip
    gpus: int = Field(0, ge=0, description="GPUs of a job; more than one: trainings are shared out by torchrun")
    cpus: int = Field(4, ge=1, description="CPU cores of a job")
    memory: str = Field("", pattern=r"^(\d+[KMGT]?)?$", description="memory of a job, such as 16G")
    array_limit: int = Field(0, ge=0, description="jobs of an array that run at the same time; 0: as many as can")
    largest_array: int = Field(1000, ge=1, description="jobs of an array, at most (the cluster's MaxArraySize - 1)")
    notice: int = Field(60, ge=5, description="seconds before the time limit at which a task saves where it is")
    requeues: int = Field(20, ge=0, description="how often a task is queued again before it counts as failed")
    poll: float = Field(10.0, gt=0, description="seconds between looks at the queue")
    setup: list[str] = Field([], description="shell lines before the task, such as `module load pytorch`")
    extra: list[str] = Field([], description="further options of sbatch, such as --hint=nomultithread")
    python: str = Field("", description="python of the jobs, with nigra installed; empty: the one of this command")
