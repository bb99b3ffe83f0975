"""Law 2: dense scoring equals patch-by-patch scoring to 1e-6, over random encoders, shapes, planes and borders."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nigra.models.autoencoder import Autoencoder
from nigra.models.published import PRESETS, build
from nigra.models.siamese import Model
from nigra.scoring.scorer import Scorer
from nigra.units import Patches, Source
from nigra.units.planes import Plane

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.SiLU, nn.Softplus, nn.Identity)
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
SHAPES = ((11, 13, 9), (5, 7, 6), (3, 12, 8))


def pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def encoders(draw: st.DrawFn, channels: int, size: int) -> nn.Sequential:
    """Valid convolutions, pools, BatchNorm with random statistics and activations that fit a patch of ``size``."""
    layers: list[nn.Module] = []
    features, extent = channels, (size, size)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["convolution", "convolution", "max", "average"]))
        dilation = draw(pair(1, 2)) if kind != "average" else (1, 1)
        kernel = tuple(min(k, (n - 1) // d + 1) for k, n, d in zip(draw(pair(1, 5)), extent, dilation, strict=True))
        stride = draw(pair(1, 3))
        if kind == "convolution":
            groups, more = (features, 2 * features) if draw(st.booleans()) else (1, draw(st.integers(1, 4)))
            layers.append(nn.Conv2d(features, more, kernel, stride, dilation=dilation, groups=groups))  # type: ignore[arg-type]
            features = more
        elif kind == "max":
            layers.append(nn.MaxPool2d(kernel, stride, dilation=dilation))  # type: ignore[arg-type]
        else:
            layers.append(nn.AvgPool2d(kernel, stride))  # type: ignore[arg-type]
        extent = tuple(
            (n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(extent, dilation, kernel, stride, strict=True)
        )  # type: ignore[assignment]
        if draw(st.booleans()):
            layers.append(_with_statistics(nn.BatchNorm2d(features)))
        layers += [draw(st.sampled_from(ACTIVATIONS))(), nn.Dropout(0.5)]
    return nn.Sequential(layers[0], nn.Sequential(*layers[1:]))


def _with_statistics(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    for values, low, high in (
        (norm.running_mean, -0.5, 0.5), (norm.running_var, 0.5, 2), (norm.weight, -1.5, 1.5), (norm.bias, -1, 1)
    ):  # fmt: skip
        nn.init.uniform_(values, low, high)
    return norm


@st.composite
def cases(draw: st.DrawFn) -> tuple[Model, Patches, Source]:
    """A random model, its patches, and two subjects with a ragged mask that touches the borders."""
    torch.manual_seed(draw(st.integers(0, 999)))
    channels, size = draw(st.integers(1, 3)), draw(st.sampled_from((3, 5, 7, 9, 15)))
    encoder = draw(encoders(channels, size))
    with torch.no_grad():
        features = encoder.eval()(torch.zeros(1, channels, size, size)).shape[1]
    decoder = nn.Sequential(
        nn.ConvTranspose2d(features, 4, 3), draw(st.sampled_from(ACTIVATIONS))(),
        _with_statistics(nn.BatchNorm2d(4)), nn.Upsample(size=(size, size)),
        nn.Conv2d(4, channels, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shape = draw(st.sampled_from(SHAPES))
    mask = rng.random(shape) < draw(st.sampled_from((0.05, 0.6, 1.0)))
    mask[0, 0, 0] = mask[-1, -1, -1] = True
    volumes = rng.random((2, channels, *shape)).astype(np.float32)
    gain, offset = rng.uniform(0.5, 2, channels), rng.uniform(-0.5, 0.5, channels)
    source = Source(volumes, mask, gain.astype(np.float32), offset.astype(np.float32), 0.0, 1.0)
    return Autoencoder(encoder, decoder, "mse"), Patches(size, draw(st.sampled_from(PLANES))), source


def patch_by_patch(model: Model, unit: Patches, source: Source, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Oracle: every patch cut out and sent through the model; codes, and the central pixel's residual."""
    model.eval()
    locations = unit.locate(source.mask)
    units = torch.from_numpy(unit.cut(source, np.full(len(locations), row), locations))
    with torch.no_grad():
        residual = (units - model(units))[:, :, unit.half, unit.half]
        return model.codes(units).numpy(), residual.numpy()


