"""Codes of many subjects on disk, for detectors that need them all: float16, one subject written at a time.

Residuals and intensities, which are few numbers a voxel, are kept the same way in float32.

At 1.5 mm a subject's 64-d codes of half a million voxels take 70 MB, a cohort's may exceed memory. The store says
how much it will take before it takes it, and is gone afterwards unless it is kept.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.files import create_array
from nigra.shapes import Codes

DType = type[np.float16] | type[np.float32]
"""float16 has three digits, far finer than people differ in most codes (docs/concepts/detectors.md)."""


def size_bytes(n_subjects: int, n_locations: int, d: int, dtype: DType = np.float16) -> int:
    """Bytes that a store of these codes takes, but for its header.

    >>> size_bytes(41, 550_000, 64)
    2886400000
    """
    return np.dtype(dtype).itemsize * n_subjects * n_locations * d


def size_words(count: int) -> str:
    """Bytes for a person.

    >>> size_words(2_886_400_000), size_words(950), size_words(7_040_000)
    ('2.9 GB', '1 kB', '7.0 MB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.0f} kB"


class CodeStore:
    """A context in which ``write`` takes a subject's codes and ``codes`` is the memory map of all.

    Nothing is written before the context is entered; when it ends the file is deleted, unless ``keep`` moved it,
    whole, to ``path``. Memory does not grow with subjects.

    Args:
        path: where the codes go if they are kept, a ``.npy``; the file is made beside it.
        n_subjects: first axis of the codes.
        n_locations: second axis: voxels of the mask.
        d: third axis: numbers of a code.
        dtype: float16, or float32 for what is small.
        what: "codes", "residuals" or "intensities", for the log.

    Raises:
        NigraError: the disk has less room than the codes need.
    """

    def __init__(
        self, path: Path, n_subjects: int, n_locations: int, d: int, dtype: DType = np.float16, what: str = "codes"
    ) -> None:
        self.path, self.shape = path, (n_subjects, n_locations, d)
        self.dtype, self.what = dtype, what
        self._file: Path | None = None
        self._written: set[int] = set()
        size, free = size_bytes(*self.shape, dtype), shutil.disk_usage(_existing(path.parent)).free
        if size > free:
            raise NigraError(
                f"{what} of {n_subjects} subjects need {size_words(size)}, but {path.parent} has "
                f"{size_words(free)} free; make room there, or choose a folder on another disk."
            )

    @property
    def announcement(self) -> str:
        """What will be written and where, for the log, before it is written."""
        size, kind = size_words(size_bytes(*self.shape, self.dtype)), np.dtype(self.dtype).name
        return f"{self.what} of {self.shape[0]} subjects: {size}, {kind}, in {self.path.parent}"

    def __enter__(self) -> "CodeStore":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            prefix=".writing-", suffix=".npy", dir=self.path.parent, delete=False
        ) as file:
            self._file = Path(file.name)
        try:
            self._header = int(create_array(self._file, self.shape, self.dtype).offset)
        except OSError as error:
            self._file.unlink()
            raise NigraError(
                f"{self.announcement}: the disk refuses them ({error.strerror}); make room there first."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._file = None

    def write(self, row: int, codes: Float[ndarray, "n_locations d"]) -> None:
        """Store one subject's codes.

        Raises:
            NigraError: another shape than announced, or a value too large for float16.
        """
        if not 0 <= row < self.shape[0] or codes.shape != self.shape[1:]:
            raise NigraError(
                f"codes of shape {codes.shape} for row {row} do not fit a store of {self.shape}; make another."
            )
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(codes, self.dtype)
        if np.isinf(stored).any():
            raise NigraError(
                f"row {row} has a code of {np.abs(codes).max():.3g}, float16 ends at 65504; train the model again."
            )
        # written, not mapped: mapped pages would count as this process' memory until the disk has them
        with self._open().open("r+b") as stream:
            stream.seek(self._header + row * stored.nbytes)
            stored.tofile(stream)
        self._written.add(row)

    @property
    def codes(self) -> Codes:
        """All codes, memory-mapped, read-only; rows not yet written are 0."""
        return np.load(self._open(), mmap_mode="r", allow_pickle=False)

    def keep(self) -> Path:
        """Move the codes to ``path``, where they outlive the context.

        Raises:
            NigraError: a subject is missing.
        """
        missing = self.shape[0] - len(self._written)
        if missing:
            raise NigraError(f"{missing} of {self.shape[0]} subjects have no codes yet; write them before keeping.")
        self._open().chmod(0o644)
        self._open().replace(self.path)
        self._file = None
        return self.path

    def _open(self) -> Path:
        if self._file is None:
            raise NigraError(f"the codes of {self.path} are closed; use them inside `with CodeStore(...)`.")
        return self._file


def _existing(folder: Path) -> Path:
    """The folder, or the first one above it that is there."""
    folder = folder.resolve()
    return next(place for place in (folder, *folder.parents) if place.exists())
