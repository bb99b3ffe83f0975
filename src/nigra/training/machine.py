"""How training uses this computer: threads, and memory that stays with the process."""

import ctypes

import numba
import torch


def limit_threads(threads: int) -> None:
    """Use this many CPU threads, in compiled loops and in torch alike.

    numba comes first: when its threads start, it changes the number that torch's share the OpenMP runtime with,
    and another number of threads rounds sums in another way.
    """
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Let freed memory stay with this process, up to 1 GB.

    By default glibc hands the activations of every training step back to the system, which clears thousands of
    pages for the next one. The numbers computed are the same; other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS have no mallopt, Windows no CDLL(None)
        return
    mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # the largest it takes
    mallopt(_TRIM_THRESHOLD, 2**30)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # from malloc.h
