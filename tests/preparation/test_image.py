import numpy as np
import pytest

from nigra.preparation.image import Image, from_itk, read, to_itk
from tests.preparation.conftest import write_psr


def test_a_scan_stored_as_psr_reads_as_its_ras_twin(tmp_path, rng, affine):
    data = rng.normal(size=(11, 13, 9)).astype(np.float32)
    write_psr(tmp_path / "scan.nii.gz", data, affine)
    found = read(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(found.data, data)
    np.testing.assert_allclose(found.affine, affine, atol=1e-5)
    assert found.voxel_size == pytest.approx((2.0, 1.5, 3.0))
    assert found.voxel_volume == pytest.approx(9.0)


def test_simpleitk_sees_every_voxel_where_nibabel_does(rng, affine):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    image = Image(rng.normal(size=(11, 13, 9)).astype(np.float32), turn @ affine)
    itk = to_itk(image)
    for index in [(0, 0, 0), (10, 0, 3), (4, 12, 8)]:
        x, y, z = (image.affine @ [*index, 1])[:3]
        np.testing.assert_allclose(itk.TransformIndexToPhysicalPoint(index), (-x, -y, z), atol=1e-4)
        assert itk.GetPixel(*index) == image.data[index]
    np.testing.assert_array_equal(from_itk(itk), image.data)
