"""The published models, exactly: what they see, how they are composed, how they were trained.

============= ===================================== ==================================================
preset        source                                what
============= ===================================== ==================================================
mlcn2021-ae   Muñoz-Ramírez et al. 2021, §2.2       slices, 5 strided convolutions, L1, about 1.07 M parameters
mlcn2021-sae  Muñoz-Ramírez et al. 2021, §2.2       15 x 15 patches, 64-d code, MSE - 0.005 cos, 12 034 parameters
isbi2023-ae   Pinon et al. 2023, §2.2, alpha 0      15 x 15 patches, 16-d code
isbi2023-sae  Pinon et al. 2023, §2.2               the same on pairs, alpha 0.005 as in mlcn2021
============= ===================================== ==================================================
"""

from dataclasses import dataclass

from nigra.errors import NigraError
from nigra.models import composition as composed
from nigra.models.architecture import ArchitectureSettings
from nigra.models.blocks import Shape
from nigra.models.composition import Composition, parameter_count
from nigra.models.reconstruction import ReconstructionSettings
from nigra.models.siamese import Model, SiameseSettings
from nigra.units import Patches, Slices, Unit

__all__ = ["PRESETS", "Preset", "build", "parameter_count", "preset"]


@dataclass(frozen=True)
class Preset:
    """A published model: what it sees, how it is composed, how it was trained.

    ``units_per_subject`` is the number of units (of first members, for pairs) per training subject and epoch;
    None is all of them.
    """

    unit: Unit
    composition: Composition
    epochs: int
    batch: int
    units_per_subject: int | None
    best_on_validation: bool = False
    learning_rate: float = 1e-3


_SLICES, _PATCHES = Slices("axial", 40), Patches(15, "axial")
_SLICE_NETWORK = ArchitectureSettings(kind="mlcn2021-slice")
_PATCH_NETWORK = ArchitectureSettings(kind="mlcn2021-patch")
_NARROW_NETWORK = ArchitectureSettings(kind="isbi2023-patch")
_L1, _COSINE = ReconstructionSettings(kind="l1"), SiameseSettings(kind="cosine", alpha=0.005)

PRESETS: dict[str, Preset] = {
    "mlcn2021-ae": Preset(_SLICES, Composition(architecture=_SLICE_NETWORK, reconstruction=_L1), 160, 40, None),
    "mlcn2021-sae": Preset(_PATCHES, Composition(architecture=_PATCH_NETWORK, siamese=_COSINE), 30, 225, 15_000),
    "isbi2023-ae": Preset(_PATCHES, Composition(architecture=_NARROW_NETWORK), 20, 1000, 25_000, True),
    "isbi2023-sae": Preset(
        _PATCHES, Composition(architecture=_NARROW_NETWORK, siamese=_COSINE), 20, 1000, 25_000, True
    ),
}


def preset(name: str) -> Preset:
    """Look a preset up; an unknown name lists the known ones."""
    if name not in PRESETS:
        raise NigraError(f"model {name!r} is not published here; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def build(name: str, channels: int = 2, shape: Shape | None = None, seed: int = 0) -> Model:
    """Build a published model with freshly drawn weights; see ``composition.build``.

    Args:
        name: one of ``PRESETS``.
        channels: maps per scan: 1 (T1w), 2 (FA, MD), 3 (T1w, FA, MD).
        shape: height and width of a unit; None is the published one (121 x 145 slices, 15 x 15 patches).
        seed: seed of the initial weights.

    Raises:
        NigraError: unknown name, no channel, or a unit shape the architecture cannot take.

    >>> sum(p.numel() for p in build("mlcn2021-sae").parameters())
    12034
    """
    chosen = preset(name)
    shape = chosen.unit.unit_shape((121, 145, 121)) if shape is None else shape
    return composed.build(chosen.composition, channels, shape, seed)
