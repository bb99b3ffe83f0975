"""Decoded lines: a picture per line, channel and step, each the right way up."""

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.figures.latent_decoding import central, decoding_figure


def test_a_picture_per_line_channel_and_step(rng: np.random.Generator) -> None:
    units = rng.random((3, 5, 2, 15, 15))
    figure = decoding_figure(units, ["axis 1", "axis 2", "axis 3"], ("FA", "MD"), "traversal")
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 30
    np.testing.assert_array_equal(pictures[0].images[0].get_array(), units[0, 0, 0].T[::-1])
    np.testing.assert_array_equal(pictures[7].images[0].get_array(), units[0, 2, 1].T[::-1])
    assert len({pictures[k].images[0].norm.vmax for k in (0, 4, 29)}) == 2, "one scale per channel"


def test_a_stack_shows_its_middle_and_a_cube_its_central_plane(rng: np.random.Generator) -> None:
    stack = rng.random((1, 2, 6, 4, 5))
    np.testing.assert_array_equal(central(stack, 2), stack[:, :, 2:4])
    cube = rng.random((1, 2, 1, 3, 4, 5))
    np.testing.assert_array_equal(central(cube, 1), cube[..., 2])


def test_nothing_to_draw_is_one_sentence() -> None:
    with pytest.raises(NigraError, match="at least one"):
        decoding_figure(np.zeros((0, 3, 1, 4, 4)), [], ("FA",), "traversal")
