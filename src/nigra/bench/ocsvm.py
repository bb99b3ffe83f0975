"""One one-class SVM per location: fit on controls, score them and new subjects (media2020)."""

import numpy as np

from nigra.bench import libsvm, samples
from nigra.bench.interleave import Comparison, Goals, Number, Side, interleave, part
from nigra.bench.machine import threads
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

PEER, CORE = "scikit-learn + joblib", "libsvm's core alone"
NEW = 10
"""New subjects scored with the controls."""

SIZES = ((40, 16, 50_000, 2_000, 10_000, 60), (75, 64, 10_000, 1_000, 2_000, 15))
"""Controls, d, locations of ours, of scikit-learn, of libsvm's core, and the goal against scikit-learn."""

QUICK = ((12, 3, 60, 20, 40, 60), (15, 8, 40, 20, 30, 15))


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Both published sizes: media2020-like codes of 16, mlcn2021's of 64."""
    sizes = QUICK if quick else SIZES
    return [_compare(*size, rounds=2 if quick else 5, tick=part(tick, at, 2)) for at, size in enumerate(sizes)]


def decisions(values: Codes, controls: int) -> CodeScores:
    """Ours: fit on the first ``controls`` subjects, decide on everybody."""
    svm = VoxelwiseOneClassSVM(nu=libsvm.NU, gamma="scale", tolerance=libsvm.TOLERANCE)
    return svm.fit(values[:controls]).decision_function(values)


def _compare(
    controls: int, d: int, ours: int, estimator: int, core: int, goal: int, rounds: int, tick: Tick
) -> Comparison:
    values = samples.codes(controls + NEW, ours, d)
    some, more = samples.blocks(values[:, :estimator]), samples.blocks(values[:, :core])
    sklearn, how = libsvm.quickest(libsvm.scikit_learn, some, controls, threads())
    bare, how_bare = libsvm.quickest(libsvm.core, more, controls, threads())
    mine, peers = interleave(
        ours, lambda: decisions(values, controls), {PEER: sklearn, CORE: bare}, rounds,
        {PEER: estimator, CORE: core}, {PEER: how, CORE: how_bare}, tick=tick,
    )  # fmt: skip
    return Comparison(
        name=f"ocsvm-{controls}-{d}",
        title=f"One-class SVM per location, {controls} controls, d = {d}",
        work="locations fitted and scored",
        ours=mine,
        peers=peers,
        largest_difference=difference(values[:, :estimator], controls),
        difference_of="decision functions from libsvm's at tolerance 1e-9, where a free support vector exists",
        sizes=_sizes(controls, d, mine, peers),
        goal=f"at least {goal} times {PEER}, difference at most 1e-5",
        goals=Goals({PEER: goal}, difference=1e-5),
    )


def difference(values: Codes, controls: int) -> float:
    """The largest difference between our decisions and libsvm's, where a free support vector makes them unique."""
    theirs, free = libsvm.core(samples.blocks(values), controls, libsvm.EXACT)
    mine = decisions(values, controls).T
    return float(np.abs(mine - theirs)[free].max())


def _sizes(controls: int, d: int, mine: Side, peers: list[Side]) -> dict[str, Number | str]:
    locations = {f"locations of {side.name}": int(side.work) for side in (mine, *peers)}
    return {"controls": controls, "new subjects": NEW, "d": d, "nu": libsvm.NU, **locations}
