"""What a model sees, as a person writes it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from nigra.errors import NigraError
from nigra.units import Cubes, Hemispheres, Patches, Slices, Unit
from nigra.units.planes import Plane

SETTINGS_OF = {
    "patch": {"size", "plane"},
    "cube": {"size"},
    "slice": {"plane", "slices", "stack"},
    "hemisphere": {"plane", "slices"},
}
"""The settings that have a say in each kind of unit."""


class UnitSettings(BaseModel):
    """Patches of the published size, unless told otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["patch", "cube", "slice", "hemisphere"] = Field(
        "patch", description="patch: a square of one plane; cube: a patch in 3D; slice: a whole plane; hemisphere: "
        "half an axial or coronal plane, the right side mirrored onto the left"
    )  # fmt: skip
    size: PositiveInt = Field(15, description="patches and cubes: voxels along each side, an odd number")
    plane: Plane = Field("axial", description="plane of patches, slices and hemispheres")
    slices: PositiveInt | Literal["all"] = Field(
        40, description="slices and hemispheres: number of slices around the middle of the brain, or all"
    )
    stack: PositiveInt = Field(
        1, description="slices: neighbouring slices shown together as channels, an odd number"
    )

    @model_validator(mode="after")
    def _is_a_unit(self) -> "UnitSettings":
        for name in {"size", "plane", "slices", "stack"} - SETTINGS_OF[self.kind]:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} {getattr(self, name)} has no meaning for kind: {self.kind}; leave it out")
        try:
            self.build()
        except NigraError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return self

    def build(self, midline: float | None = None) -> Unit:
        """The unit; hemispheres meet at ``midline`` (x index, ``planes.midline_of``; None: middle of the grid)."""
        central = None if self.slices == "all" else self.slices
        match self.kind:
            case "patch":
                return Patches(self.size, self.plane)
            case "cube":
                return Cubes(self.size)
            case "slice":
                return Slices(self.plane, central, self.stack)
            case "hemisphere":
                return Hemispheres(self.plane, central, midline)
