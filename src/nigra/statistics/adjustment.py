"""Adjustment: age, sex and the like taken out of region scores, by what they do in controls who are not tested.

Fitted on patients too, a regression takes out part of the disease wherever it goes with age; fitted on the test
controls it has seen the answers. Here it is fitted, draw by draw, on the controls of set ``held-out`` (or
``training``), and applied to the tested.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.provenance import refuse_fitted
from nigra.statistics.covariates import Design
from nigra.statistics.draws import HELD_OUT, TEST, TRAINING

Change = Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]

SPARE = 3
"""Controls needed beyond one per coefficient."""


class Adjustment:
    """Linear regression of every region's score on covariates, fitted on controls; ``transform`` takes it out.

    Scores come as tables (subjects x regions) indexed by participant_id. A transformed score is what the subject
    would have at the controls' mean covariates: score - (x - mean) slope, in the unit of the score.

    ``fitted_on_`` holds the ids, ``coefficients_`` the slopes (terms x regions), ``means_`` the terms' means,
    ``range_`` lowest and highest of each numeric column.
    """

    def __init__(self, columns: Sequence[str] = ("age", "sex")) -> None:
        self.columns = tuple(columns)

    def fit(self, scores: pd.DataFrame, covariates: pd.DataFrame) -> "Adjustment":
        """Learn the slopes from controls with all covariates; a region is fitted on those with a score there.

        Raises NigraError for an unknown column or too few controls.
        """
        self._design = Design(covariates.reindex(scores.index), self.columns)
        self.fitted_on_, self.range_ = tuple(map(str, scores.index)), self._design.range
        terms = self._design.terms(covariates.reindex(scores.index))
        known = ~np.isnan(terms).any(axis=1)
        self.means_, values = terms[known].mean(axis=0) if known.any() else np.nan, scores.to_numpy(dtype=float)
        self.coefficients_ = np.full((terms.shape[1], values.shape[1]), np.nan)
        self._left_out = np.full(values.shape, np.nan)
        for region, name in enumerate(map(str, scores.columns)):
            if np.isnan(values[:, region]).all():
                continue
            use = known & ~np.isnan(values[:, region])
            if use.sum() < terms.shape[1] + SPARE:
                raise NigraError(
                    f"adjustment for {', '.join(self.columns)} in {name} needs "
                    f"{terms.shape[1] + SPARE} controls with all of it, but found {int(use.sum())}; "
                    "adjust for fewer columns."
                )
            slopes, left = _regress(terms[use] - self.means_, values[use, region])
            self.coefficients_[:, region], self._left_out[use, region] = slopes, left
        self.regions_ = list(scores.columns)
        return self

    def transform(self, scores: pd.DataFrame, covariates: pd.DataFrame) -> pd.DataFrame:
        """Adjusted scores of other subjects; NaN for a subject without one of the covariates.

        Raises FittedOnError for a subject it was fitted on, NigraError for a category the controls did not have.
        """
        refuse_fitted("adjustment", self.fitted_on_, map(str, scores.index))
        terms = self._design.terms(covariates.reindex(scores.index))
        return scores - (terms - self.means_) @ self.coefficients_

    def left_out(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adjusted scores of the controls of the fit, each as if the others alone had been fitted (exact).

        For cut-offs: residuals of the fit itself would be too small. Their covariates are those of the fit.
        """
        return pd.DataFrame(self._left_out, scores.index, self.regions_)

    def outside(self, covariates: pd.DataFrame) -> dict[str, int]:
        """How many subjects lie outside the controls' range of each numeric column, where the line is a guess."""
        return {
            name: int(((covariates[name] < low) | (covariates[name] > high)).sum())
            for name, (low, high) in self.range_.items()
        }


def adjust(
    regions: pd.DataFrame, covariates: pd.DataFrame, columns: Sequence[str] = ("age", "sex")
) -> pd.DataFrame:
    """The region table of one method with its ``score`` (failing that ``percent``) adjusted in column ``score``.

    Per draw, fitted on its controls of set ``held-out`` (failing these ``training``): these get their left-out
    residuals, the test subjects the fitted line. Rows of other sets are left out. A subject without one of the
    covariates has a NaN score, which the statistics count as missing.
    """

    def both(known: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        fitted = Adjustment(columns).fit(known, covariates)
        return fitted.left_out(known), fitted.transform(new, covariates)

    return by_draw(regions, both)


def by_draw(regions: pd.DataFrame, change: Change) -> pd.DataFrame:
    """The rows of the tested and of their draw's controls with ``score`` changed, the rows' order kept.

    ``change`` gets two tables (subjects x regions) per draw, of the controls of set ``held-out`` (failing these
    ``training``) and of the tested, and gives both back changed.
    """
    present = set(regions["set"])
    reference = next((name for name in (HELD_OUT, TRAINING) if name in present), "")
    column = "score" if "score" in regions else "percent"
    done = []
    for fold, rows in regions[regions["set"].isin([TEST, reference])].groupby("fold", sort=False):
        wide = {
            str(name): own.pivot_table(
                index="participant_id", columns="region", values=column, dropna=False, sort=False
            )
            for name, own in rows.groupby("set")
        }
        if reference not in wide or TEST not in wide:
            raise NigraError(
                f"fold {fold}: controls of the set held-out or training are learnt from and test subjects changed, "
                f"but found {', '.join(wide)} only; score the others too."
            )
        order = wide[reference].columns.union(wide[TEST].columns, sort=False)
        known, new = (wide[name].reindex(columns=order) for name in (reference, TEST))
        tables = dict(zip((reference, TEST), change(known, new), strict=True))
        for name, own in rows.groupby("set", sort=False):
            table = tables[str(name)]
            pairs = ((table.index, own["participant_id"]), (table.columns, own["region"]))
            at = tuple(names.get_indexer(pd.Index(wanted)) for names, wanted in pairs)
            done.append(own.assign(score=table.to_numpy()[at]))
    return pd.concat(done).sort_index(kind="stable")


def _regress(
    x: Float[ndarray, "n terms"], y: Float[ndarray, " n"]
) -> tuple[Float[ndarray, " terms"], Float[ndarray, " n"]]:
    """Least squares slopes, and each subject's adjusted value from the line of the others.

    The left-out residual is e / (1 - h) (Cook and Weisberg 1982, equation 2.2.8), put back at the mean of the rest;
    NaN for the only subject of its kind, whom no line of others reaches.
    """
    design = np.column_stack([np.ones(len(x)), x])
    inverse = np.linalg.pinv(design)
    beta, h = inverse @ y, np.einsum("ij,ji->i", design, inverse)
    error = np.divide(y - design @ beta, 1 - h, out=np.full(len(y), np.nan), where=1 - h > 1e-9)
    # the others' intercept at the common means: beta moves by -pinv[:, i] e_i when i is left out
    return beta[1:], beta[0] - inverse[0] * error + error
