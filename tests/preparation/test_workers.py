import os
import signal

import numpy as np
import pytest
import SimpleITK as sitk

from nigra.errors import NigraError
from nigra.preparation.workers import limited, run


def square(value: int) -> float:
    """In a fresh process; the sum's rounding would change with the number of threads."""
    rng = np.random.default_rng(value)
    return float((rng.normal(size=(60, 60)) @ rng.normal(size=(60, 60))).sum())


def die(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_results_keep_their_order_whatever_the_number_of_jobs():
    heard: list[float] = []
    alone = run(square, [3, 1, 2], jobs=1, threads=1)
    assert run(square, [3, 1, 2], jobs=2, threads=1, done=heard.append) == alone
    assert sorted(heard) == sorted(alone)
    assert len(set(alone)) == 3


def test_a_killed_worker_is_one_sentence():
    with pytest.raises(NigraError, match=r"worker process was killed.*fewer jobs"):
        run(die, [1, 2], jobs=2, threads=1)


def test_thread_limits_end_with_their_block():
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    with limited(3):
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == before
