"""Where: scans in a BIDS or BIDS derivative folder, also one without ``dataset_description.json``.

File names are taken apart by bids2table; folders are walked here, as maps of FSL and TractoFlow (``dti_FA``,
``sub-1__fa``) do not start with ``sub-`` and an index of BIDS files alone would pass them over in silence.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bids2table import parse_bids_entities

from nigra.cohort.participants import Participant, is_label, participant_label
from nigra.cohort.scan import Scan
from nigra.errors import Fault

NATIVE = "native"
MASK = "mask"
SUFFIXES = {"T1w": "T1w", "FA": "FA", "fa": "FA", "MD": "MD", "md": "MD"}
"""Suffixes that name a channel: BIDS and FSL ``_FA``, TractoFlow ``__fa``, MJFF's PIE ``fa``."""

DESCRIPTIONS = ("prepared", "brain", "preproc", None, "any other", "head")
"""Which file of a channel is taken when several differ in ``desc-`` alone, best first (``None``: no ``desc-``)."""


@dataclass(frozen=True)
class Image:
    """One image file of a subject: ``kind`` is a channel's name or ``mask``; the lowest ``rank`` is taken."""

    path: Path
    kind: str
    session: str | None
    space: str
    rank: tuple[int, bool]


def subject_folders(source: Path) -> dict[str, Path]:
    """Subjects' folders by id, in order: ``sub-X``, or where there is none ``dwi/<number>`` as in MJFF's PIE."""
    folders = list(source.glob("sub-*")) or list(source.glob("dwi/[0-9]*"))
    return {participant_label(folder.name): folder for folder in sorted(folders) if folder.is_dir()}


def recognise(path: Path) -> Image | None:
    """What an image file is by its name, or ``None``; tensor maps go by the names of BEP016, FSL and TractoFlow.

    >>> image = recognise(Path("sub-1_space-S_model-tensor_param-fa_dwimap.nii.gz"))
    >>> image.kind, image.space
    ('FA', 'S')
    """
    parts = parse_bids_entities(path)
    if parts.get("ext") not in (".nii", ".nii.gz"):
        return None
    suffix, desc = parts.get("suffix"), parts.get("desc")
    if suffix == "mask" and desc in ("brain", None) and parts.get("label", "brain") == "brain":
        kind = MASK
    elif suffix == "dwimap" and parts.get("param") in ("fa", "md"):
        kind = parts["param"].upper()
    elif suffix in SUFFIXES:
        kind = SUFFIXES[suffix]
    else:
        return None
    described = DESCRIPTIONS.index(desc if desc in DESCRIPTIONS else "any other")
    other_model = parts.get("model", "tensor") != "tensor"
    return Image(path, kind, parts.get("ses"), parts.get("space", NATIVE), (described, other_model))


def images(folder: Path) -> Iterator[Image]:
    """All recognised images below a subject's folder, in order, hidden files left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            image = None if name.startswith(".") else recognise(Path(root, name))
            if image is not None:
                yield image


def find_scans(
    source: Path,
    people: dict[str, Participant],
    channels: tuple[str, ...] | None = None,
    space: str | None = None,
) -> tuple[list[Scan], list[Fault]]:
    """Scans of the given participants, one per subject and session, and a fault where one cannot be told.

    ``channels`` asks for these and no others; ``space`` for images with this ``space-`` entity (``native``: none).
    """
    scans: list[Scan] = []
    faults: list[Fault] = []
    for name, folder in subject_folders(source).items():
        if not is_label(name):
            rule, remedy = "a subject's label is letters and digits", "rename the folder and its files"
            faults.append(Fault(name, folder.name, rule, repr(name[4:]), remedy))
        elif name in people:
            found, broken = _of_subject(people[name], folder, channels, space)
            scans, faults = scans + found, faults + broken
    return scans, faults


def _of_subject(
    person: Participant, folder: Path, channels: tuple[str, ...] | None, space: str | None
) -> tuple[list[Scan], list[Fault]]:
    """The subject's scans, one per session, or what keeps them from being told."""
    sessions: dict[str, list[Image]] = defaultdict(list)
    for image in images(folder):
        if space in (None, image.space) and (image.kind == MASK or channels is None or image.kind in channels):
            sessions[image.session or ""].append(image)
    scans: list[Scan] = []
    faults: list[Fault] = []
    for session, found in sorted(sessions.items()):
        if all(image.kind == MASK for image in found):
            continue
        scan, broken = _of_session(person, session or None, found, channels)
        faults += broken
        scans += [scan] if scan is not None else []
    if not scans and not faults:
        rule = f"a subject has an image of {' and '.join(channels) if channels else 'T1w, FA or MD'}"
        rule += f" in space {space}" if space else ""
        remedy = "check the file names, or write a manifest"
        faults.append(Fault(person.participant_id, folder.name, rule, "none", remedy))
    return scans, faults


def _of_session(
    person: Participant, session: str | None, found: list[Image], channels: tuple[str, ...] | None
) -> tuple[Scan | None, list[Fault]]:
    """One scan from the images of one session: the best file of each channel, all in one space."""
    chosen: dict[str, Image] = {}
    faults = []
    name, remedy = person.participant_id, "choose channels or a space, or name the files in a manifest"
    for kind in channels or sorted({image.kind for image in found} - {MASK}):
        best = _best([image for image in found if image.kind == kind])
        if len(best) == 1:
            chosen[kind] = best[0]
        elif best:
            rule = f"a scan has one image of {kind}"
            faults.append(Fault(name, _names(best), rule, f"{len(best)} that its name may mean", remedy))
        else:
            where = f"ses-{session}" if session else ""
            faults.append(
                Fault(name, where, f"a scan has an image of {kind}", "none", "add it, or choose channels")
            )
    spaces = {image.space for image in chosen.values()}
    if len(spaces) > 1:
        rule, text = "the channels of a scan share one space", " and ".join(sorted(spaces))
        faults.append(Fault(name, _names(chosen.values()), rule, text, remedy))
    if faults:
        return None, faults
    anchor = next(iter(chosen.values()))
    masks = _best([image for image in found if image.kind == MASK and image.space == anchor.space])
    masks = [image for image in masks if image.path.parent == anchor.path.parent] or masks
    if len(masks) > 1:
        return None, [Fault(name, _names(masks), "a scan has at most one mask", str(len(masks)), remedy)]
    paths = {kind: image.path for kind, image in chosen.items()}
    mask = masks[0].path if masks else None
    known = (person.group, person.age, person.sex, person.site)
    return Scan(name, paths, *known, session, mask, anchor.space, person.further), []


def _best(candidates: list[Image]) -> list[Image]:
    """The candidates of the best rank; more than one means that their names do not tell which is meant."""
    top = min((image.rank for image in candidates), default=None)
    return [image for image in candidates if image.rank == top]


def _names(files: Iterable[Image]) -> str:
    return " and ".join(image.path.name for image in files)
