"""How much of a picture is the method's luck: other seeds, fewer subjects, and new codes against a refit with them.

Pictures of different fits are laid over one another first (``procrustes``), and compared as a whole (residual) and
in the small (shared neighbours). Refits use a declared number of codes, as the answer needs few of them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.neighbors import NearestNeighbors

from nigra.errors import NigraError
from nigra.latent.embedding_settings import EmbeddingName, EmbeddingSettings
from nigra.latent.embeddings import Embedding, build
from nigra.latent.graph import Neighbours
from nigra.latent.landmarks import choose
from nigra.latent.procrustes import align
from nigra.latent.quality import COLUMNS
from nigra.training import Tick

LEFT_OUT = 0.2
"""Share of the subjects a refit goes without."""

Points = Float[ndarray, "n dimensions"]


def stability(
    codes: Float[ndarray, "n d"], subjects: Sequence[str], name: EmbeddingName, settings: EmbeddingSettings,
    tick: Tick | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Stability of a method on these codes: columns ``quality.COLUMNS``; ``low`` and ``high`` span the refits.

    Measures: ``seeds: residual`` and ``seeds: shared neighbours`` (only where the method draws anything);
    ``subsamples: ...``, the same without a fifth of the subjects; ``projection: error``, how far those left out are
    projected from where a fit with them puts them, in units of the picture's radius; ``projection: shared
    neighbours``, how many of the fitted neighbours they get are the ones they have there.

    Args:
        codes: those the method may be fitted on.
        subjects: whose code each is.
        name: the method.
        settings: ``stability_codes``, ``seeds``, ``subsamples`` and the method's own.
        tick: told the fraction done.

    Raises NigraError: too few codes for the method.
    """
    rows = choose(len(codes), settings.stability_codes, settings.seed, subjects)
    some, whose = codes[rows], np.asarray(subjects, dtype=str)[rows]
    found: dict[str, list[tuple[float, float]]] = {}
    method = build(name, settings)
    refits = (settings.seeds - 1 if method.drawn else 0) + settings.subsamples
    if not refits:
        return pd.DataFrame(columns=list(COLUMNS))
    for done, (measure, value, null) in enumerate(_compared(some, whose, method, name, settings)):
        found.setdefault(measure, []).append((value, null))
        if tick:
            tick(min(done / (4 * refits), 1.0), measure)
    text = f"{len(some)} codes, range over {{}} refits"
    table = []
    for measure, pairs in found.items():
        values, nulls = np.array(pairs).T
        table.append((measure, values.mean(), values.min(), values.max(), nulls.mean(), text.format(len(pairs))))
    return pd.DataFrame(table, columns=list(COLUMNS))


def _compared(
    codes: Float[ndarray, "n d"], subjects: ndarray, method: Embedding, name: EmbeddingName,
    settings: EmbeddingSettings,
) -> Iterator[tuple[str, float, float]]:  # fmt: skip
    """Measure, value and chance value of each comparison, as its refit is done."""
    rng = np.random.default_rng(settings.seed)
    k = min(settings.judged_neighbours, max(len(codes) // 4, 1))  # of few codes, all would be neighbours
    if len(codes) < method.fewest_codes:
        raise NigraError(
            f"{name} needs {method.fewest_codes} codes or more, but got {len(codes)}; sample more codes."
        )
    graph = Neighbours(codes, max(method.neighbours_needed, 1), settings.seed)
    first = method.fit(codes, graph=graph).embedding_
    for seed in range(settings.seed + 1, settings.seed + (settings.seeds if method.drawn else 1)):
        other = build(name, settings, seed).fit(codes, graph=graph).embedding_
        yield from _same_codes("seeds", first, other, k, rng)
    for _ in range(settings.subsamples):
        out = left_out(subjects, rng)
        refit = build(name, settings).fit(codes[~out])
        yield from _same_codes("subsamples", first[~out], refit.embedding_, k, rng)
        yield from _projected(first, refit.embedding_, refit.transform(codes[out]), out, k, rng)


def left_out(subjects: Sequence[str] | ndarray, rng: np.random.Generator) -> Bool[ndarray, " n"]:
    """True for every code of a random fifth of the subjects; of a fifth of the codes where there is one."""
    names, which = np.unique(np.asarray(subjects), return_inverse=True)
    if len(names) < 2:
        names, which = np.arange(len(which)), np.arange(len(which))
    gone = rng.permutation(len(names))[: max(round(LEFT_OUT * len(names)), 1)]
    return np.isin(which, gone)


def _same_codes(
    what: str, first: Points, other: Points, k: int, rng: np.random.Generator
) -> Iterator[tuple[str, float, float]]:
    """Two pictures of the same codes."""
    shuffled = other[rng.permutation(len(other))]
    yield f"{what}: residual", align(other, first).residual, align(shuffled, first).residual
    yield f"{what}: shared neighbours", shared_neighbours(first, other, k), min(k / (len(first) - 1), 1.0)


def _projected(
    first: Points,
    refit: Float[ndarray, "kept dimensions"],
    projected: Float[ndarray, "out dimensions"],
    out: Bool[ndarray, " n"],
    k: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, float, float]]:
    """Codes left out of a refit and projected into it, against the picture fitted with them."""
    placed = align(refit, first[~out]).apply(projected)
    there = first[out].astype(np.float64)
    radius = np.sqrt(((first - first.mean(axis=0)) ** 2).sum(axis=1).mean())
    error, chance = (
        float(np.sqrt(((placed - target) ** 2).sum(axis=1).mean()) / radius)
        for target in (there, there[rng.permutation(len(there))])
    )
    yield "projection: error", error, chance
    near = _nearest(first[~out], first[out], k), _nearest(refit, projected, k)
    yield "projection: shared neighbours", _overlap(*near), min(k / len(refit), 1.0)


def shared_neighbours(first: Points, second: Points, k: int) -> float:
    """The share of a point's ``k`` nearest in one picture that are so in the other too, on average."""
    return _overlap(_nearest(first, None, k), _nearest(second, None, k))


def _nearest(points: Points, queries: Float[ndarray, "q dimensions"] | None, k: int) -> ndarray:
    """Rows of the ``k`` points nearest to each query; to each point without itself where there are no queries."""
    there = len(points) - (queries is None)
    return NearestNeighbors(n_neighbors=min(k, there)).fit(points).kneighbors(queries, return_distance=False)


def _overlap(first: ndarray, second: ndarray) -> float:
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())
