"""The machine a benchmark ran on, as far as it matters to its times."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numba
import torch

from nigra.provenance import versions

PEERS = ("scikit-learn", "joblib", "torchio", "monai")
"""Libraries that are compared with, beside those of ``provenance.versions``."""


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads of both sides of a benchmark, as set by ``training.limit_threads``."""
    return torch.get_num_threads()


def processor() -> str:
    """The processor's name as the system gives it."""
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if "model name" in line] if path.exists() else []
    return names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()


def load_average() -> float | None:
    """Processes that wanted a core during the last minute; above the number of cores, the machine is shared."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def describe() -> dict[str, Any]:
    """Processor, cores, threads, load average (1 minute), GPU and versions."""
    return {
        "processor": processor(),
        "cores": cores(),
        "threads": threads(),
        "numba_threads": numba.get_num_threads(),
        "load_average": load_average(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions() | _peers(),
    }


def _peers() -> dict[str, str]:
    found = {}
    for package in PEERS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
