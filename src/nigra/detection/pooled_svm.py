"""One-class SVMs on a few hundred codes drawn from many locations (isbi2023, midl2023).

scikit-learn solves each, which takes milliseconds; the decision function of all codes of all subjects is ours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.svm import OneClassSVM

from nigra.detection.detector import Detector, blocks, check_device
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

_ROWS = 2**14
"""Codes evaluated at a time: their kernel values with some tens of support vectors stay in cache."""


@dataclass(frozen=True)
class FittedSVM:
    """A solved one-class SVM: support vectors (s, d) around ``centre`` (d,), their weights (s,), gamma and rho."""

    support: Float[ndarray, "s d"]
    weights: Float[ndarray, " s"]
    centre: Float[ndarray, " d"]
    gamma: float
    rho: float

    def score_samples(self, codes: Float[ndarray, "n d"], device: str = "cpu") -> Float[ndarray, " n"]:
        """sum_i weight_i exp(-gamma |code - support_i|^2), float64, as scikit-learn's ``score_samples``."""
        support, weights, centre = (
            torch.tensor(part, device=device) for part in (self.support, self.weights, self.centre)
        )
        scores = np.empty(len(codes), np.float64)
        for begin in range(0, len(codes), _ROWS):
            x = torch.tensor(codes[begin : begin + _ROWS], device=device).double() - centre
            squares = (x**2).sum(1, keepdim=True) + (support**2).sum(1) - 2 * (x @ support.T)
            kernel = torch.exp(-self.gamma * squares.clamp_min(0))
            scores[begin : begin + _ROWS] = (kernel @ weights).cpu().numpy()
        return scores


@dataclass(frozen=True)
class _Parameters:
    """What both detectors ask of an SVM."""

    samples: int
    nu: float
    gamma: Literal["scale"] | float
    tolerance: float

    def check(self) -> None:
        """Refuse what libsvm would refuse with a traceback, or not at all."""
        if not 0 < self.nu < 1:
            raise NigraError(f"nu is {self.nu:g}; give a share of abnormal codes between 0 and 1, such as 0.03.")
        if self.samples < 2:
            raise NigraError(f"samples is {self.samples}; an SVM needs 2 codes or more, as published 500.")
        if not (self.gamma == "scale" if isinstance(self.gamma, str) else self.gamma > 0):
            raise NigraError(f"gamma is {self.gamma!r}; give 'scale' or a number above 0.")

    def draw(self, usable: Bool[ndarray, "*places"], rng: np.random.Generator) -> ndarray:
        """Flat positions of ``samples`` usable codes, each at most once; of all, where there are fewer."""
        places = np.flatnonzero(usable)
        return np.sort(rng.choice(places, min(self.samples, places.size), replace=False))

    def solve(self, codes: Float[ndarray, "n d"]) -> FittedSVM | None:
        """The SVM of these codes; None where there are fewer than two, or all are equal."""
        codes = codes.astype(np.float64)
        if len(codes) < 2 or np.ptp(codes, axis=0).max() == 0:
            return None
        centre = codes.mean(axis=0)
        # published: 1 / gamma = variance x dimension (isbi2023); of the drawn codes, over all features together
        gamma = 1 / (codes.shape[1] * codes.var()) if self.gamma == "scale" else float(self.gamma)
        svm = OneClassSVM(kernel="rbf", gamma=gamma, nu=self.nu, tol=self.tolerance).fit(codes - centre)
        return FittedSVM(svm.support_vectors_, svm.dual_coef_[0], centre, gamma, float(svm.offset_[0]))


