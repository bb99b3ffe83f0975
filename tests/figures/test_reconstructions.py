import numpy as np
import pytest

from nigra.figures.reconstructions import example_reconstructions


@pytest.fixture
def slices(rng):
    inputs = rng.uniform(0.2, 0.8, (3, 11, 13))
    inputs[:, 0] = np.nan
    return inputs, inputs - rng.normal(0, 0.1, inputs.shape)


def shown(figure, columns=4):
    """Images as rows of subjects; axes come column by column, each column followed by its bar."""
    images = [axes.images[0] for axes in figure.axes if axes.images]
    return [images[i * (len(images) // columns) : (i + 1) * (len(images) // columns)] for i in range(columns)]


def test_columns_hold_the_arrays_on_one_scale_each(slices, affine):
    inputs, rebuilt = slices
    scores = np.abs(inputs - rebuilt)
    figure = example_reconstructions(
        ["s1", "s2", "s3"], inputs, rebuilt, scores, affine, -3.25, channel="FA", units="0-1"
    )
    columns = shown(figure)
    window = inputs[1, 0:, :]  # x 1..10 and a margin: the whole slice
    np.testing.assert_allclose(columns[0][1].get_array().filled(np.nan), np.flip(window.T, 0))
    np.testing.assert_allclose(columns[2][2].get_array().filled(np.nan), np.flip((inputs - rebuilt)[2].T, 0))
    for column in columns:
        assert len({(image.norm.vmin, image.norm.vmax) for image in column}) == 1
    assert columns[0][0].norm.vmax == columns[1][0].norm.vmax
    assert columns[2][0].norm.vmin == -columns[2][0].norm.vmax
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert labels == ["FA (0-1)", "FA (0-1)", "FA (0-1)", "joint error, all channels (a.u.)"]


def test_above_what_the_model_expects_is_red_and_below_is_blue(slices, affine):
    inputs, _ = slices
    inputs = np.nan_to_num(inputs, nan=0.5)
    rebuilt = inputs.copy()
    rebuilt[0, 3, 3] -= 0.3
    rebuilt[0, 8, 8] += 0.3
    error = shown(example_reconstructions(["s"] * 3, inputs, rebuilt, inputs, affine, 0.0, threshold=0.5))[2][0]
    red, blue = error.to_rgba(np.array([0.3, -0.3]))[:, [0, 2]]
    assert red[0] > red[1]
    assert blue[1] > blue[0]


def test_a_threshold_per_voxel_is_outlined_in_the_scores(slices, affine):
    inputs, rebuilt = slices
    scores = np.nan_to_num(inputs, nan=0.5)
    threshold = np.full(inputs.shape[1:], np.inf)
    none = shown(example_reconstructions(["s"] * 3, inputs, rebuilt, scores, affine, 0.0, threshold=threshold))
    assert not any(image.axes.collections for image in none[3])
    threshold[4:7, 4:7] = -1
    some = shown(example_reconstructions(["s"] * 3, inputs, rebuilt, scores, affine, 0.0, threshold=threshold))
    assert all(image.axes.collections for image in some[3])
    assert not any(image.axes.collections for column in some[:3] for image in column)
