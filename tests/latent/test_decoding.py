"""Lines in latent space and what a decoder makes of them."""

import numpy as np
import pytest
import torch

from nigra.latent.decoding import Line, decode, interpolations, spread_out, traversals
from nigra.models.published import build


def test_a_line_goes_evenly_from_end_to_end() -> None:
    line = Line(np.array([0.0, 4.0]), np.array([2.0, 0.0]), "")
    np.testing.assert_allclose(line.points(3), [[0, 4], [1, 2], [2, 0]])


def test_traversals_follow_the_planted_axes(rng: np.random.Generator) -> None:
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    codes = rng.normal(size=(4000, 6)) * [5, 2, 0.1, 0.1, 0.1, 0.1] @ axes.T + 3
    first, second = traversals(codes, 2, 2.0)
    for line, axis, spread in ((first, axes[:, 0], 5), (second, axes[:, 1], 2)):
        way = line.end - line.start
        assert np.linalg.norm(way) == pytest.approx(4 * spread, rel=0.05)
        assert abs(way @ axis) / np.linalg.norm(way) == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose((line.end + line.start) / 2, codes.mean(axis=0), atol=1e-9)
        assert way[np.abs(way).argmax()] > 0
    assert first.words == "axis 1, 86 % of variance"


def test_interpolations_join_one_place_of_two_people_and_two_places_of_one(rng: np.random.Generator) -> None:
    codes = np.stack(np.meshgrid(np.arange(5.0), np.arange(7.0), indexing="ij"), axis=2)
    lines = interpolations(codes, list("abcde"), [f"P{k}" for k in range(7)], 6, 0)
    assert len(lines) == 6
    for number, line in enumerate(lines):
        (a, here), (b, there) = line.start.astype(int), line.end.astype(int)
        same_place, same_person = (a != b and here == there), (a == b and here != there)
        assert same_person if number % 2 else same_place
        assert f"P{here}" in line.words
        assert "abcde"[a] in line.words


def test_decoded_ends_are_the_codes_reconstructions(rng: np.random.Generator) -> None:
    model = build("mlcn2021-sae", 2).eval()
    units = torch.from_numpy(rng.random((2, 2, 15, 15)).astype(np.float32))
    with torch.inference_mode():
        spatial = model.encode(units)
        expected = model.decode(spatial).numpy()
    codes = spatial.flatten(1).numpy()
    found = decode(model, [Line(codes[0], codes[1], "")], 5, tuple(spatial.shape[1:]))
    assert found.shape == (1, 5, 2, 15, 15)
    np.testing.assert_allclose(found[0, [0, -1]], expected, atol=1e-6)
    assert np.abs(found[0, 2] - expected[0]).max() > 1e-4


def test_codes_spread_out_reach_every_corner(rng: np.random.Generator) -> None:
    corners = np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]])
    codes = np.concatenate([corner + rng.normal(size=(30, 2)) for corner in corners])
    chosen = spread_out(codes, 5)
    assert len(set(chosen)) == 5
    assert {int(row) // 30 for row in chosen} == {0, 1, 2, 3}
