"""Leave-one-out scores of every control at every location, from one kernel per location."""

import numpy as np

from nigra.bench import libsvm, samples
from nigra.bench.interleave import Comparison, Goals, interleave
from nigra.bench.machine import threads
from nigra.detection.one_class_svm import Gamma, VoxelwiseOneClassSVM
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

CONTROLS, D, BRAIN = 40, 16, 1_000_000
PEER = "scikit-learn refits + joblib"


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Solves per second, the fit on all controls included, and the time of a million locations at that rate."""
    controls, d, locations, sample = (10, 4, 60, 6) if quick else (CONTROLS, D, 50_000, 60)
    values = samples.codes(controls, locations, d)
    some = samples.blocks(values[:, :sample])
    refit, how = libsvm.quickest(libsvm.refits, some, controls, threads())
    ours, peers = interleave(
        locations * controls, lambda: leave_one_out(values), {PEER: refit}, 2 if quick else 5,
        {PEER: sample * controls}, {PEER: how}, tick=tick,
    )  # fmt: skip
    return [
        Comparison(
            name="loo",
            title=f"Leave-one-out scores, {controls} controls, d = {d}",
            work="solves",
            ours=ours,
            peers=peers,
            largest_difference=difference(values[:, :sample]),
            difference_of="scores, from our own refits without the subject and scikit-learn's, tolerance 1e-9",
            sizes={
                "controls": controls, "d": d, "locations": locations, "locations refitted": sample,
                f"seconds for {BRAIN} locations x {CONTROLS} controls": round(BRAIN * CONTROLS / ours.rate, 1),
            },
            goal="10^6 locations x 40 controls in at most 60 s, at most 5e-6 from refits",
            goals=Goals(rate=BRAIN * CONTROLS / 60, difference=5e-6),
        )
    ]  # fmt: skip


def leave_one_out(values: Codes, gamma: Gamma = "scale") -> CodeScores:
    """Ours: fit on all controls, then everybody's score without them."""
    svm = VoxelwiseOneClassSVM(nu=libsvm.NU, gamma=gamma, tolerance=libsvm.TOLERANCE)
    return svm.fit(values).leave_one_out_scores()


def refitted(values: Codes) -> CodeScores:
    """Our own detector fitted anew without each subject; codes come scaled so that gamma is 1 everywhere."""
    found = np.empty(values.shape[:2], np.float32)
    for row in range(len(values)):
        svm = VoxelwiseOneClassSVM(nu=libsvm.NU, gamma=1.0, tolerance=libsvm.TOLERANCE)
        found[row] = svm.fit(np.delete(values, row, axis=0)).score_samples(values[row : row + 1])[0]
    return found


def difference(values: Codes) -> float:
    """The largest difference of leave-one-out scores from both kinds of refit."""
    fast, blocks = leave_one_out(values), samples.blocks(values)
    scaled = values * np.sqrt(libsvm.scale(blocks)).astype(np.float32)[:, None]
    theirs, own = libsvm.refits(blocks, len(values), libsvm.EXACT).T, refitted(scaled)
    return float(max(np.abs(fast - theirs).max(), np.abs(fast - own).max()))
