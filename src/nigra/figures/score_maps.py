"""Score maps of a few subjects over several axial levels, with the threshold drawn as an outline."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy import ndarray

from nigra.figures import axial
from nigra.figures.style import INK, MUTED, PAGE_MM, SCORE_MAP, Number, bare, label_bar, page, place, styled, write
from nigra.shapes import Affine, ScoreMap

LEFT, HEAD, GAP = 24.0, 19.0, 1.2  # mm
OUTLINE = "#56b4e9"


@styled
def score_maps(
    subjects: Sequence[str],
    scores: Float[ndarray, "n x y z"],
    background: ScoreMap,
    affine: Affine,
    levels_mm: Sequence[Number],
    threshold: Number | ScoreMap | None = None,
    units: str = "joint error, a.u.",
    title: str = "Score maps",
) -> Figure:
    """One row per subject, one column per axial level, one scale for all.

    ``scores`` is NaN where no score exists: the grey ``background`` shows there. Higher = more abnormal; a blue
    outline surrounds voxels above ``threshold``, one number or one per voxel. The scale ends at the 99.5 % quantile
    of what is shown (at the one threshold at least). Raises ``NigraError`` for a level outside the maps.
    """
    slices = [axial.slice_at(level, affine, background.shape[2]) for level in levels_mm]
    window = axial.bounding_box(np.any(background[:, :, slices] > 0, axis=2))
    shown = scores[(slice(None), *window, slices)]  # (n, x, y, levels)
    one = None if isinstance(threshold, ndarray) else threshold
    top = max(float(np.nanquantile(shown, 0.995)), one or 0, 1e-12)
    wide = (PAGE_MM - LEFT - 6) / max(len(slices), 4) - GAP
    tall = wide * shown.shape[2] / shown.shape[1]
    figure = page(HEAD + len(subjects) * (tall + GAP) + 3)
    write(figure, 6, 6, title, fontsize=9, fontweight="bold")
    if threshold is not None:
        write(figure, 6, 10, f"outlined: above {said(threshold)}", color=MUTED)
    for j, k in enumerate(slices):
        left = LEFT + j * (wide + GAP)
        level = f"z = {axial.level_of(k, affine):.3g} mm".replace("-", "\N{MINUS SIGN}")
        write(figure, left + wide / 2, HEAD - 1, level, ha="center", fontweight="bold")
        behind = axial.upright(background[(*window, k)])
        for i, subject in enumerate(subjects):
            axes = bare(place(figure, left, HEAD + i * (tall + GAP), wide, tall))
            axes.imshow(
                np.where(behind > 0, 0.3 + 0.7 * behind / background.max(), 1.0), cmap="gray", vmin=0, vmax=1
            )
            picture = axial.upright(shown[i, :, :, j])
            image = axes.imshow(picture, norm=Normalize(0, top), cmap=SCORE_MAP, interpolation="none")
            if threshold is not None:
                own = threshold if one is not None else axial.upright(np.asarray(threshold)[(*window, k)])
                outline(axes, picture, own)
            if j == 0:
                write(figure, LEFT - 2, HEAD + i * (tall + GAP) + tall / 2, subject, ha="right", va="center")
            if i == j == 0:
                for x, letter in zip((0.01, 0.99), axial.sides(affine), strict=True):
                    axes.text(x, 0.98, letter, transform=axes.transAxes, ha="left" if x < 0.5 else "right",
                              va="top", color=INK)  # fmt: skip
    bar = place(figure, PAGE_MM - 6 - 60, 4.5, 60, 2.2)
    label_bar(figure.colorbar(image, cax=bar, orientation="horizontal", extend="max"), f"score ({units})")
    return figure


def said(threshold: Number | ndarray) -> str:
    """The threshold in a caption.

    >>> said(0.12345), said(np.ones((2, 2)))
    ('the threshold 0.123', 'the threshold of the voxel')
    """
    return "the threshold of the voxel" if isinstance(threshold, ndarray) else f"the threshold {threshold:.3g}"


def outline(axes: Axes, picture: Float[ndarray, "u v"], threshold: Number | Float[ndarray, "u v"]) -> None:
    """Surround the pixels above their threshold; without a score, or with an infinite threshold, none is."""
    with np.errstate(invalid="ignore"):
        above = picture - threshold
    finite = np.isfinite(above)
    if (above[finite] > 0).any():
        far = np.where(finite, above, -np.abs(above[finite]).max())
        axes.contour(far, levels=[0], colors=[OUTLINE], linewidths=0.8)
