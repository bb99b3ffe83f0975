"""Balance: are controls and patients alike in what is not the disease? The table every comparison begins with."""

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.statistics.covariates import CATEGORICAL, NUMERIC, kind_of, levels_of, unusable
from nigra.statistics.multiplicity import benjamini_hochberg

COLUMNS = (
    "column", "kind", "level", "controls", "patients", "controls_missing", "patients_missing",
    "controls_mean", "controls_sd", "patients_mean", "patients_sd",
    "measure", "difference", "low", "high", "test", "p", "q", "note",
)  # fmt: skip
"""Columns of ``balance.tsv``, in order."""

SMD, CRAMER = "standardised mean difference", "Cramer's V"
WELCH, FISHER, PERMUTATION = "Welch", "Fisher", "permutation"

LARGE = 0.1
"""A standardised mean difference above this is no longer called balanced (Austin, Stat Med 28:3083, 2009)."""


def balance(covariates: pd.DataFrame, group: pd.Series, permutations: int = 9999, seed: int = 0) -> pd.DataFrame:
    """Every covariate in controls and patients: one row per column, and one per level of a category.

    ``group`` (control or patient) by participant_id says who is compared; a subject without covariates counts as
    missing. ``controls`` and ``patients`` are the subjects with a value (in a level's row: with that value, and
    ``_mean`` its share). ``q`` is Benjamini-Hochberg over the columns.

    numeric      mean and sd (n - 1); standardised mean difference, patients minus controls over the root mean
                 square of both sd, with its large sample interval (Hedges and Olkin 1985, equation 6.8); Welch's t
    categorical  counts and shares; Cramer's V (never below 0, and above it by chance: no interval), with Fisher's
                 exact test for 2 x 2 and the permutation test of chi2 otherwise, given both margins

    A difference need not be significant to matter: with few subjects a large one is not, with many a small one is.
    """
    other = set(group) - {CONTROL, PATIENT}
    if other:
        raise NigraError(f"a group is {CONTROL} or {PATIENT}, but found {min(map(str, other))}; leave it out.")
    table, patient = covariates.reindex(group.index), (group == PATIENT).to_numpy(dtype=bool)
    rng, rows = np.random.default_rng(seed), []
    for name in map(str, table):
        values = table[name]
        head = _counts(values, patient) | {"column": name, "kind": kind_of(values), "level": ""}
        words = unusable(values) or _one_group(head)
        if words:
            rows.append(head | {"note": words})
        elif kind_of(values) == NUMERIC:
            rows.append(head | _numeric(values.to_numpy(dtype=float), patient))
        else:
            levels = levels_of(values)
            counts = np.array(
                [[((values == level) & side).sum() for side in (~patient, patient)] for level in levels]
            )
            rows.append(head | _categorical(counts, permutations, rng))
            rows += [
                _level(name, level, own, counts.sum(axis=0)) for level, own in zip(levels, counts, strict=True)
            ]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found["note"] = found["note"].fillna("")
    found["q"] = benjamini_hochberg(found["p"].to_numpy(dtype=float))
    return found


def _counts(values: pd.Series, patient: ndarray) -> dict[str, object]:
    known = values.notna().to_numpy()
    return {
        "controls": int((known & ~patient).sum()), "patients": int((known & patient).sum()),
        "controls_missing": int((~known & ~patient).sum()), "patients_missing": int((~known & patient).sum()),
    }  # fmt: skip


def _one_group(counts: dict[str, object]) -> str:
    silent = [name for name in ("controls", "patients") if counts[name] == 0]
    return f"no value in {silent[0]}: nothing to compare" if silent else ""


def _numeric(values: ndarray, patient: ndarray) -> dict[str, object]:
    known = ~np.isnan(values)
    controls, patients = values[known & ~patient], values[known & patient]
    mean = [float(side.mean()) for side in (controls, patients)]
    with np.errstate(over="ignore"):  # a spread beyond what a float can hold is told below
        sd = [float(side.std(ddof=1)) if len(side) > 1 else np.nan for side in (controls, patients)]
    row: dict[str, object] = {
        "controls_mean": mean[0], "controls_sd": sd[0], "patients_mean": mean[1], "patients_sd": sd[1],
        "measure": SMD, "test": WELCH,
    }  # fmt: skip
    spread = float(np.hypot(sd[0], sd[1])) / 2**0.5
    if not 1e-9 * float(np.abs(mean).max()) < spread < np.inf:  # what is left of a constant by rounding
        return row | {"note": "one group does not vary, or has one subject: no difference in its units"}
    m, n = len(controls), len(patients)
    d = (mean[1] - mean[0]) / spread
    half = 1.959964 * np.sqrt((m + n) / (m * n) + d**2 / (2 * (m + n)))
    # from the moments: of the values, scipy warns the user where one group does not vary
    p = scipy.stats.ttest_ind_from_stats(mean[1], sd[1], n, mean[0], sd[0], m, equal_var=False).pvalue
    note = "not balanced" if abs(d) > LARGE else ""
    return row | {"difference": d, "low": d - half, "high": d + half, "p": float(p), "note": note}


def _categorical(
    counts: Int[ndarray, "levels 2"], permutations: int, rng: np.random.Generator
) -> dict[str, object]:
    chi2 = _chi2(counts[None, :, 0], counts)[0]
    if counts.shape[0] == 2:
        test, p = FISHER, float(scipy.stats.fisher_exact(counts).pvalue)
    else:
        # labels permuted: how many controls fall into each level follows from the margins alone
        drawn = rng.multivariate_hypergeometric(counts.sum(axis=1), int(counts[:, 0].sum()), size=permutations)
        test, p = PERMUTATION, (1 + (_chi2(drawn, counts) >= chi2 - 1e-9).sum()) / (1 + permutations)
    v = float(np.sqrt(chi2 / counts.sum()))  # two groups: the smaller dimension less one is one
    return {"measure": CRAMER, "difference": v, "test": test, "p": float(p), "note": ""}


def _chi2(controls: Int[ndarray, "drawn levels"], counts: Int[ndarray, "levels 2"]) -> Float[ndarray, " drawn"]:
    """Pearson's chi2 of the tables with these controls per level and the margins of ``counts``."""
    total, level = counts.sum(), counts.sum(axis=1)
    share = counts[:, 0].sum() / total
    away = (controls - level * share) ** 2
    chi2: ndarray = (away / (level * share) + away / (level * (1 - share))).sum(axis=-1)
    return chi2


def _level(name: str, level: str, own: ndarray, total: ndarray) -> dict[str, object]:
    share = own / total
    return {
        "column": name, "kind": CATEGORICAL, "level": level, "controls": int(own[0]), "patients": int(own[1]),
        "controls_mean": share[0], "patients_mean": share[1], "note": "",
    }  # fmt: skip
