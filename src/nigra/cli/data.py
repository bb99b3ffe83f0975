"""Commands that make a study's data: a synthetic cohort, a check of what is there, preparation."""

import argparse
from pathlib import Path
from typing import Any

from nigra.cli.command import command
from nigra.flags import add_flags, flags_given


def add_phantom(commands: Any) -> None:
    """``nigra phantom``."""
    text = "write a synthetic cohort of FA and MD maps with planted changes"
    parser = command(commands, "phantom", _phantom, text)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, a BIDS derivative dataset")
    parser.add_argument("--controls", type=int, default=24, help="number of controls (default: 24)")
    parser.add_argument("--patients", type=int, default=16, help="number of patients (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything drawn (default: 0)")
    parser.add_argument("--resolution", type=float, default=2.0, help="voxel size in mm (default: 2)")


def _phantom(parsed: argparse.Namespace) -> None:
    from nigra.phantom.dataset import write_phantom

    write_phantom(parsed.out, parsed.controls, parsed.patients, parsed.seed, parsed.resolution)
    print(f"{parsed.out}: {parsed.controls} controls and {parsed.patients} patients, synthetic.")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="SOURCE",
        help="BIDS (derivative) folder, or TSV manifest: participant_id session_id group age sex site "
        "<channel paths> mask space",
    )  # fmt: skip
    parser.add_argument(
        "--participant-label", nargs="+", default=(), metavar="LABEL", dest="participant_labels",
        help="only these participants, with or without sub-",
    )  # fmt: skip


def add_doctor(commands: Any) -> None:
    """``nigra doctor``."""
    text = "check every scan of SOURCE and say what is wrong, change nothing"
    parser = command(commands, "doctor", _doctor, text)
    _add_selection(parser)
    parser.add_argument("--out", type=Path, help="write the table of subjects there (.tsv, or a folder)")
    parser.add_argument("--registration", action=argparse.BooleanOptionalAction, default=None,
                        help="check as for scans to be registered, or as for maps already in one space "
                        "(default: as SOURCE looks: registration for T1w alone)")  # fmt: skip
    parser.add_argument("--channels", nargs="+", metavar="NAME", help="channels to check (default: all found)")
    parser.add_argument("--jobs", type=int, default=1, help="subjects checked at the same time (default: 1)")


def _doctor(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from nigra.preparation.gate import doctor
    from nigra.study.progress import Steps

    channels = tuple(parsed.channels) if parsed.channels else None
    steps = Steps(Console(stderr=True))
    with steps.step("check") as tick:
        result = doctor(
            parsed.source, parsed.out, parsed.registration, tuple(parsed.participant_labels), channels,
            jobs=parsed.jobs, progress=lambda done, total: tick(done / total, f"{done}/{total} subjects"),
        )  # fmt: skip
    for fault in result.faults:
        print(f"- {fault}")
    kept, found = len(result.kept), len(result.table)
    print(f"{kept} of {found} subjects can be prepared.")
    return 1 if result.faults else 0


def add_prepare(commands: Any) -> None:
    """``nigra prepare``."""
    from nigra.preparation.settings import Execution, PrepareSettings

    text = "bring the scans of SOURCE into one space, as the cohort of STUDY"
    parser = command(commands, "prepare", _prepare, text)
    _add_selection(parser)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study folder to write")
    add_flags(parser.add_argument_group("what changes the result"), PrepareSettings)
    group = parser.add_argument_group("how it is executed")
    group.add_argument("-w", "--work-dir", type=Path, dest="work", default=argparse.SUPPRESS,
                       help="keep intermediate images there")  # fmt: skip
    add_flags(group, Execution, ("work", "participant_labels"))


def _prepare(parsed: argparse.Namespace) -> None:
    from nigra.preparation.prepare import prepare
    from nigra.preparation.settings import Execution, PrepareSettings

    parsed.participant_labels = tuple(parsed.participant_labels)
    execution = flags_given(parsed, Execution)
    quality = prepare(parsed.source, parsed.study, flags_given(parsed, PrepareSettings), execution)
    if execution.dry_run:
        print(f"{len(quality)} subjects would be prepared into {parsed.study}; nothing was written.")
        return
    done = int((quality["status"] != "failed").sum())
    print(f"{done} of {len(quality)} subjects prepared into {parsed.study}.")
    print("Who was left out and why: intake.tsv. How well each was prepared: quality.tsv and figures/.")
    if quality["dice"].notna().any():
        print(f"Overlap with the template's brain (Dice): mean {quality['dice'].mean():.3f}, "
              f"lowest {quality['dice'].min():.3f}.")  # fmt: skip
