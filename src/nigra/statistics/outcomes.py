"""What the models of a factorial are judged by: name, words, what chance gives, which way is better."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Outcome:
    """One number per model, fold and seed.

    ``text`` is what a reader is told, ``better`` is 1 (higher), -1 (lower) or 0 (neither: a property of the code),
    ``chance`` what an uninformative model gives, None where that is not one number. ``group`` gathers outcomes.
    ``within`` is what it lies between: intervals of means are cut there, those of differences are not.
    """

    name: str
    text: str
    group: str
    better: int = 0
    chance: float | None = None
    within: tuple[float, float] = (-inf, inf)

    def cut(self, low: float, high: float) -> dict[str, float]:
        """An interval of a mean, cut to what the outcome lies between; NaN stays.

        >>> OUTCOMES["group_auc"].cut(0.18, 1.51)
        {'low': 0.18, 'high': 1.0}
        """
        least, most = self.within
        return {"low": max(low, least), "high": min(high, most)}


DETECTION, CODE, HEALTH = "detection", "code", "training"

SHARE = (0.0, 1.0)

OUTCOMES: dict[str, Outcome] = {
    each.name: each
    for each in (
        Outcome("planted_sensitivity", "share of planted voxels found", DETECTION, 1, within=SHARE),
        Outcome("planted_auroc", "ranking of planted voxels, AUROC", DETECTION, 1, 0.5, SHARE),
        Outcome("group_auc", "patients against controls, AUC", DETECTION, 1, 0.5, SHARE),
        Outcome("location_r2", "place told from the code, R²", CODE, 0, 0.0),
        Outcome("subject_leakage", "subject told from the code, AUC", CODE, -1, 0.5, SHARE),
        Outcome("pair_auc", "pairs more alike than random, AUC", CODE, 0, 0.5, SHARE),
        Outcome("effective_rank", "effective rank of the code", CODE, 0),
        Outcome("reconstruction", "squared error against the place's mean", HEALTH, -1, 1.0),
    )
}
"""The outcomes nigra knows, in the order they are told; others are told by their name, and no way is better."""


def outcome_of(name: str) -> Outcome:
    """What is known of an outcome.

    >>> outcome_of("planted_auroc").chance, outcome_of("seconds").text
    (0.5, 'seconds')
    """
    return OUTCOMES.get(name, Outcome(name, name.replace("_", " "), HEALTH))


def titled(name: str, detector: str = "") -> str:
    """An outcome, and the detector it was measured with.

    >>> titled("planted_auroc", "error")
    'ranking of planted voxels, AUROC (error)'
    """
    text = outcome_of(name).text
    return f"{text} ({detector})" if detector else text