def assert_law(model: Model, unit: Patches, source: Source, row: int, scorer: Scorer) -> None:
    codes, residual = patch_by_patch(model, unit, source, row)
    found = scorer.score(source, row, codes=True)
    assert found.codes is not None
    scale = max(1.0, float(np.abs(codes).max()))
    np.testing.assert_allclose(found.codes / scale, codes / scale, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.residual[:, source.mask].T, residual, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.error[source.mask], np.sqrt((residual**2).sum(axis=1)), atol=1e-6, rtol=0)
    assert np.isnan(found.error[~source.mask]).all()


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(0, 1))
def test_dense_equals_patch_by_patch(case: tuple[Model, Patches, Source], row: int) -> None:
    model, unit, source = case
    scorer = Scorer(model, unit)
    assert scorer.way == "dense codes, central pixel from a pruned decoder"
    assert_law(model, unit, source, row, scorer)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "mlcn2021-ae"])
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("channels", [1, 3])
def test_published_patch_models(
    name: str, plane: Plane, channels: int, mask: np.ndarray, rng: np.random.Generator
) -> None:
    source = Source.plain(rng.random((1, channels, *mask.shape)).astype(np.float32), mask)
    model = build(name, channels, seed=4)
    scorer = Scorer(model, Patches(15, plane))
    assert scorer.way == "dense codes, central pixel from a pruned decoder"
    assert_law(model, Patches(15, plane), source, 0, scorer)
    assert np.std(scorer.codes(source, 0), axis=0).max() > 1e-3


def test_a_shift_by_one_voxel_would_break_the_law(mask: np.ndarray, rng: np.random.Generator) -> None:
    """Negative control: codes of the next voxel are further away than the law allows."""
    source = Source.plain(rng.random((1, 2, *mask.shape)).astype(np.float32), mask)
    model = build("mlcn2021-sae", seed=4)
    codes, _ = patch_by_patch(model, Patches(15), source, 0)
    assert np.abs(Scorer(model, Patches(15)).codes(source, 0)[1:] - codes[:-1]).max() > 1e-3


REFUSED = {
    "pads": lambda: nn.Conv2d(2, 3, 3, padding=1),
    "same": lambda: nn.Conv2d(2, 3, 3, padding="same"),
    "padding 1": lambda: nn.MaxPool2d(3, 1, 1),
    "ceil_mode": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "own values": lambda: nn.GroupNorm(1, 2),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(2),
    "LayerNorm": lambda: nn.LayerNorm([2, 9, 9]),
    "transposed": lambda: nn.ConvTranspose2d(2, 3, 2),
    "Softmax2d": lambda: nn.Softmax2d(),
}


@pytest.mark.parametrize("why", REFUSED)
def test_the_others_are_scored_unit_by_unit_and_say_why(
    why: str, mask: np.ndarray, rng: np.random.Generator
) -> None:
    torch.manual_seed(5)
    encoder = nn.Sequential(REFUSED[why](), nn.LazyConv2d(3, 3))
    decoder = nn.Sequential(nn.Upsample(size=(9, 9)), nn.Conv2d(3, 2, 3, padding=1))
    model, unit = Autoencoder(encoder, decoder, "mse"), Patches(9)
    model(torch.zeros(1, 2, 9, 9))  # the lazy layer learns its channels
    source = Source.plain(rng.random((1, 2, *mask.shape)).astype(np.float32), mask)
    scorer = Scorer(model, unit)
    assert scorer.way.startswith("unit by unit, central pixel from a pruned decoder: encoder layer 0")
    assert why in scorer.way
    assert_law(model, unit, source, 0, scorer)
