"""One one-class SVM per location (media2020): what controls' codes look like there, and nowhere else."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import pdist

from nigra.detection import svm_kernels, svm_torch
from nigra.detection.detector import Detector, as_float32, blocks, check_device, contamination_offset
from nigra.detection.kernel_matrix import GIVEN, MEDIAN, SCALE
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

Gamma = float | Literal["scale", "median"]

_LIMIT = 20_000
"""Steps of the solver at one location; some hundreds are usual where the kernel matrix is nearly singular."""

_LARGEST = 1e15
"""Of a code; float32 could not hold the squares of much larger ones."""


class VoxelwiseOneClassSVM(Detector):
    """An RBF one-class SVM at every location, in the scale of scikit-learn's ``OneClassSVM``.

    ``score_samples`` is ``sum_i a_i exp(-gamma |z - z_i|^2)``, ``0 <= a_i <= 1``, ``sum a = nu n``; ``offset_`` is
    rho, one per location, so the decision function is media2020's signed distance. Without a free support vector
    rho is not unique: the middle of what optimality allows is taken.

    Args:
        nu: 0 < nu <= 1; at most this share of controls lies outside, at least this share are support vectors.
        gamma: "scale", 1 / (d x variance) as scikit-learn and isbi2023; "median", 1 / median squared distance; or
            a number.
        gamma_per: one gamma per "location", or one "global" one for all, from their mean width.
        tolerance: largest violation of optimality. Solutions reach a quarter of it: two solvers, each within the
            tolerance, may differ by more than it.
        contamination: share of controls' left-out decisions below ``margin``.
        device: "cpu" (numba) or "cuda" (torch); decisions agree to 1e-4.

    Fitted: ``weights_`` (locations, subjects), ``offset_`` (1, locations), ``gamma_`` (locations,), ``free_``
    (whether a free support vector makes rho unique), ``converged_``, ``codes_`` (those given, not a copy).
    """

    def __init__(
        self, nu: float = 0.1, gamma: Gamma = "scale", gamma_per: Literal["location", "global"] = "location",
        tolerance: float = 1e-5, contamination: float = 0.02, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.nu, self.gamma, self.gamma_per = nu, gamma, gamma_per
        self.tolerance, self.contamination, self.device = tolerance, contamination, device

    def leave_one_out_scores(self, tick: Tick | None = None) -> CodeScores:
        """The score of each control by a machine refitted without it; gamma stays that of all controls.

        (A gamma of its own per control left out would cost a kernel matrix each.)
        """
        return self._leave_one_out(tick)[0]

    def leave_one_out_decisions(self, tick: Tick | None = None) -> CodeScores:
        """The decision of each control by a machine refitted without it: the score less that machine's rho."""
        scores, rhos = self._leave_one_out(tick)
        return scores - rhos

    def margin(self) -> float:
        """The ``contamination`` quantile of the decisions on controls left out; found once, when first asked for.

        rho fits the very controls it was found from, and grows with their number: decisions on new people come
        out lower, by another amount for another number of controls. Less this margin they agree.
        """
        if not hasattr(self, "margin_"):
            self.margin_ = contamination_offset(self.leave_one_out_decisions(), self.contamination)
        return self.margin_

    def training_decisions(self, codes: Codes) -> CodeScores:
        """See ``Detector.training_decisions``: each control left out."""
        return self.leave_one_out_decisions()

    def _leave_one_out(self, tick: Tick | None) -> tuple[CodeScores, CodeScores]:
        if not hasattr(self, "codes_"):
            raise NigraError("this VoxelwiseOneClassSVM is not fitted yet; call fit with controls' codes first.")
        scores = np.empty((self.n_subjects_, self.n_locations_), np.float32)
        rhos = np.empty_like(scores)
        for at in _parts(self.codes_):
            codes = as_float32(self.codes_[:, at])
            found = np.empty((2, *codes.shape[:2]), np.float32)
            self._solver.leave_one_out(
                codes, self.weights_[at], self.gamma_[at], np.float32(self.nu), np.float32(self.tolerance / 4),
                _LIMIT, *found,
            )  # fmt: skip
            scores[:, at], rhos[:, at] = found
            if tick:
                tick(at.stop / self.n_locations_, f"{at.stop}/{self.n_locations_} locations")
        return scores, rhos

    @property
    def _solver(self) -> Any:
        """Functions fit, score and leave_one_out: compiled on a CPU, torch elsewhere."""
        return svm_kernels if self.device == "cpu" else svm_torch.OnDevice(self.device)

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        self._check()
        check_device(self.device)
        n, locations, _ = codes.shape
        if n < 2:
            raise NigraError(f"a one-class SVM needs 2 controls or more, but got {n}; add controls.")
        self.codes_ = codes
        if hasattr(self, "margin_"):
            del self.margin_
        mode, gamma = self._mode(codes)
        self.weights_ = np.zeros((locations, n), np.float32)
        self.gamma_ = np.full(locations, np.nan, np.float32)
        self.offset_ = np.full((1, locations), np.nan, np.float32)
        self.free_ = np.zeros(locations, bool)
        steps = np.zeros(locations, np.int64)
        for at in _parts(codes):
            block = as_float32(codes[:, at])
            self._solver.fit(
                block, np.float32(_LARGEST), np.float32(self.nu), mode, np.float32(gamma),
                np.float32(self.tolerance / 4), _LIMIT,
                self.weights_[at], self.offset_[0, at], self.gamma_[at], self.free_[at], steps[at],
            )  # fmt: skip
            if tick:
                tick(at.stop / locations, f"{at.stop}/{locations} locations")
        self.converged_ = steps < _LIMIT

    def _check(self) -> None:
        if not 0 < self.nu <= 1:
            raise NigraError(f"nu is {self.nu:g}; give a share above 0 and up to 1, such as 0.1.")
        if self.gamma_per not in ("location", "global"):
            raise NigraError(f"gamma_per is {self.gamma_per!r}; give location or global.")
        if isinstance(self.gamma, str) and self.gamma not in ("scale", "median"):
            raise NigraError(f"gamma is {self.gamma!r}; give scale, median or a number above 0.")
        if not isinstance(self.gamma, str) and not 0 < self.gamma < 1e30:
            raise NigraError(f"gamma is {self.gamma:g}; give scale, median or a number above 0.")
        if not self.tolerance > 0:
            raise NigraError(f"tolerance is {self.tolerance:g}; give a number above 0, such as 1e-5.")

    def _refuse_constant(self, codes: Codes) -> None:
        """Also where only rounding makes scores differ: the kernel is 1 everywhere, or 0 between any two controls.

        rho lies between nu (no two controls alike) and nu n (all alike).
        """
        super()._refuse_constant(codes)
        rho = np.asarray(self.offset_)
        rho = rho[np.isfinite(rho)]
        alike, strangers = rho >= self.nu * len(codes) * (1 - 1e-6), rho <= self.nu * (1 + 1e-6)
        for where, size, remedy in ((alike, "small", "larger"), (strangers, "large", "smaller")):
            if where.all():
                raise NigraError(
                    f"gamma is {np.nanmedian(self.gamma_):g}, so {size} that every new subject would get the same "
                    f"score; give a {remedy} one, or scale."
                )

    def _mode(self, codes: Codes) -> tuple[int, float]:
        """How the solver finds gamma, and the gamma it is given."""
        if not isinstance(self.gamma, str):
            return GIVEN, float(self.gamma)
        if self.gamma_per == "global":
            return GIVEN, 1 / global_width(codes, self.gamma)
        return (SCALE if self.gamma == "scale" else MEDIAN), 1.0

    def _score_all(self, codes: Codes, tick: Tick | None) -> CodeScores:
        if _parts(codes) == _parts(self.codes_) == [slice(0, self.n_locations_)]:
            scores = self._score(codes, slice(0, self.n_locations_))
            if tick:
                tick(1.0, f"{self.n_locations_}/{self.n_locations_} locations")
            return scores
        return super()._score_all(codes, tick)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        controls, scores = self.codes_[:, at], np.empty(codes.shape[:2], np.float32)
        weights, gamma = self.weights_[at], self.gamma_[at]
        for part in _parts(controls):  # all controls' codes there are many times the given ones
            new, found = as_float32(codes[:, part]), np.empty((len(codes), part.stop - part.start), np.float32)
            self._solver.score(as_float32(controls[:, part]), weights[part], gamma[part], new, found)
            scores[:, part] = found
        return scores


def _parts(codes: Codes) -> list[slice]:
    """Locations in one part where codes can be read as they are; else in blocks, each to be converted."""
    as_it_is = codes.dtype == np.float32 and codes.flags.carray and type(codes) is ndarray
    return [slice(0, codes.shape[1])] if as_it_is else list(blocks(codes))


def global_width(codes: Codes, gamma: Literal["scale", "median"], most: int = 2000) -> float:
    """1 / gamma for all locations: the mean of the own ones of up to ``most`` of them; 1 where all is constant."""
    chosen = np.unique(np.linspace(0, codes.shape[1] - 1, most).astype(np.int64))
    some: Float[ndarray, "n chosen d"] = np.asarray(codes[:, chosen], np.float64)
    some = some[:, np.isfinite(some).all(axis=(0, 2))]
    if gamma == "scale":
        widths = some.shape[2] * some.var(axis=(0, 2))
    else:
        widths = np.array([np.median(pdist(some[:, i], "sqeuclidean")) for i in range(some.shape[1])])
    return float(widths.mean()) if widths.size and widths.mean() > 0 else 1.0
