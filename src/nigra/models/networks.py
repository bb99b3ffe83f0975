"""The published networks, layer by layer: two of mlcn2021, one of isbi2023 (SCIENCE §2)."""

from itertools import pairwise

from torch import nn

from nigra.errors import NigraError
from nigra.models.blocks import Network, Shape, output_padding, shape_text, stage, strided_size


def strided_network(channels: int, shape: Shape) -> Network:
    """mlcn2021's auto-encoder for slices of any shape of at least 17 x 17 (121 x 145 -> ... -> 4 x 5 x 256)."""
    if len(shape) != 2 or min(shape) < 17:
        raise NigraError(f"slices are {shape_text(shape)}; this model halves them 5 times, use at least 17 x 17.")
    widths = (channels, 32, 64, 128, 128, 256)
    sizes: list[Shape] = [shape]
    for _ in widths[1:]:
        sizes.append(tuple(strided_size(length) for length in sizes[-1]))
    encoder = [
        stage(nn.Conv2d(fewer, more, 3, stride=2, padding=1), nn.ReLU(), batch_norm=True)
        for fewer, more in pairwise(widths)
    ]
    decoder = []
    for depth in range(5, 0, -1):
        height, width = output_padding(sizes[depth], sizes[depth - 1])
        up = nn.ConvTranspose2d(
            widths[depth], widths[depth - 1], 3, stride=2, padding=1, output_padding=(height, width)
        )
        last = depth == 1
        decoder.append(stage(up, nn.Sigmoid() if last else nn.ReLU(), batch_norm=not last))
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def valid_network(channels: int, shape: Shape) -> Network:
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


def narrow_network(channels: int, shape: Shape) -> Network:
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
        raise NigraError(f"units are {shape_text(shape)}; this published model takes 15 x 15 patches.")
