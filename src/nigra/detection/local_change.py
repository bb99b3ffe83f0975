"""A small local change, weighed against how controls vary there together with what surrounds it.

A voxel-wise z-score calls abnormal what lies far from the controls' mean, and most of what lies there is anatomy:
a boundary a little to one side, a wider sulcus. Such variation extends over neighbours and shows in them, while a
small lesion does not. ``LocalChange`` looks for changes of the size and strength one looks for.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import find_objects

from nigra.detection.detector import Detector, as_float32, contamination_offset
from nigra.detection.matched_filter import Shapes, Window
from nigra.detection.neighbourhood import Frame, Grid
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

_SLAB_BYTES = 2**31
"""Pooled products held at a time, where their surroundings allow: a whole brain at 2 mm."""


class LocalChange(Detector):
    """Minus the log Bayes factor of a change of a ball around each location, small or larger, darker or brighter.

    1. z = (code - mean) / sd by the controls at the same location, blurred by a Gaussian of ``blur_mm``: real
       changes have no sharper edges, and a filter told nothing of that would live on them.
    2. change = filter of the z around the location (``matched_filter``): how much a ball has changed, beyond what
       its surroundings, up to ``window_mm`` away, let one expect; once for each of ``diameters_mm``.
    3. Bayes factor of "changed by an amount ~ N(0, ``effect``^2)" against "healthy": with t = change / its sd in
       controls and d = ``effect`` / that sd, Student-t densities of variance 1 + d^2 and 1. It is high only where
       changes of that size can be seen; a z-score spends its false positives where they cannot.
    4. Mean Bayes factor over the balls a location may belong to (Gaussian of ``sharing_mm``), over the diameters,
       and over the d features: each is looked at on its own.

    Left-out scores of the controls, and the sd of the change, come of filters fitted without their fold, and of z
    by the mean and sd of all others.

    Args:
        grid: where locations lie; None: nowhere near each other, each is judged by itself.
        diameters_mm: of the balls that may change; one smaller than a voxel is the voxel itself.
        effect: size of the changes looked for, in the units of the codes (0.08 of intensities scaled to 0-1).
        blur_mm: standard deviation of the Gaussian of step 1.
        window_mm: radius of the window.
        spacing_mm: distance of the window's points along each axis.
        pooling_mm: standard deviation of the Gaussian of step 2 (``matched_filter``).
        sharing_mm: standard deviation of the Gaussian of step 4.
        ridge: added to the covariance of blurred z.
        folds: of controls, by their order, whose left-out filters tell the sd of the change.
        tails: degrees of freedom of both Student-t distributions.
        floor: smallest sd, in units of the codes.
        contamination: share of left-out controls' scores below ``offset_``.

    Fitted: ``mean_``, ``sd_`` (locations, d), ``spread_`` (d, diameters, locations), the sd of the change, and
    ``weights_`` (d, diameters, p, locations), float32. A location where controls agree, or one has a NaN, has no
    score.
    """

    def __init__(
        self, grid: Grid | None = None, diameters_mm: Sequence[float] = (1.0, 4.0, 6.0), effect: float = 0.08,
        blur_mm: float = 1.0, window_mm: float = 4.0, spacing_mm: float = 2.0, pooling_mm: float = 3.0,
        sharing_mm: float = 1.8, ridge: float = 0.006, folds: int = 3, tails: float = 6.0, floor: float = 0.01,
        contamination: float = 0.02,
    ) -> None:  # fmt: skip
        self.grid = grid
        self.diameters_mm = diameters_mm
        self.effect = effect
        self.blur_mm = blur_mm
        self.window_mm = window_mm
        self.spacing_mm = spacing_mm
        self.pooling_mm = pooling_mm
        self.sharing_mm = sharing_mm
        self.ridge = ridge
        self.folds = folds
        self.tails = tails
        self.floor = floor
        self.contamination = contamination

    @property
    def fewest_subjects(self) -> int:
        """Three: without one of them there still is a standard deviation."""
        return 3

    def training_decisions(self, codes: Codes) -> CodeScores:
        """See ``Detector.training_decisions``: each control without itself, and filters without its fold."""
        return self.leave_one_out_ - self.offset_

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        n, locations, d = codes.shape
        self.grid_ = self._checked_grid(n, locations)
        self.window_ = self.grid_.ball(self.window_mm, self.spacing_mm)
        self.balls_ = [self.grid_.ball(diameter / 2) for diameter in self.diameters_mm]
        self.mean_, self.sd_ = (np.empty((locations, d), np.float32) for _ in range(2))
        self.spread_ = np.empty((d, len(self.balls_), locations), np.float32)
        self.weights_ = np.empty((d, len(self.balls_), len(self.window_), locations), np.float32)
        answers = np.empty((d, len(self.balls_), n, locations), np.float32)
        for feature in range(d):
            for piece, wide, own in self._slabs():
                here = slice(wide.start + own.start, wide.start + own.stop)
                answers[feature, :, :, here] = self._fit_slab(
                    as_float32(codes[:, wide, feature : feature + 1]), piece, own, here, feature
                )
                if tick:
                    tick((feature + here.stop / locations) / d, f"{here.stop}/{locations} locations")
        self._frame = Frame(self.grid_, self._border())
        self.leave_one_out_ = np.stack([self._weigh(answers[:, :, subject]) for subject in range(n)])
        self.offset_ = contamination_offset(self.leave_one_out_, self.contamination)

    def _checked_grid(self, n: int, locations: int) -> Grid:
        if n < self.fewest_subjects:
            raise NigraError(f"LocalChange needs 3 controls or more, but got {n}; add controls.")
        grid = Grid.apart(locations) if self.grid is None else self.grid
        voxels = int(grid.mask.sum())
        if voxels != locations:
            raise NigraError(
                f"codes have {locations} locations, but the grid has {voxels}; give the mask they are of."
            )
        if self.folds < 2:
            raise NigraError(f"folds is {self.folds}; give 2 or more.")
        if not self.diameters_mm or min(self.diameters_mm) <= 0:
            raise NigraError(f"diameters_mm is {list(self.diameters_mm)}; give one or more numbers above 0.")
        for name in ("effect", "window_mm", "ridge", "tails", "floor"):
            if not getattr(self, name) > 0:
                raise NigraError(f"{name} is {getattr(self, name):g}; give a number above 0.")
        return grid

    def _border(self) -> ndarray:
        """Voxels around the box that steps may lead to."""
        return np.abs(np.concatenate([self.window_, *self.balls_])).max(axis=0)

    def _slabs(self) -> Iterator[tuple[Grid, slice, slice]]:
        """Pieces of the grid whose pooled products fit the memory allowed."""
        reach = self.grid_.reach
        halo = reach(self.blur_mm) + reach(self.pooling_mm) + int(self._border()[0])
        _, y, z = (axis.stop - axis.start for axis in find_objects(self.grid_.mask.astype(np.uint8))[0])
        steps = 3 * len(self.window_)  # different ones between the points of a ball, counted one way: no more
        planes = _SLAB_BYTES // (4 * y * z * steps * (self.folds + 1))
        return self.grid_.slabs(halo, max(planes - 2 * halo, halo, 1))

    def _fit_slab(
        self, codes: Float[ndarray, "n_subjects wide 1"], piece: Grid, own: slice, here: slice, feature: int
    ) -> Float[ndarray, "n_balls n_subjects own"]:
        """Fit one feature of the own locations of a piece; gives the changes of the controls there."""
        mean, sd, z = _left_out_z(codes[:, :, 0], self.floor)
        frame = Frame(piece, self._border())
        maps = np.stack([frame.blur(frame.volume(np.nan_to_num(each)), self.blur_mm) for each in z])
        at, window = frame.index[own], Window.of(frame, self.window_)
        changes = self._changes(frame, at, sd)
        folds = [slice(k, None, self.folds) for k in range(min(self.folds, len(z)))]
        products = [window.products(maps[fold], self.pooling_mm) for fold in folds]
        total, answers = reduce(np.add, products), np.empty((len(changes), len(z), len(at)), np.float32)
        for fold, theirs in zip(folds, products, strict=True):
            np.subtract(total, theirs, out=theirs)
            theirs /= len(z) - len(z[fold])
            for ball, weights in enumerate(window.filters(theirs, at, changes, self.ridge)):
                answers[ball, fold] = [window.apply(weights, each, at) for each in maps[fold]]
        spread = np.sqrt((answers**2).mean(axis=1))
        # a control's own change is no part of the spread it is held against
        left = np.sqrt(np.maximum(len(z) * spread[:, None] ** 2 - answers**2, 1e-12) / (len(z) - 1))
        answers *= spread[:, None] / left
        spread[spread == 0] = np.inf  # a place that cannot change says nothing
        self.mean_[here, feature], self.sd_[here, feature] = mean[own], sd[own]
        self.spread_[feature][:, here] = spread
        total /= len(z)
        self.weights_[feature][..., here] = window.filters(total, at, changes, self.ridge)
        return answers

    def _changes(self, frame: Frame, at: Int[ndarray, " own"], sd: Float[ndarray, " wide"]) -> Shapes:
        """What a change of each ball by 1 does to the blurred z at the points of the window."""
        unit, found = frame.volume(np.nan_to_num(1 / sd)).ravel(), []
        for ball in self.balls_:
            carried = frame.kernel(self.blur_mm, self.window_[None] - ball[:, None]).astype(np.float32)
            found.append(carried.T @ unit[at + frame.flat(ball)[:, None]])
        return np.stack(found)

    def _score_all(self, codes: Codes, tick: Tick | None) -> CodeScores:
        scores = np.empty(codes.shape[:2], np.float32)
        window, at = Window.of(self._frame, self.window_), self._frame.index
        for subject in range(len(codes)):
            z = (as_float32(codes[subject : subject + 1])[0] - self.mean_) / self.sd_
            known = np.isfinite(z).all(axis=1)
            z[~known] = 0
            maps = (self._frame.blur(self._frame.volume(each), self.blur_mm) for each in z.T)
            answers = [
                [window.apply(w, map_, at) for w in own] for own, map_ in zip(self.weights_, maps, strict=True)
            ]
            scores[subject] = np.where(known, self._weigh(np.array(answers)), np.nan)
            if tick:
                tick((subject + 1) / len(codes), f"{subject + 1}/{len(codes)} subjects")
        return scores

    def _weigh(self, answers: Float[ndarray, "d n_balls n_locations"]) -> Float[ndarray, " n_locations"]:
        """Minus the log of the mean Bayes factor over features and balls around; NaN where nothing varies."""
        expected = self.effect / self.spread_
        factor = np.exp(log_bayes_factor(answers / self.spread_, expected, self.tails)).mean(axis=(0, 1))
        shared = self._frame.blur(self._frame.volume(factor), self.sharing_mm).ravel()[self._frame.index]
        return np.where(np.isfinite(self.sd_).all(axis=1), -np.log(shared), np.nan).astype(np.float32)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        raise NotImplementedError("a location needs its neighbours; see _score_all")

    def _training_scores(self, codes: Codes) -> CodeScores:
        return self.leave_one_out_


def log_bayes_factor(
    t: Float[ndarray, "*any"], expected: Float[ndarray, "*any"], tails: float
) -> Float[ndarray, "*any"]:
    """Log density of t with variance 1 + expected^2 over that with variance 1, both Student-t with ``tails``.

    >>> log_bayes_factor(np.array([0.0, 5.0]), np.array([3.0, 3.0]), 1e9).round(2)
    array([-1.15, 10.1 ])
    """
    variance = 1 + expected**2
    ratio = np.log1p(t**2 / tails) - np.log1p(t**2 / (tails * variance))
    return (tails + 1) / 2 * ratio - np.log(variance) / 2


def _left_out_z(
    codes: Float[ndarray, "n_subjects n_locations"], floor: float
) -> tuple[
    Float[ndarray, " n_locations"], Float[ndarray, " n_locations"], Float[ndarray, "n_subjects n_locations"]
]:
    """Mean, sd (NaN where all agree), and each control's z by the mean and sd of the others."""
    n = len(codes)
    mean = codes.mean(axis=0, dtype=np.float64)
    away = codes - mean
    squares = (away**2).sum(axis=0)
    left = np.maximum(squares - away**2 * (n / (n - 1)), 0)
    sd = np.where(squares > 0, np.maximum(np.sqrt(squares / (n - 1)), floor), np.nan)
    z = away * (n / (n - 1)) / np.maximum(np.sqrt(left / max(n - 2, 1)), floor)
    return mean.astype(np.float32), sd.astype(np.float32), np.where(np.isnan(sd), np.nan, z).astype(np.float32)
