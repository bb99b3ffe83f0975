"""A detector as a term of a run: its kind, what it reads, and the parameters of its kind."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from nigra.detection.detector import Detector
from nigra.detection.gaussian import VoxelwiseMahalanobis, VoxelwiseZ
from nigra.detection.local_change import LocalChange
from nigra.detection.neighbourhood import Grid
from nigra.detection.neighbours import KNearest
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.detection.pooled_svm import EnsembleOneClassSVM, SubjectOneClassSVM
from nigra.detection.principal_components import PrincipalComponents
from nigra.detection.raw_intensity import RawIntensity
from nigra.detection.student_mixture import StudentMixture

Reads = Literal["codes", "residuals", "intensities"]
"""What a detector is fitted on: codes of patches, input minus reconstruction per channel, or the scaled maps."""

Share = Annotated[float, Field(gt=0, le=1)]
Width = Annotated[float, Field(gt=0, lt=1e30)]

INTENSITIES: Literal["intensities"] = "intensities"
"""Stands for a model where a detector reads the maps themselves."""

ERROR: Literal["error"] = "error"
"""The kind that is no detector: the joint reconstruction error itself."""


@dataclass(frozen=True)
class Kind:
    """How a kind of detector is made: its class, what it reads unless told otherwise, its settings by name.

    ``on_device``: it may run on a GPU; ``on_grid``: it looks at a location's surroundings.
    """

    make: type[Detector]
    reads: Reads
    settings: dict[str, str]
    on_device: bool = True
    on_grid: bool = False


_SVM = {"nu": "nu", "gamma": "gamma"}

KINDS: dict[str, Kind] = {
    "one-class-svm": Kind(
        VoxelwiseOneClassSVM, "codes", {**_SVM, "gamma_per": "gamma_per", "tolerance": "tolerance"}
    ),
    "ensemble-svm": Kind(
        EnsembleOneClassSVM, "codes",
        {**_SVM, "members": "members", "samples": "samples", "tolerance": "tolerance", "seed": "seed"},
    ),
    "subject-svm": Kind(
        SubjectOneClassSVM, "codes", {**_SVM, "samples": "samples", "tolerance": "tolerance", "seed": "seed"}
    ),
    "mahalanobis": Kind(VoxelwiseMahalanobis, "codes", {"shrinkage": "shrinkage"}),
    "z": Kind(VoxelwiseZ, "residuals", {"floor": "floor"}, on_device=False),
    "nearest": Kind(KNearest, "codes", {"neighbours": "neighbours"}, on_device=False),
    "pca": Kind(PrincipalComponents, "intensities", {"components": "components"}, on_device=False),
    "raw": Kind(RawIntensity, "intensities", {"side": "side"}, on_device=False),
    "local-change": Kind(
        LocalChange, "intensities",
        {"diameters_mm": "diameters_mm", "effect": "effect", "window_mm": "window_mm", "floor": "floor"},
        on_device=False, on_grid=True,
    ),
    "student-mixture": Kind(
        StudentMixture, "codes",
        {
            "components": "components", "scales": "kind", "scored_by": "score", "online": "online",
            "samples": "sample", "tolerance": "tolerance", "seed": "seed",
        },
    ),
}  # fmt: skip
"""The kinds by name."""

PER_LOCATION = tuple(name for name, kind in KINDS.items() if kind.make.per_location)
"""Kinds that have a fit of their own at every location, from as many codes as there are controls."""


class DetectorSettings(BaseModel):
    """One detector of a run; what is left out stays as its class has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: Literal[
        "error",
        "one-class-svm",
        "ensemble-svm",
        "subject-svm",
        "mahalanobis",
        "z",
        "nearest",
        "student-mixture",
        "pca",
        "raw",
        "local-change",
    ] = Field(
        ERROR,
        description="error: the joint reconstruction error, no detector; one-class-svm: one per voxel (media2020); "
        "ensemble-svm: mean of a few on codes of the whole brain (isbi2023); subject-svm: fitted on the subject "
        "itself (midl2023); mahalanobis, z, nearest: per voxel; student-mixture: t mixture of the whole brain; "
        "pca: what principal components of the controls cannot rebuild; raw: the intensity itself; "
        "local-change: a ball that differs from what its surroundings let expect (nigra-default)",
    )
    name: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$",
        max_length=60,
        description="its name in this run; empty: its kind",
    )
    reads: Reads | None = Field(
        None, description="codes (patch models), residuals (input minus reconstruction) or intensities (no model); "
        "null: residuals for z, intensities for pca, raw and local-change, codes for the others",
    )  # fmt: skip
    nu: float | None = Field(
        None, gt=0, le=1, description="SVMs: share of outliers among controls; null: 0.1 per voxel, else 0.03"
    )
    gamma: Literal["scale", "median"] | Width | None = Field(
        None, description="SVMs: width of the kernel: scale, median (per voxel only) or a number; null: scale"
    )
    gamma_per: Literal["location", "global"] | None = Field(
        None, description="one-class-svm: one gamma per location, or one for all; null: location"
    )
    members: int | None = Field(None, ge=1, description="ensemble-svm: SVMs averaged; null: 5")
    samples: int | None = Field(
        None, ge=2, description="codes drawn to fit ensemble-svm, subject-svm (null: 500), student-mixture (10^6)"
    )
    shrinkage: Literal["ledoit-wolf"] | Share | None = Field(
        None, description="mahalanobis: share of the covariance replaced by its mean variance; null: ledoit-wolf"
    )
    floor: float | None = Field(
        None, gt=0, description="z, local-change: least standard deviation; null: 0.001, 0.01"
    )
    diameters_mm: tuple[Annotated[float, Field(gt=0, le=100)], ...] | None = Field(
        None, min_length=1, description="local-change: diameters of the balls that may change; null: 1, 4 and 6"
    )
    effect: float | None = Field(
        None, gt=0, description="local-change: size of the changes looked for, in its unit; null: 0.08"
    )
    window_mm: float | None = Field(
        None, gt=0, le=100, description="local-change: radius of the surroundings looked at; null: 4"
    )
    smoothing_mm: float | None = Field(
        None, gt=0, le=50, description="z of residuals or intensities: width (FWHM, mm) of the Gaussian that "
        "smooths them first, inside the mask; null: as they are",
    )  # fmt: skip
    side: Literal["high", "low", "both"] | None = Field(
        None, description="raw: what is abnormal, high or low intensities, or those far from the mean; null: both"
    )
    neighbours: int | None = Field(None, ge=1, description="nearest: controls looked at; null: 5")
    components: PositiveInt | Share | Literal["bic"] | None = Field(
        None,
        description="student-mixture: their number, or bic (null: 8); pca: their number, or the share of "
        "variance they hold (null: 0.5)",
    )
    scales: Literal["multivariate", "multiple-scale"] | None = Field(
        None, description="student-mixture: one scale a component, or one per axis (isbi2023); null: multivariate"
    )
    scored_by: Literal["proximity", "density"] | None = Field(
        None, description="student-mixture: proximity to the centres as published, or density; null: proximity"
    )
    online: bool | None = Field(None, description="student-mixture: online EM (miccai2023); null: batch EM")
    tolerance: float | None = Field(None, gt=0, le=0.1, description="when the fit stops; null: 1e-5")
    seed: int | None = Field(None, ge=0, description="seed of drawing and starting values; null: 0")

    @model_validator(mode="after")
    def _settings_belong_to_the_kind(self) -> "DetectorSettings":
        known = () if self.kind == ERROR else ("reads", *KINDS[self.kind].settings)
        known += ("smoothing_mm",) if self.kind == "z" else ()  # done to what it reads, not by the detector
        for name in self.model_fields_set - {"kind", "name", *known}:
            if getattr(self, name) is not None:
                meant = f"it has {', '.join(known)}" if known else "it has none"
                raise ValueError(f"{name} is no setting of {self.kind}; {meant}")
        if self.kind != "one-class-svm" and self.gamma == "median":
            raise ValueError(f"gamma: median is for one-class-svm; give {self.kind} scale or a number")
        if self.gamma_per == "global" and isinstance(self.gamma, float):
            raise ValueError("gamma is a number, the same everywhere; gamma_per: global goes with scale and median")
        if self.nu == 1 and self.kind in ("ensemble-svm", "subject-svm"):
            raise ValueError(f"nu must be below 1 for {self.kind}")
        if self.kind == "pca" and (
            self.components == "bic" or (self.components == 1 and _is_share(self.components))
        ):
            raise ValueError("components of pca are a number, or a share of variance below 1")
        if self.kind == "student-mixture" and _is_share(self.components):
            raise ValueError("components of student-mixture are a number, or bic")
        if self.smoothing_mm and self.source == "codes":
            raise ValueError("codes are not smoothed; smoothing_mm goes with residuals and intensities")
        if self.online and self.tolerance is not None:
            raise ValueError("online EM sees each code once and stops; tolerance goes with batch EM")
        if self.name.lower() == ERROR and self.kind != ERROR:
            raise ValueError("error is the name of the reconstruction error; choose another")
        if self.name.lower().startswith("fold-"):
            raise ValueError(f"{self.name} is the name of a folder of the run; choose another")
        return self

    @property
    def label(self) -> str:
        """The detector's name in tables and folders."""
        return self.name or self.kind

    @property
    def source(self) -> Reads:
        """What it reads; the error is made of residuals."""
        return "residuals" if self.kind == ERROR else self.reads or KINDS[self.kind].reads

    @property
    def feature(self) -> str:
        """What it is fed, by name: what it reads, with the smoothing put on it."""
        return f"{self.source}-{self.smoothing_mm:g}mm" if self.smoothing_mm else self.source

    def same(self, other: "DetectorSettings") -> bool:
        """Whether both score alike, whatever they are called."""
        apart: dict[str, Any] = {"name": "", "reads": None}
        return self.source == other.source and self.model_copy(update=apart) == other.model_copy(update=apart)

    @property
    def draws(self) -> bool:
        """Whether anything is drawn at random."""
        return self.kind != ERROR and "seed" in KINDS[self.kind].settings

    @property
    def leaves_out(self) -> bool:
        """Whether it can score the controls of its own fit as if it had never seen them."""
        return self.kind != ERROR and KINDS[self.kind].make.training_decisions is not Detector.training_decisions

    def build(self, device: str = "cpu", grid: Grid | None = None) -> Detector:
        """A detector of this kind, not yet fitted; not for ``error``. ``grid``: where the locations lie."""
        kind = KINDS[self.kind]
        given: dict[str, Any] = {to: getattr(self, name) for name, to in kind.settings.items()}
        given = {name: value for name, value in given.items() if value is not None}
        given |= {"device": device} if kind.on_device else {}
        return kind.make(**given, **({"grid": grid} if kind.on_grid else {}))


def _is_share(components: object) -> bool:
    return isinstance(components, float)


def method_label(model: str, detector: str) -> str:
    """One name for a model with a detector; the model's own for its reconstruction error.

    >>> method_label("mlcn2021-sae", "error"), method_label("mlcn2021-sae", "z")
    ('mlcn2021-sae', 'mlcn2021-sae+z')
    """
    return model if detector == ERROR else f"{model}+{detector}"


NAMED: dict[str, DetectorSettings] = {"nigra-default": DetectorSettings(kind="local-change", name="nigra-default")}
"""Detectors that a study file may ask for by name alone. nigra-default found most in docs/results/planted.md."""


class ClusterSettings(BaseModel):
    """Which clusters of abnormal voxels are listed (media2020)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at_most: int = Field(10, ge=1, description="clusters kept per subject, by size and mean score alike")
    smallest: int = Field(1, ge=1, description="voxels a cluster needs to be listed")
