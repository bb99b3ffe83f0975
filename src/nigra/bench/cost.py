"""Cost against size: time of the detector by locations, subjects and d, of scoring by the number of volumes."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from nigra.bench import libsvm, samples
from nigra.bench.dense import SMALL, model_of, score_volumes
from nigra.bench.interleave import Comparison, Curve, Number, Side, part
from nigra.bench.machine import threads
from nigra.bench.ocsvm import PEER, decisions
from nigra.scoring.scorer import Scorer
from nigra.training import Tick

Calls = dict[str, dict[int, Callable[[], Any]]]
"""By side and size, what is timed."""

LOCATIONS = (1_000, 3_000, 10_000, 30_000, 100_000)
SUBJECTS = (10, 20, 40, 80, 160)
DIMENSIONS = (2, 4, 8, 16, 32, 64, 128)
VOLUMES = (1, 2, 4, 8, 16, 32)
PEER_LOCATIONS = (100, 300, 1_000)
"""scikit-learn is timed at few locations only; its time is a sum over them."""


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Four sweeps; what is not swept stays at 40 controls, d = 16, 5000 locations."""
    most = 3 if quick else None
    controls, fixed = (10, 50) if quick else (40, 5_000)
    locations = [size // (100 if quick else 1) for size in LOCATIONS[:most]]
    few = [10, 20, 40] if quick else list(PEER_LOCATIONS)
    values = samples.codes(controls, max(locations), 16)
    peer = {size: _peer(values[:, :size], controls) for size in few}
    by_locations: Calls = {"nigra": _calls(locations, controls, None, 16), PEER: peer}
    sweeps: list[tuple[str, str, Calls]] = [
        ("locations", f"{controls} controls, d = 16", by_locations),
        ("subjects", f"{fixed} locations, d = 16", {"nigra": _calls(SUBJECTS[:most], None, fixed, 16)}),
        (
            "d",
            f"{controls} controls, {fixed} locations",
            {"nigra": _calls(DIMENSIONS[:most], controls, fixed, None)},
        ),
    ]
    found = [
        _sweep(axis, "one-class SVM, fit and score", text, calls, quick, part(tick, at, 4))
        for at, (axis, text, calls) in enumerate(sweeps)
    ]
    return [*found, _volumes(quick, part(tick, 3, 4))]


def _calls(
    sizes: Sequence[int], controls: int | None, locations: int | None, d: int | None
) -> dict[int, Callable[[], Any]]:
    """Ours at every size; the size takes the place of what is None."""

    values = {size: samples.codes(controls or size, locations or size, d or size) for size in sizes}
    return {size: partial(decisions, given, len(given)) for size, given in values.items()}


def _peer(values: np.ndarray, controls: int) -> Callable[[], Any]:
    return libsvm.quickest(libsvm.scikit_learn, samples.blocks(values), controls, threads(), parts=(4,))[0]


def _volumes(quick: bool, tick: Tick) -> Comparison:
    shape, sizes = (SMALL, (1, 2, 3)) if quick else ((45, 54, 45), VOLUMES)
    source = samples.volumes(max(sizes), shape)
    scorer = Scorer(*model_of("mlcn2021-sae"))
    calls: dict[int, Callable[[], Any]] = {
        size: partial(score_volumes, scorer, source, range(size)) for size in sizes
    }
    text = f"mlcn2021-sae, volumes of {' x '.join(map(str, shape))}, {int(source.mask.sum())} voxels in the mask"
    return _sweep("volumes", "SAE, codes and errors", text, {"nigra": calls}, quick, tick)


def _sweep(axis: str, what: str, text: str, calls: Calls, quick: bool, tick: Tick) -> Comparison:
    """Time every size of every side in turns; its quickest call is what the size costs, the rest is the machine."""
    flat = [(side, size, call) for side, sized in calls.items() for size, call in sized.items()]
    rounds = 2 if quick else 7
    seconds: dict[tuple[str, int], list[float]] = {(side, size): [] for side, size, _ in flat}
    for turn in range(rounds + 1):
        for side, size, call in flat:
            began = time.perf_counter()
            call()
            if turn:
                seconds[side, size].append(time.perf_counter() - began)
        tick((turn + 1) / (rounds + 1), axis)
    points = {side: [(float(size), min(seconds[side, size])) for size in sized] for side, sized in calls.items()}
    largest = max(calls["nigra"])
    timed = seconds["nigra", largest]
    return Comparison(
        name=f"cost-{axis}",
        title=f"Cost against {axis}: {what}",
        work=axis,
        ours=Side("nigra", largest / min(timed), timed, f"at {largest}", largest),
        peers=[],
        largest_difference=None,
        difference_of="",
        sizes={"fixed": text, "largest": largest},
        goal="",
        curve=Curve(axis, points, {side: slope(found) for side, found in points.items()}),
    )


def slope(points: list[tuple[Number, Number]]) -> float:
    """The power of size that time grows with: a line through the logarithms.

    >>> round(slope([(1, 0.5), (2, 2.0), (4, 8.0)]), 6)
    2.0
    """
    size, seconds = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(size, seconds, 1)[0])
