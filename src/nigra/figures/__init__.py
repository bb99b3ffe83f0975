"""Pictures: pure functions of arrays and tables that return a matplotlib ``Figure``, saved by ``save``.

Nothing here reads a study or keeps plotting state; colours are safe for colour-blind readers, sizes are those of
a printed page, and every colour bar carries its unit.
"""

from nigra.figures.architecture import Architecture, architecture_diagram, layer_sizes
from nigra.figures.cohort_picture import cohort_picture
from nigra.figures.false_positives import false_positive_check
from nigra.figures.reconstructions import example_reconstructions
from nigra.figures.score_maps import score_maps
from nigra.figures.style import save
from nigra.figures.training_curves import read_training, training_curves

__all__ = [
    "Architecture",
    "architecture_diagram",
    "cohort_picture",
    "example_reconstructions",
    "false_positive_check",
    "layer_sizes",
    "read_training",
    "save",
    "score_maps",
    "training_curves",
]
