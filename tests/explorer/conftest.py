"""One explorable study for all tests of the explorer, read-only to them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def explorable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored study with two models and their latent folders."""
    from tests.explorer.latent_fixture import (
        make_explorable,
    )  # imports nigra, which the argument checks must see first

    return make_explorable(tmp_path_factory.mktemp("explorable"))
