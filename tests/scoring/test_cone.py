"""The pruned decoder against the whole one: random decoders, hypothesis; refusals; what it costs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nigra.models.published import build
from nigra.scoring.cone import Affine, Cone
from nigra.scoring.cone import central as pixels_of
from nigra.scoring.layers import NotExactError

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.SiLU, nn.Softplus)
Shape = tuple[int, int, int]


@st.composite
def decoders(draw: st.DrawFn) -> tuple[nn.Sequential, Shape, int]:
    """A decoder of affine layers and activations, its code's shape, and the odd size of what it gives."""
    torch.manual_seed(draw(st.integers(0, 999)))
    shape = features, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    layers: list[nn.Module] = []
    if draw(st.booleans()):
        length = features * height * width
        layers = [nn.Flatten(), nn.Linear(length, 12), nn.ReLU(inplace=True), nn.Unflatten(1, (3, 2, 2))]
        features = 3
    for _ in range(draw(st.integers(1, 3))):
        more = draw(st.integers(1, 4))
        layers.append(draw(st.sampled_from(_growing(features, more))))
        features = more if isinstance(layers[-1], nn.ConvTranspose2d | nn.Conv2d) else features
        if draw(st.booleans()):
            layers.append(_with_statistics(nn.BatchNorm2d(features)))
        layers.append(draw(st.sampled_from(ACTIVATIONS))())
    found = nn.Sequential(*layers).eval()
    height, width = found(torch.zeros(1, *shape)).shape[2:]
    # whatever came out becomes an odd square, as patches are
    size = max(height, width) | 1
    layers.append(nn.Upsample(size=(size, size), mode="bilinear"))
    layers.append(nn.ConvTranspose2d(features, draw(st.integers(1, 3)), 3, padding=1))
    return nn.Sequential(nn.Sequential(*layers[:2]), *layers[2:]).eval(), shape, size


