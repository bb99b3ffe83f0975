"""Example reconstructions: what went in, what came out, the difference, and the score made of it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from numpy import ndarray

from nigra.figures import axial
from nigra.figures.score_maps import outline, said
from nigra.figures.style import (
    ERROR_MAP,
    IMAGE_MAP,
    INK,
    MUTED,
    PAGE_MM,
    SCORE_MAP,
    Number,
    bare,
    label_bar,
    page,
    place,
    styled,
    write,
)  # fmt: skip
from nigra.shapes import Affine

LEFT, HEAD, FOOT, GAP = 24.0, 14.0, 12.0, 1.5  # mm
Slices = Float[ndarray, "n x y"]


@styled
def example_reconstructions(
    subjects: Sequence[str],
    inputs: Slices,
    reconstructions: Slices,
    scores: Slices,
    affine: Affine,
    level_mm: Number,
    errors: Slices | None = None,
    channel: str = "",
    units: str = "a.u.",
    threshold: Number | Float[ndarray, "x y"] | None = None,
    title: str = "Example reconstructions",
) -> Figure:
    """One row per subject, four columns: input, reconstruction, error, score; one scale per column.

    Slices are axial ``(n, x, y)`` at ``level_mm`` of one ``channel`` in ``units``; NaN is drawn white. ``errors``
    defaults to input minus reconstruction: red where the subject is above what the model expects, blue where it
    is below, on a symmetric scale. ``scores`` (all channels together, higher = more abnormal) is outlined where it
    exceeds ``threshold``, one number or one per voxel. Scales end at the 99.5 % quantile of what is shown.
    """
    errors = inputs - reconstructions if errors is None else errors
    grey = Normalize(*np.nanquantile(np.stack([inputs, reconstructions]), [0.005, 0.995]))
    largest = max(float(np.nanquantile(np.abs(errors), 0.995)), 1e-12)
    one = None if isinstance(threshold, ndarray) else threshold
    score = Normalize(0, max(float(np.nanquantile(scores, 0.995)), one or 0, 1e-12))
    name = f"{channel} ({units})".strip()
    columns = [
        ("input", inputs, grey, IMAGE_MAP, name),
        ("reconstruction", reconstructions, grey, IMAGE_MAP, name),
        ("error: input \N{MINUS SIGN} reconstruction", errors, TwoSlopeNorm(0, -largest, largest), ERROR_MAP, name),
        ("score", scores, score, SCORE_MAP, "joint error, all channels (a.u.)"),
    ]
    window = axial.bounding_box(np.isfinite(inputs).any(axis=0) & (np.nan_to_num(inputs) != 0).any(axis=0))
    wide = (PAGE_MM - LEFT - 6) / 4 - GAP
    sizes = [stop.stop - stop.start if stop.stop else n for stop, n in zip(window, inputs.shape[1:], strict=True)]
    tall = wide * min(sizes[1] / sizes[0], 1.3)
    figure = page(HEAD + len(subjects) * (tall + GAP) + FOOT)
    level = f"axial slice, z = {level_mm:.3g} mm".replace("-", "\N{MINUS SIGN}")
    write(figure, 6, 6, title, fontsize=9, fontweight="bold")
    outlined = f", outlined: score above {said(threshold)}" if threshold is not None else ""
    write(figure, PAGE_MM - 6, 6, level + outlined, color=MUTED, ha="right")
    for j, (head, slices, norm, colours, label) in enumerate(columns):
        left = LEFT + j * (wide + GAP)
        write(figure, left + wide / 2, HEAD - 1.5, head, fontweight="bold", ha="center")
        for i, subject in enumerate(subjects):
            axes = bare(place(figure, left, HEAD + i * (tall + GAP), wide, tall))
            axes.set_anchor("C")
            shown = axial.upright(slices[i][window])
            image = axes.imshow(shown, norm=norm, cmap=colours, interpolation="none")
            if j == 3 and threshold is not None:
                outline(axes, shown, threshold if one is not None else axial.upright(np.asarray(threshold)[window]))
            if j == 0:
                write(figure, LEFT - 2, HEAD + i * (tall + GAP) + tall / 2, subject, ha="right", va="center")
                if i == 0:
                    for x, letter in zip((0.01, 0.99), axial.sides(affine), strict=True):
                        axes.text(x, 0.98, letter, transform=axes.transAxes, ha="left" if x < 0.5 else "right",
                                  va="top", color=INK)  # fmt: skip
        bar = place(figure, left + 3, HEAD + len(subjects) * (tall + GAP) + 1, wide - 6, 2)
        label_bar(figure.colorbar(image, cax=bar, orientation="horizontal"), label)
    return figure
