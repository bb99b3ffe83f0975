"""Does a network, or another method, beat the baselines? The answer in words, from the tables of a run.

The best baseline is the one with the highest AUC in the region at hand. Chosen among several it looks a little
better than it is, so "beats" leans towards the baselines, as it should. "Lies below" would lean the wrong way (of
7 scores that know nothing the best of 6 stood above the other in 11 % of studies), and asks for Holm's correction.
"""

import numpy as np
import pandas as pd

from nigra.detection.settings import INTENSITIES, NAMED, method_label
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.groups import AUC

BEATS, BEATEN, NEITHER = "beats", "is beaten", "neither"


def baseline_words(evaluation: pd.DataFrame, comparison: pd.DataFrame | None = None) -> list[str]:
    """Sentences saying which of the other methods beat the best baseline, on the whole brain and by region.

    A method beats a baseline where the interval of the difference of their AUCs lies above 0, and lies below it
    where the interval lies below 0 and p is below .05 after Holm's correction for all pairs. Without a
    ``comparison`` of the two the intervals of both AUCs must not overlap, which asks for more.

    Args:
        evaluation: columns model (a method's label, or a model's beside a column detector), region, measure,
            estimate, low, high. Methods of the model ``intensities`` are the baselines, but for detectors with a
            name of their own (``NAMED``): nigra-default reads intensities too, and is held against them.
        comparison: columns region, measure, first, second (labels), low, high of first minus second, p_holm.

    Returns:
        Nothing where there is no other method, no baseline, or no patient to compare.
    """
    table = auc_of_methods(evaluation)
    columns = ["method", "region", "best", "verdict", "compared"]
    verdicts = pd.DataFrame(_verdicts(table, comparison), columns=columns)
    if verdicts.empty:
        return []
    whole = verdicts[verdicts["region"] == WHOLE_BRAIN]
    rule = (
        "by the 95 % interval of the difference, for below with p < .05 after Holm too"
        if whole["compared"].all()
        else "without a comparison of the two, intervals that overlap count as no difference"
    )
    sentences = [_whole_words(whole, table, rule)] if len(whole) else []
    return sentences + _region_words(verdicts[verdicts["region"] != WHOLE_BRAIN])


def auc_of_methods(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Known AUCs with columns method, region, estimate, low, high, baseline (True or False)."""
    if evaluation.empty:
        return pd.DataFrame(columns=["method", "region", "estimate", "low", "high", "baseline"])
    rows = evaluation[(evaluation["measure"] == AUC) & evaluation[["estimate", "low", "high"]].notna().all(axis=1)]
    labels = rows["model"].astype(str)
    if "detector" in rows and not labels.str.contains("+", regex=False).any():
        pairs = zip(labels, rows["detector"].astype(str), strict=True)
        labels = pd.Series([method_label(*pair) for pair in pairs], index=rows.index, dtype=str)
    named = labels.isin([method_label(INTENSITIES, name) for name in NAMED])
    baseline = (labels.str.split("+").str[0] == INTENSITIES) & ~named
    return rows[["region", "estimate", "low", "high"]].assign(method=labels, baseline=baseline)


def _verdicts(table: pd.DataFrame, comparison: pd.DataFrame | None) -> list[tuple[str, str, str, str, bool]]:
    """Each other method against the best baseline of each region."""
    found = []
    for region, rows in table.groupby("region", sort=False):
        baselines = rows[rows["baseline"]]
        if len(baselines):
            best = baselines.iloc[int(baselines["estimate"].argmax())]
            found += [
                (
                    str(row["method"]),
                    str(region),
                    str(best["method"]),
                    *_verdict(row, best, str(region), comparison),
                )
                for _, row in rows[~rows["baseline"]].iterrows()
            ]
    return found


def _verdict(row: pd.Series, best: pd.Series, region: str, comparison: pd.DataFrame | None) -> tuple[str, bool]:
    """The verdict, and whether it rests on a comparison of the two."""
    low, high, p_holm = _difference(str(row["method"]), str(best["method"]), region, comparison)
    compared = not np.isnan(low)
    if not compared:
        low, high, p_holm = row["low"] - best["high"], row["high"] - best["low"], 0.0  # above 0: no overlap
    return (BEATS if low > 0 else BEATEN if high < 0 and p_holm < 0.05 else NEITHER), compared


def _difference(method: str, best: str, region: str, comparison: pd.DataFrame | None) -> tuple[float, float, float]:
    """The interval of AUC of method minus AUC of best, and p after Holm; NaN where they were not compared."""
    if comparison is not None and not comparison.empty:
        rows = comparison[(comparison["measure"] == AUC) & (comparison["region"] == region)]
        for first, second, sign in ((method, best, 1), (best, method, -1)):
            hit = rows[(rows["first"] == first) & (rows["second"] == second)]
            if len(hit):
                low, high = sorted((sign * float(hit.iloc[0]["low"]), sign * float(hit.iloc[0]["high"])))
                return low, high, float(hit.iloc[0]["p_holm"])
    return float("nan"), float("nan"), float("nan")


def _whole_words(whole: pd.DataFrame, table: pd.DataFrame, rule: str) -> str:
    """One sentence on the whole brain."""
    best = str(whole.iloc[0]["best"])
    row = table[(table["method"] == best) & (table["region"] == WHOLE_BRAIN)].iloc[0]
    beside = f"the best baseline, {best} (AUC {row['estimate']:.2f}, {row['low']:.2f} to {row['high']:.2f})"
    winners = whole[whole["verdict"] == BEATS]["method"].tolist()
    losers = whole[whole["verdict"] == BEATEN]["method"].tolist()
    kind = "method" if whole["method"].str.startswith(f"{INTENSITIES}+").any() else "network"
    said = f"{_join(winners)} {_verb(winners)} {beside}" if winners else f"No {kind} beats {beside}"
    said += f"; {_join(losers)} {'lies' if len(losers) == 1 else 'lie'} below it" if losers else ""
    return f"Whole brain: {said[0].lower() if not winners else said[0]}{said[1:]} ({rule})."


def _region_words(verdicts: pd.DataFrame) -> list[str]:
    """Per network, in how many regions it lies above and below the best baseline there."""
    words = []
    for method, rows in verdicts.groupby("method", sort=False):
        above, below = (int((rows["verdict"] == kind).sum()) for kind in (BEATS, BEATEN))
        words.append(
            f"Regions: {method} beats the best baseline of the region in {above} of {len(rows)}, and lies below "
            f"it in {below}; not corrected for their number."
        )
    return words


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(names: list[str]) -> str:
    return "beats" if len(names) == 1 else "beat"
