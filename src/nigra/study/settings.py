"""What a run is: every setting that changes its results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from nigra.cohort.selection import GroupSettings
from nigra.cohort.splits import SplitSettings
from nigra.detection.calibration import CalibrationSettings
from nigra.detection.settings import ERROR, INTENSITIES, NAMED, ClusterSettings, DetectorSettings, method_label
from nigra.models.published import PRESETS, Preset
from nigra.preparation.scaling import ScalingSettings
from nigra.scoring.errors import ScoreSettings
from nigra.study.evaluation_settings import AtlasSettings, EvaluationSettings, FigureSettings, Settings
from nigra.training import TrainingSettings
from nigra.units import Patches, Slices, Unit

REGIONAL_MEAN = "regional-mean"
"""The baseline that has no score per voxel: each region's mean intensity against that of controls."""

Baseline = Literal["z", "smooth-z", "regional-mean", "pca", "mixture", "raw"]
"""Methods without a network that every run is compared with."""

BASELINES: dict[str, DetectorSettings] = {
    each.label: each
    for each in (
        DetectorSettings(kind="z", reads="intensities"),
        DetectorSettings(kind="z", name="smooth-z", reads="intensities", smoothing_mm=4),
        DetectorSettings(kind="pca"),
        # one or two channels need few components, and a fit of seconds
        DetectorSettings(
            kind="student-mixture",
            name="mixture",
            reads="intensities",
            components=5,
            samples=50_000,
            tolerance=1e-4,
        ),
        DetectorSettings(kind="raw"),
    )
}
"""The baselines that are detectors, by name."""


