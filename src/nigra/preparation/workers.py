"""Workers: the same function on many subjects, in one process or several, with the same result."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

import SimpleITK as sitk
from threadpoolctl import threadpool_limits

from nigra.errors import NigraError

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Inside the block numpy's, OpenMP's and SimpleITK's pools have ``threads`` threads."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _start_process(threads: int, level: int) -> None:
    """Limit the threads of a fresh process, and have it end with its parent, also when that is killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=level, format="%(message)s")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    threadpool_limits(threads)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, threads: int,
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:  # fmt: skip
    """``[function(item) for item in items]`` by ``jobs`` fresh processes; ``done`` hears of each as it ends.

    Every process has ``threads`` threads however many jobs there are, so that the number of jobs changes no
    result. A process killed from outside (out of memory) is one sentence; what was done is kept on disk.
    """
    if min(jobs, len(items)) <= 1:
        results = []
        with limited(threads):
            for item in items:
                results.append(function(item))
                done(results[-1])
        return results
    level = logging.getLogger().getEffectiveLevel()
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start_process, initargs=(threads, level)
    )
    try:
        futures = [pool.submit(function, item) for item in items]
        for future in as_completed(futures):
            done(future.result())
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise NigraError(
            "a worker process was killed, most likely for want of memory; run the same command again with fewer "
            "jobs: what was prepared is kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
