"""One small anatomy and one small cohort on disk, 4 mm, built once."""

from pathlib import Path

import pytest

from nigra.phantom import write_phantom
from nigra.phantom.anatomy import Anatomy, build_anatomy


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return build_anatomy(4.0)


@pytest.fixture(scope="session")
def small_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom")
    write_phantom(out, controls=4, patients=2, seed=3, resolution=4.0, progress=False)
    return out
