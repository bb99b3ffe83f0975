"""One restrained style for every picture: sizes in millimetres of paper, colours safe for colour-blind readers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nigra.files import atomic

PAGE_MM = 180.0
"""Width of a full-page figure in print."""

PNG_DPI = 300

INK, MUTED, RULE, MISSING = "#1c2733", "#5b6773", "#c9d0d6", "#d9d9d9"
MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's palette, in the order models are drawn."""

PERCENT_MAP, SCORE_MAP, ERROR_MAP, IMAGE_MAP = "viridis", "inferno", "RdBu_r", "gray"

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 7,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.color": INK,
    "text.parse_math": False,  # a participant id with a dollar sign is text
    "legend.frameon": False,
    "legend.fontsize": 7,
    "svg.fonttype": "none",  # text stays text: searchable, selectable, editable
    "svg.hashsalt": "nigra",  # the same picture is the same file
    "savefig.facecolor": "white",
}

P = ParamSpec("P")

Number = float | int
"""A quantity in the signatures of figures; the type checks of the tests do not take an int for a float."""


@contextmanager
def in_style() -> Iterator[None]:
    """Matplotlib's defaults and ``STYLE``, whatever the user's own settings are; those come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a figure function inside the style."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with in_style():
            return draw(*args, **kwargs)

    return inside


def page(height_mm: Number, width_mm: Number = PAGE_MM) -> Figure:
    """An empty figure of this size on paper."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4))


def place(figure: Figure, left: Number, top: Number, width: Number, height: Number) -> Axes:
    """Axes at a position counted in mm from the page's top left corner."""
    page_width, page_height = figure.get_size_inches() * 25.4
    box = (left / page_width, 1 - (top + height) / page_height, width / page_width, height / page_height)
    return figure.add_axes(box)


def write(figure: Figure, left: Number, top: Number, text: str, **font: Any) -> None:
    """Write text whose baseline stands ``top`` mm under the page's upper edge."""
    width, height = figure.get_size_inches() * 25.4
    figure.text(left / width, 1 - top / height, text, **font)


def bare(axes: Axes) -> Axes:
    """Axes for a picture: no ticks, no frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def in_rows(axes: Axes, count: int) -> Axes:
    """A panel of ``count`` rows at 0, 1, ..., the first on top; their names stand outside it."""
    axes.set(ylim=(count - 0.4, -0.6), yticks=[])
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color=RULE, linewidth=0.3)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    return axes


def label_bar(bar: Colorbar, text: str) -> None:
    """Give a colour bar its quantity and unit, and a hairline frame."""
    bar.set_label(text, labelpad=2)
    bar.outline.set(linewidth=0.5, edgecolor=MUTED)
    bar.ax.tick_params(width=0.5, length=2, pad=1.5)


def round_up(value: Number) -> float:
    """The next "nice" upper end of a scale.

    >>> round_up(3.2), round_up(0.017), round_up(41), round_up(0)
    (4.0, 0.02, 50.0, 1.0)
    """
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    step = next(s for s in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= s * power * (1 + 1e-9))
    return float(f"{step * power:.6g}")


def save(figure: Figure, path: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write ``figure`` to ``path`` + ``.png`` (300 dpi), ``.svg`` ...; the same figure gives the same bytes.

    ``path`` comes without extension. Returns the written files.
    """
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "nigra"}, "pdf": {"CreationDate": None}}
    written = []
    with in_style():
        for form in formats:
            target = path.with_name(f"{path.name}.{form}")
            with atomic(target) as temporary:
                figure.savefig(temporary, format=form, dpi=PNG_DPI, metadata=metadata.get(form))
            written.append(target)
    return written
