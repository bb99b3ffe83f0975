"""How often 95 % intervals hold the true AUC; ``python -m tests.laws.coverage`` writes docs/results/coverage.md.

Normal scores with a difference d between the groups have an AUC of Phi(d / sqrt 2): the truth is known.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats
from rich.progress import track

from nigra.statistics.bootstrap import bca, resample
from nigra.statistics.delong import auc_covariance, auc_interval, freedom, wins
from nigra.statistics.evaluation import evaluate
from nigra.statistics.groups import AUC, auc
from tests.statistics.test_evaluation import study

AUCS = (0.5, 0.6, 0.7, 0.8)
PAGE = Path(__file__).parents[2] / "docs" / "results" / "coverage.md"


def difference(truth: float) -> float:
    """Distance of two normal distributions, in their standard deviations, with this AUC."""
    return float(np.sqrt(2) * scipy.stats.norm.ppf(truth))


def once(truth: float, patient: np.ndarray, weights: np.ndarray, seed: int) -> dict[str, bool]:
    """Which intervals of one simulated study hold the truth; ``weights`` of ``bootstrap.resample``."""
    scores = np.random.default_rng([7, seed]).normal(size=len(patient)) + difference(truth) * patient
    samples = auc(scores, patient, weights)
    area, variance = auc_covariance(wins(scores[None], patient)[None])
    error = 1.959964 * np.sqrt(variance[0, 0])
    pairs = wins(scores[None], patient)
    intervals = {
        "DeLong, logit": auc_interval(float(area[0]), float(variance[0, 0]), freedom=freedom(pairs)),
        "DeLong, plain": (area[0] - error, area[0] + error),
        "BCa": bca(samples, patient),
        "percentile": np.quantile(samples[1 : -len(patient)], [0.025, 0.975]),
    }
    return {name: bool(low <= truth <= high) for name, (low, high) in intervals.items()}


def coverage(controls: int, patients: int, studies: int, bootstraps: int = 1000) -> pd.DataFrame:
    """Share of the intervals that hold the truth; rows the true AUC, columns the kind of interval."""
    patient = np.arange(controls + patients) >= controls
    weights = resample(patient, bootstraps, 0)  # the same for all studies, which differ in everything else
    found = {
        truth: pd.DataFrame([once(truth, patient, weights, seed) for seed in track(range(studies), f"AUC {truth}")])
        for truth in AUCS
    }
    return pd.DataFrame({truth: table.mean() for truth, table in found.items()}).T


def coverage_over_draws(studies: int, noise: float = 0.5, bootstraps: int = 400, splits: int = 6) -> pd.DataFrame:
    """The same for the mean over ten draws of the published protocol, each draw with noise of its own.

    Studies of one of the ``splits`` share who is tested when, and the resamples.
    """
    patient, each = np.arange(185) >= 56, -(-studies // splits)
    found = {}
    for k, truth in enumerate(AUCS):
        parts = []
        for split in track(range(splits), f"ten draws, AUC {truth}"):
            rng = np.random.default_rng([9, k, split])
            scores = rng.normal(size=(each, 185)) + np.hypot(1, noise) * difference(truth) * patient
            table = study(scores, 56, 10, 15, noise * rng.normal(size=(10, each, 185)), seed=k * splits + split)
            parts.append(evaluate(table, bootstraps=bootstraps, permutations=1, seed=split))
        rows = pd.concat(parts)
        rows = rows[rows["measure"] == AUC]
        found[truth] = {
            "BCa": ((rows["low"] <= truth) & (truth <= rows["high"])).mean(),
            "corrected resampled t": ((rows["low_corrected"] <= truth) & (truth <= rows["high_corrected"])).mean(),
        }
    return pd.DataFrame(found).T


def as_table(share: pd.DataFrame) -> str:
    """A table of percentages in Markdown."""
    lines = [["true AUC", *share.columns], ["---"] * (1 + share.shape[1])]
    lines += [[f"{truth:.1f}", *(f"{100 * value:.1f}" for value in row)] for truth, row in zip(
        share.index, share.to_numpy(), strict=True)]  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(large: int = 1000, small: int = 1000, draws: int = 600) -> None:
    """Measure and write the page."""
    start = time.process_time()
    parts = [as_table(coverage(56, 129, large)), as_table(coverage(15, 129, small))]
    parts.append(as_table(coverage_over_draws(draws)))
    minutes = (time.process_time() - start) / 60
    chance = [f"{196 * np.sqrt(0.95 * 0.05 / n):.1f} with {n}" for n in (large, small, draws)]
    text = TEXT.format(*parts, large=large, small=small, draws=draws, minutes=minutes, chance=", ".join(chance))
    PAGE.write_text(text, encoding="utf-8")


TEXT = """# Do the intervals hold what they promise?

Written by `python -m tests.laws.coverage` ({minutes:.1f} minutes on one core); the slow tests repeat it with fewer
studies. Scores are normal, so that the true AUC is known; counted is how many of the 95 % intervals hold it, in %.
Chance moves a number by this much in either direction (95 %): {chance} studies.

## One score per subject, 56 controls and 129 patients

{large} studies each, 1000 bootstraps. The table of a study gives DeLong on the logit scale (`low_delong`,
`high_delong`) and BCa (`low`, `high`); the two others are here for comparison.

{0}

## 15 controls and 129 patients

{small} studies each: what a single draw of the published protocol allows.

{1}

## Mean over ten draws of 15 of 56 controls

{draws} studies each over six ways to split, 400 bootstraps; every draw adds noise of half the subjects' standard
deviation, as a model trained anew would.

{2}

In the mean over draws controls tested in many draws count more than others, so that 56 of them are worth fewer. One
score per subject has no such weights.

DeLong's interval is by t with Welch and Satterthwaite's degrees of freedom, and the shares of BCa are moved
outwards as far as few subjects ask for (`nigra.statistics.bootstrap.widening`). Without either, 15 controls at an
AUC of .8 gave 92.8 (DeLong) and 92.0 (BCa) in 600 studies.

The corrected resampled t is meant for another question: what would a new *split* of these very subjects give? The
patients are the same in all draws, and that others would have been recruited is not in its width. It comes near
95 % here because the few test controls, who change from draw to draw, are most of the uncertainty; with more
controls than patients it would not.
"""


if __name__ == "__main__":
    write_page()
