"""Write the phantom cohort as a BIDS derivative dataset, atlas and truth beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.files import read_json, write_image, write_json, write_text, write_tsv
from nigra.phantom.anatomy import SPACE, Anatomy, build_anatomy
from nigra.phantom.disease import plan, signs
from nigra.phantom.parcellation import region_table
from nigra.phantom.person import Person, draw_person
from nigra.phantom.rendering import Maps, render
from nigra.provenance import versions
from nigra.shapes import Labels

TRUTH_COLUMNS = [
    "participant_id", "region", "side", "channel", "voxels", "change", "percent", "healthy_sd", "effect_sd",
    "hoehn_yahr", "worse_side",
]  # fmt: skip
README = """# A synthetic cohort

Made by `nigra phantom`. No person was scanned: tissue maps of the MNI152 template were deformed, given plausible FA
and MD, and blurred with noise. It tests software; nothing measured on it is a statement about any disease.

- `sub-*/dwi`: FA (no unit) and MD (mm²/s) in {space}, and the brain mask. The sidecars hold every drawn value.
- `atlas/`: a synthetic parcellation: nuclei are ellipsoids, lobes are cut by planes.
- `truth/`: for each patient the label of every changed voxel; `truth.tsv`: how large each planted change is.
- `truth.json`: what the columns mean.
"""


def write_phantom(
    out: Path, controls: int = 24, patients: int = 16, seed: int = 0, resolution: float = 2.0, progress: bool = True
) -> None:
    """Write a synthetic cohort of FA and MD maps with planted, known changes to the folder ``out``.

    ``resolution`` is the voxel edge in mm (2 by default, 3-4 for a quick look). The same arguments give the same
    bytes; a killed run is finished by running it again. An ``out`` that holds anything else raises NigraError.
    """
    settings = {"controls": controls, "patients": patients, "seed": seed, "resolution": float(resolution)}
    _check(out, settings)
    anatomy = build_anatomy(resolution)
    people = [draw_person(CONTROL, k, seed, anatomy) for k in range(1, controls + 1)]
    people += [draw_person(PATIENT, k, seed, anatomy) for k in range(1, patients + 1)]
    _write_frame(out, settings)
    _write_atlas(out, anatomy)
    _write_participants(out, people)
    healthy, rows = _Spread(anatomy), []
    console = Console(stderr=True, quiet=not progress)
    for person in track(people, description="Phantom subjects", console=console):
        maps = render(person, anatomy)
        _write_subject(out, person, maps, anatomy)
        if person.group == CONTROL:
            healthy.add(maps)
        else:
            rows += _truth_rows(person, maps, render(person, anatomy, disease=False))
    _write_truth(out, rows, healthy, anatomy.labels)


def _check(out: Path, settings: dict[str, Any]) -> None:
    if settings["controls"] < 0 or settings["patients"] < 0 or settings["controls"] + settings["patients"] == 0:
        raise NigraError("a phantom cohort has at least one subject; give --controls and --patients of 0 or more.")
    if settings["seed"] < 0:
        raise NigraError(f"a seed is 0 or a positive whole number, but found {settings['seed']}.")
    if out.exists() and not out.is_dir():
        raise NigraError(f"{out} is a file; choose an empty folder.")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / "phantom.json").exists() or read_json(out / "phantom.json")["settings"] != settings:
        raise NigraError(f"{out} already holds other files; choose an empty folder or delete it first.")


class _Spread:
    """Voxelwise mean square and mean of the controls, for the healthy standard deviation."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.n = 0
        self.sums = np.zeros((2, 2, *anatomy.mask.shape))

    def add(self, maps: Maps) -> None:
        self.n += 1
        for channel, values in enumerate((maps.fa, maps.md)):
            self.sums[0, channel] += values
            self.sums[1, channel] += values.astype(np.float64) ** 2

    def sd(self) -> np.ndarray | None:
        """Standard deviation over controls (2, X, Y, Z), None below 3 controls."""
        if self.n < 3:
            return None
        mean, square = self.sums / self.n
        return np.sqrt(np.clip(square - mean**2, 0, None) * self.n / (self.n - 1))


def _truth_rows(person: Person, ill: Maps, well: Maps) -> list[dict[str, Any]]:
    """One row per region and channel: mean change over the region's changed voxels, and its share of the mean."""
    rows = []
    for change in plan(person):
        inside = ill.truth == change.label
        for channel, after, before in (("FA", ill.fa, well.fa), ("MD", ill.md, well.md)):
            mean = float(before[inside].mean(dtype=float)) if inside.any() else np.nan
            delta = float(after[inside].mean(dtype=float)) - mean if inside.any() else np.nan
            rows.append({
                "participant_id": person.participant_id, "region": change.region, "side": change.side,
                "channel": channel, "voxels": int(inside.sum()), "change": delta, "percent": 100 * delta / mean,
                "label": change.label, "hoehn_yahr": person.hoehn_yahr,
                "worse_side": "yes" if change.worse else "no",
            })  # fmt: skip
    return rows


