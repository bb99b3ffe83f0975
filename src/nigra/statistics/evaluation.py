"""Evaluation: can the score of a region tell patients from controls?

Every number comes with its spread over the draws, intervals over subjects and the null of a score that knows
nothing, because the published choice of cut-off lifts even that one above one half.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.statistics.bootstrap import bca, resample
from nigra.statistics.delong import Pairs, auc_covariance, auc_interval, freedom, pair_auc, wins
from nigra.statistics.draws import Draws, read_draws
from nigra.statistics.groups import AUC_POOLED, BY_DRAW, HALVES, HIGH_SPECIFICITY, MEASURES, cut_off, measures
from nigra.statistics.multiplicity import benjamini_hochberg, p_value, standardised, twice_the_mean
from nigra.statistics.notes import notes
from nigra.statistics.permutation import Relabelled, complete, mean_of_known, null, null_of_draw, relabel
from nigra.statistics.resampled import corrected_interval

COLUMNS = (
    "region", "measure", "estimate", "sd", "low", "high", "low_delong", "high_delong", "low_corrected",
    "high_corrected", "draws", "controls", "patients", "null_median", "null_95", "null_99", "p", "p_exact", "q",
    "p_max", "note",
)  # fmt: skip
"""Columns of ``evaluation.tsv``, in order."""

NO_WIDTH = "no resample changes this number: its interval has no width and says nothing"


def evaluate(
    regions: pd.DataFrame,
    specificity: float = 0.8,
    bootstraps: int = 1000,
    permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Patients against controls in every region: one row per region x measure (columns: ``COLUMNS``).

    ``regions`` is a region table: its rows of set ``test`` are compared, those of ``held-out`` (training controls
    scored by cross-fitting; failing these ``training``) fix a cut-off, the ``specificity`` quantile of their scores
    in the same fold. A subject is called abnormal when its score is above the cut-off. Scores: ``score``, or
    ``percent`` in a table without it.

    estimate, sd            mean and standard deviation (n - 1) over the draws. Two measures are pooled over the
                            draws instead: each pair of patient and control is judged once, by their mean scores
                            over the draws in which both were tested (``nigra.statistics.delong.wins``; out-of-fold
                            for every control), so that the draws need no variance of their own
    low, high               95 % BCa interval of ``bootstraps`` resamplings of the subjects, each group on its own
                            and the same subjects in all draws; the models are not trained again
    low_, high_delong       95 % interval of DeLong on the logit scale, for the pooled measures
    low_, high_corrected    95 % interval of the corrected resampled t over the draws (Nadeau and Bengio 2003), for
                            the others: what a new split would change, for these very patients
    draws                   draws with a value; ``controls`` and ``patients`` are the different subjects tested
    null_median, _95, _99   quantiles under permuted labels (``nigra.statistics.permutation``, whole study)
    p                       one-sided, patients higher, from the same permutations
    p_exact                 the same from each draw alone, merged over the draws: needs no assumption
    q, p_max                ``p`` corrected for the regions of a measure: false discovery rate (Benjamini-Hochberg)
                            and the chance that any region reaches as far (maximum of the standardised statistics,
                            Westfall and Young 1993). No p for measures that rise at the cost of another

    A region without scored voxels, or a cohort without patients, keeps its rows with NaN and a note.
    """
    if not 0 < specificity < 1:
        raise NigraError(f"specificity is {specificity}; choose a share between 0 and 1, such as 0.8.")
    draws = read_draws(regions)
    weights = resample(draws.patient, bootstraps, seed)
    labels = relabel(draws.tested, draws.patient, permutations, seed)
    rows: list[dict[str, object]] = []
    highest = np.full((len(MEASURES), permutations), -np.inf)
    for number, region in enumerate(draws.regions):
        place = Place.of(draws, number, weights, specificity)
        chance = place.null(labels)
        exact = place.exact(labels)
        for m, measure in enumerate(MEASURES):
            row = place.row(measure, m) | beside_chance(chance[m], place.estimates[m], exact[m])
            if measure in HALVES:
                row |= dict.fromkeys(("p", "p_exact", "p_max"), np.nan)
            elif not np.isnan(chance[m]).any():
                highest[m] = np.maximum(highest[m], standardised(chance[m], chance[m]))
            rows.append({"region": region, "measure": measure} | row)
    table = pd.DataFrame(rows)
    for _, tests in table.groupby("measure"):
        table.loc[tests.index, "q"] = benjamini_hochberg(tests["p"].to_numpy(dtype=float))
    for m, measure in enumerate(MEASURES):
        tests = table[(table["measure"] == measure) & table["p"].notna()]
        table.loc[tests.index, "p_max"] = [p_value(highest[m], value) for value in tests["p_max"]]
    return table[list(COLUMNS)]


def beside_chance(chance: Float[ndarray, " permutations"], estimate: float, exact: float) -> dict[str, float]:
    """What chance gives, and p; ``p_max`` is the standardised estimate still, until all regions are known."""
    names = ("null_median", "null_95", "null_99", "p", "p_exact", "p_max")
    if np.isnan(estimate) or not len(chance) or np.isnan(chance).any():
        return dict.fromkeys(names, np.nan)
    far = float(standardised(np.array(estimate), chance))
    return dict(
        zip(names, (*np.quantile(chance, [0.5, 0.95, 0.99]), p_value(chance, estimate), exact, far), strict=True)
    )


