"""What a run is: every setting that changes its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from nigra.cohort.selection import GroupSettings
from nigra.cohort.splits import SplitSettings
from nigra.detection.calibration import CalibrationSettings
from nigra.detection.settings import ERROR, INTENSITIES, NAMED, ClusterSettings, DetectorSettings, method_label
from nigra.preparation.scaling import ScalingSettings
from nigra.provenance import hash_settings
from nigra.simulation.settings import SimulationSettings
from nigra.study.evaluation_settings import AtlasSettings, EvaluationSettings, FigureSettings, Settings
from nigra.study.factorial_settings import FactorialSettings
from nigra.study.model_settings import ModelSettings

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


FOLDERS = {
    "figures": "the run's pictures",
    INTENSITIES: "scores without a model",
    "factorial": "the answer of a factorial",
    "latent": "latent spaces",
    "simulation": "planted anomalies",
    "slurm": "jobs",
    "tasks": "tasks",
}
"""Folders of a run beside those of its models, and what they hold."""


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
        "run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120,
        description="folder of the run, under STUDY/runs",
    )  # fmt: skip
    title: str = Field("", description="one line on top of the report; empty: the run's name")
    groups: GroupSettings = Field(GroupSettings(), description="who is a control, who a patient")
    splits: SplitSettings = Field(SplitSettings(), description="training and test controls")
    scaling: ScalingSettings = Field(ScalingSettings(), description="intensities to 0-1")
    models: list[ModelSettings] = Field(
        [ModelSettings(preset="mlcn2021-ae"), ModelSettings(preset="mlcn2021-sae")],
        description="models to compare; none where every detector reads intensities",
    )  # fmt: skip
    factorial: FactorialSettings | None = Field(
        None, description="models that differ in declared factors alone, in place of `models`; null: none"
    )
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
    planted: SimulationSettings | None = Field(
        None, description="known anomalies planted into test controls in the course of the run, as by `nigra "
        "simulate`; null: none"
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _cells_are_models(cls, given: Any) -> Any:
        """A factorial's cells become the run's models."""
        if not isinstance(given, Mapping) or given.get("factorial") is None:
            return given
        try:
            factorial = FactorialSettings.model_validate(given["factorial"])
        except ValidationError:
            return given  # refused with its place when the field itself is read
        cells = factorial.models()
        models = given.get("models", cells)
        own = [each.get("name") if isinstance(each, Mapping) else each.name for each in models]
        if own != [each["name"] for each in cells]:  # a run's own settings.yaml has both
            raise ValueError("give models or factorial; the cells of a factorial are the models of its run")
        return {**given, "factorial": factorial, "models": cells}

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
        for name, taken in FOLDERS.items():
            if any(label.lower() == name for label in labels):
                raise ValueError(f"no model is called {name}, the folder of {taken}; choose another name")
        for label in labels:
            if Path(label).suffix in (".json", ".tsv", ".yaml", ".html", ".png", ".svg"):
                raise ValueError(
                    "no model is called like a file of the run (.json, .tsv, ...); choose another name"
                )
        labels = [label.lower() for label in labels]  # some file systems do not tell a from A
        if len(set(labels)) < len(labels):
            remedy = (
                "give its levels names that differ in letters or digits" if self.factorial else "give each a name"
            )
            raise ValueError(f"two models are both called {max(labels, key=labels.count)}; {remedy}")
        own = [detector.label.lower() for detector in self.detectors]
        if len(set(own)) < len(own):
            raise ValueError(f"two detectors are both called {max(own, key=own.count)}; give each a name")
        if REGIONAL_MEAN in own:
            raise ValueError(f"{REGIONAL_MEAN} is the name of a baseline; choose another for the detector")
        return self

    @model_validator(mode="after")
    def _cells_differ(self) -> "RunSettings":
        found: dict[str, str] = {}
        for model in self.models if self.factorial else ():
            same = found.setdefault(
                hash_settings([model.fitted, model.scores.model_dump(mode="json")]), model.label
            )
            if same != model.label:
                raise ValueError(
                    f"cells {same} and {model.label} of the factorial are one and the same model, as a later "
                    "factor says what an earlier one said, or two levels say the same; change or leave out a level"
                )
        return self

    @model_validator(mode="after")
    def _is_planted_here(self) -> "RunSettings":
        if self.planted and self.planted.run not in ("run", self.name):
            raise ValueError(
                f"planted: run {self.planted.run} is another run; leave it out, or use `nigra simulate`"
            )
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
            f"{model.label} has no {detector.label}: the code of a {model.unit.kind} describes the whole of it, "
            "and no voxel has one of its own."
            for model in self.models for detector in self.detectors
            if detector.source == "codes" and not feeds(model, detector)
        ]  # fmt: skip


def feeds(model: ModelSettings, detector: DetectorSettings) -> bool:
    """Whether a model gives what a detector reads: a slice model has no code per voxel."""
    if detector.source == "codes":
        return model.per_voxel
    return detector.source == "residuals"
