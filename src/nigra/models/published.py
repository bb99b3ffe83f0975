"""The published models, exactly: architecture, loss, unit and optimiser settings of the papers.

============= ===================================== ==================================================
preset        source                                what
============= ===================================== ==================================================
mlcn2021-ae   Muñoz-Ramírez et al. 2021, §2.2       slices, 5 strided convolutions, L1, about 1.07 M parameters
mlcn2021-sae  Muñoz-Ramírez et al. 2021, §2.2       15 x 15 patches, 64-d code, MSE - 0.005 cos, 12 034 parameters
isbi2023-ae   Pinon et al. 2023, §2.2, alpha 0      15 x 15 patches, 16-d code
isbi2023-sae  Pinon et al. 2023, §2.2               the same on pairs, alpha 0.005 as in mlcn2021
============= ===================================== ==================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from nigra.errors import NigraError
from nigra.models.autoencoder import Autoencoder, ReconstructionTerm
from nigra.models.blocks import output_padding, stage, strided_size
from nigra.models.siamese import Model, Siamese
from nigra.units import Patches, Slices, Unit

Shape = tuple[int, int]


@dataclass(frozen=True)
class Preset:
    """A published model: what it sees, how it is built, how it was trained.

    ``units_per_subject`` is the number of units (of first members, for pairs) per training subject and epoch;
    None is all of them.
    """

    unit: Unit
    network: Callable[[int, Shape], tuple[nn.Sequential, nn.Sequential]]
    reconstruction: ReconstructionTerm
    alpha: float | None
    epochs: int
    batch: int
    units_per_subject: int | None
    best_on_validation: bool = False
    learning_rate: float = 1e-3


def strided_network(channels: int, shape: Shape) -> tuple[nn.Sequential, nn.Sequential]:
    """mlcn2021's auto-encoder for slices of any shape of at least 17 x 17 (121 x 145 -> ... -> 4 x 5 x 256)."""
    if min(shape) < 17:
        raise NigraError(
            f"slices are {shape[0]} x {shape[1]}; this model halves them 5 times, use at least 17 x 17."
        )
    widths = (channels, 32, 64, 128, 128, 256)
    sizes = [shape]
    for _ in widths[1:]:
        sizes.append((strided_size(sizes[-1][0]), strided_size(sizes[-1][1])))
    encoder = [
        stage(nn.Conv2d(fewer, more, 3, stride=2, padding=1), nn.ReLU(), batch_norm=True)
        for fewer, more in pairwise(widths)
    ]
    decoder = []
    for depth in range(5, 0, -1):
        padding = output_padding(sizes[depth], sizes[depth - 1])
        up = nn.ConvTranspose2d(widths[depth], widths[depth - 1], 3, stride=2, padding=1, output_padding=padding)
        last = depth == 1
        decoder.append(stage(up, nn.Sigmoid() if last else nn.ReLU(), batch_norm=not last))
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def valid_network(channels: int, shape: Shape) -> tuple[nn.Sequential, nn.Sequential]:
    """mlcn2021's patch network: 15 -> 13 -> pool 6 -> 4 -> 2 (x 16 = 64-d) and back by 4, 6, 12, 14, 15."""
    _require_patch(shape)
    encoder = nn.Sequential(
        stage(nn.Conv2d(channels, 16, 3), nn.ReLU()),
        nn.MaxPool2d(2),
        stage(nn.Conv2d(16, 16, 3), nn.ReLU()),
        stage(nn.Conv2d(16, 16, 3), nn.ReLU()),
    )
    decoder = nn.Sequential(
        stage(nn.ConvTranspose2d(16, 16, 3), nn.ReLU()),
        stage(nn.ConvTranspose2d(16, 16, 3), nn.ReLU()),
        nn.Upsample(scale_factor=2),
        stage(nn.ConvTranspose2d(16, 16, 3), nn.ReLU()),
        stage(nn.ConvTranspose2d(16, channels, 2), nn.Sigmoid()),
    )
    return encoder, decoder


def narrow_network(channels: int, shape: Shape) -> tuple[nn.Sequential, nn.Sequential]:
    """isbi2023's patch network: kernels 5, 3, 3, 3, strides 1, 1, 3, 1: 15 -> 11 -> 9 -> 3 -> 1 (16-d)."""
    _require_patch(shape)
    widths, kernels, strides = (channels, 3, 4, 12, 16), (5, 3, 3, 3), (1, 1, 3, 1)
    layers = list(zip(widths[:-1], widths[1:], kernels, strides, strict=True))
    encoder = [stage(nn.Conv2d(a, b, k, stride=s), nn.GELU(), batch_norm=True) for a, b, k, s in layers]
    decoder = []
    for depth, (a, b, k, s) in reversed(list(enumerate(layers))):
        last = depth == 0
        up = nn.ConvTranspose2d(b, a, k, stride=s)
        decoder.append(stage(up, nn.Sigmoid() if last else nn.GELU(), batch_norm=not last))
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def _require_patch(shape: Shape) -> None:
    if shape != (15, 15):
        raise NigraError(f"units are {shape[0]} x {shape[1]}; this published model takes 15 x 15 patches.")


PRESETS: dict[str, Preset] = {
    "mlcn2021-ae": Preset(Slices("axial", 40), strided_network, "l1", None, 160, 40, None),
    "mlcn2021-sae": Preset(Patches(15, "axial"), valid_network, "mse", 0.005, 30, 225, 15_000),
    "isbi2023-ae": Preset(Patches(15, "axial"), narrow_network, "mse", None, 20, 1000, 25_000, True),
    "isbi2023-sae": Preset(Patches(15, "axial"), narrow_network, "mse", 0.005, 20, 1000, 25_000, True),
}


def preset(name: str) -> Preset:
    """Look a preset up; an unknown name lists the known ones."""
    if name not in PRESETS:
        raise NigraError(f"model {name!r} is not published here; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def build(name: str, channels: int = 2, shape: Shape | None = None, seed: int = 0) -> Model:
    """Build a published model with freshly drawn weights.

    Args:
        name: one of ``PRESETS``.
        channels: maps per scan: 1 (T1w), 2 (FA, MD), 3 (T1w, FA, MD).
        shape: height and width of a unit; None is the published one (121 x 145 slices, 15 x 15 patches).
        seed: seed of the initial weights; torch's global generator is left as it was.

    Raises:
        NigraError: unknown name, no channel, or a unit shape the architecture cannot take.

    >>> sum(p.numel() for p in build("mlcn2021-sae").parameters())
    12034
    """
    chosen = preset(name)
    if channels < 1:
        raise NigraError(f"channels are {channels}; a model needs at least one.")
    shape = chosen.unit.unit_shape((121, 145, 121)) if shape is None else shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = chosen.network(channels, shape)
    autoencoder = Autoencoder(encoder, decoder, chosen.reconstruction)
    return autoencoder if chosen.alpha is None else Siamese(autoencoder, chosen.alpha)


def parameter_count(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
