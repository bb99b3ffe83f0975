"""Adverse fixtures shared by all tests: odd unequal shapes, a real oblique-free affine, anisotropic voxels."""

import os
from pathlib import Path

import numpy as np
import pytest

SHAPE = (11, 13, 9)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The suite runs in several processes, and threads that wait for each other on a busy machine crawl."""
    from nigra.training import limit_threads  # not above: importing nigra there would evade the argument checks

    limit_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20211023)


@pytest.fixture
def affine() -> np.ndarray:
    """Anisotropic RAS voxels of 2 x 1.5 x 3 mm with an off-centre origin."""
    affine = np.diag([2.0, 1.5, 3.0, 1.0])
    affine[:3, 3] = [-10.5, -9.0, -12.25]
    return affine


@pytest.fixture
def mask() -> np.ndarray:
    """An ellipsoid that touches one face of the volume."""
    x, y, z = np.indices(SHAPE)
    return ((x - 5) / 5) ** 2 + ((y - 6) / 5) ** 2 + ((z - 3) / 4) ** 2 <= 1


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans, or a skip for a person without it."""
    root = Path(os.environ.get("NIGRA_DATA", "../shared/data"))
    if not (root / "ixi" / "participants.tsv").exists():
        pytest.skip("no real scans: set NIGRA_DATA to a folder with ixi/")
    return root.resolve()
