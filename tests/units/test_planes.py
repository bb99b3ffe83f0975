"""The midline of a cohort's grid, and what it mirrors."""

import numpy as np
import pandas as pd
import pytest

from nigra.cohort.store import Cohort
from nigra.preparation.scaling import IntensityScaling
from nigra.units import Source
from nigra.units.planes import midline_of, mirror_sum


def test_the_midline_is_where_x_is_zero(affine):  # type: ignore[no-untyped-def]
    assert midline_of(affine, (11, 13, 9)) == pytest.approx(10.5 / 2)
    assert mirror_sum(midline_of(affine, (11, 13, 9)), 11) == 11  # the border between voxels 5 and 6 is nearest
    for i in range(1, 11):  # the two centres lie as far from 0 mm, but for the rounding of half a voxel
        x, mirrored = (affine @ [i, 0, 0, 1])[0], (affine @ [11 - i, 0, 0, 1])[0]
        assert abs(x + mirrored) <= affine[0, 0] / 2


def test_a_tilted_grid_is_asked_in_its_middle() -> None:
    affine = np.diag([2.0, 2, 2, 1])
    affine[0] = [2, 0.2, -0.1, -9]
    middle = affine @ [midline_of(affine, (11, 13, 9)), 6, 4, 1]
    assert middle[0] == pytest.approx(0)


def test_an_affine_without_a_middle_gives_that_of_the_grid() -> None:
    affine = np.eye(4)
    affine[0, 3] = 30
    assert midline_of(affine, (10, 5, 5)) == 4.5
    assert mirror_sum(None, 10) == 9


def test_a_cohort_tells_its_midline_to_the_source(mask, affine, rng):  # type: ignore[no-untyped-def]
    volumes = rng.random((2, 1, *mask.shape)).astype(np.float32)
    cohort = Cohort(volumes, mask, affine, ("T1w",), "MNI", pd.DataFrame({"participant_id": ["sub-1", "sub-2"]}))
    source = Source.scaled(cohort, IntensityScaling(np.array([0.0]), np.array([2.0]), True, ("sub-1",)))
    assert source.midline == pytest.approx(5.25)
    assert source.unclipped().mirror_sum == 11 != Source.plain(volumes).mirror_sum
