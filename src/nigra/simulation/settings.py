"""What a simulation is: shapes, effects and strengths to plant, in whom, and how findings are counted."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from nigra.simulation.effects import CONTRACTION_LIMIT

NAME = r"^([A-Za-z0-9][A-Za-z0-9-]*)?$"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ShapeSettings(_Settings):
    """One kind of shape, in one or several sizes."""

    kind: Literal["sphere", "blob", "region", "mask"] = Field(
        ..., description="sphere; blob: irregular, smooth, connected; region: an atlas region or a part of it; "
        "mask: lesions of image files",
    )  # fmt: skip
    name: str = Field("", pattern=NAME, description="its name in tables; empty: its kind")
    sizes: list[PositiveFloat] = Field(
        [], description="sphere: diameters in mm; blob: volumes in mm3; region: volumes in mm3 of a random "
        "connected part, none for whole regions; mask: none"
    )  # fmt: skip
    regions: list[str] = Field([], description="region: names in the run's atlas; none: any of its regions")
    files: list[Path] = Field(
        [], description="mask: images in the space of the maps, relative to the study folder or absolute"
    )
    parts: Literal["each", "whole"] = Field(
        "each", description="mask: each connected part is a lesion, or each whole file"
    )
    smallest_mm3: float = Field(0.0, ge=0, description="mask: smaller lesions are left out")
    moved: bool = Field(False, description="mask: move each to a random place, by a recorded shift")

    @model_validator(mode="after")
    def _sizes_belong_to_the_kind(self) -> "ShapeSettings":
        if self.kind in ("sphere", "blob") and not self.sizes:
            raise ValueError(f"a {self.kind} needs sizes")
        if self.kind == "mask" and (self.sizes or not self.files):
            raise ValueError("a mask has files and no sizes")
        for name, kind in (("regions", "region"), ("files", "mask"), ("moved", "mask"), ("smallest_mm3", "mask")):
            if getattr(self, name) and self.kind != kind:
                raise ValueError(f"{name} is no setting of {self.kind}")
        texts = [self.size_text(size) for size in self.sizes]  # what they are called in tables and files
        if len(set(texts)) < len(texts):
            raise ValueError(f"sizes are each their own, but two are {max(texts, key=texts.count)}")
        return self

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name or self.kind

    def size_text(self, size: float | None) -> str:
        """A size in words.

        >>> ShapeSettings(kind="sphere", sizes=[6]).size_text(6.0)
        '6 mm'
        """
        if size is None:
            return "whole region" if self.kind == "region" else "as drawn"
        return f"{size:g} mm" if self.kind == "sphere" else f"{size:g} mm3"


class EffectSettings(_Settings):
    """One kind of change, in several strengths."""

    kind: Literal["multiply", "add", "blur", "texture", "shrink"] = Field(
        ..., description="multiply: value x (1 + strength); add: value + strength; blur: Gaussian of strength mm; "
        "texture: detail damped by the share strength; shrink: contraction by the share strength in the middle",
    )  # fmt: skip
    name: str = Field("", pattern=NAME, description="its name in tables; empty: its kind")
    strengths: list[PositiveFloat] = Field(..., min_length=1, description="from barely detectable on, rising")
    channels: dict[str, float] = Field(
        {}, description="channel -> change per unit of strength, such as {FA: -1}; none: every channel, 1"
    )
    edge_mm: float = Field(0.0, ge=0, description="width of a soft edge, inside the lesion")
    scale_mm: float = Field(4.0, gt=0, description="texture: finer than this is detail")

    @model_validator(mode="after")
    def _strengths_make_sense(self) -> "EffectSettings":
        if sorted(set(self.strengths)) != self.strengths:
            raise ValueError("strengths rise, each once")
        if self.channels and not any(self.channels.values()):
            raise ValueError(f"a change of 0 in {', '.join(self.channels)} changes nothing; give 1 or -1")
        if self.kind == "multiply" and max(self.strengths) * min(self.channels.values(), default=0) < -1:
            raise ValueError(
                "multiplying by 1 - strength needs a strength of at most 1; beyond it values turn negative"
            )
        largest = max(self.strengths) * max(map(abs, self.channels.values()), default=1)
        limit = {"texture": 1.0, "shrink": CONTRACTION_LIMIT}.get(self.kind)
        if limit and largest > limit:
            raise ValueError(f"the strength of {self.kind} is a share of at most {limit:g}")
        return self

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name or self.kind


class SimulationSettings(_Settings):
    """Everything that changes the results of a simulation."""

    run: str = Field(
        "run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="the scored run whose methods are examined"
    )
    title: str = Field("", description="one line on top of the page; empty: the run's name")
    shapes: list[ShapeSettings] = Field(
        [ShapeSettings(kind="sphere", sizes=[8.0, 12.0])], min_length=1, description="what is planted"
    )
    effects: list[EffectSettings] = Field(
        [EffectSettings(kind="multiply", name="darker", strengths=[0.05, 0.1, 0.2, 0.4])],
        min_length=1, description="how it differs from healthy tissue",
    )  # fmt: skip
    subjects: int = Field(4, ge=1, description="test controls per draw that are planted into, drawn by the seed")
    participants: list[str] = Field([], description="plant only into these of the test controls; none: any")
    draws: int | None = Field(None, ge=1, description="draws of the run that are used, from the first; null: all")
    lesions: int = Field(3, ge=1, description="lesions per planted volume, at most; fewer where there is no room")
    distance_mm: float | None = Field(
        None, ge=0, description="between lesions, along some axis; null: the widest patch of the run's models"
    )
    found_share: float = Field(0.5, gt=0, le=1, description="a lesion is found with this share of it in clusters")
    smallest: int = Field(1, ge=1, description="voxels a cluster needs to count")
    rate: float = Field(
        0.02, gt=0, lt=1, description="observed share of abnormal voxels in unplanted test controls at which "
        "methods are compared",
    )  # fmt: skip
    rates: list[float] = Field(
        [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05], min_length=1, description="the same, along the FROC curve"
    )
    bootstrap: int = Field(1000, ge=100, description="subject resamplings behind the intervals of smallest effects")
    seed: int = Field(0, ge=0, description="seed of everything drawn")

    @model_validator(mode="after")
    def _names_are_their_own(self) -> "SimulationSettings":
        for what, labels in (("shapes", self.shapes), ("effects", self.effects)):
            names = [each.label.lower() for each in labels]
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} are both called {max(names, key=names.count)}; give each a name")
        if not all(0 < rate < 1 for rate in self.rates) or sorted(set(self.rates)) != self.rates:
            raise ValueError("rates lie between 0 and 1 and rise, each once")
        return self

    @property
    def sized(self) -> list[tuple[ShapeSettings, float | None]]:
        """Every shape in each of its sizes."""
        none: list[float | None] = [None]
        return [(shape, size) for shape in self.shapes for size in (shape.sizes or none)]

    @property
    def volumes(self) -> int:
        """Planted volumes per subject and draw."""
        return len(self.sized) * sum(len(effect.strengths) for effect in self.effects)
