"""Atomic writes: a file is either whole or absent, also after a kill (DESIGN, law 9)."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from nigra.errors import NigraError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends without an error.

    The temporary name keeps the extension (``.nii.gz``), as writers choose their format by it, and starts with
    a dot, as no reader looks at hidden files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix="".join(path.suffixes[-2:]), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; paths and dates become text, NaN is refused as JSON has none."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or broken file is one sentence."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NigraError(f"{path} does not exist; run the stage that writes it first.") from error
    except IsADirectoryError as error:
        raise NigraError(f"{path} is a folder, but a file is needed; move the folder away.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise NigraError(f"{path} is not readable JSON ({error}); delete it and run its stage again.") from error


def key_in(path: Path, name: str = "key") -> str | None:
    """The key that a finished step left in its JSON; None without a readable one: the step is to be done again."""
    try:
        content = read_json(path)
    except NigraError:
        return None
    return content.get(name) if isinstance(content, dict) else None


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a BIDS table atomically: tab separated, missing values as ``n/a``."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def read_tsv(path: Path, text_columns: tuple[str, ...] = ("participant_id",)) -> pd.DataFrame:
    """Read a BIDS table; ``text_columns`` stay text, so that subject ``007`` does not become 7."""
    try:
        header = pd.read_csv(path, sep="\t", nrows=0, encoding="utf-8-sig").columns
        dtypes = {column: str for column in text_columns if column in header}
        return pd.read_csv(
            path, sep="\t", dtype=dtypes, na_values=["n/a"], keep_default_na=True, encoding="utf-8-sig"
        )
    except FileNotFoundError as error:
        raise NigraError(f"{path} does not exist; run the stage that writes it first.") from error
    except IsADirectoryError as error:
        raise NigraError(f"{path} is a folder, but a file is needed; move the folder away.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise NigraError(f"{path} is not a readable table ({error}); write it as UTF-8, tab separated.") from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` atomically, never pickled."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def create_array(path: Path, shape: tuple[int, ...], dtype: type[np.floating] = np.float32) -> np.memmap:
    """A new ``.npy`` of zeros, memory-mapped to be filled in place, its room on the disk reserved.

    Without the reservation a disk that fills up ends the process (SIGBUS) at some later assignment.

    Raises OSError: the disk has no room.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):  # others: a file system that cannot reserve
                    raise OSError(error.errno, error.strerror, str(path)) from error
    return array


def write_image(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI atomically in the array's own type, with sform and qform set; bool becomes uint8."""
    stored = data.astype(np.uint8) if data.dtype == bool else data
    image = nib.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=4)
    image.set_qform(affine, code=4)
    with atomic(path) as temporary:
        nib.save(image, temporary)
