"""Prepare: from a source of scans to a study folder with a cohort store.

intake -> gate -> each subject -> quality -> store. Everything written is whole or absent, and what is already
there for the same inputs and settings is used again.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nigra.cohort.intake import find
from nigra.cohort.scan import Scan
from nigra.cohort.store import StoreWriter
from nigra.errors import NigraError
from nigra.files import read_json, write_json, write_text, write_tsv
from nigra.preparation import quality
from nigra.preparation.gate import check_cohort
from nigra.preparation.settings import Execution, PrepareSettings
from nigra.preparation.subject import load_template, output, prepare_subject
from nigra.preparation.workers import run
from nigra.provenance import hash_file, record, versions
from nigra.shapes import Affine, Mask

LOG = logging.getLogger(__name__)


def prepare(
    source: Path, study: Path, settings: PrepareSettings | None = None, execution: Execution | None = None
) -> pd.DataFrame:
    """Prepare every subject of ``source`` (a BIDS folder or a TSV manifest) into ``study``; gives its quality.

    The store holds the subjects of this call that did not fail, in the order of intake. With
    ``execution.dry_run`` the scans are checked, nothing is written, and the table says what would be done.

    Raises NigraError when no subject is left; a fault of one subject is a row of ``intake.tsv``.
    """
    settings, execution = settings or PrepareSettings(), execution or Execution()
    channels = settings.channels or (("T1w",) if settings.registration else None)
    if settings.registration:
        if channels != ("T1w",):
            raise NigraError(
                f"registration prepares the channel T1w, but found {' '.join(channels or ())}; bring maps into a "
                "common space first and use --no-registration."
            )
        load_template(settings.space, settings.resolution)  # an unknown template is told before any work
    _refuse_foreign(source, study)
    with _progress() as bar:
        found = find(source, channels, execution.participant_labels)
        task = bar.add_task("checking scans", total=len(found.scans))
        gate = check_cohort(
            found.scans, settings.registration, execution.jobs,
            lambda done, total: bar.update(task, completed=done, total=total), faults=found.faults,
        )  # fmt: skip
        for fault in gate.faults:
            LOG.warning("%s", fault)
        if execution.dry_run:
            rows = [quality.as_row(scan.participant_id, None, "would be prepared") for scan in gate.kept]
            return quality.table(rows)
        with _alone(study):
            return _prepare_kept(gate.kept, gate.table, source, study, settings, execution, bar)


def _prepare_kept(
    scans: list[Scan], intake: pd.DataFrame, source: Path, study: Path, settings: PrepareSettings,
    execution: Execution, bar: Progress,
) -> pd.DataFrame:  # fmt: skip
    write_tsv(study / "intake.tsv", intake)
    if not scans:
        raise NigraError(f"{source}: no subject passed the gate; the reasons are in {study / 'intake.tsv'}.")
    _describe(study, source)
    task = bar.add_task("preparing subjects", total=len(scans))

    def tell(row: dict) -> None:
        bar.advance(task)
        spent = f" in {row['seconds']:.0f} s, Dice {row['dice']:.3f}" if row.get("dice") else ""
        LOG.info("%s %s%s", row["participant_id"], row["status"] + spent, row["reason"])

    work = partial(prepare_subject, study=study, settings=settings, execution=execution)
    rows = run(work, scans, execution.jobs, execution.threads, tell)
    good = [scan for scan, row in zip(scans, rows, strict=True) if row["status"] != "failed"]
    _write_intake(study, intake, rows)
    if not good:
        write_tsv(study / "quality.tsv", quality.table(rows))
        raise NigraError(f"{source}: no subject could be prepared; the reasons are in {study / 'quality.tsv'}.")
    _write_store(good, rows, study, settings)
    table = quality.table(rows)
    write_tsv(study / "quality.tsv", table)
    return table


def _write_store(scans: list[Scan], rows: list[dict], study: Path, settings: PrepareSettings) -> None:
    """The store, and ``participants.tsv`` with the same rows; ready maps gain their dice and correlation."""
    mask, affine = cohort_mask(scans, study, settings)
    participants = _participants(scans)
    channels, space = tuple(scans[0].channels), output(scans[0], study, settings).space
    writer = StoreWriter(study / "cohort", participants, channels, space, mask, affine)
    means = np.zeros(mask.shape)
    for row, scan in enumerate(scans):
        volume = _volume(scan, study, settings)
        writer.write(row, volume)
        means += volume[0] / len(scans)
    if not settings.registration:
        _compare_with_mean(scans, rows, means.astype(np.float32), mask, study, settings)
    files = {f"{scan.participant_id}/{c}": hash_file(output(scan, study, settings).image(c))
             for scan in scans for c in channels}  # fmt: skip
    writer.close(record("prepare", settings.model_dump(mode="json"), files))
    write_tsv(study / "participants.tsv", participants)


def _volume(scan: Scan, study: Path, settings: PrepareSettings) -> np.ndarray:
    target = output(scan, study, settings)
    return np.stack([np.asarray(nib.load(target.image(c)).dataobj, dtype=np.float32) for c in scan.channels])


def cohort_mask(scans: Sequence[Scan], study: Path, settings: PrepareSettings) -> tuple[Mask, Affine]:
    """Voxels that the brains of a share ``settings.coverage`` of the subjects cover, inside the template's mask.

    A subject whose brain does not cover one of these voxels has the value 0 there. Without registration there
    is no template, and coverage alone decides.
    """
    count = np.zeros((), dtype=np.int64)
    for scan in scans:
        image = nib.load(output(scan, study, settings).mask)
        count = count + (np.asarray(image.dataobj) > 0)
    mask = count >= settings.coverage * len(scans) - 1e-9
    if settings.registration:
        mask = mask & load_template(settings.space, settings.resolution).mask
    if not mask.any():
        raise NigraError(
            f"the brains of {settings.coverage:.0%} of the subjects share voxels, but found none; look at the "
            f"mosaics in {study / 'figures'}."
        )
    return mask, np.asarray(image.affine, dtype=float)


def _compare_with_mean(
    scans: list[Scan], rows: list[dict], mean: np.ndarray, mask: Mask, study: Path, settings: PrepareSettings
) -> None:  # fmt: skip
    """Maps that came ready are compared with the cohort: overlap with its mask, correlation with its mean map."""
    by_name = {row["participant_id"]: row for row in rows}
    for scan in scans:
        own = np.asarray(nib.load(output(scan, study, settings).mask).dataobj) > 0
        row = by_name[scan.participant_id]
        row["dice"] = quality.dice(own, mask)
        row["correlation"] = quality.correlation(_volume(scan, study, settings)[0], mean, own & mask)


def _participants(scans: list[Scan]) -> pd.DataFrame:
    """The table of participants: what nigra knows of each, then the source's other columns as they stand there."""
    columns = ("participant_id", "session_id", "group", "age", "sex", "site")
    further = dict.fromkeys(name for scan in scans for name in scan.further)
    rows = [{name: getattr(scan, name) for name in columns} | dict(scan.further) for scan in scans]
    return pd.DataFrame(rows, columns=[*columns, *further])