class ModelSettings(Settings):
    """One published model; what is left out stays as published."""

    preset: Literal["mlcn2021-ae", "mlcn2021-sae", "isbi2023-ae", "isbi2023-sae"] = Field(
        ..., description="the published model"
    )
    name: str = Field(
        "", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$", description="its name in this run; empty: the preset's"
    )
    plane: Literal["sagittal", "coronal", "axial"] = Field("axial", description="plane of the patches or slices")
    slices: PositiveInt | Literal["all"] = Field(
        40, description="slice models: number of slices around the middle of the brain, or all"
    )
    epochs: int | None = Field(None, ge=1, description="passes over the drawn units; null: as published")
    batch: int | None = Field(None, ge=2, description="units or pairs per optimiser step; null: as published")
    learning_rate: float | None = Field(None, gt=0, description="Adam's step size; null: as published")
    units_per_subject: PositiveInt | Literal["all"] | None = Field(
        None, description="units per training subject and epoch, or all of them; null: as published"
    )
    validation_fraction: float | None = Field(
        None, ge=0, lt=1, description="share of training controls that only watch the loss; null: 0.1 where the "
        "published model keeps its best epoch, else 0"
    )  # fmt: skip
    keep: Literal["last", "best-on-validation"] | None = Field(
        None, description="which epoch's weights are kept; null: as published"
    )
    seed: int = Field(0, ge=0, description="seed of weights and batches")
    scores: ScoreSettings = Field(ScoreSettings(), description="how voxels are scored")

    @property
    def label(self) -> str:
        """The model's name in tables and folders."""
        return self.name or self.preset

    @property
    def published(self) -> Preset:
        """The preset these settings start from."""
        return PRESETS[self.preset]

    @property
    def unit(self) -> Unit:
        """What the model sees."""
        if isinstance(self.published.unit, Patches):
            return Patches(self.published.unit.size, self.plane)
        return Slices(self.plane, None if self.slices == "all" else self.slices)

    @property
    def training(self) -> TrainingSettings:
        """The loop's settings: the published ones with the given changes."""
        published = self.published
        keep = self.keep or ("best-on-validation" if published.best_on_validation else "last")
        watched = 0.1 if keep == "best-on-validation" else 0.0
        units = self.units_per_subject or published.units_per_subject
        return TrainingSettings(
            epochs=self.epochs or published.epochs,
            batch=self.batch or published.batch,
            learning_rate=self.learning_rate or published.learning_rate,
            units_per_subject=None if units == "all" else units,
            validation_fraction=watched if self.validation_fraction is None else self.validation_fraction,
            keep=keep,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Method:
    """What gives scores: a model with a detector, or a detector on the maps themselves (no model)."""

    model: ModelSettings | None
    detector: DetectorSettings

    @property
    def model_label(self) -> str:
        """The model's name in tables and folders; ``intensities`` where there is none."""
        return self.model.label if self.model else INTENSITIES

    @property
    def label(self) -> str:
        """Its name in pictures and reports: the model's alone for the reconstruction error.

        >>> Method(None, DetectorSettings(kind="z", reads="intensities")).label
        'intensities+z'
        """
        return method_label(self.model_label, self.detector.label)


class RunSettings(Settings):
    """Everything that changes the results of a run."""

    name: str = Field(
        "run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="folder of the run, under STUDY/runs"
    )
    title: str = Field("", description="one line on top of the report; empty: the run's name")
    groups: GroupSettings = Field(GroupSettings(), description="who is a control, who a patient")
    splits: SplitSettings = Field(SplitSettings(), description="training and test controls")
    scaling: ScalingSettings = Field(ScalingSettings(), description="intensities to 0-1")
    models: list[ModelSettings] = Field(
        [ModelSettings(preset="mlcn2021-ae"), ModelSettings(preset="mlcn2021-sae")],
        description="models to compare; none where every detector reads intensities",
    )  # fmt: skip
    detectors: list[DetectorSettings] = Field(
        [DetectorSettings(kind=ERROR)], min_length=1,
        description="how each model's codes or residuals, or the maps themselves, become scores",
    )  # fmt: skip
    baselines: list[Baseline] = Field(
        ["z", "smooth-z", "regional-mean", "pca", "mixture", "raw"],
        description="methods without a network, scored on the maps beside the others; []: none",
    )
    calibration: CalibrationSettings = Field(CalibrationSettings(), description="the threshold")
    clusters: ClusterSettings = Field(ClusterSettings(), description="clusters of abnormal voxels")
    atlas: AtlasSettings = Field(AtlasSettings(), description="the regions")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="group comparison")
    figures: FigureSettings = Field(FigureSettings(), description="pictures")

    @field_validator("detectors", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        """A name of its own stands for the detector called so."""
        if not isinstance(given, list):
            return given
        unknown = [each for each in given if isinstance(each, str) and each not in NAMED]
        if unknown:
            raise ValueError(
                f"no detector is known by the name {unknown[0]}; give {', '.join(NAMED)}, or settings such as "
                "{kind: z}"
            )
        return [NAMED[each] if isinstance(each, str) else each for each in given]

    @model_validator(mode="after")
    def _names_are_their_own(self) -> "RunSettings":
        labels = [model.label for model in self.models]
        for name, taken in (("figures", "the run's pictures"), (INTENSITIES, "scores without a model")):
            if any(label.lower() == name for label in labels):
                raise ValueError(f"no model is called {name}, the folder of {taken}; choose another name")
            if any(Path(label).suffix in (".json", ".tsv", ".yaml", ".html", ".png", ".svg") for label in labels):
                raise ValueError(
                    "no model is called like a file of the run (.json, .tsv, ...); choose another name"
                )
        labels = [label.lower() for label in labels]  # some file systems do not tell a from A
        if len(set(labels)) < len(labels):
            raise ValueError(f"two models are both called {max(labels, key=labels.count)}; give each a name")
        own = [detector.label.lower() for detector in self.detectors]
        if len(set(own)) < len(own):
            raise ValueError(f"two detectors are both called {max(own, key=own.count)}; give each a name")
        if REGIONAL_MEAN in own:
            raise ValueError(f"{REGIONAL_MEAN} is the name of a baseline; choose another for the detector")
        return self

    @model_validator(mode="after")
    def _something_is_scored(self) -> "RunSettings":
        if not self.asked and (self.models or not self.methods):
            raise ValueError(" ".join(self.left_out) or "no model reads what the detectors need; name a model")
        return self

    @property
    def asked(self) -> list[Method]:
        """Every model with every detector it can feed, then the detectors that read the maps themselves."""
        with_models = [
            Method(model, detector)
            for model in self.models for detector in self.detectors if feeds(model, detector)
        ]  # fmt: skip
        return with_models + [Method(None, each) for each in self.detectors if each.source == INTENSITIES]

    @property
    def methods(self) -> list[Method]:
        """What is asked for, then the baselines; one that is asked for already is not scored twice."""
        own = [method.detector for method in self.asked if method.model is None]
        names = {each.label.lower() for each in own}
        found = [BASELINES[name] for name in dict.fromkeys(self.baselines) if name in BASELINES]
        return self.asked + [
            Method(None, each) for each in found if each.label not in names and not any(each.same(o) for o in own)
        ]

    @property
    def left_out(self) -> list[str]:
        """What cannot be scored, each as one sentence."""
        return [
            f"{model.label} has no {detector.label}: the code of a slice describes the whole slice, and "
            "no voxel has one of its own."
            for model in self.models for detector in self.detectors
            if detector.source == "codes" and not feeds(model, detector)
        ]  # fmt: skip


def feeds(model: ModelSettings, detector: DetectorSettings) -> bool:
    """Whether a model gives what a detector reads: a slice model has no code per voxel."""
    if detector.source == "codes":
        return isinstance(model.unit, Patches)
    return detector.source == "residuals"
