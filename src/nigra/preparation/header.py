"""Reading the header of a NIfTI that nobody has vouched for.

nibabel accepts NaN and all-zero affines, zero dimensions and infinite slopes silently, and allocates what a
header announces. Here every field is judged before anything is allocated on its word.
"""

import gzip
import logging
import zlib
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.nifti1 import data_type_codes
from nibabel.spatialimages import HeaderDataError

from nigra.shapes import Affine

MAX_SIDE = 2048
"""Longest side of a scan, voxels."""
MAX_VOXELS = 2**28
"""Most voxels of a scan: a whole head at 0.4 mm."""
MAX_OFFSET = 2**24
"""Most bytes before the values, header extensions included."""
MAX_RATIO = 1100
"""Deflate shrinks at most about 1032 times (zlib technical details): a file that would have to is cut short."""
EDGE_MM = (0.01, 50.0)
"""Shortest and longest edge of a voxel, mm."""
REAL_TYPES = (2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280)
"""NIfTI codes of the real number types of 8 to 64 bits."""
DAMAGE = (EOFError, OSError, zlib.error)
"""What reading a damaged file can raise."""

_AGAIN = "export it again"
_ORIENT = "export it again with its orientation, or copy the geometry from its source"
_QUIET = logging.getLogger("nigra.preparation.header")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Broken(NamedTuple):
    """A broken rule of one file: what holds for every file, what was found here, what to do."""

    rule: str
    found: str
    remedy: str


class BrokenError(Exception):
    """Reading cannot go on; ``broken`` says why."""

    def __init__(self, rule: str, found: str, remedy: str) -> None:
        super().__init__(found)
        self.broken = Broken(rule, found, remedy)


