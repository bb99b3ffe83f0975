"""Latent spaces by person and by place: subjects as wholes, and the way of one place across subjects."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy import ndarray

from nigra.cohort.store import PATIENT
from nigra.errors import NigraError
from nigra.figures.embedding import NAMES, look_at_most
from nigra.figures.style import INK, MISSING, MODEL_COLOURS, MUTED, PAGE_MM, bare, page, place, styled, write
from nigra.latent.subjects import PLACE, SubjectView

KINDS = {("control", "train"): ("training controls", MUTED, "o"), ("control", "test"): (
    "test controls", MODEL_COLOURS[0], "o"), ("patient", "test"): ("patients", MODEL_COLOURS[1], "D")}  # fmt: skip
"""Group and set of a subject: words, colour and mark."""

ACROSS, GAP, HEAD = 4, 3.0, 12.0


@styled
def subjects_figure(view: SubjectView, people: pd.DataFrame) -> Figure:
    """Every subject a point: near ones have like codes at the same places; patients are diamonds.

    Args:
        view: subjects laid out by their codes at the places all share.
        people: participant_id, group and set of each.
    """
    rows = people.set_index("participant_id").loc[list(view.subjects)]
    figure = page(HEAD + 80 + 16)
    axes = place(figure, 12, HEAD, 100, 80)
    for (group, part), (text, colour, mark) in KINDS.items():
        own = ((rows["group"] == PATIENT) == (group == PATIENT)).to_numpy() & (rows["set"] == part).to_numpy()
        if own.any():
            axes.plot(*view.points[own, :2].T, mark, color=colour, markersize=4, markeredgewidth=0, alpha=0.85,
                      label=f"{own.sum()} {text}")  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"axis 1, {100 * view.shares[0]:.0f} % of what differs")
    axes.set_ylabel(f"axis 2, {100 * view.shares[1]:.0f} %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    text = f"Subjects, by their codes at the {view.locations} places all share (classical scaling)"
    write(figure, 3, 5, text, fontsize=7.5, color=INK)
    return figure


@styled
def trajectories_figure(
    points: Mapping[str, Float[ndarray, "n _"]], table: pd.DataFrame, ways: Mapping[str, pd.DataFrame],
    places: pd.DataFrame, spread: Mapping[str, float], along: str,
) -> Figure:  # fmt: skip
    """Some places in every picture: a dot per subject in the place's colour, a line along a covariate.

    Args:
        points: by embedding, a row per code; two axes are drawn.
        table: x, y, z, participant_id of the same rows.
        ways: by embedding, ``trajectories.paths``; empty where the covariate is not known.
        places: x, y, z and a name of each place drawn.
        spread: by embedding, the median relative spread of all places: 1 is chance, 0 a place that is a point.
        along: name of the covariate.

    Raises NigraError when there is no embedding.
    """
    if not points or places.empty:
        raise NigraError("there is no embedding to draw places in; run `nigra latent` with methods first.")
    columns = min(ACROSS, len(points))
    wide = (PAGE_MM - GAP * (columns - 1)) / columns
    figure = page(HEAD + -(-len(points) // columns) * (wide + 9) + 12)
    for at, (name, each) in enumerate(points.items()):
        left, top = (at % columns) * (wide + GAP), HEAD + (at // columns) * (wide + 9)
        axes = bare(place(figure, left, top, wide, wide))
        axes.set_facecolor("#fafbfc")
        axes.plot(*each[:, :2].T, ".", color=MISSING, markersize=0.6, markeredgewidth=0, rasterized=True)
        for number, row in enumerate(places.to_dict("records")):
            _one_place(axes, each, table, ways.get(name), [row[key] for key in PLACE], _colour(number))
        axes.set_title(NAMES.get(name, name), loc="left", pad=3)
        look_at_most(axes, each)
        write(figure, left, top + wide + 3.2, f"spread of a place {spread[name]:.2f} (1: chance)", fontsize=6,
              color=MUTED)  # fmt: skip
    drawn = f"; lines: from the youngest to the oldest third ({along})" if any(map(len, ways.values())) else ""
    write(figure, 0, 4, f"One colour: one place, a dot per subject{drawn}", fontsize=7.5, color=INK)
    height = float(figure.get_size_inches()[1] * 25.4)
    dots = [Line2D([], [], marker="o", linestyle="", markersize=3.5, color=_colour(n), markeredgewidth=0)
            for n in range(len(places))]  # fmt: skip
    figure.legend(dots, list(places["name"]), loc="lower left", ncols=3, fontsize=6, handletextpad=0.1,
                  bbox_to_anchor=(0.0, 1.0 / height))  # fmt: skip
    return figure


def _one_place(
    axes: Axes, points: Float[ndarray, "n _"], table: pd.DataFrame, way: pd.DataFrame | None,
    at: Sequence[float], colour: str,
) -> None:  # fmt: skip
    """Dots of a place, and the way of their mean."""
    here = _same(table, at)
    axes.plot(*points[here, :2].T, "o", color=colour, markersize=2.2, markeredgewidth=0, alpha=0.8)
    if way is not None and len(way):
        own = way[_same(way, at)].sort_values("step")
        axes.plot(own["p0"], own["p1"], "-", color=INK, linewidth=0.9)
        axes.plot(own["p0"].iloc[-1:], own["p1"].iloc[-1:], ">", color=INK, markersize=3, markeredgewidth=0)


def _same(table: pd.DataFrame, at: Sequence[float]) -> ndarray:
    """Rows at a place; a slice's unknown coordinates are equal."""
    there = np.ones(len(table), dtype=bool)
    for name, value in zip(PLACE, at, strict=True):
        own = table[name].to_numpy(dtype=float)
        there &= np.isnan(own) if np.isnan(value) else own == value
    return there


def _colour(number: int) -> str:
    return MODEL_COLOURS[number % len(MODEL_COLOURS)]
