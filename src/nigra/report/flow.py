"""The cohort flow: how many subjects were found, kept and used, and why the others were not."""

from dataclasses import dataclass

import pandas as pd

from nigra.report.sources import Sources
from nigra.report.tables import Cell, Table, count, pairs, several


@dataclass(frozen=True)
class Flow:
    """Boxes of the diagram (number, what, detail), the excluded subjects, the groups and the draws."""

    steps: list[tuple[str, str, str]]
    excluded: Table
    groups: Table
    draws: Table


def cohort_flow(sources: Sources) -> Flow:
    """Count the cohort from ``intake.tsv``, ``quality.tsv``, ``participants.tsv`` and ``splits.json``."""
    excluded = exclusions(sources)
    people = sources.participants
    steps = []
    if not sources.intake.empty:
        kept = int((sources.intake["kept"].astype(str).str.lower() == "yes").sum())
        steps.append((str(len(sources.intake)), "subjects found", ""))
        steps.append((str(kept), "kept", f"{len(sources.intake) - kept} excluded"))
    used = {name for draw in sources.splits for name in [*draw.get("train", []), *draw.get("test", [])]}
    if used:
        groups = people.set_index("participant_id")["group"].to_dict() if "group" in people else {}
        detail = ", ".join(
            several(sum(groups.get(name) == group for name in used), called)
            for group, called in sources.names.items()
        )
        steps.append((str(len(used)), "used in this run", detail))
        steps.append((str(len(sources.splits)), "draws of training and test subjects", "patients never train"))
    rows = [(name, reason) for name, reason in excluded]
    return Flow(steps, pairs("excluded", ("Subject", "Reason"), rows), group_table(sources), draw_table(sources))


def exclusions(sources: Sources) -> list[tuple[str, str]]:
    """Subject and reason, first from the gate, then from preparation."""
    rows = []
    if not sources.intake.empty:
        out = sources.intake[sources.intake["kept"].astype(str).str.lower() != "yes"]
        rows += [(str(r["participant_id"]), text(r.get("reason"))) for r in out.to_dict("records")]
    if "status" in sources.quality:
        failed = sources.quality[sources.quality["status"].astype(str).str.lower() == "failed"]
        listed = {name for name, _ in rows}
        lost = [r for r in failed.to_dict("records") if r["participant_id"] not in listed]
        rows += [(str(r["participant_id"]), text(r.get("reason"))) for r in lost]
    return rows


def text(value: object) -> str:
    """A reason in words, also when none was written."""
    return "no reason recorded" if value is None or value != value or value == "" else str(value)


def group_table(sources: Sources) -> Table:
    """Number, age and sex of each group."""
    people = sources.participants
    heads = ("Group", "Subjects", "Age, mean (SD)", "Age, range", "Women", "Men")
    rows = []
    for group, members in people.groupby("group", sort=True) if "group" in people else []:
        age = pd.to_numeric(members["age"], errors="coerce") if "age" in members else pd.Series(dtype=float)
        known = age.notna().any()
        sex = members["sex"].astype(str).str.upper().str[:1] if "sex" in members else pd.Series(dtype=str)
        rows.append([
            Cell(sources.names.get(str(group), str(group))), count(len(members)),
            Cell(f"{age.mean():.1f} ({age.std(ddof=1):.1f})", age.mean()) if known else Cell("–"),
            Cell(f"{age.min():.0f} to {age.max():.0f}", age.min()) if known else Cell("–"),
            count((sex == "F").sum()), count((sex == "M").sum()),
        ])  # fmt: skip
    return Table("groups", heads, rows, frozenset(range(1, 6)))


def draw_table(sources: Sources) -> Table:
    """Training and test subjects of each draw."""
    people = sources.participants
    groups = people.set_index("participant_id")["group"].to_dict() if "group" in people else {}
    rows = []
    for draw in sources.splits:
        tested = [groups.get(name) for name in draw.get("test", [])]
        members = [draw["draw"], len(draw.get("train", [])), tested.count("control"), tested.count("patient")]
        rows.append([count(n) for n in members])
    return Table(
        "draws", ("Draw", "Training controls", "Test controls", "Test patients"), rows, frozenset(range(4))
    )