@dataclass(frozen=True)
class Header:
    """What a file announces: sides in voxels, affine to mm (RAS+), stored type, scaling, bytes before values."""

    shape: tuple[int, int, int]
    affine: Affine
    dtype: np.dtype
    slope: float
    intercept: float
    offset: int

    @property
    def n_voxels(self) -> int:
        """Voxels announced."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def n_bytes(self) -> int:
        """Bytes the values take, unpacked."""
        return self.n_voxels * self.dtype.itemsize


def read_header(path: Path) -> tuple[Header | None, list[Broken]]:
    """Read the header of a single-file NIfTI-1 or -2, or ``None`` and every rule it breaks.

    Unpacks at most ``MAX_OFFSET`` bytes.
    """
    try:
        raw = _raw_header(path)
        shape, broken = _shape(raw)
        with np.errstate(all="ignore"):
            broken += _type(raw) + _scaling(raw) + _place(raw)
            affine, wrong = _affine(raw, mend=not broken)
        broken += wrong
        if broken or shape is None or affine is None:
            return None, broken
        slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
        if slope == 0:  # "not scaled" (NIfTI-1, scl_slope)
            slope, intercept = 1.0, 0.0
        header = Header(shape, affine, raw.get_data_dtype(), slope, intercept, int(raw["vox_offset"]))
        _check_size(path, header)
        _check_extensions(path, raw)
    except BrokenError as error:
        return None, [error.broken]
    except DAMAGE as error:
        return None, [Broken("a scan is whole", f"damage ({error})", "copy or export it again")]
    return header, []


def open_bytes(path: Path) -> gzip.GzipFile | BufferedReader:
    """The file's bytes, unpacked as they are read when it is a ``.gz``."""
    return gzip.GzipFile(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _raw_header(path: Path) -> nib.Nifti1Header:
    """The header as it stands, in its own byte order, nothing mended."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BrokenError("a scan is a .nii or .nii.gz file", path.suffix or "no extension", "convert it to NIfTI")
    if not path.is_file():
        raise BrokenError("a scan is a file", "none at this path", "correct the path or copy it again")
    with open_bytes(path) as stream:
        raw = stream.read(540)
    for klass, size, magic, place in ((nib.Nifti1Header, 348, b"n+1\0", 344), (nib.Nifti2Header, 540, b"n+2\0", 4)):
        for order, name in (("<", "little"), (">", "big")):
            if raw[:4] == size.to_bytes(4, name) and raw[place : place + 4] == magic and len(raw) >= size:  # type: ignore[arg-type]
                return klass(raw[:size], endianness=order, check=False)
    found = f"only {len(raw)} bytes" if len(raw) < 348 else "other content"
    raise BrokenError("a scan starts with a single-file NIfTI header", found, "convert it to NIfTI")


def _shape(raw: nib.Nifti1Header) -> tuple[tuple[int, int, int] | None, list[Broken]]:
    """Three sides; later ones of length 1 are let go."""
    count = int(raw["dim"][0])
    sides = [int(side) for side in raw["dim"][1 : count + 1]]
    text = " x ".join(map(str, sides)) or str(count)
    if not 3 <= count <= 7:
        return None, [Broken("a scan has 3 dimensions", str(count), "give one volume per file")]
    if min(sides) < 1:
        return None, [Broken("every side of a scan is at least 1 voxel", text, _AGAIN)]
    if any(side > 1 for side in sides[3:]):
        return None, [Broken("a scan has 3 dimensions", text, "give one volume per file")]
    x, y, z = sides[:3]
    if max(x, y, z) > MAX_SIDE or x * y * z > MAX_VOXELS:
        rule = f"a scan has at most {MAX_SIDE} voxels a side and {MAX_VOXELS} in all"
        return None, [Broken(rule, text, "crop it, or export it again")]
    if min(x, y, z) < 2:
        return None, [Broken("a scan is a volume", text, "give the whole volume, not a slice")]
    return (x, y, z), []


def _type(raw: nib.Nifti1Header) -> list[Broken]:
    code = int(raw["datatype"])
    if code in REAL_TYPES:
        return []
    name = data_type_codes.label[code] if code in data_type_codes.code else f"type code {code}"
    return [Broken("a scan holds real numbers", str(name), "export one map of real numbers per file")]


def _scaling(raw: nib.Nifti1Header) -> list[Broken]:
    slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    if np.isfinite([slope, intercept]).all():
        return []
    return [Broken("slope and intercept are finite", f"slope {slope:g} and intercept {intercept:g}", _AGAIN)]


def _place(raw: nib.Nifti1Header) -> list[Broken]:
    """The values start after the header and its 4 bytes of extension flags, on a whole byte."""
    offset, first = float(raw["vox_offset"]), raw.sizeof_hdr + 4
    if first <= offset <= MAX_OFFSET and offset == int(offset):
        return []
    return [Broken(f"the values start {first} to {MAX_OFFSET} bytes into the file", f"{offset:g}", _AGAIN)]


def _affine(raw: nib.Nifti1Header, mend: bool) -> tuple[np.ndarray | None, list[Broken]]:
    """The sform, else the qform, as nibabel chooses; a file with neither does not tell left from right.

    ``mend`` applies the repairs nibabel makes on loading (such as to negative voxel sizes), so that the affine
    judged is the one used later.
    """
    try:
        if mend:
            raw = raw.copy()
            raw.check_fix(logger=_QUIET, error_level=40)
        if raw["sform_code"] <= 0 and raw["qform_code"] <= 0:
            return None, [Broken("a scan says where its voxels are, by sform or qform", "neither", _ORIENT)]
        affine = np.asarray(raw.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError, KeyError) as error:
        return None, [Broken("a header is valid NIfTI", str(error), _AGAIN)]
    if not np.isfinite(affine).all():
        found = f"{int((~np.isfinite(affine)).sum())} NaN or infinite entries"
        return None, [Broken("an affine is finite", found, _ORIENT)]
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not edges.all() or abs(np.linalg.det(affine[:3, :3] / edges)) < 1e-3:
        found = "axes that fall together" if edges.all() else "an axis of length 0"
        return None, [Broken("an affine spans three directions", found, _ORIENT)]
    if edges.min() < EDGE_MM[0] or edges.max() > EDGE_MM[1]:
        found = " x ".join(f"{edge:g}" for edge in edges) + " mm"
        return None, [Broken(f"a voxel's edge is {EDGE_MM[0]:g} to {EDGE_MM[1]:g} mm", found, _ORIENT)]
    return affine, []


def _check_size(path: Path, header: Header) -> None:
    """Compare what is announced with what a file of this size can hold, before anything is unpacked."""
    size, announced = path.stat().st_size, header.offset + header.n_bytes
    if announced > size * (MAX_RATIO if path.suffix == ".gz" else 1):
        raise BrokenError("a scan is whole", f"{size} bytes where {announced} are announced", "copy it again")


def _check_extensions(path: Path, raw: nib.Nifti1Header) -> None:
    """Extensions chain up to the values; nibabel would read on to wherever a broken chain points."""
    first = raw.sizeof_hdr + 4
    with open_bytes(path) as stream:
        before = stream.read(int(raw["vox_offset"]))
    if before[first - 4 : first - 3] in (b"", b"\0"):
        return
    while len(before) - first >= 16:
        size = int(np.frombuffer(before, dtype=f"{raw.endianness}i4", count=1, offset=first)[0])
        if size < 16 or size % 16 or first + size > len(before):
            raise BrokenError("header extensions are whole", f"one of {size} bytes", "strip them and save it again")
        first += size