def _growing(features: int, more: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(features, more, 3), nn.ConvTranspose2d(features, more, 2, bias=False),
        nn.ConvTranspose2d(features, more, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(features, more, (3, 2), stride=(2, 3), output_padding=(1, 0)),
        nn.ConvTranspose2d(features, more, 3, dilation=2), nn.Conv2d(features, more, 3, padding=2),
        nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(scale_factor=3, mode="bicubic", align_corners=True), nn.AvgPool2d(3, stride=1, padding=1),
    ]  # fmt: skip


def _with_statistics(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    for values, low, high in (
        (norm.running_mean, -0.5, 0.5), (norm.running_var, 0.5, 2), (norm.weight, -1.5, 1.5), (norm.bias, -1, 1)
    ):  # fmt: skip
        nn.init.uniform_(values, low, high)
    return norm


def central(decoder: nn.Module, codes: torch.Tensor, shape: Shape, size: int) -> torch.Tensor:
    """Oracle: decode everything, look at the middle."""
    with torch.no_grad():
        return decoder(codes.view(-1, *shape).clone())[:, :, size // 2, size // 2]


@settings(max_examples=60, deadline=None)
@given(decoders())
def test_the_central_pixel_is_that_of_the_whole_decoder(drawn: tuple[nn.Sequential, Shape, int]) -> None:
    decoder, shape, size = drawn
    cone = Cone(decoder, shape, size)
    codes = torch.randn(9, math.prod(shape), generator=torch.Generator().manual_seed(1))
    before = codes.clone()
    found, expected = cone(codes), central(decoder, codes, shape, size)
    assert torch.equal(codes, before)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=2e-6)


@pytest.mark.parametrize(("preset", "shape"), [("mlcn2021-sae", (16, 2, 2)), ("isbi2023-ae", (16, 1, 1))])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_published_decoders_are_four_products(preset: str, shape: Shape, channels: int) -> None:
    decoder = build(preset, channels, seed=3).decoder.eval()
    cone = Cone(decoder, shape, 15)
    codes = torch.rand(5000, math.prod(shape)) * 3  # more than one batch
    torch.testing.assert_close(cone(codes), central(decoder, codes, shape, 15), atol=1e-6, rtol=0)
    assert cone(codes).std() > 1e-3
    assert 30_000 < cone.multiply_adds < 39_000  # whole: 402 944 (mlcn2021), 32 514 (isbi2023)
    assert sum(isinstance(step, Affine) for step in cone.steps) == 4


def test_the_central_voxel_of_a_cube() -> None:
    """Every affine layer of three dimensions, from a code with three lengths and from one with none."""
    torch.manual_seed(2)
    volume = nn.Sequential(
        nn.ConvTranspose3d(3, 4, 3, stride=2), nn.BatchNorm3d(4), nn.GELU(), nn.Upsample(scale_factor=2),
        nn.AvgPool3d(2, 1), nn.Conv3d(4, 2, 3), nn.Sigmoid(),
    )  # fmt: skip
    flat = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Dropout(), nn.Unflatten(1, (3, 2, 2, 2)), volume)
    for decoder, shape in ((volume, (3, 2, 2, 2)), (flat, (6,))):
        decoder.eval()
        codes = torch.randn(40, *shape)
        with torch.no_grad():
            whole = decoder(codes)
            found = Cone(decoder, shape, whole.shape[2])(codes.flatten(1))
        middle = whole.shape[2] // 2
        assert whole.shape[2:] == (7, 7, 7)
        torch.testing.assert_close(found, whole[:, :, middle, middle, middle], atol=1e-6, rtol=0)
        assert (found - whole[:, :, middle, middle, middle + 1]).abs().max() > 1e-3
        torch.testing.assert_close(pixels_of(whole), whole[:, :, middle, middle, middle])


def test_the_wrong_pixel_would_be_noticed() -> None:
    decoder = build("mlcn2021-sae", seed=3).decoder.eval()
    codes = torch.rand(50, 64) * 3
    shifted = decoder(codes.view(-1, 16, 2, 2))[:, :, 7, 8].detach()
    assert (Cone(decoder, (16, 2, 2), 15)(codes) - shifted).abs().max() > 1e-4


def test_layers_without_a_curve_between_become_one_matrix() -> None:
    decoder = nn.Sequential(
        nn.Upsample(scale_factor=3), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
    ).eval()
    cone = Cone(decoder, (4, 3, 3), 9)
    (step,) = cone.steps
    assert isinstance(step, Affine)
    assert step.weight.shape == (2, 36)
    # the middle of 9 pixels sees the middle one of 3 alone, and its other 32 columns are empty
    assert int(step.weight.any(dim=0).sum()) == 4


@pytest.mark.parametrize(
    ("layer", "why"),
    [(nn.MaxPool2d(3, 1, 1), "neither affine"), (nn.GroupNorm(1, 3), "neither affine"), (nn.PReLU(3), "neither"),
     (nn.BatchNorm2d(3).train(), "training mode"), (nn.Softmax2d(), "neither affine")],
)  # fmt: skip
def test_other_layers_are_refused_by_name(layer: nn.Module, why: str) -> None:
    decoder = nn.Sequential(nn.Conv2d(3, 3, 1), layer)
    with pytest.raises(NotExactError, match=rf"decoder layer 1 \({type(layer).__name__}\) .*{why}"):
        Cone(decoder, (3, 5, 5), 5)


def test_a_decoder_without_weights_left_gives_its_offset() -> None:
    decoder = nn.Sequential(nn.Conv2d(2, 1, 1), nn.Sigmoid())
    nn.init.zeros_(decoder[0].weight)
    nn.init.constant_(decoder[0].bias, 1.5)
    found = Cone(decoder, (2, 3, 3), 3)(torch.randn(7, 18))
    torch.testing.assert_close(found, torch.sigmoid(torch.full((7, 1), 1.5)))


def test_parameters_stay_as_they_are() -> None:
    decoder = build("isbi2023-sae", seed=3).decoder.eval()
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    Cone(decoder, (16, 1, 1), 15)(torch.rand(4, 16))
    after = decoder.state_dict()
    assert all(
        torch.equal(value, after[name]) and after[name].dtype == value.dtype for name, value in before.items()
    )
    assert not any(module.training for module in decoder.modules())


def test_a_cone_can_be_derived_in_inference_mode() -> None:
    with torch.inference_mode():
        decoder = build("isbi2023-sae", seed=3).decoder.eval()
        codes = torch.rand(20, 16)
        found = Cone(decoder, (16, 1, 1), 15)(codes)
        torch.testing.assert_close(found, central(decoder, codes, (16, 1, 1), 15), atol=1e-6, rtol=0)
