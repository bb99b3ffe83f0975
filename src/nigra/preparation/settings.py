"""Settings of preparation: what changes the result (`PrepareSettings`) apart from how it is run (`Execution`)."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class PrepareSettings(BaseModel):
    """What changes the prepared maps; its hash decides whether a subject has to be prepared again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registration: bool = Field(
        True, description="Register T1w scans to the template; off for maps that already are in a common space."
    )
    space: str = Field(
        "MNI152NLin2009cAsym",
        description="Template to register to; without registration, the space that the maps declare counts.",
    )
    resolution: float = Field(2.0, ge=0.5, le=8, description="Voxel size of the template grid, in mm.")
    channels: tuple[str, ...] | None = Field(
        None, description="Channels to prepare, as T1w or FA MD; by default those every subject has."
    )
    n4_iterations: tuple[int, ...] = Field(
        (40, 40, 30), description="N4 iterations at each level, coarse to fine; empty leaves the bias field in."
    )
    n4_shrink: int = Field(2, ge=1, le=8, description="N4 fits the bias field on every n-th voxel.")
    affine_levels_mm: tuple[float, ...] = Field(
        (8.0, 4.0),
        min_length=1,
        description="Voxel edge in mm of the template at each affine level, coarse to fine.",
    )
    affine_sampling: float = Field(
        0.5, gt=0, le=1, description="Share of voxels, 0-1, that the affine's mutual information draws at random."
    )
    syn_iterations: tuple[int, ...] = Field(
        (20, 15, 8), description="SyN iterations at each level, coarse to fine; empty keeps the affine."
    )
    interpolation: int = Field(
        3, ge=1, le=3, description="Order of the spline that resamples a scan, once: 1 linear, 3 cubic."
    )
    coverage: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of subjects, 0-1, whose brain has to cover a voxel of the cohort's mask; below 1, the "
        "voxels that a brain lacks are 0 there and may score as abnormal.",
    )
    minimum_dice: float = Field(
        0.85,
        ge=0,
        le=1,
        description="Overlap (Dice, 0-1) with the template's mask below which a subject has failed.",
    )
    seed: int = Field(0, ge=0, lt=2**31 - 1, description="Seed of the voxels drawn by the affine.")


class Execution(BaseModel):
    """How preparation is run; nothing here changes a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: int = Field(1, ge=1, description="Subjects prepared at the same time, each in its own process.")
    threads: int = Field(1, ge=1, description="Threads per job; sums may round differently with another number.")
    overwrite: bool = Field(False, description="Prepare again what is already prepared with these settings.")
    dry_run: bool = Field(False, description="Check the scans and say what would be done; write nothing.")
    participant_labels: tuple[str, ...] = Field((), description="Only these participants, with or without sub-.")
    work: Path | None = Field(
        None, description="Folder to keep intermediate images in (native brain mask, bias-corrected scan, warp)."
    )
