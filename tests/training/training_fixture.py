"""Six smooth subjects that share an anatomy, so that there is something to learn."""

import numpy as np

from nigra.models.siamese import Model
from nigra.training import Task
from nigra.units import Patches, Source

SHAPE = (18, 20, 6)


def make_source(subjects: int = 6, noise: float = 0.05) -> Source:
    rng = np.random.default_rng(0)
    x, y, z = np.indices(SHAPE) / 10
    anatomy = 0.5 + 0.4 * np.sin(3 * x) * np.cos(2 * y + z)
    return Source.plain((anatomy + noise * rng.normal(size=(subjects, 2, *SHAPE))).astype(np.float32))


def patches(source: Source, watch: int = 0, **changes: object) -> Task:
    """15 x 15 patches; the last ``watch`` of six subjects only watch."""
    return Task(source, Patches(15), np.arange(6 - watch), np.arange(6 - watch, 6), **changes)  # type: ignore[arg-type]


def weights(model: Model) -> np.ndarray:
    return np.concatenate([value.numpy().ravel() for value in model.state_dict().values()])
