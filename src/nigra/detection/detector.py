"""The contract of every detector: scikit-learn's words, on codes with an axis for the place.

``fit`` sees the codes of controls, (subjects, locations, d); ``score_samples`` gives one score per subject and
location, **higher = more normal** as in scikit-learn. Score maps have the other sign (higher = more abnormal):
``score_map_values`` and, for the controls of a fit, ``training_map_values`` are where it is turned.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.base import BaseEstimator

from nigra.errors import NigraError
from nigra.provenance import refuse_fitted
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

BLOCK_BYTES = 2**26
"""Codes are read in blocks of about this size, so that a code store may be larger than memory."""


class Detector(ABC, BaseEstimator):
    """What is normal here, learnt from controls' codes alone.

    A child says how to fit (``_fit``) and how to score a block of locations (``_score``); checks, blocks and signs
    are here. A code with a NaN has no score (NaN); where one control's code has one, the location has no score.
    ``n_features_in_`` is d, ``fitted_on_`` the ids given to ``fit``; other fitted attributes end in ``_`` too.
    """

    per_location = True
    """Whether each location has a fit of its own, so that scoring needs the locations of fitting."""

    offset_: float | CodeScores = 0.0
    """What ``decision_function`` takes off the score: one number, or one per location (1, locations)."""

    def fit(self, codes: Codes, subjects: Sequence[str] = (), tick: Tick | None = None) -> "Detector":
        """Learn from controls' codes; they may be a memory map and are left as they are.

        Args:
            codes: finite values of any float type; a control's NaN leaves the location without scores.
            subjects: the controls' ids, so that scoring one of them as new is refused (DESIGN, law 4).
            tick: told the fraction done.

        Raises:
            NigraError: no codes, too few subjects, or a detector that gives one constant score (law 6).
        """
        _refuse_shape(codes)
        if codes.size == 0:
            raise NigraError(f"codes have shape {codes.shape}; a detector needs subjects, locations and features.")
        if len(set(subjects)) < len(subjects):
            raise NigraError(f"{max(subjects, key=list(subjects).count)} is given twice; give each control once.")
        if subjects and len(subjects) != len(codes):
            raise NigraError(f"{len(codes)} subjects' codes came with {len(subjects)} ids; give one id each.")
        self.n_subjects_, self.n_locations_, self.n_features_in_ = codes.shape
        self.fitted_on_ = tuple(subjects)
        try:
            self._fit(codes, tick)
            self._refuse_constant(codes)
        except BaseException:
            del self.n_features_in_  # or half a fit would pass for one
            raise
        return self

    def score_samples(self, codes: Codes, subjects: Sequence[str] = (), tick: Tick | None = None) -> CodeScores:
        """Scores, higher = more normal; NaN where a code has a NaN.

        Raises:
            NigraError: not fitted, other locations or features than fitted on, or subjects it was fitted on.
        """
        if not hasattr(self, "n_features_in_"):
            raise NigraError(f"this {type(self).__name__} is not fitted yet; call fit with controls' codes first.")
        _refuse_shape(codes)
        if subjects and len(subjects) != len(codes):
            raise NigraError(f"{len(codes)} subjects' codes came with {len(subjects)} ids; give one id each.")
        refuse_fitted("detector", self.fitted_on_, list(subjects))
        if codes.shape[2] != self.n_features_in_:
            raise NigraError(
                f"codes have {codes.shape[2]} features, the detector was fitted on {self.n_features_in_}; "
                "score codes of the same model."
            )
        if self.per_location and codes.shape[1] != self.n_locations_:
            raise NigraError(
                f"codes have {codes.shape[1]} locations, the detector was fitted on {self.n_locations_}; "
                "score the same locations in the same order."
            )
        return self._score_all(codes, tick)

    def decision_function(self, codes: Codes, subjects: Sequence[str] = ()) -> CodeScores:
        """Score minus ``offset_``: negative = outside of what is normal."""
        return self.score_samples(codes, subjects) - self.offset_

    def predict(self, codes: Codes, subjects: Sequence[str] = ()) -> Int[ndarray, "n_subjects n_locations"]:
        """1 normal, -1 abnormal; without a score (NaN) nothing is called abnormal."""
        return np.where(self.decision_function(codes, subjects) < 0, -1, 1)

    @property
    def fewest_subjects(self) -> int:
        """Controls needed to fit."""
        return 2

    def margin(self) -> float:
        """What score maps take off decisions, so that fits on more and on fewer controls can share a threshold."""
        return 0.0

    def training_decisions(self, codes: Codes) -> CodeScores:
        """Decisions on the controls of the fit: each left out where the detector can do that, else plain ones."""
        return self._score_all(codes, None) - self.offset_

    @abstractmethod
    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        """Set the fitted attributes, ``offset_`` among them."""

    def _score_all(self, codes: Codes, tick: Tick | None) -> CodeScores:
        """Scores of checked codes, one block of locations after the other."""
        scores = np.empty(codes.shape[:2], np.float32)
        for at in blocks(codes):
            block = as_float32(codes[:, at])
            scores[:, at] = self._score(block, at)
            scores[:, at][~np.isfinite(block).all(axis=2)] = np.nan  # an infinite code is no code
            if tick:
                tick(at.stop / codes.shape[1], f"{at.stop}/{codes.shape[1]} locations")
        return scores

    @abstractmethod
    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        """Scores of a block of checked float32 codes; ``at`` says which of the locations they are."""

    def _refuse_constant(self, codes: Codes) -> None:
        """A score that never changes detects nothing, and nobody would notice (SCIENCE §7)."""
        scores = self._training_scores(codes)
        finite = scores[np.isfinite(scores)]
        if finite.size == 0:
            raise NigraError(
                "no control has a score at any location looked at; check the mask and the model's training."
            )
        if scores.size > 1 and finite.min() == finite.max():
            raise NigraError(
                f"this {type(self).__name__} gives every control the score {finite.min():g} everywhere; a constant "
                "score detects nothing: check the codes, or choose other parameters."
            )

    def _training_scores(self, codes: Codes) -> Float[ndarray, "n_subjects n_chosen"]:
        """Scores of the controls of the fit at some locations, to see whether they differ at all."""
        # spread over all locations: a corner of the brain may well be constant
        chosen = np.unique(np.linspace(0, codes.shape[1] - 1, 512).astype(np.int64))
        return self._score(as_float32(codes[:, chosen]), chosen)


def score_map_values(detector: Detector, codes: Codes, subjects: Sequence[str] = ()) -> CodeScores:
    """Score map values, higher = more abnormal: the negative of the decision function, less the margin."""
    return detector.margin() - detector.decision_function(codes, subjects)


def training_map_values(detector: Detector, codes: Codes) -> CodeScores:
    """Score map values of the controls of the fit, from their ``training_decisions``."""
    return detector.margin() - detector.training_decisions(codes)


def as_float32(codes: Codes) -> Codes:
    """Codes as float32, in one piece and writable, copied only where that is needed.

    float16 goes through torch, which converts on all cores; numpy takes ten times as long. Compiled code would be
    compiled anew, slowly, for arrays that lie otherwise in memory.
    """
    if codes.dtype == np.float16:
        return torch.from_numpy(np.array(codes, order="C")).to(torch.float32).numpy()
    return np.require(codes, np.float32, ["C", "A", "W", "E"])


def _refuse_shape(codes: object) -> None:
    if not isinstance(codes, ndarray) or codes.ndim != 3 or codes.dtype.kind not in "fiu":
        found = f"shape {codes.shape}" if isinstance(codes, ndarray) else f"a {type(codes).__name__}"
        raise NigraError(
            f"codes are an array of numbers (subjects, locations, d), but found {found}; reshape them."
        )


def check_device(device: str) -> None:
    """Refuse a GPU where torch sees none."""
    if device != "cpu" and not device.startswith("cuda"):
        raise NigraError(f"the device is {device}; give cpu or cuda.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise NigraError(f"the device is {device}, but torch sees no GPU here; use device cpu.")


def contamination_offset(scores: CodeScores, contamination: float) -> float:
    """The ``contamination`` quantile of training scores, as scikit-learn's ``offset_``; NaN where there is none.

    >>> contamination_offset(np.array([[0.0, 1.0, 2.0, 3.0, 4.0, np.nan]]), 0.25)
    1.0
    """
    if not 0 < contamination < 1:
        raise NigraError(f"contamination is {contamination:g}; give a share between 0 and 1, such as 0.02.")
    finite = scores[np.isfinite(scores)]
    return float(np.quantile(finite, contamination)) if finite.size else float("nan")


def blocks(codes: Codes, limit: int | None = None) -> Iterator[slice]:
    """Slices of locations whose codes take about ``limit`` bytes (default ``BLOCK_BYTES``) as float32.

    >>> [(b.start, b.stop) for b in blocks(np.zeros((2, 5, 3)))]
    [(0, 5)]
    """
    subjects, locations, d = codes.shape
    size = max((limit or BLOCK_BYTES) // max(4 * subjects * d, 1), 1)
    for begin in range(0, locations, size):
        yield slice(begin, min(begin + size, locations))
