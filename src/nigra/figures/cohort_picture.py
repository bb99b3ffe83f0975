"""The cohort picture: one thumbnail per subject, regions coloured by their percentage of abnormal voxels.

Follows the figure of mlcn2021 (arXiv 2110.12707): controls on top, patients below, one colour scale for all.
"""

from collections.abc import Collection
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from numpy import ndarray

from nigra.errors import NigraError
from nigra.figures import axial
from nigra.figures.style import (
    INK,
    MISSING,
    MUTED,
    PAGE_MM,
    PERCENT_MAP,
    Number,
    bare,
    label_bar,
    page,
    place,
    round_up,
    styled,
    write,
)  # fmt: skip
from nigra.shapes import Affine, Labels, ScoreMap

MARGIN, GAP, HEAD, CAPTION, NAME = 6.0, 1.6, 13.0, 7.0, 3.4  # mm
FINE = 240  # pixels across a thumbnail


@dataclass(frozen=True)
class Scene:
    """What all thumbnails share: the enlarged label slice, its borders and the grey background."""

    labels: Int[ndarray, "u v"]
    edges: Bool[ndarray, "u v"]
    grey: Float[ndarray, "u v 3"]


@styled
def cohort_picture(
    percent: pd.DataFrame,
    labels: Labels,
    names: dict[int, str],
    background: ScoreMap,
    affine: Affine,
    patients_shown: int = 15,
    seed: int = 0,
    level_mm: Number | None = None,
    scale_max: Number | None = None,
    expected_percent: Number | None = 2.0,
    nuclei: Collection[str] | None = None,
    group_names: dict[str, str] | None = None,
    title: str = "Abnormal voxels per region",
) -> Figure:
    """Draw every test control and ``patients_shown`` patients drawn at random with ``seed``.

    ``percent`` holds the test rows of one model: participant_id, group (control | patient), region, percent; a
    subject tested in several draws gets the mean over them. ``labels`` (x, y, z) and ``background`` share
    ``affine``; ``names`` maps label to region. ``level_mm`` is the axial level (default: the slice with most
    nuclei, or with most of the regions called ``nuclei``), ``scale_max`` the upper end of the scale in percent
    (default: the 99 % quantile of what is shown, rounded up; higher values take the top colour and the bar ends
    in an arrow); ``group_names`` says what a run calls its control and patient. Raises ``NigraError`` without a
    test control or when no region of ``labels`` has a percentage.
    """
    table = percent.pivot_table(index="participant_id", columns="region", values="percent", aggfunc="mean")
    groups = percent.drop_duplicates("participant_id").set_index("participant_id")["group"]
    controls = sorted(groups.index[groups == "control"])
    patients = sorted(groups.index[groups == "patient"])
    if not controls:
        raise NigraError("the cohort picture needs test controls, but the region table has none; check its rows.")
    drawn = draw_patients(patients, patients_shown, seed)
    k = slice_index(labels, names, affine, level_mm, nuclei)
    scene = build_scene(labels[:, :, k], background[:, :, k])
    regions = dict.fromkeys(names[i] for i in np.unique(scene.labels) if i in names)
    values = table.reindex(index=[*controls, *drawn], columns=list(regions))
    if not np.isfinite(values.to_numpy(dtype=float)).any():
        raise NigraError("no region of the atlas at this level has a percentage; choose another level or atlas.")
    top = float(scale_max) if scale_max else round_up(float(np.nanquantile(values.to_numpy(dtype=float), 0.99)))
    called = {group: heading((group_names or {}).get(group, group)) for group in ("control", "patient")}
    choice = "" if len(drawn) == len(patients) else f", {len(drawn)} drawn at random with seed {seed}"
    blocks = [(f"{called['control']}, held out (n = {len(controls)})", controls)]
    if drawn:
        blocks.append((f"{called['patient']} (n = {len(patients)}{choice})", drawn))
    level = f"axial slice, z = {axial.level_of(k, affine):.3g} mm".replace("-", "\N{MINUS SIGN}")
    return compose(title, level, blocks, values, names, scene, top, affine, expected_percent)


def heading(name: str) -> str:
    """A group's name as a heading.

    >>> heading("control"), heading("over 65")
    ('Controls', 'Over 65')
    """
    return name[:1].upper() + name[1:] + ("s" if name in ("control", "patient") else "")


def draw_patients(patients: list[str], shown: int, seed: int) -> list[str]:
    """``shown`` of the patients without repetition, in their own order; all of them when there are no more."""
    if len(patients) <= shown:
        return patients
    return sorted(np.random.default_rng(seed).choice(patients, size=shown, replace=False).tolist())


def slice_index(
    labels: Labels, names: dict[int, str], affine: Affine, level_mm: Number | None, nuclei: Collection[str] | None
) -> int:
    """The slice asked for, or the one that shows the nuclei."""
    if level_mm is None:
        return axial.slice_of_nuclei(labels, names, nuclei)
    return axial.slice_at(level_mm, affine, labels.shape[2])


