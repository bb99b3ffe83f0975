"""Reading NIfTI that nobody has vouched for: the header first, then the values in blocks of bounded size.

nibabel accepts NaN and all-zero affines, zero dimensions and infinite slopes silently, and allocates what a
header announces. Here nothing is allocated on a header's word: memory stays at a few blocks whatever a file says,
and a compressed file is never unpacked beyond what its header announces.
"""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from nigra.shapes import Affine

MAX_SIDE = 2048
"""Longest side of a scan, voxels."""
MAX_VOXELS = 2**28
"""Most voxels of a scan: a whole head at 0.3 mm."""
MAX_OFFSET = 2**24
"""Most bytes before the values, header extensions included."""
MAX_RATIO = 1100
"""Deflate cannot shrink more than about 1032 times: a file that would have to is cut short."""
VOXEL_MM = (0.01, 50.0)
"""Shortest and longest edge of a voxel, mm."""
TOLERANCE_FA = 0.01
"""How far interpolation may carry FA beyond 0 and 1."""
TOLERANCE_MD = 1e-5
"""How far interpolation may carry MD below 0, mm²/s."""
BLOCK = 2**22
REAL_TYPES = {"uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"}

_AGAIN = "export it again"
_DAMAGE = (EOFError, OSError, zlib.error)
_QUIET = logging.getLogger("nigra.quiet")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Broken(NamedTuple):
    """A broken rule of one file: what holds for every file, what was found here, what to do."""

    rule: str
    found: str
    remedy: str


class BrokenError(Exception):
    """Reading cannot go on; ``broken`` says why."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(broken.found)
        self.broken = broken


@dataclass(frozen=True)
class Header:
    """What a file announces: three dimensions, voxel to millimetres (RAS+), number type, scaling and place of the values."""

    shape: tuple[int, int, int]
    affine: Affine
    dtype: np.dtype
    slope: float
    intercept: float
    offset: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the values."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True)
class Values:
    """What the values of an image are, gathered in one pass; ``high_tissue`` is the 95 % quantile above 0."""

    voxels: int
    nonfinite: int
    nonzero: int
    low: float
    high: float
    below_0: int
    outside_0_1: int
    high_tissue: float
    digest: str


def read_header(path: Path) -> tuple[Header | None, list[Broken]]:
    """Read at most ``MAX_OFFSET`` bytes of a NIfTI-1 or NIfTI-2 file; ``None`` with the broken rules, all of them."""
    try:
        raw = _raw_header(path)
        klass = nib.Nifti2Header if len(raw) == nib.Nifti2Header.sizeof_hdr else nib.Nifti1Header
        header = klass(raw, check=False)
    except BrokenError as error:
        return None, [error.broken]
    except HeaderDataError as error:
        return None, [Broken("a scan is NIfTI", str(error), _AGAIN)]
    shape, broken = _shape(header)
    with np.errstate(all="ignore"):
        broken += _type(header) + _scaling(header) + _place(header)
        affine, wrong = _affine(header)
    broken += wrong
    if broken or shape is None or affine is None:
        return None, broken
    slope, intercept = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    dtype = header.get_data_dtype()
    scaled = slope != 0  # a slope of 0 means "not scaled" (NIfTI-1, scl_slope)
    found = Header(
        shape, affine, dtype, slope if scaled else 1.0, intercept if scaled else 0.0, int(header["vox_offset"])
    )
    try:
        _check_size(path, found)
        _check_extensions(path, header)
        header.check_fix(logger=_QUIET, error_level=40)
    except BrokenError as error:
        return None, [error.broken]
    except _DAMAGE as error:
        return None, [Broken("a scan is whole", f"damage ({error})", "copy or export it again")]
    except HeaderDataError as error:
        return None, [Broken("a header is valid NIfTI", str(error), _AGAIN)]
    return found, []


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _raw_header(path: Path) -> bytes:
    """The header's own bytes: 348 for NIfTI-1, 540 for NIfTI-2."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BrokenError(
            Broken("a scan is a .nii or .nii.gz file", path.suffix or "no extension", "convert it to NIfTI")
        )
    if not path.is_file():
        raise BrokenError(Broken("a scan is a file", "none at this path", "correct the path or copy it again"))
    try:
        with _open(path) as stream:
            raw = stream.read(540)
    except _DAMAGE as error:
        raise BrokenError(Broken("a scan is whole", f"damage ({error})", "copy or export it again")) from error
    for size, magics, place in ((348, (b"n+1\0",), 344), (540, (b"n+2\0",), 4)):
        start = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[:4], "big")
        if size in start and len(raw) >= size and raw[place : place + 4] in magics:
            return raw[:size]
    found = f"{len(raw)} bytes" if len(raw) < 348 else "another kind of content"
    raise BrokenError(Broken("a scan starts with a single-file NIfTI header", found, "convert it to NIfTI"))


