"""What a decoder makes of codes along straight lines: traversals of principal axes, interpolations."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy import ndarray

from nigra.errors import NigraError
from nigra.figures.style import IMAGE_MAP, INK, MUTED, PAGE_MM, bare, label_bar, page, place, styled, write

LEFT, HEAD, GAP, FOOT, WIDEST = 38.0, 14.0, 1.2, 10.0, 20.0
TITLES = {
    "traversal": "Along the principal axes of the codes, from low to high",
    "interpolation": "Between two codes",
}


@styled
def decoding_figure(
    units: Float[ndarray, "lines steps features *shape"], words: Sequence[str], channels: Sequence[str], kind: str
) -> Figure:
    """A row per line and channel, a column per step; one grey scale per channel.

    A stack of slices shows its central one, a cube its central axial plane.

    Args:
        units: decoded units.
        words: what each line is.
        channels: names of the scan's channels.
        kind: ``traversal`` or ``interpolation``.

    Raises:
        NigraError: no line.
    """
    if not len(units):
        raise NigraError("there is no decoded line to draw; ask for at least one.")
    shown = central(units, len(channels))
    lines, steps, count, height, width = shown.shape
    wide = min((PAGE_MM - LEFT - 22) / steps - GAP, WIDEST)
    tall = wide * min(width / height, 1.6)
    figure = page(HEAD + lines * (count * (tall + GAP) + 2.5) + FOOT)
    write(figure, 3, 6, TITLES.get(kind, kind), fontsize=9, fontweight="bold")
    scales = [Normalize(*_ends(shown[:, :, channel])) for channel in range(count)]
    for line in range(lines):
        for channel, name in enumerate(channels):
            top = HEAD + line * (count * (tall + GAP) + 2.5) + channel * (tall + GAP)
            if channel == 0:
                for part, text in enumerate(_wrapped(words[line])):
                    write(figure, 3, top + 2.8 + 3 * part, text, fontsize=6.5, color=INK)
            write(figure, LEFT - 2, top + tall / 2 + 0.8, name, fontsize=6.5, color=MUTED, ha="right")
            for step in range(steps):
                axes = bare(place(figure, LEFT + step * (wide + GAP), top, wide, tall))
                image = axes.imshow(
                    shown[line, step, channel].T[::-1], cmap=IMAGE_MAP, norm=scales[channel], interpolation="none",
                    aspect="auto",
                )  # fmt: skip
            if line == lines - 1:
                left = LEFT + channel * (PAGE_MM - LEFT - 10) / count
                bar = place(figure, left, HEAD + lines * (count * (tall + GAP) + 2.5), 36, 1.8)
                label_bar(figure.colorbar(image, cax=bar, orientation="horizontal"), f"{name}, scaled 0-1")
    return figure


def central(
    units: Float[ndarray, "lines steps features *shape"], channels: int
) -> Float[ndarray, "lines steps k h w"]:
    """Pictures of units: the central slice of a stack, the central axial plane of a cube."""
    stack = units.shape[2] // channels
    first = stack // 2 * channels
    found = units[:, :, first : first + channels]
    return found if found.ndim == 5 else found[..., found.shape[-1] // 2]


def _ends(values: ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    return float(low), float(max(high, low + 1e-6))


def _wrapped(text: str, letters: int = 30) -> list[str]:
    """Words in lines of about ``letters``."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= letters and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
