"""Regions: an atlas on the maps' grid, and the percentage of abnormal voxels per subject and region.

Regions may overlap: a merged region (both lateral ventricles, a lobe) counts its voxels beside its parts, and
``whole brain`` is the whole mask, labelled or not. A region without a scored voxel keeps its row (DESIGN, law 7).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from jaxtyping import Bool
from nibabel.filebasedimages import ImageFileError
from numpy import ndarray
from scipy.ndimage import affine_transform

from nigra.errors import NigraError
from nigra.files import read_json
from nigra.preparation.template import atlases_extra
from nigra.provenance import hash_file
from nigra.shapes import Affine, Labels, Mask

WHOLE_BRAIN = "whole brain"

COLUMNS = ("participant_id", "group", "fold", "set", "region", "voxels", "abnormal", "percent", "score")
"""Columns of ``regions.tsv``, in order. ``score`` is what groups are compared by, higher = more abnormal."""

NEUROMORPHOMETRICS_MERGED = {
    "lateral ventricles": [
        "Right_Lateral_Ventricle", "Left_Lateral_Ventricle", "Right_Inf_Lat_Vent", "Left_Inf_Lat_Vent",
    ],
    "white matter": ["Right_Cerebral_White_Matter", "Left_Cerebral_White_Matter"],
}  # fmt: skip
"""Regions of the published studies that Neuromorphometrics keeps in parts."""

_TISSUE = {
    "white matter": ("Cerebral_White_Matter", "Cerebellum_White_Matter"),
    "cerebrospinal fluid": ("Lateral_Ventricle", "Inf_Lat_Vent", "3rd_Ventricle", "4th_Ventricle", "CSF"),
    "": ("Brain_Stem", "Ventral_DC", "vessel", "Optic_Chiasm"),
}
"""Regions of Neuromorphometrics, without their side, that are not grey matter; the last are neither."""

_READ_AS_MISSING = {"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"}


@dataclass(frozen=True)
class Atlas:
    """Labelled regions on the maps' grid.

    ``labels`` (x, y, z) int32, 0 outside every region; ``names`` label -> name in the order of the file, with the
    labels that have no voxel here; ``merged`` name -> labels of the regions made of several; ``source`` SHA-256 of
    the image the labels came from.
    """

    labels: Labels
    names: dict[int, str]
    space: str
    source: str = ""
    merged: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def regions(self) -> dict[str, tuple[int, ...]]:
        """Region name -> its labels: merged regions first, then the atlas in file order (no whole brain)."""
        return self.merged | {name: (label,) for label, name in self.names.items()}


def load_atlas(
    dseg: Path, tsv: Path | None, space: str, shape: Sequence[int], affine: Affine,
    declared: str | None = None, merged: Mapping[str, Sequence[str]] | None = None,
) -> Atlas:  # fmt: skip
    """Load any parcellation with its BIDS look-up table onto the maps' grid.

    ``tsv`` (columns ``index``, ``name``, optionally ``group`` or ``lobe``) is looked for beside ``dseg`` when None.
    ``space``, ``shape`` and ``affine`` are the maps'; the atlas' own space is ``declared``, or stands in its file
    name (``space-`` or ``tpl-``) or sidecar (``Space``), and must be the same by name. In the same space but on
    another grid, each voxel takes the label nearest to its centre. ``merged`` adds regions, name -> region names;
    every value of the group column that joins several regions adds one too.

    Raises NigraError for an unreadable or non-integer image, an unknown or different space, a label of the image
    without a name in the table, names used twice.
    """
    if not dseg.is_file():
        raise NigraError(f"{dseg} does not exist; give the path of a dseg.nii.gz.")
    _check_space(dseg, space, declared)
    labels, source_affine = _read_labels(dseg)
    table = _read_lookup(tsv or _beside(dseg, ".tsv"))
    names = dict(zip(table["index"], table["name"], strict=True))
    unnamed = sorted(set(np.unique(labels).tolist()) - set(names) - {0})
    if unnamed:
        raise NigraError(
            f"{dseg.name}: every label has a row in its table, but found {len(unnamed)} without "
            f"({', '.join(map(str, unnamed[:8]))}); add their index and name."
        )
    groups = {} if "group" not in table else {
        str(group): rows["name"].tolist()
        for group, rows in table.groupby("group", sort=False)
        if str(group).lower() not in _READ_AS_MISSING and str(group) not in set(table["name"])
    }  # fmt: skip
    joined = {name: parts for name, parts in groups.items() if len(parts) > 1} | dict(merged or {})
    on_maps = to_grid(labels, source_affine, shape, affine)
    if not on_maps.any():
        raise NigraError(
            f"{dseg.name}: an atlas has labels where the maps lie, but found none; check its labels and its affine."
        )
    return Atlas(on_maps, names, space, hash_file(dseg), _merge(names, joined))


def packaged_atlas(name: str, space: str, shape: Sequence[int], affine: Affine) -> Atlas:
    """An atlas of the ``atlases`` extra, offline: ``neuromorphometrics``, in MNI152NLin2009cAsym.

    Its lateral ventricle labels lie on the CSF of that template; in another space it is refused.
    """
    if name != "neuromorphometrics":
        raise NigraError(
            f"atlas is {name!r}, which is not packaged; choose neuromorphometrics or give a dseg file."
        )
    folder = atlases_extra() / "atlases"
    dseg, table = folder / f"atlas_{name}.nii.gz", folder / f"labels_{name}.csv"
    return load_atlas(dseg, table, space, shape, affine, "MNI152NLin2009cAsym", NEUROMORPHOMETRICS_MERGED)


def neuromorphometrics_tissues(regions: Iterable[str]) -> dict[str, str]:
    """Region -> tissue for the names of Neuromorphometrics; those of mixed tissue are left out.

    >>> neuromorphometrics_tissues(["Right_Putamen", "CSF", "Brain_Stem", "Left_Cerebral_White_Matter"])
    {'Right_Putamen': 'grey matter', 'CSF': 'cerebrospinal fluid', 'Left_Cerebral_White_Matter': 'white matter'}
    """
    known = {name: tissue for tissue, names in _TISSUE.items() for name in names}
    found = {name: known.get(re.sub("^(Right|Left)_", "", name), "grey matter") for name in regions}
    return {name: tissue for name, tissue in found.items() if tissue}


def to_grid(labels: Labels, source: Affine, shape: Sequence[int], target: Affine) -> ndarray:
    """Labels (x, y, z) of affine ``source`` on the grid (``shape``, ``target``): the nearest voxel, 0 outside."""
    x, y, z = shape
    if labels.shape == (x, y, z) and np.allclose(source, target, atol=1e-4):
        return labels.astype(np.int32)
    to_source = np.linalg.inv(source) @ target
    # grid-constant: a voxel reaches half its width beyond its centre, also at the border of the image
    return affine_transform(
        labels.astype(np.int32), to_source, output_shape=(x, y, z), order=0, mode="grid-constant", output=np.int32
    )


def region_table(
    abnormal: Bool[ndarray, "n_subjects n_voxels"],
    scored: Bool[ndarray, " n_voxels"],
    mask: Mask,
    atlas: Atlas,
    participants: pd.DataFrame,
    fold: int,
    set_: Sequence[str],
) -> pd.DataFrame:
    """Percentage of abnormal voxels, one row per subject x region (columns: ``COLUMNS``).

    ``abnormal`` and ``scored`` (does the voxel have a score?) follow the voxels of ``mask`` in the order of
    ``numpy.nonzero(mask)``; a voxel counts once however many channels it has. ``participants`` (participant_id,
    group) and ``set_`` (test, held-out or training) follow the rows of ``abnormal``. ``voxels`` are the scored
    voxels of the region, ``percent = 100 abnormal / voxels``, NaN in a region without one; it is the ``score``.
    """
    if atlas.labels.shape != mask.shape:
        raise NigraError(
            f"the atlas is on the maps' grid {mask.shape}, but found {atlas.labels.shape}; load it for these maps."
        )
    inside = atlas.labels[mask]
    present, position = np.unique(inside, return_inverse=True)
    regions = {WHOLE_BRAIN: tuple(present.tolist())} | atlas.regions
    member = np.array([np.isin(present, labels) for labels in regions.values()], dtype=np.int64).T
    voxels = np.bincount(position[scored], minlength=len(present)) @ member
    row, column = np.nonzero(abnormal & scored)
    found = np.bincount(row * len(present) + position[column], minlength=len(abnormal) * len(present))
    counts = found.reshape(len(abnormal), len(present)) @ member
    percent = np.divide(100.0 * counts, voxels, out=np.full(counts.shape, np.nan), where=voxels > 0)
    n = len(regions)
    columns = {
        "participant_id": np.repeat(participants["participant_id"].to_numpy(), n),
        "group": np.repeat(participants["group"].to_numpy(), n),
        "fold": fold,
        "set": np.repeat(np.array(set_, dtype=object), n),
        "region": list(regions) * len(abnormal),
        "voxels": np.tile(voxels, len(abnormal)),
        "abnormal": counts.ravel(),
        "percent": percent.ravel(),
        "score": percent.ravel(),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _check_space(dseg: Path, space: str, declared: str | None) -> None:
    """The atlas' space by name, from the argument, the file name and the sidecar; all that speak must agree."""
    sidecar = _beside(dseg, ".json")
    in_name = re.search(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)", dseg.name)
    said = [declared, in_name and in_name[1], read_json(sidecar).get("Space") if sidecar.exists() else None]
    found = [name for name in said if name]
    if not found:
        raise NigraError(
            f"{dseg.name}: an atlas names its space, but found none; put space-{space} in its file name "
            "if that is where it lies."
        )
    wrong = [name for name in found if name != space]
    if wrong:
        raise NigraError(
            f"{dseg.name}: an atlas lies in the space of the maps, {space}, but found {wrong[0]}; "
            f"use an atlas in {space} or prepare the scans into {wrong[0]}."
        )