def _shape(header: nib.Nifti1Header) -> tuple[tuple[int, int, int] | None, list[Broken]]:
    """Three sides; later ones of length 1 are let go."""
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        return None, [Broken("a scan has 3 dimensions", f"{count}", _AGAIN)]
    sides = [int(side) for side in header["dim"][1 : count + 1]]
    text = " x ".join(map(str, sides))
    if min(sides) < 1:
        return None, [Broken("every side of a scan is at least 1 voxel", text, _AGAIN)]
    if len(sides) < 3 or any(side > 1 for side in sides[3:]):
        remedy = "give one volume per file" if len(sides) > 3 else _AGAIN
        return None, [Broken("a scan has 3 dimensions", text, remedy)]
    x, y, z = sides[:3]
    if max(x, y, z) > MAX_SIDE or x * y * z > MAX_VOXELS:
        rule = f"a scan has at most {MAX_SIDE} voxels a side and {MAX_VOXELS} in all"
        return None, [Broken(rule, text, "crop it or check the file")]
    if min(x, y, z) < 2:
        return None, [Broken("a scan is a volume", text, "give the whole volume, not a slice")]
    return (x, y, z), []


def _type(header: nib.Nifti1Header) -> list[Broken]:
    try:
        name = header.get_data_dtype().name
    except (HeaderDataError, KeyError):
        name = f"type code {int(header['datatype'])}"
    if name in REAL_TYPES:
        return []
    return [Broken("a scan holds real numbers", name, "export one real-valued map per file")]


def _scaling(header: nib.Nifti1Header) -> list[Broken]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isfinite([slope, intercept]).all():
        return []
    return [Broken("slope and intercept are finite", f"slope {slope:g}, intercept {intercept:g}", _AGAIN)]


def _place(header: nib.Nifti1Header) -> list[Broken]:
    offset = float(header["vox_offset"])
    if np.isfinite(offset) and header.sizeof_hdr + 4 <= offset <= MAX_OFFSET and offset == int(offset):
        return []
    return [
        Broken(
            f"the values start {header.sizeof_hdr + 4} to {MAX_OFFSET} bytes into the file", f"{offset:g}", _AGAIN
        )
    ]


def _affine(header: nib.Nifti1Header) -> tuple[np.ndarray | None, list[Broken]]:
    """The sform, else the qform, as nibabel chooses; a file with neither does not say left from right."""
    remedy = "export it again with its orientation, or copy the geometry from its source"
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        return None, [Broken("a scan says where its voxels are (sform or qform)", "neither", remedy)]
    try:
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (ValueError, HeaderDataError, FloatingPointError) as error:
        return None, [Broken("an affine can be computed", str(error), remedy)]
    if not np.isfinite(affine).all():
        return None, [
            Broken("an affine is finite", f"{int((~np.isfinite(affine)).sum())} NaN or infinite entries", remedy)
        ]
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not edges.all() or abs(np.linalg.det(affine[:3, :3] / edges)) < 1e-3:
        found = "an affine of zeros" if not edges.any() else "axes that fall together"
        return None, [Broken("an affine spans three directions", found, remedy)]
    if edges.min() < VOXEL_MM[0] or edges.max() > VOXEL_MM[1]:
        found = " x ".join(f"{edge:g}" for edge in edges) + " mm"
        return None, [Broken(f"a voxel's edge is {VOXEL_MM[0]:g} to {VOXEL_MM[1]:g} mm", found, remedy)]
    return affine, []


