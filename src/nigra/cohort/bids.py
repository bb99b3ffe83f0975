"""Where: scans in a BIDS or BIDS derivative folder, also one without ``dataset_description.json``.

File names are taken apart by bids2table; folders are walked here, as maps of FSL and TractoFlow (``dti_FA``,
``sub-1__fa``) do not start with ``sub-`` and an index of BIDS files alone would pass them over in silence.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids2table import parse_bids_entities

from nigra.cohort.participants import Participant, is_label
from nigra.cohort.scan import Scan
from nigra.errors import Fault

NATIVE = "native"
SUFFIXES = {"T1w": "T1w", "FA": "FA", "fa": "FA", "MD": "MD", "md": "MD"}
"""Suffixes that name a channel: BIDS and FSL ``_FA``, TractoFlow ``__fa``."""

_DESCRIPTIONS = ("prepared", "brain", "preproc", "phantom", None, "head")
"""Which file of a channel is taken when several differ in ``desc-`` alone, best first."""


@dataclass(frozen=True)
class Image:
    """One image file of a subject: ``kind`` is a channel's name or ``mask``."""

    path: Path
    kind: str
    session: str | None
    space: str
    rank: tuple[int, int]


def subject_folders(source: Path) -> dict[str, Path]:
    """Subjects' folders by id, in order: ``sub-X`` in the folder itself."""
    return {folder.name: folder for folder in sorted(source.glob("sub-*")) if folder.is_dir()}


def recognise(path: Path) -> Image | None:
    """What an image file is by its name, or ``None``; tensor maps go by the names of BEP016, FSL and TractoFlow.

    >>> image = recognise(Path("sub-1_space-S_model-tensor_param-fa_dwimap.nii.gz"))
    >>> image.kind, image.space
    ('FA', 'S')
    """
    parts = parse_bids_entities(path)
    if parts.get("ext") not in (".nii", ".nii.gz"):
        return None
    suffix, desc, model = parts.get("suffix"), parts.get("desc"), parts.get("model")
    if suffix == "mask" and desc in ("brain", None) and parts.get("label", "brain") == "brain":
        kind = "mask"
    elif suffix == "dwimap" and parts.get("param") in ("fa", "md"):
        kind = parts["param"].upper()
    elif suffix in SUFFIXES:
        kind = SUFFIXES[suffix]
    else:
        return None
    described = _DESCRIPTIONS.index(desc) if desc in _DESCRIPTIONS else len(_DESCRIPTIONS) - 2
    return Image(
        path, kind, parts.get("ses"), parts.get("space", NATIVE), (described, int(model not in (None, "tensor")))
    )


def images(folder: Path) -> Iterator[Image]:
    """All recognised images below a subject's folder, in order, hidden files left out."""
    for root, folders, names in os.walk(folder, followlinks=False):
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

    ``channels`` asks for these and no others; ``space`` for images of this ``space-`` entity (``native``: none).
    """
    folders = subject_folders(source)
    scans: list[Scan] = []
    faults: list[Fault] = []
    for name, folder in folders.items():
        if not is_label(name):
            faults.append(Fault(name, folder.name, "a subject's label is letters and digits", repr(name[4:]),
                                "rename the folder and its files"))  # fmt: skip
        elif name in people:
            found, broken = _of_subject(people[name], folder, channels, space)
            scans, faults = scans + found, faults + broken
    return scans, faults


def _of_subject(
    person: Participant, folder: Path, channels: tuple[str, ...] | None, space: str | None
) -> tuple[list[Scan], list[Fault]]:
    """The subject's scans, one per session, or what keeps them from being told."""
    sessions: dict[str | None, list[Image]] = defaultdict(list)
    for image in images(folder):
        if space in (None, image.space) and (image.kind == "mask" or channels is None or image.kind in channels):
            sessions[image.session].append(image)
    scans: list[Scan] = []
    faults: list[Fault] = []
    for session, found in sorted(sessions.items(), key=lambda item: item[0] or ""):
        if {image.kind for image in found} == {"mask"}:
            continue
        scan, broken = _of_session(person, session, found, channels)
        faults += broken
        scans += [scan] if scan is not None else []
    if not scans and not faults:
        asked = " and ".join(channels) if channels else "T1w, FA or MD"
        faults.append(Fault(person.participant_id, "", f"a subject has an image of {asked}"
                            + (f" in space {space}" if space else ""), "none",
                            "check the file names, or write a manifest"))  # fmt: skip
    return scans, faults


def _of_session(
    person: Participant, session: str | None, found: list[Image], channels: tuple[str, ...] | None
) -> tuple[Scan | None, list[Fault]]:
    """One scan from the images of one session: the best file of each channel, all in one space."""
    name, chosen, faults = person.participant_id, {}, []
    kinds = sorted({image.kind for image in found} - {"mask"})
    for kind in channels or tuple(kinds):
        best = _best([image for image in found if image.kind == kind])
        if len(best) == 1:
            chosen[kind] = best[0]
        else:
            faults.append(Fault(name, ", ".join(image.path.name for image in best),
                                f"a scan has one image of {kind}", str(len(best)) if best else "none",
                                "add it, or leave this channel out" if not best else
                                "choose a space, or name the files in a manifest"))  # fmt: skip
    spaces = {image.space for image in chosen.values()}
    if len(spaces) > 1:
        faults.append(Fault(name, "", "the channels of a scan share one space", " and ".join(sorted(spaces)),
                            "choose a space, or name the files in a manifest"))  # fmt: skip
    if faults:
        return None, faults
    anchor = next(iter(chosen.values()))
    masks = _best([image for image in found if image.kind == "mask" and image.space == anchor.space])
    beside = [image for image in masks if image.path.parent == anchor.path.parent] or masks
    if len(beside) > 1:
        return None, [Fault(name, ", ".join(image.path.name for image in beside), "a scan has at most one mask",
                            str(len(beside)), "name the files in a manifest")]  # fmt: skip
    paths = {kind: image.path for kind, image in chosen.items()}
    mask = beside[0].path if beside else None
    return Scan(name, paths, person.group, person.age, person.sex, person.site, session, mask, anchor.space), []


def _best(candidates: list[Image]) -> list[Image]:
    """The candidates of the best rank; more than one means that names do not tell which is meant."""
    top = min((image.rank for image in candidates), default=None)
    return [image for image in candidates if image.rank == top]
