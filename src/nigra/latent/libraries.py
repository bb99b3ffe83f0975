"""Libraries of the extra ``latent``: found or asked for in a sentence, kept quiet, and kept to one thread."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numba

from nigra.errors import NigraError


def library(module: str) -> Any:
    """A module of an optional library, imported when it is needed: some compile for seconds on import.

    Raises NigraError: not installed.
    """
    try:
        with quiet():
            return import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise NigraError(f"{name} is not installed ({error}); pip install 'nigra[latent]'.") from error


@contextmanager
def quiet(logger: str = "nigra.quiet") -> Iterator[None]:
    """Without warnings, and without the messages of ``logger``: they repeat what was chosen here on purpose."""
    named = logging.getLogger(logger)
    was = named.disabled
    named.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        named.disabled = was


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Compiled loops on one thread, so that sums are taken in one order and every run is the same."""
    was = numba.get_num_threads()
    if wanted:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(was)