def _beside(dseg: Path, extension: str) -> Path:
    """The file of the same name with another extension."""
    return dseg.with_name(re.sub(r"\.nii(\.gz)?$", "", dseg.name) + extension)


def _read_labels(path: Path) -> tuple[ndarray, ndarray]:
    """Labels as int32 (RAS) and their affine; anything but whole numbers >= 0 is refused."""
    try:
        image = nib.load(path)
        if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-9:
            raise NigraError(f"{path.name}: an atlas has an invertible affine, but found none; export it again.")
        image = nib.as_closest_canonical(image)
        data = np.asarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise NigraError(f"{path.name} is not a readable NIfTI ({error}); export it again.") from error
    data = data.reshape(data.shape[:3]) if data.ndim > 3 and data.size == np.prod(data.shape[:3]) else data
    if data.ndim != 3 or data.dtype.kind not in "iuf":
        raise NigraError(
            f"{path.name}: an atlas is one 3D image of labels, but found shape {data.shape} of {data.dtype}; "
            "export its labels."
        )
    if not np.isfinite(data).all() or (data != np.rint(data)).any():
        raise NigraError(
            f"{path.name}: labels are whole numbers, but found others; resample it with nearest neighbour."
        )
    if data.min() < 0 or data.max() > np.iinfo(np.int32).max:
        raise NigraError(
            f"{path.name}: labels lie between 0 and 2^31, but found {data.min():.0f} to {data.max():.0f}; "
            "save it as int16 or int32 (int8 wraps labels above 127)."
        )
    return data.astype(np.int32), image.affine


