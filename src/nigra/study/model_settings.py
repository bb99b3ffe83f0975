"""One model of a run: what it sees, what it is composed of, how it is trained and how voxels get their scores."""

from collections.abc import Mapping
from math import prod
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from nigra.models.architecture import ArchitectureSettings
from nigra.models.composition import Composition
from nigra.models.corruption import CorruptionSettings
from nigra.models.published import PRESETS, Preset
from nigra.models.reconstruction import ReconstructionSettings
from nigra.models.siamese import SiameseSettings
from nigra.models.variational import VariationalSettings
from nigra.scoring.errors import ScoreSettings
from nigra.study.evaluation_settings import Settings
from nigra.training import TrainingSettings
from nigra.units import Patches, Slices, Unit
from nigra.units.pairs import PairSettings
from nigra.units.settings import UnitSettings

_PARTS: Mapping[str, Any] = Composition.model_fields
PARTS = ("unit", *_PARTS)
"""Settings that a published model fills where a study file leaves them, or a part of them, out."""


class ModelSettings(Settings):
    """A model; of a published one, what is left out stays as published."""

    preset: Literal["mlcn2021-ae", "mlcn2021-sae", "isbi2023-ae", "isbi2023-sae"] | None = Field(
        None, description="the published model that the settings below change; null: none, all is said below"
    )
    name: str = Field(
        "", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$", max_length=120, description="its name in this run; empty: "
        "the preset's"
    )  # fmt: skip
    unit: UnitSettings = Field(UnitSettings(), description="what the model sees")
    architecture: ArchitectureSettings = _PARTS["architecture"]
    reconstruction: ReconstructionSettings = _PARTS["reconstruction"]
    siamese: SiameseSettings | None = _PARTS["siamese"]
    variational: VariationalSettings | None = _PARTS["variational"]
    corruption: CorruptionSettings | None = _PARTS["corruption"]
    pairs: PairSettings = Field(PairSettings(), description="siamese models: what the members of a pair share")
    subjects: int | None = Field(
        None, ge=2, description="train on this many of the training controls, spread over age and sex; null: all"
    )
    epochs: int | None = Field(None, ge=1, description="passes over the drawn units; null: as published, or 30")
    batch: int | None = Field(
        None, ge=2, description="units or pairs per optimiser step; null: as published, or 225"
    )
    learning_rate: float | None = Field(None, gt=0, description="Adam's step size; null: as published, or 0.001")
    units_per_subject: PositiveInt | Literal["all"] | None = Field(
        None, description="units per training subject and epoch, or all of them; null: as published, or 15000"
    )
    voxels_per_subject: int | None = Field(
        None, ge=1, description="in place of units_per_subject: as many units as show this many voxels, so that "
        "models of patches and of slices see equally much; null: not used"
    )  # fmt: skip
    batch_voxels: int | None = Field(
        None,
        ge=1,
        description="in place of batch: as many units, or pairs, as show this many voxels; null: not used",
    )
    validation_fraction: float | None = Field(
        None, ge=0, lt=1, description="share of training controls that only watch the loss; null: 0.1 where the "
        "published model keeps its best epoch, else 0"
    )  # fmt: skip
    keep: Literal["last", "best-on-validation"] | None = Field(
        None, description="which epoch's weights are kept; null: as published, or last"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of weights and batches")
    scores: ScoreSettings = Field(ScoreSettings(), description="how voxels are scored")
    levels: dict[str, str] = Field(
        {}, description="which cell of a comparison it is: a level of each factor (`factorial` fills this in)"
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        """Parts as published where they are left out; a part of another kind stands alone."""
        published = PRESETS.get(str(given.get("preset"))) if isinstance(given, Mapping) else None
        if published is None:
            return given
        own = parts_of(published)
        return {**given, **{name: over(own[name], given[name]) if name in given else own[name] for name in PARTS}}

    @model_validator(mode="after")
    def _amounts_are_told_once(self) -> "ModelSettings":
        for one, other in (("units_per_subject", "voxels_per_subject"), ("batch", "batch_voxels")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} and {other} say the same in two ways; give one of them")
        return self

    @model_validator(mode="after")
    def _is_a_model(self) -> "ModelSettings":
        if not self.label:
            raise ValueError("a model needs a preset, or a name and a composition of its own")
        _ = self.composition
        if self.siamese is None and self.pairs != PairSettings():
            raise ValueError("pairs are for siamese models; give a siamese term, with alpha: 0 if it shall not act")
        return self

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def label(self) -> str:
        """The model's name in tables and folders."""
        return self.name or self.preset or ""

    @property
    def composition(self) -> Composition:
        """What it is composed of."""
        return Composition(**{name: getattr(self, name) for name in Composition.model_fields})

    @property
    def per_voxel(self) -> bool:
        """Whether every voxel has a unit, and so a code, of its own."""
        return self.unit.kind in ("patch", "cube")

    @property
    def training(self) -> TrainingSettings:
        """The loop's settings: the published ones with the given changes."""
        published, default = PRESETS.get(self.preset or ""), TrainingSettings()
        best = bool(published and published.best_on_validation)
        keep = self.keep or ("best-on-validation" if best else "last")
        watched = 0.1 if keep == "best-on-validation" else 0.0
        started: Preset | TrainingSettings = published or default
        units = self.units_per_subject or started.units_per_subject
        return TrainingSettings(
            epochs=self.epochs or started.epochs,
            batch=self.batch or started.batch,
            learning_rate=self.learning_rate or started.learning_rate,
            units_per_subject=None if units == "all" else units,
            validation_fraction=watched if self.validation_fraction is None else self.validation_fraction,
            keep=keep,
            seed=self.seed,
        )

    def training_on(self, unit_shape: tuple[int, ...]) -> TrainingSettings:
        """``training`` where amounts given in voxels are units of this shape: two at least, or BatchNorm cannot."""
        voxels, changes = prod(unit_shape), {}
        if self.voxels_per_subject:
            changes["units_per_subject"] = max(round(self.voxels_per_subject / voxels), 1)
        if self.batch_voxels:
            changes["batch"] = max(round(self.batch_voxels / voxels), 2)
        return self.training.model_copy(update=changes)

    @property
    def fitted(self) -> dict[str, Any]:
        """All that a training depends on, however the study file came to say it."""
        parts = {name: getattr(self, name) for name in (*PARTS, "pairs", "training")}
        dumped = {name: part if part is None else part.model_dump(mode="json") for name, part in parts.items()}
        amounts = ("subjects", "voxels_per_subject", "batch_voxels")
        return dumped | {name: getattr(self, name) for name in amounts}


def parts_of(published: Preset) -> dict[str, Any]:
    """Unit and composition of a published model as plain settings."""
    return {"unit": described(published.unit).model_dump(), **published.composition.model_dump()}


def described(unit: Unit) -> UnitSettings:
    """The settings that describe a published model's unit."""
    if isinstance(unit, Patches):
        return UnitSettings(kind="patch", size=unit.size, plane=unit.plane)
    assert isinstance(unit, Slices)
    return UnitSettings(kind="slice", plane=unit.plane, slices=unit.central or "all")


def over(own: Any, given: Any) -> Any:
    """``given`` settings over ``own`` ones of the same kind.

    >>> over({"kind": "l1", "weight": 1.0}, {"weight": 0.5}), over({"kind": "l1", "weight": 1.0}, {"kind": "mse"})
    ({'kind': 'l1', 'weight': 0.5}, {'kind': 'mse'})
    """
    if not isinstance(own, Mapping) or not isinstance(given, Mapping):
        return given
    return {**own, **given} if given.get("kind", own.get("kind")) == own.get("kind") else given
