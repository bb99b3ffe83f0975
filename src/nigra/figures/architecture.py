"""The architecture diagram: every tensor of a model as a box, with the sizes the model really produces."""

from collections.abc import Sequence
from itertools import pairwise
from math import log2, prod
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from nigra.figures.style import INK, MUTED, PAGE_MM, page, place, styled, write

Layers = list[tuple[str, tuple[int, ...]]]

ENCODER, CODE, DECODER = "#9dbfd6", "#d55e00", "#cfd8df"
ROW, TEXT, HEAD, LEFT = 21.0, 14.0, 12.0, 17.0  # mm

TERMS = {
    "cosine": "cos(z₁, z₂)",
    "squared": "|z₁ − z₂|²",
    "vicreg": "VICReg(z₁, z₂)",
    "barlow": "Barlow twins(z₁, z₂)",
    "contrastive": "InfoNCE(z₁, z₂)",
    "wasserstein": "W₂²(p₁, p₂)",
}
"""The siamese terms by kind, as the picture names them."""


class Architecture(NamedTuple):
    """One model of the diagram; ``siamese`` draws it twice, as it sees a pair (default: a name with "sae").

    ``term`` is the kind of siamese term between the two codes ("" where none acts), ``same`` what the members of
    a pair have in common.
    """

    name: str
    layers: Layers
    parameters: int
    siamese: bool | None = None
    term: str = "cosine"
    same: str = "same location, same weights"


def layer_sizes(model: nn.Module, input_shape: tuple[int, ...]) -> Layers:
    """Name and output shape (channels, then lengths) of each stage, found by sending zeros through the model.

    ``model`` has ``encoder`` and ``decoder`` (``nn.Sequential`` of stages) and ``encode``, ``decode``; a stage
    that only normalises or bends values (BatchNorm, ReLU) belongs to the tensor before it. ``input_shape`` is
    without the batch axis. The model's state is left as it was.
    """
    layers: Layers = [("input", tuple(input_shape))]

    def record(stage: nn.Module, _: Any, output: torch.Tensor) -> None:
        name = stage_name(stage)
        if name:
            layers.append((name, tuple(output.shape[1:])))

    stages = [stage for part in (model.encoder, model.decoder) for stage in part.children()]  # type: ignore[union-attr]
    hooks = [stage.register_forward_hook(record) for stage in stages]
    training = model.training
    model.eval()  # or BatchNorm would learn from the zeros
    try:
        with torch.no_grad():
            model.decode(model.encode(torch.zeros(1, *input_shape)))  # type: ignore[operator]
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return layers


def stage_name(stage: nn.Module) -> str:
    """What a stage does to the size of its tensor, in words; empty when it keeps it.

    >>> stage_name(nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU())), stage_name(nn.MaxPool2d(2))
    ('conv 3, stride 2', 'max-pool 2')
    >>> stage_name(nn.Conv3d(1, 4, (2, 2, 3)))
    'conv, 2 × 2 × 3'
    """
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            kind = "conv" if isinstance(layer, nn.Conv2d | nn.Conv3d) else "conv-T"
            stride = "" if layer.stride[0] == 1 else f", stride {layer.stride[0]}"
            if len(set(layer.kernel_size)) > 1:
                return f"{kind}, {' × '.join(str(length) for length in layer.kernel_size)}{stride}"
            return f"{kind} {layer.kernel_size[0]}{stride}"
        if isinstance(layer, nn.Linear):
            return "linear"
        if isinstance(layer, nn.MaxPool2d | nn.MaxPool3d):
            return f"max-pool {layer.kernel_size}"
        if isinstance(layer, nn.Upsample):
            factor = layer.scale_factor
            return f"up-sample {factor:g}" if isinstance(factor, float | int) else "up-sample"
        if isinstance(layer, nn.Flatten | nn.Unflatten):
            return "reshape"
    return ""


@styled
def architecture_diagram(models: Sequence[tuple[Any, ...]]) -> Figure:
    """Draw ``models``, each ``(name, layers, parameters)`` or an ``Architecture``, one under the other.

    Box heights follow the image size and widths the number of channels, both on a compressed scale; the narrowest
    tensor is the code. Every size is printed, so nothing needs to be measured in the picture.
    """
    entries = [Architecture(*entry) for entry in models]
    heights = [HEAD + TEXT + ROW * (2 if is_siamese(entry) else 1) for entry in entries]
    figure = page(sum(heights) + 2)
    offset = 0.0
    key = "conv: convolution, conv-T: transposed convolution, with kernel size; ch.: channels"
    write(figure, PAGE_MM - 6, 5.8, key, fontsize=5.8, color=MUTED, ha="right")
    for entry, height in zip(entries, heights, strict=True):
        axes = place(figure, 0, offset, PAGE_MM, height)
        axes.set(xlim=(0, PAGE_MM), ylim=(height, 0))  # the axes count in mm, downwards
        axes.axis("off")
        draw(axes, entry)
        offset += height
    return figure


