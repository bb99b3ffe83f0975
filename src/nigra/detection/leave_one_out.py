"""Detectors whose fit also scores every control as if it had been left out.

A control that took part in a fit looks more normal to it than any new person, so thresholds taken from its plain
score are too strict. Leaving each control out costs a refit per control; the children know a shorter way.
"""

from abc import abstractmethod

import numpy as np

from nigra.detection.detector import Detector, as_float32, blocks, contamination_offset
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

_PART_BYTES = 2**18
"""Codes fitted at a time: what is computed from them, some ten times as much, stays in cache."""


class LeaveOneOutDetector(Detector):
    """A fit per location, block by block; ``offset_`` is the ``contamination`` quantile of left-out scores."""

    contamination: float

    @property
    def fewest_subjects(self) -> int:
        """Controls needed so that those left, when one is left out, still make a fit."""
        return 3

    def leave_one_out_scores(self) -> CodeScores:
        """The score (subjects, locations) of each control by a fit of all the others; computed by ``fit``."""
        if not hasattr(self, "leave_one_out_"):
            raise NigraError(f"this {type(self).__name__} is not fitted yet; call fit with controls' codes first.")
        return self.leave_one_out_.copy()

    def training_decisions(self, codes: Codes) -> CodeScores:
        """See ``Detector.training_decisions``: each control left out."""
        return self.leave_one_out_scores() - self.offset_

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        if len(codes) < self.fewest_subjects:
            raise NigraError(
                f"{type(self).__name__} needs {self.fewest_subjects} controls or more, but got {len(codes)}; "
                "add controls or choose other parameters."
            )
        contamination_offset(np.empty((0, 0), np.float32), self.contamination)  # refused before the long part
        self._begin(codes)
        self.leave_one_out_ = np.empty(codes.shape[:2], np.float32)
        for at in blocks(codes):
            block = as_float32(codes[:, at])
            for part in blocks(block, _PART_BYTES):
                here = slice(at.start + part.start, at.start + part.stop)
                self.leave_one_out_[:, here] = self._fit_part(block[:, part], here)
            if tick:
                tick(at.stop / codes.shape[1], f"{at.stop}/{codes.shape[1]} locations")
        self.offset_ = contamination_offset(self.leave_one_out_, self.contamination)

    def _training_scores(self, codes: Codes) -> CodeScores:
        return self.leave_one_out_  # a control is its own nearest neighbour: plain scores may all be 0

    @abstractmethod
    def _begin(self, codes: Codes) -> None:
        """Check parameters and make room for the fitted attributes."""

    @abstractmethod
    def _fit_part(self, codes: Codes, at: slice) -> CodeScores:
        """Fit float32 codes of the locations ``at``; return the scores of each control left out."""
