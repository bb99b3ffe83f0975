"""The mosaic: one picture per subject to check a preparation by eye, the template's outline drawn over it."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nigra.files import atomic
from nigra.shapes import Affine, Mask, ScoreMap

COLUMNS = 8
OUTLINE, TISSUE = "#f2a900", "#58b7e8"
"""The brain's outline and the white matter's border: a pair told apart without colour vision."""


def _cuts(volume: np.ndarray, axis: int, at: int) -> np.ndarray:
    return np.take(volume, at, axis=axis).T


def _box(mask: Mask) -> tuple[slice, slice, slice]:
    """The mask with two voxels around it: the rest of the grid is only black."""
    x, y, z = (slice(max(0, int(where.min()) - 2), int(where.max()) + 3) for where in np.nonzero(mask))
    return x, y, z


def _levels(mask: Mask, axis: int) -> list[int]:
    """Slices at even distances through the mask, ends left out."""
    inside = np.nonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[0]
    return np.linspace(inside[0], inside[-1], COLUMNS + 2)[1:-1].round().astype(int).tolist()


def draw(
    path: Path, volume: ScoreMap, outline: Mask, tissue: Mask | None, affine: Affine, title: str, legend: str
) -> None:  # fmt: skip
    """Write a PNG of axial, coronal and sagittal slices of ``volume`` (x, y, z), grey, on one scale.

    ``outline`` (the mask the subject should fill) and ``tissue`` (the template's white matter) are drawn as
    thin lines over it, so that a line which misses the anatomy shows a failed registration.
    """
    low, high = np.percentile(volume[outline], [0.5, 99.9])
    box = _box(outline)
    volume, outline, tissue = volume[box], outline[box], None if tissue is None else tissue[box]
    first = affine[:3, 3] + [affine[i, i] * box[i].start for i in range(3)]
    figure = Figure(figsize=(COLUMNS * 1.25, 4.3), facecolor="black")
    FigureCanvasAgg(figure)
    grid = figure.subplots(3, COLUMNS, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.06, top=0.93)
    edges = np.abs(np.diag(affine)[:3])
    for row, axis in enumerate((2, 1, 0)):
        across, up = (edges[i] for i in range(3) if i != axis)
        for panel, at in zip(grid[row], _levels(outline, axis), strict=True):
            panel.imshow(
                _cuts(volume, axis, at), cmap="gray", vmin=low, vmax=max(high, low + 1e-6),
                origin="lower", aspect=up / across, interpolation="nearest",
            )  # fmt: skip
            for mask, colour, width in ((tissue, TISSUE, 0.35), (outline, OUTLINE, 0.7)):
                if mask is not None and (cut := _cuts(mask, axis, at)).any() and not cut.all():
                    panel.contour(cut, levels=[0.5], colors=colour, linewidths=width)
            millimetres = first[axis] + affine[axis, axis] * at
            panel.text(
                0.03, 0.03, f"{'xyz'[axis]} {millimetres:.0f}", color="0.75", size=5, transform=panel.transAxes
            )
            panel.set_axis_off()
    figure.text(0.01, 0.955, title, color="white", size=8)
    figure.text(0.01, 0.018, legend, color="0.6", size=6)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=130, facecolor="black", metadata={"Software": None})
