"""Harmonisation: site differences taken out of region scores by ComBat, learnt from controls who are not tested.

ComBat (Johnson, Li and Rabinovic, Biostatistics 8:118, 2007; on brain measures Fortin et al., NeuroImage 167:104,
2018) shifts and scales each site's scores towards the common mean, what all regions say shrinking the guess for
each. The computing is combatlearn's, an extra. A site that trained nothing cannot be harmonised, and is refused
rather than taken for another.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nigra.errors import NigraError
from nigra.provenance import refuse_fitted
from nigra.statistics.adjustment import by_draw
from nigra.statistics.covariates import Design

FEWEST = 3
"""Controls a site needs: below that it has no spread to speak of."""


class Harmoniser:
    """ComBat on a table of scores (subjects x regions), fitted on controls; ``columns`` are kept, not taken out.

    With ``columns`` (age, sex) what the sites differ in by those is not taken for the scanner's: their linear
    effect within sites is estimated beside theirs and stays. ``fitted_on_`` holds the ids, ``sites_`` the sites,
    ``regions_`` those that are harmonised.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = tuple(columns)

    def fit(self, scores: pd.DataFrame, site: pd.Series, covariates: pd.DataFrame | None = None) -> "Harmoniser":
        """Learn each site's shift and scale from controls; regions without a score in somebody stay as they are.

        Raises NigraError without the extra, with fewer than two sites, a control without a site, a site of fewer
        than ``FEWEST`` controls.
        """
        combat = _combat()
        own = _sites(site, scores.index)
        sizes = own.value_counts()
        if len(sizes) < 2 or sizes.min() < FEWEST:
            found = ", ".join(f"{name} {count}" for name, count in sizes.items())
            raise NigraError(
                f"a harmonisation needs two sites with {FEWEST} held-out controls each, but found {found}; "
                "leave small sites out of the groups or do without."
            )
        self.fitted_on_, self.sites_ = tuple(map(str, scores.index)), tuple(sorted(sizes.index))
        varies = ~scores.isna().any(axis=0) & (scores.groupby(own).std().min() > 1e-9)
        self.regions_ = list(scores.columns[varies])
        if len(self.regions_) < 2:
            raise NigraError("a harmonisation needs two regions scored in every control, but found fewer.")
        self._design = Design(self._own(covariates, scores.index), self.columns)
        kept = self._kept(covariates, scores.index)
        if kept is not None and kept.isna().to_numpy().any():
            name = kept.index[kept.isna().any(axis=1)][0]
            raise NigraError(f"{name}: a harmonisation that keeps {', '.join(self.columns)} needs them, found n/a.")
        # its own coding of categories forgets levels absent from the tested, so that it gets ours, as numbers
        self._combat = combat(own, continuous_covariates=kept, method="johnson" if kept is None else "fortin")
        with warnings.catch_warnings():
            # it warns of unequal sites and regions of little spread; both are the user's to see in the tables
            warnings.simplefilter("ignore", UserWarning)
            self._combat.fit(scores[self.regions_])
        return self

    def transform(
        self, scores: pd.DataFrame, site: pd.Series, covariates: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Harmonised scores of other subjects; NaN for one without a score in one of ``regions_`` or a column.

        Raises FittedOnError for a subject of the fit, NigraError for a site the controls did not have.
        """
        refuse_fitted("harmonisation", self.fitted_on_, map(str, scores.index))
        own = _sites(site, scores.index)
        unseen = own.index[~own.isin(self.sites_)]
        if len(unseen):
            raise NigraError(
                f"{unseen[0]}: a site is one of the held-out controls' ({', '.join(self.sites_)}), but found "
                f"{own[unseen[0]]}; scan controls there or leave the subject out of the groups."
            )
        done, rest, kept = scores.astype(float).copy(), scores[self.regions_], self._kept(covariates, scores.index)
        complete = ~rest.isna().any(axis=1) & (True if kept is None else ~kept.isna().any(axis=1))
        known = rest.index[complete]
        done[self.regions_] = np.nan
        if len(known):
            covered = None if kept is None else kept.loc[known]
            self._combat.set_params(batch=own.loc[known], continuous_covariates=covered)
            done.loc[known, self.regions_] = self._combat.transform(rest.loc[known])
        return done

    def _own(self, covariates: pd.DataFrame | None, index: pd.Index) -> pd.DataFrame:
        return pd.DataFrame(index=index) if covariates is None else covariates.reindex(index)

    def _kept(self, covariates: pd.DataFrame | None, index: pd.Index) -> pd.DataFrame | None:
        """The columns to be kept, as numbers; None without any."""
        if not self.columns:
            return None
        if covariates is None:
            raise NigraError(f"a harmonisation that keeps {', '.join(self.columns)} needs them of every subject.")
        return pd.DataFrame(self._design.terms(self._own(covariates, index)), index)


def harmonise(
    regions: pd.DataFrame, covariates: pd.DataFrame, columns: Sequence[str] = (), folds: int = 5, seed: int = 0
) -> pd.DataFrame:
    """The region table of one method with its ``score`` (failing that ``percent``) harmonised in column ``score``.

    ``covariates`` has the column ``site``. Per draw, the tested by a fit on the draw's controls of set ``held-out``
    (failing these ``training``), those controls themselves by cross-fitting: each of ``folds`` folds, dealt within
    sites, by a fit on the others, so that a cut-off from them is not too low.
    """
    if "site" not in covariates:
        raise NigraError("a harmonisation needs a column site, but found none; add it to participants.tsv.")
    site = covariates["site"]

    def both(known: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        fitted = Harmoniser(columns).fit(known, site, covariates)
        rng, parts = np.random.default_rng(seed), []
        shuffled = _sites(site, known.index).iloc[rng.permutation(len(known))]
        fold = shuffled.groupby(shuffled).cumcount().reindex(known.index) % folds
        for number in sorted(fold.unique()):
            inside = fold == number
            others = Harmoniser(columns).fit(known[~inside], site, covariates)
            parts.append(others.transform(known[inside], site, covariates))
        return pd.concat(parts).reindex(known.index), fitted.transform(new, site, covariates)

    return by_draw(regions, both)


def _sites(site: pd.Series, index: pd.Index) -> pd.Series:
    own = site.reindex(index)
    if own.isna().any():
        raise NigraError(f"{own.index[own.isna()][0]}: a harmonisation needs a site, but found none; name it.")
    return own.astype(str)


def _combat() -> Any:
    """combatlearn's estimator, or the sentence of how to get it."""
    try:
        from combatlearn import ComBat
    except ImportError as error:
        raise NigraError(
            "harmonisation comes with an extra, but found no combatlearn; install it with "
            "`pip install 'nigra[harmonisation]'`."
        ) from error
    return ComBat