def _check_size(path: Path, header: Header) -> None:
    """Compare what is announced with what a file of this size can hold, before anything is unpacked."""
    size, announced = path.stat().st_size, header.offset + header.n_bytes
    if announced > size * (MAX_RATIO if path.suffix == ".gz" else 1):
        raise BrokenError(
            Broken("a scan is whole", f"{size} bytes where {announced} are announced", "copy it again")
        )


def _check_extensions(path: Path, header: nib.Nifti1Header) -> None:
    """Header extensions chain up to the values; nibabel would read on to wherever a broken chain points."""
    first = header.sizeof_hdr + 4
    with _open(path) as stream:
        raw = stream.read(int(header["vox_offset"]))
    if raw[header.sizeof_hdr : header.sizeof_hdr + 1] == b"\0":
        return
    order = "little" if header.endianness == "<" else "big"
    while len(raw) - first >= 16:
        size = int.from_bytes(raw[first : first + 4], order, signed=True)  # type: ignore[arg-type]
        if size < 16 or size % 16 or first + size > len(raw):
            raise BrokenError(
                Broken("header extensions are whole", f"one of {size} bytes", "strip them and save it again")
            )
        first += size


def blocks(path: Path, header: Header) -> Iterator[np.ndarray]:
    """The stored numbers, block by block, not yet scaled; raises BrokenError where the file ends early or late."""
    try:
        with _open(path) as stream:
            stream.read(header.offset)
            left = header.n_bytes
            while left:
                raw = stream.read(min(left, BLOCK))
                if len(raw) < min(left, BLOCK):
                    found = (
                        f"{header.n_bytes - left + len(raw)} bytes of values where {header.n_bytes} are announced"
                    )
                    raise BrokenError(Broken("a scan is whole", found, "copy it again"))
                left -= len(raw)
                yield np.frombuffer(raw, dtype=header.dtype)
            if stream.read(1):  # also has gzip compare its checksum
                raise BrokenError(
                    Broken("a scan ends where its header says", "more after it", "do not use this file; " + _AGAIN)
                )
    except _DAMAGE as error:
        raise BrokenError(Broken("a scan is whole", f"damage ({error})", "copy it again")) from error


def summarise(path: Path, header: Header) -> Values:
    """Gather what the rules on values need in one pass over the file, in bounded memory.

    ``digest`` stands for shape and stored numbers, whatever the compression. Raises BrokenError.
    """
    digest = hashlib.blake2b(repr(header.shape).encode(), digest_size=20)
    nonfinite = nonzero = below = outside = 0
    low, high = np.inf, -np.inf
    samples = []
    stride = max(1, header.n_bytes // header.dtype.itemsize // 2**18)
    for stored in blocks(path, header):
        digest.update(stored.tobytes())
        with np.errstate(all="ignore"):
            values = stored.astype(np.float64) * header.slope + header.intercept
        finite = values[np.isfinite(values)]
        nonfinite += values.size - finite.size
        nonzero += int(np.count_nonzero(finite))
        below += int((finite < -TOLERANCE_MD).sum())
        outside += int(((finite < -TOLERANCE_FA) | (finite > 1 + TOLERANCE_FA)).sum())
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        sample = values[::stride]
        samples.append(sample[sample > 0])
    above = np.concatenate(samples)
    return Values(
        voxels=header.n_bytes // header.dtype.itemsize, nonfinite=nonfinite, nonzero=nonzero, low=low, high=high,
        below_0=below, outside_0_1=outside,
        high_tissue=float(np.quantile(above[np.isfinite(above)], 0.95)) if np.isfinite(above).any() else 0.0,
        digest=digest.hexdigest(),
    )  # fmt: skip
