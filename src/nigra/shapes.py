"""The names of arrays, used in every signature: what an axis means is said once, here.

``n_subjects, channels, x, y, z`` are in RAS order: x grows to the right, y to the front, z to the top.
Signatures carry them as jaxtyping annotations; the test suite executes the checks, users pay nothing.
"""

from jaxtyping import Bool, Float, Int
from numpy import ndarray

Volumes = Float[ndarray, "n_subjects channels x y z"]
"""All subjects' scans in one space, as in the cohort store."""

Volume = Float[ndarray, "channels x y z"]
"""One subject's scan."""

Mask = Bool[ndarray, "x y z"]
"""True inside the brain."""

ScoreMap = Float[ndarray, "x y z"]
"""One score per voxel, higher = more abnormal, NaN where no score exists."""

Codes = Float[ndarray, "n_subjects n_locations d"]
"""A code (or residuals, or intensities) per subject and place: what detectors are fitted on and score."""

CodeScores = Float[ndarray, "n_subjects n_locations"]
"""A detector's score per subject and place, higher = more normal."""

Scores = Float[ndarray, "n_subjects n_voxels"]
"""Scores of the voxels inside the mask, in the order of ``numpy.nonzero(mask)``."""

Locations = Int[ndarray, "n_locations axes"]
"""Voxel indices; what they point at (a patch centre, a slice) is the unit's to say."""

Labels = Int[ndarray, "x y z"]
"""Region labels, 0 outside every region."""

Affine = Float[ndarray, "4 4"]
"""Voxel index to millimetres, RAS+."""