class EnsembleOneClassSVM(Detector):
    """Mean of a few one-class SVMs, each on codes drawn over all controls and locations (isbi2023: 5 of 500).

    score = mean of the members' sum_i alpha_i k(code, support_i); ``offset_`` = mean of their rho, so the decision
    function is the mean of the members' decision functions. What is normal somewhere is normal everywhere here:
    codes of any locations can be scored. A NaN code is never drawn.

    Args:
        members: how many SVMs.
        samples: codes each is fitted on, without repetition; all, where there are fewer.
        nu: upper bound on the share of drawn codes outside.
        gamma: of exp(-gamma |a - b|^2); "scale" is 1 / (d x variance of the drawn codes).
        seed: of the draws.
        tolerance: libsvm's stopping tolerance.
        device: where torch evaluates the kernel, in float64.

    Fitted: ``members_``.
    """

    per_location = False

    def __init__(
        self, members: int = 5, samples: int = 500, nu: float = 0.03, gamma: Literal["scale"] | float = "scale",
        seed: int = 0, tolerance: float = 1e-5, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.members = members
        self.samples = samples
        self.nu = nu
        self.gamma = gamma
        self.seed = seed
        self.tolerance = tolerance
        self.device = device

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        parameters = _Parameters(self.samples, self.nu, self.gamma, self.tolerance)
        parameters.check()
        check_device(self.device)
        if self.members < 1:
            raise NigraError(f"members is {self.members}; give 1 SVM or more.")
        usable = np.concatenate([np.isfinite(codes[:, at]).all(axis=2) for at in blocks(codes)], axis=1)
        if usable.sum() < 2:
            raise NigraError(
                "the controls have fewer than 2 finite codes; check the mask and the model's training."
            )
        rng = np.random.default_rng(self.seed)
        self.members_ = []
        for m in range(self.members):
            drawn = np.unravel_index(parameters.draw(usable, rng), usable.shape)
            fitted = parameters.solve(codes[drawn])
            if fitted is None:
                raise NigraError("the codes drawn for an SVM are all equal; check the model's training.")
            self.members_.append(fitted)
            if tick:
                tick((m + 1) / self.members, f"{m + 1}/{self.members} SVMs")
        self.offset_ = float(np.mean([member.rho for member in self.members_]))

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        flat = codes.reshape(-1, codes.shape[2])
        total = np.mean([member.score_samples(flat, self.device) for member in self.members_], axis=0)
        return total.reshape(codes.shape[:2]).astype(np.float32)


class SubjectOneClassSVM(Detector):
    """A one-class SVM per subject, fitted on codes drawn from that very subject (midl2023).

    It finds what stands out within a brain; an alteration of most of it is what it takes as normal. Nothing is
    learnt from the controls given to ``fit``, which only keeps d and their ids. Scores are decision functions, as
    each subject has a rho of its own, so ``offset_`` is 0. The same places are drawn in every subject with the
    same finite codes, whoever else is scored with it. A subject whose codes are all equal has no scores.

    nu and the number of samples are those of isbi2023 by the same authors.

    Args: as ``EnsembleOneClassSVM``.
    """

    per_location = False

    def __init__(
        self, samples: int = 500, nu: float = 0.03, gamma: Literal["scale"] | float = "scale", seed: int = 0,
        tolerance: float = 1e-5, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.samples = samples
        self.nu = nu
        self.gamma = gamma
        self.seed = seed
        self.tolerance = tolerance
        self.device = device

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        _Parameters(self.samples, self.nu, self.gamma, self.tolerance).check()
        check_device(self.device)
        if codes.shape[1] < 2:
            raise NigraError("SubjectOneClassSVM compares the locations of a subject, but got 1; give 2 or more.")
        self.offset_ = 0.0

    def _score_all(self, codes: Codes, tick: Tick | None) -> CodeScores:
        scores = np.empty(codes.shape[:2], np.float32)
        for row in range(len(codes)):  # a subject's SVM needs all of its locations at once
            scores[row] = self._score_subject(codes[row])
            if tick:
                tick((row + 1) / len(codes), f"{row + 1}/{len(codes)} subjects")
        return scores

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        return self._score_all(codes, None)

    def _score_subject(self, codes: Float[ndarray, "n_locations d"]) -> Float[ndarray, " n_locations"]:
        parameters = _Parameters(self.samples, self.nu, self.gamma, self.tolerance)
        usable = np.isfinite(codes).all(axis=1)
        fitted = parameters.solve(codes[parameters.draw(usable, np.random.default_rng(self.seed))])
        if fitted is None:
            return np.full(len(codes), np.nan, np.float32)
        return (fitted.score_samples(codes, self.device) - fitted.rho).astype(np.float32)
