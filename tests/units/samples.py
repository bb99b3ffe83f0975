"""Units of every kind for property tests, and sources whose midline is theirs."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from nigra.units import Cubes, Hemispheres, Patches, Slices, Source, Unit

PLANES = st.sampled_from(["sagittal", "coronal", "axial"])
SHAPES = st.tuples(*[st.integers(2, 13)] * 3)
OVERLAPS = st.sampled_from(["centre", "average"])


@st.composite
def units(draw: st.DrawFn, shape: tuple[int, int, int]) -> Unit:
    """Any unit: every plane, sizes also beyond the volume, midlines anywhere in it."""
    size, plane = draw(st.sampled_from([1, 3, 5, 15])), draw(PLANES)
    kind = draw(st.sampled_from(["patch", "cube", "slice", "hemisphere"]))
    if kind == "patch":
        return Patches(size, plane)
    if kind == "cube":
        return Cubes(min(size, 5))
    if kind == "slice":
        return Slices(plane, None, size)
    midline = draw(st.none() | st.floats(0, shape[0] - 1))
    return Hemispheres("axial" if plane == "sagittal" else plane, None, midline)


def like(unit: Unit, source: Source) -> Source:
    """The source with the midline of the unit."""
    return replace(source, midline=unit.midline) if isinstance(unit, Hemispheres) else source


def everywhere(unit: Unit, shape: tuple[int, int, int]) -> np.ndarray:
    """All locations of a volume."""
    return unit.locate(np.ones(shape, bool))
