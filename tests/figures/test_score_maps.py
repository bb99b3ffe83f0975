import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.figures.score_maps import score_maps


def test_rows_are_subjects_columns_are_levels_on_one_scale(rng, mask, affine):
    scores = np.where(mask, rng.uniform(0, 1, (2, *mask.shape)), np.nan)
    figure = score_maps(["s1", "s2"], scores, mask.astype(float), affine, [-6.25, -3.25], threshold=0.9)
    pictures = [axes.images[1] for axes in figure.axes if len(axes.images) == 2]
    assert len(pictures) == 4
    values = pictures[3].get_array()  # level -3.25 mm (slice 3) of the second subject
    kept = np.sort(values.compressed())
    np.testing.assert_allclose(kept, np.sort(scores[1, :, :, 3][mask[:, :, 3]]))
    assert len({image.norm.vmax for image in pictures}) == 1
    assert pictures[0].norm.vmax >= 0.9
    assert "z = \N{MINUS SIGN}6.25 mm" in [text.get_text() for text in figure.texts]


def test_a_level_outside_the_maps_is_one_sentence(mask, affine):
    with pytest.raises(NigraError, match="choose a level in between"):
        score_maps(["s"], np.zeros((1, *mask.shape)), mask.astype(float), affine, [99.0])


def test_voxels_above_their_own_threshold_are_outlined(mask, affine):
    scores = np.where(mask, 1.0, np.nan)[None]
    threshold = np.where(mask, 2.0, np.nan)
    threshold[5, 6, 3] = 0.5
    threshold[4, 4, 3] = np.inf
    figure = score_maps(["s"], scores, mask.astype(float), affine, [-3.25, -6.25], threshold)
    there, elsewhere = (axes for axes in figure.axes if len(axes.images) == 2)
    shown = there.images[1].get_array()
    assert shown.count() == mask[:, :, 3].sum()
    (contour,) = there.collections
    middle = contour.get_paths()[0].vertices.mean(axis=0)
    left, lowest = np.argwhere(mask[:, :, 3]).min(axis=0)
    rows, columns = np.nonzero(~shown.mask)
    # x to the right as scanned, y upwards
    np.testing.assert_allclose(middle, [columns.min() + 5 - left, rows.max() - (6 - lowest)], atol=0.3)
    assert not elsewhere.collections
    assert "outlined: above the threshold of the voxel" in [text.get_text() for text in figure.texts]
    everywhere = score_maps(["s"], scores, mask.astype(float), affine, [-3.25], 2.0)
    assert not any(axes.collections for axes in everywhere.axes if len(axes.images) == 2)