def _write_intake(study: Path, intake: pd.DataFrame, rows: list[dict]) -> None:
    failed = {row["participant_id"]: row["reason"] for row in rows if row["status"] == "failed"}
    lost = intake["participant_id"].isin(failed)
    table = intake.copy()
    table.loc[lost, "kept"] = "no"
    table.loc[lost, "reason"] = table.loc[lost, "participant_id"].map(failed)
    write_tsv(study / "intake.tsv", table)


def _describe(study: Path, source: Path) -> None:
    """What makes the study folder a BIDS derivative dataset."""
    found = versions()
    described = source / "dataset_description.json"
    origin = read_json(described) if source.is_dir() and described.exists() else {}
    name = origin.get("Name", source.name) if isinstance(origin, dict) else source.name
    write_json(study / "dataset_description.json", {
        "Name": f"Maps prepared by nigra from: {name}", "BIDSVersion": "1.10.0", "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "nigra", "Version": found["nigra"]}],
    })  # fmt: skip
    write_text(study / ".bidsignore", "*_dwimap.*\nintake.tsv\nquality.tsv\ncohort/\nruns/\nfigures/\n")
    write_json(study / "participants.json", {
        "group": {"Description": "Whom the subject stands for", "Levels": {
            "control": "healthy, may be trained on", "patient": "never trained on"}},
        "age": {"Description": "Age at the scan", "Units": "year"},
        "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
        "site": {"Description": "Where the scan was made"},
    })  # fmt: skip


def _refuse_foreign(source: Path, study: Path) -> None:
    """A dataset that is not nigra's own keeps its tables: nobody's participants.tsv is written over."""
    if study.exists() and not study.is_dir():
        raise NigraError(f"{study} is a file; give STUDY a folder of its own.")
    described = study / "dataset_description.json"
    content = read_json(described) if described.exists() else {}
    makers = content.get("GeneratedBy", []) if isinstance(content, dict) else []
    own = [maker for maker in makers if isinstance(maker, dict) and maker.get("Name") == "nigra"]
    foreign = described.exists() or (study / "participants.tsv").exists()
    if source.resolve() == study.resolve() or (foreign and not own):
        raise NigraError(
            f"{study}: STUDY is a folder of its own, but found a dataset that `nigra prepare` did not make, or "
            "SOURCE itself; choose an empty folder."
        )


@contextmanager
def _alone(study: Path) -> Iterator[None]:
    """One preparation at a time per study folder."""
    study.mkdir(parents=True, exist_ok=True)
    lock = FileLock(study / ".prepare.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise NigraError(f"{study} is being prepared by another process; wait for it or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True),
    )  # fmt: skip