@dataclass(frozen=True)
class Place:
    """One region of a study: its scores and ``MEASURES`` in every draw and sample of ``bootstrap.resample``."""

    draws: Draws
    region: int
    cuts: Float[ndarray, "n_draws 2"]
    completed: Float[ndarray, "n_draws n_subjects"]
    pooled: Float[ndarray, " n_subjects"]
    pairs: Pairs
    per_draw: Float[ndarray, "n_draws by_draw samples"]
    per_subject: Float[ndarray, "of_subjects samples"]

    @classmethod
    def of(
        cls, draws: Draws, region: int, weights: Float[ndarray, "n_subjects samples"], specificity: float
    ) -> "Place":
        """Measure one region; NaN in a draw that has no score there."""
        scores = draws.scores_tested[region]
        cuts = np.full((len(scores), 2), np.nan)
        per_draw = np.full((len(scores), len(BY_DRAW), weights.shape[1]), np.nan)
        for fold, reference in enumerate(draws.scores_reference[region]):
            seen, known = np.flatnonzero(~np.isnan(scores[fold])), np.flatnonzero(~np.isnan(reference))
            if len(seen):
                shares = (specificity, HIGH_SPECIFICITY)
                cut = np.stack([cut_off(reference[known], weights[known], share) for share in shares])
                per_draw[fold] = measures(scores[fold, seen], draws.patient[seen], weights[seen], cut)
                cuts[fold] = cut[:, 0]
        completed, pooled = complete(scores)
        pairs = wins(scores, draws.patient)
        area = pair_auc(pairs, weights[draws.patient], weights[~draws.patient])
        return cls(draws, region, cuts, completed, pooled, pairs, per_draw, np.stack([area, 2 * area - 1]))

    @property
    def estimates(self) -> Float[ndarray, " measures"]:
        """``MEASURES`` of the study itself."""
        return np.concatenate([mean_of_known(self.per_draw[:, :, 0]), self.per_subject[:, 0]])

    def null(self, labels: Relabelled) -> Float[ndarray, "measures permutations"]:
        """``MEASURES`` under permuted labels of the whole study."""
        area = null_of_draw(self.pooled, labels.subjects, np.full(2, np.nan))[:1]
        return np.concatenate([null(self.completed, labels.study, self.cuts), area, 2 * area - 1])

    def exact(self, labels: Relabelled) -> Float[ndarray, " measures"]:
        """p of ``MEASURES`` from labels permuted within the draws; NaN for pooled measures of several draws."""
        scores, found = self.draws.scores_tested[self.region], []
        for fold in np.flatnonzero(~np.isnan(scores).all(axis=1)):
            chance = null_of_draw(scores[fold], labels.within[fold], self.cuts[fold])
            pairs = zip(chance, self.per_draw[fold, :, 0], strict=True)
            found.append([p_value(values, estimate) for values, estimate in pairs])
        p = [twice_the_mean(values) for values in np.array(found).reshape(-1, len(BY_DRAW)).T]
        return np.array([*p, *([p[0]] * 2 if len(scores) == 1 else [np.nan] * 2)])

    def row(self, measure: str, m: int) -> dict[str, object]:
        """Estimate, spread and intervals of one measure."""
        draws, pooled = self.draws, m >= len(BY_DRAW)
        values = self.per_subject[m - len(BY_DRAW)] if pooled else mean_of_known(self.per_draw[:, m])
        known = self.per_draw[~np.isnan(self.per_draw[:, 0 if pooled else m, 0]), min(m, len(BY_DRAW) - 1), 0]
        low, high = bca(values, draws.patient)
        seen = ~np.isnan(self.pooled)
        delong = self._delong(measure) if pooled else (np.nan, np.nan)
        corrected = (np.nan, np.nan) if pooled else np.clip(corrected_interval(known, draws.test_to_train), 0, 1)
        said = notes(draws, self.region, measure)
        return {
            "estimate": float(values[0]),
            "sd": float(known.std(ddof=1)) if len(known) > 1 and not pooled else np.nan,
            "low": low, "high": high, "low_delong": delong[0], "high_delong": delong[1],
            "low_corrected": corrected[0], "high_corrected": corrected[1],
            "draws": len(known),
            "controls": int((seen & ~draws.patient).sum()),
            "patients": int((seen & draws.patient).sum()),
            "note": "; ".join(said + [NO_WIDTH] * (low == high)),
        }  # fmt: skip

    def _delong(self, measure: str) -> tuple[float, float]:
        """DeLong's interval of the pooled AUC, or of Cliff's delta = 2 AUC - 1."""
        area, variance = auc_covariance(self.pairs[None])
        low, high = auc_interval(float(area[0]), float(variance[0, 0]), freedom=freedom(self.pairs))
        return (low, high) if measure == AUC_POOLED else (2 * low - 1, 2 * high - 1)
