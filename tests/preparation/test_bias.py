import numpy as np
import pytest

from nigra.preparation.bias import correct
from nigra.preparation.image import Image


@pytest.fixture
def brain(rng):
    """Two tissues in an ellipsoid of 3 mm voxels, and its mask."""
    x, y, z = np.indices((36, 42, 34)) - np.array([18, 21, 17]).reshape(3, 1, 1, 1)
    mask = (x / 15) ** 2 + (y / 18) ** 2 + (z / 14) ** 2 <= 1
    tissue = np.where(np.sin(x / 3.0) * np.cos(y / 4.0) * np.cos(z / 3.0) > 0, 1000.0, 700.0)
    return (np.where(mask, tissue, 0) + rng.normal(0, 8, mask.shape)).astype(np.float32), mask


def test_a_known_bias_field_is_found_and_removed(brain):
    data, mask = brain
    x, y, z = np.indices(mask.shape) / np.array(mask.shape).reshape(3, 1, 1, 1) - 0.5
    true = 0.8 * x - 0.5 * y**2 + 0.4 * z
    found = correct(Image((data * np.exp(true)).astype(np.float32), np.diag([3.0, 3, 3, 1])), mask)
    assert np.corrcoef(np.log(found.field[mask]), true[mask])[0, 1] > 0.95
    bright = mask & (data > 850)
    spread = lambda values: values.std() / values.mean()  # noqa: E731
    assert spread(found.image.data[bright]) < 0.4 * spread((data * np.exp(true))[bright])
    assert np.log(found.field[mask]).mean() == pytest.approx(0, abs=1e-3)


def test_a_scan_without_shading_keeps_its_values(brain):
    data, mask = brain
    found = correct(Image(data, np.diag([3.0, 3, 3, 1])), mask)
    assert found.field[mask].std() < 0.03
    np.testing.assert_allclose(found.image.data * found.field, data, rtol=1e-4, atol=1e-2)