def _write_truth(out: Path, rows: list[dict[str, Any]], healthy: _Spread, labels: Labels) -> None:
    sd = healthy.sd()
    for row in rows:
        here = labels == row["label"]
        row["healthy_sd"] = np.nan if sd is None else float(np.median(sd[int(row["channel"] == "MD")][here]))
        row["effect_sd"] = row["change"] / row["healthy_sd"]
    table = pd.DataFrame(rows, columns=TRUTH_COLUMNS)
    for column in ("change", "percent", "healthy_sd", "effect_sd"):
        table[column] = table[column].map("{:.4g}".format, na_action="ignore")
    write_tsv(out / "truth.tsv", table)
    write_json(out / "truth.json", {
        "voxels": "number of changed voxels",
        "change": "mean change over these voxels against the same person without disease; FA no unit, MD mm^2/s",
        "percent": "change in percent of the healthy value",
        "healthy_sd": "standard deviation between controls of one voxel, median over the region",
        "effect_sd": "change in units of healthy_sd",
        "hoehn_yahr": "stage, 1 or 2",
        "worse_side": "yes on the side with the stronger change",
    })  # fmt: skip


def _write_frame(out: Path, settings: dict[str, Any]) -> None:
    write_json(out / "phantom.json", {"settings": settings, "versions": versions()})
    write_json(out / "dataset_description.json", {
        "Name": "nigra phantom: synthetic FA and MD maps, no real person",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [{"Name": "nigra phantom", "Version": versions()["nigra"]}],
    })  # fmt: skip
    write_text(out / "README.md", README.format(space=SPACE))
    write_text(out / ".bidsignore", "atlas/\ntruth/\ntruth.*\nphantom.json\n*_dwimap.nii.gz\n*_dwimap.json\n")


def _write_atlas(out: Path, anatomy: Anatomy) -> None:
    stem = f"space-{SPACE}_atlas-Synthetic_dseg"
    write_image(out / "atlas" / f"{stem}.nii.gz", anatomy.labels.astype(np.int16), anatomy.affine)
    write_tsv(out / "atlas" / f"{stem}.tsv", region_table())


def _write_participants(out: Path, people: list[Person]) -> None:
    columns = ["participant_id", "age", "sex", "group", "site", "hoehn_yahr", "worse_side", "motor_score",
               "more_affected_side"]  # fmt: skip
    table = pd.DataFrame([person.record() | signs(person) for person in people], columns=columns)
    write_tsv(out / "participants.tsv", table.astype({"hoehn_yahr": "Int64", "motor_score": "Int64"}))
    sides = {"L": "left", "R": "right"}
    write_json(out / "participants.json", {
        "age": {"Description": "age at the scan", "Units": "year"},
        "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}},
        "group": {"Description": "group", "Levels": {"control": "no planted change", "patient": "planted changes"}},
        "site": {"Description": "simulated scanner"},
        "hoehn_yahr": {"Description": "Hoehn and Yahr stage of patients, 1 or 2"},
        "worse_side": {"Description": "side of the brain with the stronger change", "Levels": sides},
        "motor_score": {"Description": "simulated motor score of patients, higher = worse", "Units": "points"},
        "more_affected_side": {
            "Description": "side of the body with the stronger signs, opposite to worse_side", "Levels": sides,
        },
    })  # fmt: skip


def _write_subject(out: Path, person: Person, maps: Maps, anatomy: Anatomy) -> None:
    stem = f"{person.participant_id}_space-{SPACE}"
    folder = out / person.participant_id / "dwi"
    for parameter, values, units in (("fa", maps.fa, "1"), ("md", maps.md, "mm^2/s")):
        name = f"{stem}_model-tensor_param-{parameter}_dwimap"
        write_image(folder / f"{name}.nii.gz", values, anatomy.affine)
        sidecar = {"SkullStripped": True, "Units": units, "SpatialReference": SPACE, "Synthetic": person.record()}
        write_json(folder / f"{name}.json", sidecar)
    write_image(folder / f"{stem}_desc-brain_mask.nii.gz", maps.mask, anatomy.affine)
    if person.group == PATIENT:
        truth = maps.truth.astype(np.int16)
        write_image(out / "truth" / f"{stem}_desc-planted_dseg.nii.gz", truth, anatomy.affine)
