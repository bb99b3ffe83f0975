"""The published models, layer by layer and parameter by parameter."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from nigra.errors import NigraError
from nigra.models.autoencoder import Autoencoder
from nigra.models.published import PRESETS, build, parameter_count
from nigra.models.siamese import Siamese


def sizes_through(model: Autoencoder | Siamese, units: torch.Tensor) -> list[tuple[int, ...]]:
    found = []
    for stage in (*model.encoder, *model.decoder):
        units = stage(units)
        found.append(tuple(units.shape[1:]))
    return found


def test_mlcn2021_ae_has_the_published_sizes_at_every_layer() -> None:
    assert sizes_through(build("mlcn2021-ae"), torch.rand(2, 2, 121, 145)) == [
        (32, 61, 73), (64, 31, 37), (128, 16, 19), (128, 8, 10), (256, 4, 5),
        (128, 8, 10), (128, 16, 19), (64, 31, 37), (32, 61, 73), (2, 121, 145),
    ]  # fmt: skip


def test_mlcn2021_ae_output_padding_is_the_published_one() -> None:
    model = build("mlcn2021-ae")
    paddings = [stage.convolution.output_padding for stage in model.decoder]
    assert paddings == [(1, 1), (1, 0), (0, 0), (0, 0), (0, 0)]


def test_mlcn2021_sae_has_the_published_sizes_at_every_layer() -> None:
    assert sizes_through(build("mlcn2021-sae"), torch.rand(2, 2, 15, 15)) == [
        (16, 13, 13), (16, 6, 6), (16, 4, 4), (16, 2, 2),
        (16, 4, 4), (16, 6, 6), (16, 12, 12), (16, 14, 14), (2, 15, 15),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["isbi2023-ae", "isbi2023-sae"])
def test_isbi2023_has_the_published_sizes_at_every_layer(name: str) -> None:
    assert sizes_through(build(name), torch.rand(2, 2, 15, 15)) == [
        (3, 11, 11), (4, 9, 9), (12, 3, 3), (16, 1, 1),
        (12, 3, 3), (4, 9, 9), (3, 11, 11), (2, 15, 15),
    ]  # fmt: skip


def convolution(fewer: int, more: int, kernel: int) -> int:
    return fewer * more * kernel**2 + more


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_parameter_counts(channels: int) -> None:
    """Oracle: kernels and biases summed by hand, two parameters per BatchNorm feature."""
    widths = [channels, 32, 64, 128, 128, 256]
    slices = sum(convolution(a, b, 3) + 2 * b for a, b in pairwise(widths))
    slices += sum(convolution(b, a, 3) + 2 * a for a, b in pairwise(widths)) - 2 * channels
    patches = 6 * convolution(16, 16, 3) - convolution(16, 16, 3)
    patches += convolution(channels, 16, 3) + convolution(16, channels, 2)
    layers = [(channels, 3, 5), (3, 4, 3), (4, 12, 3), (12, 16, 3)]
    narrow = sum(convolution(a, b, k) + 2 * b + convolution(b, a, k) + 2 * a for a, b, k in layers) - 2 * channels
    assert parameter_count(build("mlcn2021-ae", channels)) == slices
    assert parameter_count(build("mlcn2021-sae", channels)) == patches
    assert parameter_count(build("isbi2023-ae", channels)) == narrow
    assert parameter_count(build("isbi2023-sae", channels)) == narrow


def test_published_totals() -> None:
    assert parameter_count(build("mlcn2021-sae", 2)) == 12_034
    assert round(parameter_count(build("mlcn2021-ae", 2)) / 1e6, 2) == 1.07


def test_code_sizes() -> None:
    assert build("mlcn2021-sae").codes(torch.rand(3, 2, 15, 15)).shape == (3, 64)
    assert build("isbi2023-sae").codes(torch.rand(3, 2, 15, 15)).shape == (3, 16)
    assert build("mlcn2021-ae").codes(torch.rand(3, 2, 121, 145)).shape == (3, 4 * 5 * 256)


@pytest.mark.parametrize("shape", [(17, 17), (46, 55), (91, 109), (18, 33), (61, 40)])
def test_slices_of_any_shape_come_back_in_that_shape(shape: tuple[int, int]) -> None:
    model = build("mlcn2021-ae", 1, shape)
    assert model(torch.rand(2, 1, *shape)).shape == (2, 1, *shape)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_reconstructions_lie_between_0_and_1(name: str, channels: int) -> None:
    model = build(name, channels).eval()
    height, width = PRESETS[name].unit.unit_shape((121, 145, 121))
    with torch.no_grad():
        rebuilt = model(10 * torch.randn(2, channels, height, width))
    assert rebuilt.min() >= 0
    assert rebuilt.max() <= 1
    assert rebuilt.std() > 0


def test_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = build("mlcn2021-sae", seed=1), build("mlcn2021-sae", seed=1), build("mlcn2021-sae", seed=2)
    assert torch.equal(before, torch.rand(3))
    pairs = list(zip(one.parameters(), two.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs)


def test_siamese_loss_is_the_published_formula() -> None:
    """Oracle: MSE of both members minus 0.005 cosine, pair by pair in numpy."""
    model = build("mlcn2021-sae").eval()
    units = torch.rand(8, 2, 15, 15, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        terms = {name: float(value) for name, value in model.terms(units).items()}
        rebuilt, codes = model(units).numpy(), model.codes(units).numpy()
    squared = ((rebuilt - units.numpy()) ** 2).mean(axis=(1, 2, 3))
    norms = np.linalg.norm(codes, axis=1)
    cosine = (codes[:4] * codes[4:]).sum(axis=1) / (norms[:4] * norms[4:])
    expected = squared[:4] + squared[4:] - 0.005 * cosine
    assert terms["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    assert terms["similarity"] == pytest.approx(cosine.mean(), rel=1e-5)


def test_alpha_0_is_the_auto_encoder_on_both_members() -> None:
    sae = build("mlcn2021-sae")
    assert isinstance(sae, Siamese)
    plain = Siamese(sae.autoencoder, 0.0)
    units = torch.rand(6, 2, 15, 15)
    both = sae.autoencoder.terms(units[:3])["loss"] + sae.autoencoder.terms(units[3:])["loss"]
    torch.testing.assert_close(plain.terms(units)["loss"], both)


def test_the_ae_is_trained_on_l1() -> None:
    model = build("mlcn2021-ae", 1, (17, 19)).eval()
    units = torch.rand(2, 1, 17, 19)
    with torch.no_grad():
        expected = np.abs(model(units).numpy() - units.numpy()).mean()
        assert float(model.terms(units)["loss"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("mlcn2021",), "choose one of"),
        (("mlcn2021-sae", 0), "at least one"),
        (("mlcn2021-sae", 2, (17, 17)), "15 x 15"),
        (("mlcn2021-ae", 2, (16, 40)), "at least 17"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(arguments: tuple, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(NigraError, match=sentence):
        build(*arguments)
