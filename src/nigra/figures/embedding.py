"""Embeddings as small multiples, each with its numbers; and how stable they are. A picture never stands alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy import ndarray

from nigra.errors import NigraError
from nigra.figures.style import (
    INK,
    MISSING,
    MODEL_COLOURS,
    MUTED,
    PAGE_MM,
    PERCENT_MAP,
    RULE,
    bare,
    label_bar,
    page,
    place,
    styled,
    write,
)  # fmt: skip

COLUMNS = 4
LEGEND_COLUMNS = 4
GAP_MM = 3.0
NUMBERS_MM = 13.0
MOST_DRAWN = 20_000
"""Points in a panel; more only make the file heavy, and the figure says when it leaves some out."""

TOLD = {"trustworthiness": "trust", "continuity": "cont", "recall": "recall", "rank correlation": "ranks"}
"""Measures under a panel, and their short names."""

NAMES = {
    "pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "spectral": "Spectral", "isomap": "Isomap",
    "diffusion": "Diffusion map", "pacmap": "PaCMAP", "localmap": "LocalMAP",
}  # fmt: skip


@styled
def embedding_panels(
    points: Mapping[str, Float[ndarray, "n _"]], values: pd.Series, numbers: pd.DataFrame, seed: int = 0
) -> Figure:
    """One panel per embedding, the same codes in the same colours, its quality under it.

    Args:
        points: by embedding, a row per code; two axes are drawn.
        values: what colours the codes (region, group, subject, age, a coordinate, a score), named; numbers are a
            scale, words are the six commonest and the rest in grey.
        numbers: ``embeddings.tsv`` (embedding, measure, estimate, null).
        seed: of the codes drawn where there are more than ``MOST_DRAWN``, and of the order they are drawn in.

    Raises NigraError when there is nothing to draw.
    """
    if not points or not len(values):
        raise NigraError("there is no embedding to draw; run `nigra latent` with methods first.")
    drawn = np.random.default_rng(seed).permutation(len(values))[:MOST_DRAWN]
    colours, legend, scale = _colours(values.iloc[drawn])
    columns = min(COLUMNS, len(points))
    wide = (PAGE_MM - GAP_MM * (columns - 1)) / columns
    rows = -(-len(points) // columns)
    figure = page(12 + rows * (wide + NUMBERS_MM + 4) + (16 if len(legend) > LEGEND_COLUMNS else 12))
    some = f", {len(drawn)} of {len(values)} codes drawn" if len(drawn) < len(values) else f", {len(values)} codes"
    write(figure, 0, 4, f"Coloured by {values.name}{some}", fontsize=7.5, color=INK)
    for at, (name, each) in enumerate(points.items()):
        left, top = (at % columns) * (wide + GAP_MM), 12 + (at // columns) * (wide + NUMBERS_MM + 4)
        axes = bare(place(figure, left, top, wide, wide))
        axes.scatter(each[drawn, 0], each[drawn, 1], s=_size(len(drawn)), c=colours, linewidths=0, rasterized=True)
        axes.set_title(NAMES.get(name, name), loc="left", pad=3)
        axes.set_facecolor("#fafbfc")
        look_at_most(axes, each)
        _tell(figure, numbers[numbers["embedding"] == name], left, top + wide)
    _explain(figure, legend, scale, str(values.name))
    return figure


def look_at_most(axes: Axes, points: Float[ndarray, "n _"]) -> None:
    """Frame the middle 98 % of each axis where a few codes far away would press all others into a corner.

    Walks on a graph do that: their slowest modes single out few codes that hang on the others by little. The panel
    says how many codes are beyond the frame.
    """
    known = points[np.isfinite(points).all(axis=1), :2]
    inside = np.ones(len(known), dtype=bool)
    for name, values in zip("xy", known.T, strict=True):
        low, high = np.quantile(values, [0.01, 0.99])
        if 0 < high - low < np.ptp(values) / 4:
            edge = 0.1 * (high - low)
            axes.set(**{f"{name}lim": (low - edge, high + edge)})
            inside &= (values >= low - edge) & (values <= high + edge)
    if not inside.all():
        text = f"{100 * (1 - inside.mean()):.2g} % of the codes beyond"
        axes.text(0.98, 0.02, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=5.5, color=MUTED)


@styled
def stability_panels(numbers: pd.DataFrame) -> Figure:
    """How far refits of each embedding agree: one panel per measure, the range over refits, chance as a grey tick.

    Args:
        numbers: ``embeddings.tsv``; the rows of seeds, subsamples and projection are drawn.

    Raises NigraError when no embedding was refitted.
    """
    rows = numbers[numbers["measure"].str.match("seeds|subsamples|projection")]
    if rows.empty:
        raise NigraError("no embedding was refitted; set stability_codes and run `nigra latent` again.")
    measures = [m for m in _STABILITY if m in set(rows["measure"])]
    names = list(dict.fromkeys(rows["embedding"]))
    wide, high = (PAGE_MM - 26 - 6 * 2) / 3, 6 + 4.5 * len(names)
    figure = page((high + 18) * -(-len(measures) // 3) + 6)
    for at, measure in enumerate(measures):
        axes = place(figure, 24 + (at % 3) * (wide + 6), 11 + (at // 3) * (high + 18), wide, high)
        _ranges(axes, rows[rows["measure"] == measure].set_index("embedding"), names, at % 3 == 0)
        axes.set_title(_STABILITY[measure][0], loc="left", pad=4)
        axes.set_xlabel(_STABILITY[measure][1], labelpad=1)
    write(figure, 0, 2.8, "Dot and line: mean and range over refits. Grey: what unrelated pictures have (chance).",
          fontsize=6, color=MUTED)  # fmt: skip
    return figure


_STABILITY = {
    "seeds: residual": ("Other seeds", "Procrustes residual (0 = same picture)"),
    "subsamples: residual": ("Fewer subjects", "Procrustes residual (0 = same picture)"),
    "projection: error": ("New subjects", "error / radius (0 = as refitted)"),
    "seeds: shared neighbours": ("Other seeds", "shared neighbours (1 = all)"),
    "subsamples: shared neighbours": ("Fewer subjects", "shared neighbours (1 = all)"),
    "projection: shared neighbours": ("New subjects", "shared neighbours (1 = all)"),
}


def _ranges(axes: Axes, rows: pd.DataFrame, names: list[str], labelled: bool) -> None:
    """A dot and its range per embedding; an embedding without the measure says so."""
    for at, name in enumerate(names):
        if name not in rows.index:
            axes.text(0.02, at, "draws nothing", va="center", fontsize=6, color=MUTED)
            continue
        row = rows.loc[name]
        axes.plot([row["low"], row["high"]], [at, at], color=MODEL_COLOURS[0], linewidth=1.4)
        axes.plot(row["estimate"], at, "o", markersize=3.2, color=MODEL_COLOURS[0])
        axes.plot(row["null"], at, "|", markersize=6, markeredgewidth=1.6, color=MUTED)
    axes.set(
        ylim=(len(names) - 0.4, -0.6), xlim=(0, max(1.05, 1.05 * float(rows[["high", "null"]].to_numpy().max())))
    )
    axes.set_yticks(range(len(names)), [NAMES.get(name, name) for name in names] if labelled else [])
    axes.grid(axis="x", color=RULE, linewidth=0.3)


def _colours(values: pd.Series) -> tuple[ndarray, dict[str, str], tuple[float, float] | None]:
    """A colour per code; the legend of words, or the ends of a scale."""
    import matplotlib as mpl

    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float)
        known = np.isfinite(numbers)
        low, high = np.quantile(numbers[known], [0.02, 0.98]) if known.any() else (0.0, 1.0)
        shades = mpl.colormaps[PERCENT_MAP](np.clip((numbers - low) / max(high - low, 1e-12), 0, 1))
        shades[~known] = mpl.colors.to_rgba(MISSING)
        return shades, {"no value": MISSING} if not known.all() else {}, (float(low), float(high))
    words = values.astype(object).where(values.notna(), "no value").astype(str)
    common = [word for word in words.value_counts().index if word != "no value"][: len(MODEL_COLOURS)]
    legend = dict(zip(common, MODEL_COLOURS, strict=False))
    rest = set(words) - set(common)
    if rest:
        legend["no value" if rest == {"no value"} else f"{len(rest)} others"] = MISSING
    return np.array([mpl.colors.to_rgba(legend.get(word, MISSING)) for word in words]), legend, None


def _tell(figure: Figure, rows: pd.DataFrame, left: float, top: float) -> None:
    """Two lines under a panel: the numbers, and their chance values in grey."""
    known = rows.set_index("measure")
    for at, (measure, short) in enumerate(TOLD.items()):
        x = left + at * 10.6
        write(figure, x, top + 3.5, short, fontsize=5.5, color=MUTED)
        if measure in known.index:
            row = known.loc[measure].to_dict()
            write(figure, x, top + 7, _short(float(row["estimate"])), fontsize=7, color=INK)
            write(figure, x, top + 10, _short(float(row["null"])), fontsize=5.5, color=MUTED)
    if rows.empty:
        write(figure, left, top + 7, "not judged", fontsize=6, color=MUTED)


def _explain(figure: Figure, legend: dict[str, str], scale: tuple[float, float] | None, name: str) -> None:
    """The legend or the colour bar at the foot, and what the grey numbers are."""
    import matplotlib as mpl

    height = float(figure.get_size_inches()[1] * 25.4)
    write(figure, 0, height - 2, "Under each panel the number, and in grey what an unrelated picture has (chance).",
          fontsize=5.5, color=MUTED)  # fmt: skip
    if scale:
        bar = place(figure, 1, height - 14, 50, 2)
        norm = mpl.colors.Normalize(*scale)
        label_bar(
            figure.colorbar(mpl.cm.ScalarMappable(norm, PERCENT_MAP), cax=bar, orientation="horizontal"), name
        )
    if legend:
        dots = [Line2D([], [], marker="o", linestyle="", markersize=3.5, color=c, markeredgewidth=0) for c in
                legend.values()]  # fmt: skip
        figure.legend(dots, [_cut(word) for word in legend], loc="lower left", ncols=LEGEND_COLUMNS, fontsize=6,
                      bbox_to_anchor=(0.32 if scale else 0.0, 4.5 / height), borderpad=0, handletextpad=0.1,
                      columnspacing=1.2)  # fmt: skip


def _short(value: float) -> str:
    """Two digits, with a true minus."""
    return "n/a" if np.isnan(value) else f"{value:.2f}".replace("-", "−")


def _cut(word: str) -> str:
    return word if len(word) <= 32 else f"{word[:30]} …"


def _size(count: int) -> float:
    """Area of a point in points², smaller where there are many."""
    return float(np.clip(4000 / max(count, 1), 0.3, 8))
