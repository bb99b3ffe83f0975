"""The cohort store: all subjects' maps in one space as one memory-mapped array.

On disk (written by ``nigra prepare``, read by every later stage)::

    cohort/volumes.npy        (N, C, X, Y, Z) float32, RAS, 0 outside the mask
    cohort/mask.nii.gz        (X, Y, Z) brain mask shared by all subjects
    cohort/participants.tsv   one row per subject, in the order of the array
    cohort/store.json         channels, space, affine, file hashes, provenance; written last, so a store
                              without it is not yet whole and is never read
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.filebasedimages import ImageFileError

from nigra.errors import NigraError
from nigra.files import create_array, read_json, read_tsv, write_image, write_json, write_tsv
from nigra.provenance import hash_file
from nigra.shapes import Affine, Mask, Volume, Volumes

CONTROL, PATIENT = "control", "patient"


@dataclass(frozen=True)
class Cohort:
    """Everything a later stage knows of the subjects; ``volumes`` may be a read-only memory map."""

    volumes: Volumes
    mask: Mask
    affine: Affine
    channels: tuple[str, ...]
    space: str
    participants: pd.DataFrame
    digest: str = ""

    @property
    def ids(self) -> list[str]:
        """Participant ids in the order of ``volumes``."""
        return self.participants["participant_id"].tolist()

    def rows(self, ids: list[str]) -> np.ndarray:
        """Indices into ``volumes`` of the given participants; an unknown one is an error."""
        index = {name: row for row, name in enumerate(self.ids)}
        unknown = [name for name in ids if name not in index]
        if unknown:
            raise NigraError(f"the cohort store has no subject {', '.join(unknown[:5])}; prepare it first.")
        return np.array([index[name] for name in ids], dtype=np.int64)

    def group(self, name: str) -> list[str]:
        """Participant ids of a group."""
        return self.participants.loc[self.participants["group"] == name, "participant_id"].tolist()


class StoreWriter:
    """Fill a store subject by subject in bounded memory; ``close`` makes it readable.

    Values outside the mask are set to 0; a NaN inside the mask is refused with the subject's name.
    """

    def __init__(
        self, folder: Path, participants: pd.DataFrame, channels: tuple[str, ...], space: str,
        mask: np.ndarray, affine: np.ndarray,
    ) -> None:  # fmt: skip
        if participants["participant_id"].duplicated().any():
            twice = participants.loc[participants["participant_id"].duplicated(), "participant_id"].iloc[0]
            raise NigraError(f"subject {twice} stands twice in the participants; keep one row per subject.")
        self.folder, self.channels, self.space = folder, channels, space
        self.participants = participants.reset_index(drop=True)
        self.mask, self.affine = mask, affine
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "store.json").unlink(missing_ok=True)
        shape = (len(participants), len(channels), *mask.shape)
        self._volumes = create_array(folder / "volumes.npy", shape)

    def write(self, row: int, volume: Volume) -> None:
        """Put one subject's channels in its row."""
        name = self.participants["participant_id"].iloc[row]
        if volume.shape != self._volumes.shape[1:]:
            raise NigraError(
                f"{name}: a prepared volume has shape {self._volumes.shape[1:]}, but found {volume.shape}; "
                "prepare all subjects with the same channels, space and resolution."
            )
        inside = volume[:, self.mask]
        if not np.isfinite(inside).all():
            raise NigraError(f"{name}: prepared maps are finite inside the mask, but found NaN; check the scan.")
        self._volumes[row] = np.where(self.mask, volume, 0)

    def close(self, provenance: dict[str, Any]) -> None:
        """Flush, hash and publish the store."""
        self._volumes.flush()
        del self._volumes
        write_image(self.folder / "mask.nii.gz", self.mask, self.affine)
        write_tsv(self.folder / "participants.tsv", self.participants)
        names = ("volumes.npy", "mask.nii.gz", "participants.tsv")
        content = {
            "channels": list(self.channels),
            "space": self.space,
            "affine": np.asarray(self.affine, dtype=float).tolist(),
            "hashes": {name: hash_file(self.folder / name) for name in names},
            "provenance": provenance,
        }
        write_json(self.folder / "store.json", content)


def open_cohort(study: Path) -> Cohort:
    """Open a study's store read-only; ``digest`` stands for its whole content."""
    folder = study / "cohort"
    if not (folder / "store.json").exists():
        raise NigraError(f"{study} has no prepared cohort; run `nigra prepare SOURCE {study}` first.")
    try:
        return _read(folder)
    except (OSError, EOFError, ValueError, KeyError, TypeError, ImageFileError) as error:
        raise NigraError(f"{folder} is damaged ({error}); run `nigra prepare` again.") from error


def _read(folder: Path) -> Cohort:
    content = read_json(folder / "store.json")
    image = nib.load(folder / "mask.nii.gz")
    volumes = np.load(folder / "volumes.npy", mmap_mode="r", allow_pickle=False)
    participants = read_tsv(folder / "participants.tsv", ("participant_id", "session_id", "site"))
    mask = np.asarray(image.dataobj) > 0
    if volumes.shape != (len(participants), len(content["channels"]), *mask.shape):
        raise NigraError(f"{folder}: volumes, mask and participants disagree in size; run `nigra prepare` again.")
    return Cohort(
        volumes=volumes,
        mask=mask,
        affine=np.array(content["affine"]),
        channels=tuple(content["channels"]),
        space=content["space"],
        participants=participants,
        digest=content["hashes"]["volumes.npy"],
    )
