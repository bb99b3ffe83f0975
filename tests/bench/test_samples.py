"""Samples are seeded, of the shape asked for, and not constant."""

import numpy as np

from nigra.bench import samples


def test_codes_are_normal_and_seeded() -> None:
    codes = samples.codes(6, 500, 4, seed=3)
    assert (codes.shape, codes.dtype) == ((6, 500, 4), np.float32)
    assert abs(codes.mean()) < 0.05
    assert abs(codes.std() - 1) < 0.05
    assert np.array_equal(codes, samples.codes(6, 500, 4, seed=3))
    assert not np.array_equal(codes, samples.codes(6, 500, 4, seed=5))


def test_blocks_hold_one_location_side_by_side() -> None:
    codes = samples.codes(3, 5, 2)
    blocks = samples.blocks(codes)
    assert blocks.flags.c_contiguous
    assert np.array_equal(blocks[4], codes[:, 4])


def test_volumes_fill_a_brains_share_and_differ() -> None:
    source = samples.volumes(2, (31, 37, 29))
    assert source.volumes.shape == (2, 2, 31, 37, 29)
    assert abs(source.mask.mean() - 0.26) < 0.04
    assert source.volumes[0].std() > 0.1
    assert not np.array_equal(source.volumes[0], source.volumes[1])
    border = np.concatenate([np.take(source.mask, (0, -1), axis=axis).ravel() for axis in range(3)])
    assert not border.any()