def is_siamese(entry: Architecture) -> bool:
    """Whether the diagram shows a pair."""
    return "sae" in entry.name.lower() if entry.siamese is None else entry.siamese


def draw(axes: Axes, entry: Architecture) -> None:
    """One model: a title, a row of boxes (two for a pair), the operations above and the sizes below."""
    shapes = [shape for _, shape in entry.layers]
    code = min(range(len(shapes)), key=lambda i: prod(shapes[i]))
    pitch = (PAGE_MM - LEFT - 6) / len(shapes)
    centres = [LEFT + pitch * (i + 0.5) for i in range(len(shapes))]
    title = f"{entry.name}    {entry.parameters:,} parameters".replace(",", "\N{NARROW NO-BREAK SPACE}")
    axes.text(6, 5, title, fontsize=8.5, fontweight="bold", va="center")
    for i, (name, _) in enumerate(entry.layers):
        axes.text(
            centres[i], HEAD - 0.5, name.replace(", ", "\n"), fontsize=5.8, color=MUTED, ha="center", va="center"
        )
    rows = 2 if is_siamese(entry) else 1
    for row in range(rows):
        middle = HEAD + 1 + ROW * (row + 0.5)
        boxes(axes, shapes, centres, middle, code)
        if rows == 2:
            axes.text(6, middle, f"subject {'ab'[row]}", fontsize=6.5, va="center")
    bottom = HEAD + 1 + ROW * rows
    for i, shape in enumerate(shapes):
        axes.text(centres[i], bottom + 1, size(shape), fontsize=6, ha="center", va="top", linespacing=1.3)
    axes.text(centres[code], bottom + 8, f"code\nd = {prod(shapes[code])}", fontsize=6.5, color=CODE,
              fontweight="bold", ha="center", va="top", linespacing=1.2)  # fmt: skip
    if rows == 2 and entry.term:
        text = f"{TERMS.get(entry.term, entry.term)}\n{entry.same}"
        join(axes, centres[code], HEAD + 1 + ROW / 2, HEAD + 1 + ROW * 1.5, text)


def boxes(axes: Axes, shapes: list[tuple[int, ...]], centres: list[float], middle: float, code: int) -> None:
    """The tensors of one pass, joined by arrows."""
    largest = max(extent(shape) for shape in shapes)
    edges = []
    for i, shape in enumerate(shapes):
        tall = 3.5 + (ROW - 6) * (extent(shape) / largest) ** 0.6
        wide = 1.2 + 0.75 * log2(1 + shape[0])
        colour = CODE if i == code else ENCODER if i < code else DECODER
        corner = (centres[i] - wide / 2, middle - tall / 2)
        axes.add_patch(Rectangle(corner, wide, tall, facecolor=colour, edgecolor=INK, linewidth=0.5))
        edges.append((corner[0], corner[0] + wide))
    for (_, start), (end, _) in pairwise(edges):
        line = FancyArrowPatch((start + 0.4, middle), (end - 0.4, middle), arrowstyle="-|>", mutation_scale=4,
                               linewidth=0.6, color=MUTED, shrinkA=0, shrinkB=0)  # fmt: skip
        axes.add_patch(line)


def join(axes: Axes, x: float, top: float, bottom: float, text: str) -> None:
    """The siamese term between the two codes of a pair."""
    line = FancyArrowPatch((x, top + 4), (x, bottom - 4), arrowstyle="<|-|>", mutation_scale=5, linewidth=0.9,
                           color=CODE, shrinkA=0, shrinkB=0)  # fmt: skip
    axes.add_patch(line)
    axes.text(x + 1.5, (top + bottom) / 2, text, fontsize=6.5, color=CODE, va="center", linespacing=1.3)


def extent(shape: tuple[int, ...]) -> int:
    """The larger image side of a tensor, 1 for a vector."""
    return max(shape[1:], default=1)


def size(shape: tuple[int, ...]) -> str:
    """A tensor's size in two lines: image, then channels.

    >>> size((32, 61, 73)), size((64,))
    ('61 × 73\\n32 ch.', '64')
    """
    image = " × ".join(str(side) for side in shape[1:])
    return f"{image}\n{shape[0]} ch." if image else str(shape[0])
