"""Distance to the nearest controls at the same location: no shape is assumed of what is normal.

The usual yardstick of anomaly detection on learnt features (Bergman, Cohen and Hoshen 2020, arXiv 2002.10445).
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.detector import blocks
from nigra.detection.leave_one_out import LeaveOneOutDetector
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores


class KNearest(LeaveOneOutDetector):
    """Minus the mean Euclidean distance to the ``neighbours`` nearest controls' codes at the same location.

    The mean over all of them is steadier than the distance to the last. Differences are taken code by code, never
    as |a|^2 - 2ab + |b|^2, so a large common offset costs no digits. Equal controls are at distance 0, so a
    location where all agree still has scores.

    Args:
        neighbours: how many; at least 2 controls more are needed.
        contamination: share of left-out controls' scores below ``offset_``.

    Fitted: ``codes_``, the controls' codes as given and not copied (a memory map stays on disk): leave them as
    they are while the detector is used.
    """

    def __init__(self, neighbours: int = 5, contamination: float = 0.02) -> None:
        self.neighbours = neighbours
        self.contamination = contamination

    @property
    def fewest_subjects(self) -> int:
        """Every control left out still has so many others, and one more, or all would have the same ones."""
        return self.neighbours + 2

    def _begin(self, codes: Codes) -> None:
        if self.neighbours < 1:
            raise NigraError(f"neighbours is {self.neighbours}; give 1 or more.")
        self.codes_ = codes

    def _fit_part(self, codes: Codes, at: slice) -> CodeScores:
        return self._mean_distance(codes, codes, own=True)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        controls = self.codes_[:, at]
        out = np.empty(codes.shape[:2], np.float32)
        for part in blocks(controls):  # many controls are read for one subject
            out[:, part] = self._mean_distance(codes[:, part], controls[:, part], own=False)
        return out

    def _mean_distance(
        self, codes: Codes, controls: Float[ndarray, "n_controls n_locations d"], own: bool
    ) -> CodeScores:
        # copies: for views of other layouts, or read-only ones, the kernel would be compiled again
        codes, controls = (np.array(part, np.float32, order="C") for part in (codes, controls))
        out = np.empty(codes.shape[:2], np.float32)
        minus_mean_distance(codes, controls, self.neighbours, own, out)
        return out


# reassoc: the sum over features may be taken in any order, which makes it several at a time; NaN stays NaN
@numba.njit(parallel=True, nogil=True, cache=True, fastmath={"reassoc", "contract"})
@no_type_check  # the suite's argument checks cannot go into compiled code
def minus_mean_distance(codes, controls, neighbours, own, out):
    """Fill ``out`` (subjects, locations) from float32 codes (subjects, locations, d) and controls alike.

    ``own`` says that the codes are the controls', each of which is then no neighbour of itself. A NaN in a code
    makes that score NaN, a NaN in a control all scores of the location.
    """
    # nothing but a call stands here: numba's parallel transformations of array code corrupted memory (svm_kernels)
    for at in numba.prange(codes.shape[1]):
        _at_location(at, codes, controls, neighbours, own, out)


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
@no_type_check
def _at_location(at, codes, controls, neighbours, own, out):
    """One location of ``minus_mean_distance``."""
    nearest = np.empty(neighbours, np.float32)
    for i in range(codes.shape[0]):
        for k in range(neighbours):
            nearest[k] = np.inf
        unknown = False
        for j in range(controls.shape[0]):
            if own and i == j:
                continue
            square = np.float32(0)
            for f in range(codes.shape[2]):
                square += (codes[i, at, f] - controls[j, at, f]) ** 2
            unknown |= np.isnan(square)
            place = neighbours - 1
            if square < nearest[place]:
                while place > 0 and nearest[place - 1] > square:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = square
        total = 0.0
        for k in range(neighbours):
            total += np.sqrt(nearest[k])
        out[i, at] = np.nan if unknown else -total / neighbours