def _read_lookup(path: Path) -> pd.DataFrame:
    """The look-up table: ``index`` int, ``name`` text, optional ``group``; without the background row 0."""
    if not path.is_file():
        raise NigraError(f"{path} does not exist; an atlas needs a table with the columns index and name.")
    try:
        # everything as text: pandas would take a region called NA (nucleus accumbens) for a missing value
        separator = "," if path.suffix == ".csv" else "\t"
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise NigraError(f"{path.name} is not a readable table ({error}); write it as UTF-8.") from error
    if not {"index", "name"} <= set(table.columns):
        raise NigraError(
            f"{path.name}: a look-up table has the columns index and name, but found {', '.join(table.columns)}; "
            "name them so, tab separated."
        )
    table = table.rename(columns={} if "group" in table else {"lobe": "group"})
    table = table[table["index"].str.strip() != "0"].assign(name=table["name"].str.strip())
    wrong = table["index"][~table["index"].str.fullmatch(r"\s*\d+\s*")]
    if len(wrong):
        raise NigraError(f"{path.name}: an index is a whole number, but found {wrong.iloc[0]!r}; correct it.")
    table = table.assign(index=table["index"].astype(np.int64)).reset_index(drop=True)
    for column in ("index", "name"):
        twice = table[column][table[column].duplicated()]
        if len(twice):
            raise NigraError(
                f"{path.name}: every {column} stands once, but found {twice.iloc[0]} twice; rename one."
            )
    reserved = [name for name in table["name"] if name.lower() in _READ_AS_MISSING | {WHOLE_BRAIN}]
    if reserved:
        raise NigraError(
            f"{path.name}: a region has a name that tables keep, but found {reserved[0]!r}, which reads as "
            "missing or is reserved; write it out."
        )
    return table


def _merge(names: Mapping[int, str], merged: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Labels of the merged regions, from the names of their parts."""
    label = {name: index for index, name in names.items()}
    for region, parts in merged.items():
        unknown = [part for part in parts if part not in label]
        if unknown:
            raise NigraError(
                f"merged region {region!r}: its parts are regions of the atlas, but found {unknown[0]!r}."
            )
        if region in label or region == WHOLE_BRAIN:
            raise NigraError(
                f"merged region {region!r}: the name is free, but found it in the atlas; choose another."
            )
    return {region: tuple(label[part] for part in parts) for region, parts in merged.items()}
