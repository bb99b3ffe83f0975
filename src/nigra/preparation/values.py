"""Reading the values of a scan once, in blocks: memory stays at a few megabytes whatever a file holds.

A compressed file is never unpacked beyond what its header announces, so a gzip bomb costs nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nigra.preparation.header import DAMAGE, BrokenError, Header, open_bytes

BLOCK = 2**21
"""Bytes read at a time."""
SAMPLE = 2**18
"""Voxels, evenly spaced, that quantiles are taken from."""


@dataclass(frozen=True)
class Summary:
    """What the rules on values need; counts are of voxels, ``high`` is the 95 % quantile of values above 0."""

    voxels: int
    nonfinite: int
    nonzero: int
    below: int
    above: int
    lowest: float
    highest: float
    high: float
    digest: str


def blocks(path: Path, header: Header) -> Iterator[np.ndarray]:
    """The stored numbers, block by block, not yet scaled.

    Raises BrokenError where the file is damaged, ends early, or goes on after the announced values.
    """
    try:
        with open_bytes(path) as stream:
            stream.read(header.offset)
            left = header.n_bytes
            while left:
                raw = stream.read(min(left, BLOCK))
                left -= len(raw)
                if len(raw) < min(left + len(raw), BLOCK):
                    found = f"{header.n_bytes - left} bytes of values where {header.n_bytes} are announced"
                    raise BrokenError("a scan is whole", found, "copy it again")
                yield np.frombuffer(raw, dtype=header.dtype)
            if stream.read(1):  # at the end of a .gz this also compares its checksum
                found = f"more than the {header.n_bytes} bytes of values announced"
                raise BrokenError("a scan ends where its header says", found, "export it again from its source")
    except DAMAGE as error:
        raise BrokenError("a scan is whole", f"damage ({error})", "copy or export it again") from error


def summarise(path: Path, header: Header, low: float = -np.inf, high: float = np.inf) -> Summary:
    """Read all values once; ``below`` and ``above`` count those beyond ``low`` and ``high``.

    ``digest`` stands for shape and stored numbers, whatever the compression. Raises BrokenError as ``blocks``.
    """
    digest = hashlib.blake2b(f"{header.shape} {header.dtype}".encode(), digest_size=20)
    nonfinite = nonzero = below = above = 0
    lowest, highest = np.inf, -np.inf
    samples = []
    for stored in blocks(path, header):
        digest.update(stored.data)
        with np.errstate(all="ignore"):
            values = stored * np.float64(header.slope) + header.intercept
        finite = np.isfinite(values)
        if not finite.all():
            values = values[finite]
            nonfinite += finite.size - values.size
        nonzero += int(np.count_nonzero(values))
        below += int(np.count_nonzero(values < low))
        above += int(np.count_nonzero(values > high))
        lowest, highest = min(lowest, values.min(initial=np.inf)), max(highest, values.max(initial=-np.inf))
        sample = values[:: max(1, header.n_voxels // SAMPLE)]
        samples.append(sample[sample > 0])
    positive = np.concatenate(samples)
    quantile = float(np.quantile(positive, 0.95)) if positive.size else 0.0
    counts = header.n_voxels, nonfinite, nonzero, below, above
    return Summary(*counts, float(lowest), float(highest), quantile, digest.hexdigest())
