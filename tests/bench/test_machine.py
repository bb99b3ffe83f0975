"""The machine as the system itself tells it."""

import os
import platform
from importlib.metadata import version

import torch

from nigra.bench.machine import cores, describe, threads
from nigra.training import limit_threads


def test_the_machine_is_described() -> None:
    found = describe()
    assert found["processor"]
    assert 1 <= found["cores"] == cores() <= (os.cpu_count() or 1)
    assert found["system"] == f"{platform.system()} {platform.machine()}"
    assert found["versions"]["scikit-learn"] == version("scikit-learn")
    assert found["versions"]["torch"] == torch.__version__
    assert found["load_average"] is None or found["load_average"] >= 0


def test_threads_are_those_set() -> None:
    try:
        limit_threads(2)
        assert (threads(), describe()["threads"]) == (2, 2)
    finally:
        limit_threads(1)
    assert threads() == 1
