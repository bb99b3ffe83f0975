"""What a factor, or a model, does to the numbers of latent spaces: means and differences over folds and seeds.

The intervals of ``latent.tsv`` are over subjects and know nothing of how a network would have come out with another
seed or other training controls. Here folds and seeds are what is drawn anew (``statistics.crossed``), and
differences are paired within them (``statistics.factorial``).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nigra.statistics.factorial import MAIN, cell_means, effects

TRAINING = "training"
"""The factor that an untrained twin adds."""

TRAINED, UNTRAINED = "trained", "untrained"

SHARES = ("AUC", "accuracy", "same region", "same place", "collapsed")
"""Words of numbers that lie between 0 and 1."""

FROM_ZERO = ("rank", "ratio", "dimension", "tightness", "alignment", " mm")
"""Words of numbers that are never below 0."""

EFFECT_COLUMNS = (
    "measure", "effect", "factor", "level", "reference", "by", "by_level", "by_reference", "estimate", "low",
    "high", "first", "second", "p", "p_holm", "q", "folds", "seeds", "pairs", "pairs_planned", "note",
)  # fmt: skip
"""Columns of ``effects.tsv``."""

CELL_COLUMNS = (TRAINING, "measure", "estimate", "low", "high", "null", "folds", "seeds", "models", "note")
"""Columns of ``cells.tsv`` behind those of the factors."""


def study_cells(values: pd.DataFrame, factors: Mapping[str, list[str]], test_to_train: float) -> pd.DataFrame:
    """Mean of every number in every cell, with its 95 % interval over folds and seeds; untrained twins below.

    Args:
        values: a row per model, fold, seed and number: a column per factor, ``training``, fold, seed, measure,
            estimate, null.
        factors: levels of each factor, the reference first.
        test_to_train: number of tested over that of training controls of a fold.
    """
    tables = []
    for training in (TRAINED, UNTRAINED):
        own = values[values[TRAINING] == training]
        if len(own):
            tables.append(cell_means(_long(own), factors, test_to_train).assign(training=training))
    found = pd.concat(tables, ignore_index=True).rename(columns={"outcome": "measure"})
    keys = [*factors, TRAINING, "measure"]
    null = values.groupby(keys)["null"].mean().rename("null").reset_index()
    found = found[found["models"] > 0].merge(null, on=keys, how="left")
    share = found["measure"].str.contains("|".join(SHARES))
    found.loc[share, ["low", "high"]] = found.loc[share, ["low", "high"]].clip(0, 1)
    positive = found["measure"].str.contains("|".join(FROM_ZERO))
    found.loc[positive, "low"] = found.loc[positive, "low"].clip(lower=0)
    return found[[*factors, *CELL_COLUMNS]]


def study_effects(values: pd.DataFrame, factors: Mapping[str, list[str]], test_to_train: float) -> pd.DataFrame:
    """What changes with each factor in trained models, and with training itself where there are untrained twins.

    Differences within a fold and a seed, columns ``EFFECT_COLUMNS``; Holm and Benjamini-Hochberg over the effects
    on one number. Arguments are those of ``study_cells``.
    """
    trained, tables = values[values[TRAINING] == TRAINED], []
    if any(len(levels) > 1 for levels in factors.values()):
        several = {name: levels for name, levels in factors.items() if len(levels) > 1}
        tables.append(effects(_long(trained), several, test_to_train))
    if (values[TRAINING] == UNTRAINED).any():
        both = {TRAINING: [UNTRAINED, TRAINED], **factors}
        found = effects(_long(values), both, test_to_train)
        tables.append(found[(found["effect"] == MAIN) & (found["factor"] == TRAINING)])
    if not tables:
        return pd.DataFrame(columns=list(EFFECT_COLUMNS))
    found = pd.concat(tables, ignore_index=True).rename(columns={"outcome": "measure"})
    order = {name: at for at, name in enumerate(dict.fromkeys(values["measure"]))}
    found = found.iloc[np.argsort(found["measure"].map(order).to_numpy(), kind="stable")]
    return found[list(EFFECT_COLUMNS)].reset_index(drop=True)


def _long(values: pd.DataFrame) -> pd.DataFrame:
    """As ``statistics.factorial`` reads it; a number that is not known is no value."""
    found = values.rename(columns={"measure": "outcome", "estimate": "value"})
    return found[found["value"].notna()].assign(collapsed=False)