def build_scene(labels: Int[ndarray, "x y"], background: Float[ndarray, "x y"]) -> Scene:
    """Crop one slice to the brain and enlarge it for print."""
    window = axial.bounding_box((labels != 0) | (background > 0))
    labels, background = labels[window], background[window]
    factor = max(1, round(FINE / labels.shape[0]))
    inside = axial.enlarge((background > 0).astype(float), factor) >= 0.5
    bright = background / max(float(background.max()), 1e-12)
    grey = np.where(inside, 0.25 + 0.6 * axial.enlarge(bright, factor), 1.0)
    fine = axial.enlarge_labels(labels, factor)
    upright = axial.upright
    return Scene(upright(fine), upright(axial.borders(fine)), upright(np.repeat(grey[..., None], 3, axis=2)))


def thumbnail(scene: Scene, percent: dict[int, float], scale: ScalarMappable) -> Float[ndarray, "u v 3"]:
    """One subject's picture as RGB; a region without a percentage is light grey."""
    picture = scene.grey.copy()
    for label, value in percent.items():
        colour = scale.to_rgba(np.array([value]))[0, :3] if np.isfinite(value) else to_rgb(MISSING)
        picture[scene.labels == label] = colour
    picture[scene.edges] = 0.75 * picture[scene.edges] + 0.25
    return picture


def compose(
    title: str, level: str, blocks: list[tuple[str, list[str]]], values: pd.DataFrame, names: dict[int, str],
    scene: Scene, top: float, affine: Affine, expected_percent: Number | None,
) -> Figure:  # fmt: skip
    """Lay out the header, the blocks of thumbnails and the colour bar."""
    columns = min(8 if max(len(ids) for _, ids in blocks) <= 24 else 10, 10)
    cell = (PAGE_MM - 2 * MARGIN - (columns - 1) * GAP) / columns
    tall = cell * scene.labels.shape[0] / scene.labels.shape[1] + NAME
    rows = [-(-len(ids) // columns) for _, ids in blocks]
    figure = page(HEAD + sum(CAPTION + n * (tall + GAP) for n in rows) + 3)
    scale = ScalarMappable(Normalize(0, top), mpl.colormaps[PERCENT_MAP])
    write(figure, MARGIN, 6, title, fontsize=9, fontweight="bold")
    write(figure, MARGIN, 10, level, fontsize=7, color=MUTED)
    add_bar(
        figure, scale, bool((values > top).any(axis=None)), bool(values.isna().any(axis=None)), expected_percent
    )
    offset = HEAD
    for (caption, ids), n in zip(blocks, rows, strict=True):
        write(figure, MARGIN, offset + 4.5, caption, fontsize=8, fontweight="bold")
        offset += CAPTION
        for i, name in enumerate(ids):
            left = MARGIN + (i % columns) * (cell + GAP)
            axes = place(figure, left, offset + (i // columns) * (tall + GAP), cell, tall - NAME)
            row = values.loc[name].to_dict()
            percent = {label: row[region] for label, region in names.items() if region in row}
            bare(axes).imshow(thumbnail(scene, percent, scale), interpolation="none", aspect="auto")
            axes.text(0.5, -0.03, short(name), transform=axes.transAxes, ha="center", va="top", fontsize=5.5)
            if i == 0:
                mark_sides(axes, affine)
        offset += n * (tall + GAP)
    return figure


def add_bar(figure: Figure, scale: ScalarMappable, beyond: bool, missing: bool, expected: Number | None) -> None:
    """The shared colour bar in the header, with the share expected in controls' whole brain marked."""
    axes = place(figure, PAGE_MM - MARGIN - 62, 4.2, 60, 2.4)
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="max" if beyond else "neither")
    label_bar(bar, "abnormal voxels in region (%)")
    if expected is not None and expected < scale.norm.vmax:  # type: ignore[operator]
        axes.axvline(expected, color="white", linewidth=1.2)
        axes.annotate(
            f"controls' whole brain: {expected:g} %", (expected, 1), (0, 1.5), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=5.5, color=MUTED, ha="left", va="bottom",
        )  # fmt: skip
    if missing:
        write(
            figure,
            PAGE_MM - MARGIN - 64,
            10.2,
            "light grey: no scored voxel",
            fontsize=5.5,
            color=MUTED,
            ha="right",
        )


def mark_sides(axes: Axes, affine: Affine) -> None:
    """Mark the subject's left and right on a thumbnail."""
    left, right = axial.sides(affine)
    axes.text(0, 0.98, left, transform=axes.transAxes, ha="left", va="top", fontsize=6.5, color=INK)
    axes.text(1, 0.98, right, transform=axes.transAxes, ha="right", va="top", fontsize=6.5, color=INK)


def short(name: str, most: int = 12) -> str:
    """A participant id that fits under a thumbnail.

    >>> short("sub-C001"), short("sub-averyveryverylongname")
    ('C001', 'averyveryve…')
    """
    name = name.removeprefix("sub-")
    return name if len(name) <= most else name[: most - 1] + "…"
