"""What a model sees of a volume, patches, cubes, slices, hemispheres: locate, cut, put back; and pairs of them."""

from nigra.units.cubes import Cubes
from nigra.units.hemispheres import Hemispheres
from nigra.units.patches import Patches
from nigra.units.slices import Slices
from nigra.units.source import Source

Centred = Patches | Cubes
"""Units centred on a voxel, so that every voxel has one of its own."""

Unit = Centred | Slices | Hemispheres

__all__ = ["Centred", "Cubes", "Hemispheres", "Patches", "Slices", "Source", "Unit"]
