"""What is normal as one mixture of Student-t distributions over all subjects and places (isbi2023, miccai2023)."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.detector import Detector, contamination_offset
from nigra.detection.mixture import Compiled, Parameters
from nigra.detection.mixture_em import Passes, batch_em, online_em, start
from nigra.detection.mixture_torch import OnDevice
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick


class StudentMixture(Detector):
    """Student-t mixture on codes, or directly on voxel intensities; all locations share it.

    The score is the published **proximity**, r(y) = max_m sum_k p(k | y) E[W_m | y, k], with
    E[W_m | y, k] = (dof_km + 1) / (dof_km + [D_k'(y - mu_k)]_m^2 / A_km): large where the code is central along at
    least one axis (isbi2023; the sum over components inside the maximum is that of miccai2023's published code).
    Since an axis' number has to mean the same in all components, axes are ordered by falling scale. A multivariate
    t has one W: r(y) = sum_k p(k | y) (dof_k + d) / (dof_k + Mahalanobis^2).

    Codes are centred and divided by *one* number before fitting, so axes stay orthogonal in the codes' own units;
    features of very different size should be scaled first. Scales are kept above 1e-6 of the mean variance.

    Args:
        components: their number, or ``bic``: that of least BIC = -2 log L + free parameters x log(codes).
        candidates: least and largest number tried by ``bic``. Neighbouring codes resemble each other, so BIC counts
            more evidence than there is and errs on the side of many.
        kind: ``multivariate`` (Peel & McLachlan 2000) or ``multiple-scale`` (Forbes & Wraith 2014), one degree of
            freedom per axis: isbi2023's and miccai2023's; its cost grows with d^3.
        score: ``proximity``, or ``density``: the log-likelihood of the code.
        online: EM on mini-batches drawn from all codes (Cappé & Moulines 2009), rather than all of ``sample``.
        batch: codes per mini-batch.
        max_iterations: iterations, or mini-batches if ``online``.
        tolerance: stop when the mean log-likelihood gains less.
        sample: codes drawn for fitting (and for start, BIC and ``offset_``); None: all, held in memory.
        restarts: starts tried; the most likely after ten iterations goes on.
        seed: of draws and starts.
        contamination: share of the sample below ``offset_``.
        device: ``cpu`` (compiled), or torch's ``cuda``.

    Attributes:
        weights_, means_, axes_, scales_, dof_: (K), (K, d), (K, d, d) with axes as columns, (K, d), (K, 1 or d), in
            the codes' units; the scatter of a component is ``axes_ @ diag(scales_) @ axes_.T``.
        log_likelihoods_: mean per code, of each iteration; a running mean if ``online``.
        bic_: table of components, parameters, log_likelihood, bic; of every candidate.
    """

    per_location = False

    def __init__(
        self, components: int | Literal["bic"] = 8, candidates: tuple[int, int] = (1, 12),
        kind: Literal["multivariate", "multiple-scale"] = "multivariate",
        score: Literal["proximity", "density"] = "proximity", online: bool = False, batch: int = 10_000,
        max_iterations: int = 100, tolerance: float = 1e-5, sample: int | None = 1_000_000, restarts: int = 4,
        seed: int = 0, contamination: float = 0.02, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.components = components
        self.candidates = candidates
        self.kind = kind
        self.score = score
        self.online = online
        self.batch = batch
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.sample = sample
        self.restarts = restarts
        self.seed = seed
        self.contamination = contamination
        self.device = device

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        self._check()
        rng = np.random.default_rng(self.seed)
        drawn = _finite(_drawn(codes, self.sample, rng))
        self._frame(drawn)
        standard = self._standard(drawn)
        low, high = self.candidates if self.components == "bic" else (self.components, self.components)
        if len(drawn) < high * (codes.shape[2] + 1):
            raise NigraError(
                f"{len(drawn)} finite codes are too few for {high} components of {codes.shape[2]} features; "
                "give more codes or ask for fewer components."
            )
        best, rows = np.inf, []
        for tried, components in enumerate(range(low, high + 1)):
            part = None if tick is None else _part(tick, tried, high + 1 - low)
            found, history = self._fit_one(codes, standard, components, part)
            rows.append(self._row(found, standard))
            if rows[-1]["bic"] < best:
                best, self._mixture, self.log_likelihoods_ = rows[-1]["bic"], found, history
        self.bic_ = pd.DataFrame(rows)
        self._publish()
        self.offset_ = contamination_offset(self._score_standard(standard)[None], self.contamination)

    def _check(self) -> None:
        """Arguments that make no sense are one sentence."""
        if self.kind not in ("multivariate", "multiple-scale"):
            raise NigraError(f"kind is {self.kind!r}; choose multivariate or multiple-scale.")
        if self.score not in ("proximity", "density"):
            raise NigraError(f"score is {self.score!r}; choose proximity or density.")
        numbers = self.candidates if self.components == "bic" else (self.components,)
        if not all(isinstance(k, int) and k >= 1 for k in numbers) or list(numbers) != sorted(numbers):
            raise NigraError(f"a mixture needs one component or more, but {numbers} was asked for.")

    def _fit_one(
        self, codes: Codes, standard: Float[ndarray, "n d"], components: int, tick: Tick | None
    ) -> tuple[Parameters, list[float]]:
        """A mixture of so many components, and the log-likelihood of each iteration."""
        rng, passes, history = np.random.default_rng([self.seed, components]), self._passes(), []

        def watch(iteration: int, log_likelihood: float) -> None:
            history.append(log_likelihood - self._log_volume)
            if tick:
                text = f"{components} components, iteration {iteration + 1}, log-likelihood {history[-1]:.5f}"
                tick((iteration + 1) / self.max_iterations, text)

        now = start(standard, components, self.kind == "multivariate", self.restarts, passes, rng)
        if self.online:
            now = online_em(standard, self._batches(codes, rng), now, passes, self.max_iterations, watch)
        else:
            now = batch_em(standard, now, passes, self.max_iterations, self.tolerance, watch)
        return now.ordered(), history

    def _batches(self, codes: Codes, rng: np.random.Generator) -> Iterator[Float[ndarray, "m d"]]:
        """Mini-batches drawn from all codes, for ever."""
        while True:
            yield self._standard(_finite(_drawn(codes, self.batch, rng, again=True)))

    def _passes(self) -> Passes:
        return Compiled() if self.device == "cpu" else OnDevice(self.device)

    def _frame(self, drawn: Float[ndarray, "n d"]) -> None:
        """Centre and one scale of all features."""
        # as float32 holds it: then the difference of float32 codes is exact where it is small
        self._centre = drawn.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        # in two steps: a mean square would cancel where codes lie far from 0
        self._scale = float(np.sqrt(np.mean((drawn - self._centre) ** 2)))
        if self._scale <= 1e-6 * np.abs(self._centre).max():
            raise NigraError(
                "all codes of the controls are alike; a constant code detects nothing: check the model."
            )
        self._log_volume = drawn.shape[1] * np.log(self._scale)

    def _standard(self, codes: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
        """Codes about 0 with variance about 1; beyond 10^6 standard deviations distance no longer counts."""
        standard = np.subtract(codes, self._centre.astype(np.float32)).astype(np.float32, copy=False)
        standard *= np.float32(1 / self._scale)
        return np.clip(standard, -1e6, 1e6, out=standard)

    def _score_standard(self, standard: Float[ndarray, "n d"]) -> Float[ndarray, " n"]:
        passes = self._passes()
        scores = passes.score(passes.hold(standard), self._mixture, self.score == "proximity")
        return scores if self.score == "proximity" else scores - np.float32(self._log_volume)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        return self._score_standard(self._standard(codes.reshape(-1, codes.shape[2]))).reshape(codes.shape[:2])

    def _row(self, found: Parameters, standard: Float[ndarray, "n d"]) -> dict[str, int | float]:
        passes = self._passes()
        mean = passes.expectation(passes.hold(standard), found).log_likelihood - self._log_volume
        bic = -2 * mean * len(standard) + found.free * np.log(len(standard))
        return {
            "components": len(found.weights), "parameters": found.free, "log_likelihood": mean * len(standard),
            "bic": bic,
        }  # fmt: skip

    def _publish(self) -> None:
        """The mixture in the codes' own units."""
        found = self._mixture
        self.weights_, self.axes_, self.dof_ = found.weights, found.axes, found.dof
        self.means_ = self._centre + self._scale * found.means
        self.scales_ = self._scale**2 * found.scales


def _drawn(codes: Codes, count: int | None, rng: np.random.Generator, again: bool = False) -> Float[ndarray, "n d"]:
    """``count`` codes drawn over subjects and locations, read in the order of the store; all if there are fewer.

    Args:
        again: a code may be drawn more than once.
    """
    subjects, locations, d = codes.shape
    if not again and (count is None or count >= subjects * locations):
        return np.asarray(codes).reshape(-1, d)
    flat = np.sort(rng.choice(subjects * locations, count, replace=again, shuffle=False))
    return np.asarray(codes[flat // locations, flat % locations])


def _finite(codes: Float[ndarray, "n d"]) -> Float[ndarray, "m d"]:
    """Codes without a NaN."""
    kept = np.isfinite(codes).all(axis=1)
    if not kept.any():
        raise NigraError("no finite code among the controls'; check the mask and the model's training.")
    return codes[kept]


def _part(tick: Tick, done: int, parts: int) -> Tick:
    """Progress of one of several equal parts."""
    return lambda fraction, text: tick((done + fraction) / parts, text)
