"""One subject's prepared maps on disk: their names, their sidecars, and whether they are still current.

Names follow BIDS derivatives; tensor maps follow BEP016 (``model-tensor_param-fa_dwimap``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nigra.cohort.scan import Scan
from nigra.errors import NigraError
from nigra.files import read_json, write_image, write_json
from nigra.provenance import hash_file, hash_settings, record
from nigra.shapes import Affine, Mask

TENSOR = {"FA": "fa", "MD": "md", "AD": "ad", "RD": "rd"}
"""Channels that are maps of a tensor fit, and their BEP016 ``param-`` values."""


@dataclass(frozen=True)
class Derivative:
    """Where one subject's prepared maps stand in a study folder."""

    study: Path
    participant_id: str
    session_id: str | None
    space: str
    channels: tuple[str, ...]

    @property
    def name(self) -> str:
        """``sub-X`` or ``sub-X_ses-Y``."""
        return f"{self.participant_id}_ses-{self.session_id}" if self.session_id else self.participant_id

    def image(self, channel: str) -> Path:
        """The prepared map of a channel."""
        if channel in TENSOR:
            return self._path("dwi", f"model-tensor_param-{TENSOR[channel]}_desc-prepared_dwimap.nii.gz")
        return self._path("anat", f"desc-prepared_{channel}.nii.gz")

    def sidecar(self, channel: str) -> Path:
        """The JSON beside the prepared map of a channel."""
        image = self.image(channel)
        return image.with_name(image.name.removesuffix(".nii.gz") + ".json")

    @property
    def mask(self) -> Path:
        """Where the subject's brain covers the grid."""
        return self._path("dwi" if self.channels[0] in TENSOR else "anat", "desc-brain_mask.nii.gz")

    def mosaic(self, channel: str) -> Path:
        """The picture to check the preparation by."""
        return self.study / "figures" / f"{self.name}_desc-mosaic_{channel}.png"

    def _path(self, kind: str, ending: str) -> Path:
        folder = self.study / self.participant_id / (f"ses-{self.session_id}" if self.session_id else "")
        return folder / kind / f"{self.name}_space-{self.space}_{ending}"


def inputs(scan: Scan) -> dict[str, str]:
    """SHA-256 of every file a subject's preparation reads, by file name; files of one name share an entry."""
    files = [*scan.channels.values(), *([scan.mask] if scan.mask else [])]
    found: dict[str, str] = {}
    for path in files:
        found[path.name] = found.get(path.name, "") + hash_file(path)
    return found


def current(derivative: Derivative, hashes: Mapping[str, str], settings: Mapping[str, Any]) -> dict | None:
    """The quality measured when these inputs were prepared with these settings; None when they were not.

    The sidecars are written last, so that maps whose writing was cut short are not current.
    """
    found: dict | None = None
    for channel in derivative.channels:
        if not (derivative.sidecar(channel).exists() and derivative.image(channel).exists()):
            return None
        try:
            content = read_json(derivative.sidecar(channel))
            same = content["inputs"] == dict(hashes) and content["settings_hash"] == hash_settings(settings)
            found = content["quality"]
        except (NigraError, KeyError, TypeError):
            return None
        if not same:
            return None
    return found if derivative.mask.exists() else None


def write(
    derivative: Derivative, maps: Mapping[str, np.ndarray], mask: Mask, affine: Affine, scan: Scan,
    hashes: Mapping[str, str], settings: Mapping[str, Any], extra: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write maps, mask, and last the sidecars that make them current; those of an earlier preparation go first."""
    for channel in derivative.channels:
        derivative.sidecar(channel).unlink(missing_ok=True)
    write_image(derivative.mask, mask, affine)
    for channel, data in maps.items():
        write_image(derivative.image(channel), data.astype(np.float32), affine)
    for channel in maps:
        content = {
            "Sources": [scan.channels[channel].name, *([scan.mask.name] if scan.mask else [])],
            "SpatialReference": derivative.space,
            "SkullStripped": True,
            "settings_hash": hash_settings(settings),
            **record("prepare", settings, hashes),
            **extra,
        }
        write_json(derivative.sidecar(channel), content)
