"""What a model sees of a volume, patches or slices: locate, cut, put back; and pairs of them."""

from nigra.units.patches import Patches
from nigra.units.slices import Slices
from nigra.units.source import Source

Unit = Patches | Slices

__all__ = ["Patches", "Slices", "Source", "Unit"]
