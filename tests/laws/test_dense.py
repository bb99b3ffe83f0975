"""Law 2: dense scoring equals patch-by-patch scoring to 1e-6, over random encoders, shapes, planes and borders."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nigra.models.autoencoder import Autoencoder
from nigra.models.composition import Composition
from nigra.models.composition import build as composition_of
from nigra.models.published import PRESETS, build
from nigra.models.siamese import Model
from nigra.scoring.errors import ScoreSettings
from nigra.scoring.scorer import Scorer
from nigra.units import Cubes, Patches, Source
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
            stride = _sound(stride, features, extent[1], dilation[1] * (kernel[1] - 1))
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


def _sound(stride: tuple[int, int], features: int, width: int, reach: int) -> tuple[int, int]:
    """torch 2.13 computes a strided convolution of a single channel wrongly where one column is left of a width."""
    left = (width - reach - 1) // stride[1] + 1
    return (stride[0], 1) if features == 1 == left else stride


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


def patch_by_patch(model: Model, unit: Patches | Cubes, source: Source, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Oracle: every patch or cube cut out and sent through the model; codes, and the central pixel's residual."""
    model.eval()
    locations = unit.locate(source.mask)
    units = torch.from_numpy(unit.cut(source, np.full(len(locations), row), locations))
    with torch.no_grad():
        residual = (units - model(units))[(..., *(unit.half for _ in units.shape[2:]))]
        return model.codes(units).numpy(), residual.numpy()


def assert_law(model: Model, unit: Patches | Cubes, source: Source, row: int, scorer: Scorer) -> None:
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
    "Flatten": lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 9, 9))),
    "sees the whole patch at once": lambda: nn.Linear(9, 9),
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


def a_stack(seed: int, shape: tuple[int, ...], variational: bool, **settings: object) -> Model:
    """A described stack for units of two channels."""
    composition = Composition.model_validate(
        {
            "architecture": {"kind": "stack", **settings},
            "reconstruction": {"kind": "l1"},
            "variational": {"beta": 0.1} if variational else None,
        }
    )
    return composition_of(composition, 2, shape, seed)


STACKS = st.fixed_dictionaries(
    {
        "widths": st.sampled_from([(3,), (4, 5), (3, 4, 2)]), "kernel": st.sampled_from([1, 2, 3]),
        "down": st.sampled_from(["stride", "pool"]), "padding": st.just("valid"), "batch_norm": st.booleans(),
        "activation": st.sampled_from(["relu", "gelu"]), "code": st.sampled_from(["spatial", "dense"]),
        "code_size": st.sampled_from([1, 6]), "output": st.sampled_from(["sigmoid", "linear"]),
    }
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(STACKS, st.booleans(), st.sampled_from(PLANES), st.integers(0, 99))
def test_composed_patch_models(given: dict, variational: bool, plane: Plane, seed: int) -> None:
    """Described stacks without padding, dense codes and codes that are distributions too."""
    strides = (2, 1, 1)[: len(given["widths"])]
    model = a_stack(seed, (13, 13), variational, **given, strides=strides)
    rng = np.random.default_rng(seed)
    source = Source.plain(rng.random((1, 2, 8, 9, 5)).astype(np.float32), rng.random((8, 9, 5)) < 0.5)
    scorer = Scorer(model, Patches(13, plane))
    assert scorer.way == "dense codes, central pixel from a pruned decoder"
    assert_law(model, Patches(13, plane), source, 0, scorer)


@pytest.mark.parametrize("code", ["spatial", "dense"])
@pytest.mark.parametrize("down", ["stride", "pool"])
def test_padded_stacks_of_cubes_and_patches(
    code: str, down: str, mask: np.ndarray, rng: np.random.Generator
) -> None:
    """What pads is scored unit by unit, cubes always; the central voxel may still come from a pruned decoder."""
    source = Source.plain(rng.random((2, 2, *mask.shape)).astype(np.float32), mask)
    for axes, unit in ((2, Patches(7)), (3, Cubes(7))):
        model = a_stack(3, (7,) * axes, True, widths=(3, 4), down=down, code=code, code_size=5, padding="same")
        scorer = Scorer(model, unit)
        assert scorer.way.startswith("unit by unit, central pixel from a pruned decoder: ")
        assert ("cubes reach beyond the slice" if axes == 3 else "pads") in scorer.way
        assert_law(model, unit, source, 1, scorer)
        plain = Scorer(model, unit, dense=False)
        assert plain.way == "unit by unit: as asked"
        assert_law(model, unit, source, 1, plain)


def test_average_errors_of_cubes_equal_brute_force(mask: np.ndarray, rng: np.random.Generator) -> None:
    source = Source.plain(rng.random((1, 2, *mask.shape)).astype(np.float32), mask)
    model, unit = a_stack(4, (7, 7, 7), False, widths=(3, 4)), Cubes(7)
    found = Scorer(model, unit, ScoreSettings(overlap="average", stride=3)).score(source, 0)
    locations = unit.locate(mask, 3)
    cubes = torch.from_numpy(unit.cut(source, np.zeros(len(locations), int), locations))
    with torch.no_grad():
        errors = ((cubes - model.eval()(cubes)) ** 2).sum(dim=1).sqrt().numpy()
    for place in np.argwhere(mask)[::29]:
        own = [
            e[tuple(place - c + 3)] for e, c in zip(errors, locations, strict=True) if (abs(place - c) <= 3).all()
        ]
        assert len(own) > 1
        assert found.error[tuple(place)] == pytest.approx(np.mean(own), abs=1e-6)
    assert np.isnan(found.error[~mask]).all()
