"""Put the report together: read the run, make tables and sentences, fill the page."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nigra.files import write_text
from nigra.provenance import hash_settings
from nigra.report.analyses import analysis_tables
from nigra.report.flow import cohort_flow
from nigra.report.page import fill
from nigra.report.pictures import find_pictures
from nigra.report.sources import Sources, flatten, read_sources
from nigra.report.tables import (
    Table,
    calibration_table,
    evaluation_table,
    health_table,
    input_table,
    pairs,
    region_table,
    settings_table,
)
from nigra.report.words import in_brief

SECTIONS = (
    ("brief", "In brief"),
    ("cohort", "Cohort flow"),
    ("settings", "Settings"),
    ("cohort-picture", "Cohort picture"),
    ("architecture", "Architectures"),
    ("training", "Training"),
    ("examples", "Examples"),
    ("calibration", "False positives"),
    ("regions", "Regions"),
    ("evaluation", "Evaluation"),
    ("comparison", "Comparison"),
    ("confounds", "Confounds"),
    ("disease", "Stage and side"),
    ("provenance", "Provenance"),
    ("reading", "How to read this"),
)
"""Id and title of the report's sections, in order."""


def build_report(run: Path) -> Path:
    """Write ``run/report.html`` from what ``STUDY/runs/NAME`` and its study hold; returns its path.

    One file for any browser, without network: style, script and pictures are inside, and the page forbids itself
    to load anything else. Parts that the run did not write are named as absent. The same run gives the same bytes.
    Raises ``NigraError`` when the run folder is missing or one of its files cannot be read.
    """
    sources = read_sources(run)
    write_text(run / "report.html", fill("report.html", contents(sources)))
    return run / "report.html"


def contents(sources: Sources) -> dict[str, Any]:
    """Everything the page shows."""
    pictures, missing_pictures = find_pictures(sources.run)
    provenance = sources.provenance
    return {
        "title": str(sources.settings.get("title") or f"Run {sources.run.name}"),
        "study": str(sources.description.get("Name") or sources.run.parent.parent.name),
        "run": sources.run.name,
        "created": date_words(provenance.get("created")),
        "version": str(provenance.get("versions", {}).get("nigra", "not recorded")),
        "synthetic": sources.synthetic,
        "sections": SECTIONS,
        "brief": in_brief(sources),
        "flow": cohort_flow(sources),
        "pictures": pictures,
        "absent": sources.absent + [f"{stem}.png" for stem in missing_pictures],
        "tables": tables(sources),
    }


def date_words(created: str | None) -> str:
    """The run's date for readers.

    >>> date_words("2026-03-01T09:05:00+00:00")
    '1 March 2026, 09:05 UTC'
    """
    try:
        moment = datetime.fromisoformat(created or "").astimezone(UTC)
    except ValueError:
        return "date not recorded"
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def tables(sources: Sources) -> dict[str, Table]:
    """The tables by name; one without its file is left out, and the page says so."""
    made = {"settings": settings_table(sources.settings), **provenance_tables(sources)}
    if not sources.regions.empty:
        made["regions"] = region_table(sources.regions, sources.names)
    if not sources.evaluation.empty:
        made["evaluation"] = evaluation_table(sources.evaluation)
    if not sources.health.empty:
        made["health"] = health_table(sources.health)
    if not sources.calibration.empty:
        made["calibration"] = calibration_table(sources.calibration)
    return made | analysis_tables(sources.analyses)


def provenance_tables(sources: Sources) -> dict[str, Table]:
    """Versions, machine, seeds and hashes of what made this run."""
    provenance = sources.provenance
    seeds = [(name, value) for name, value in flatten(sources.settings) if "seed" in name.rsplit(".", 1)[-1]]
    if provenance.get("seeds"):
        seeds = [(f"seed: {name}", str(value)) for name, value in provenance["seeds"].items()]
    ran = provenance.get("machine", {}) | provenance.get("execution", {})
    machine = [(str(name), str(value)) for name, value in ran.items()]
    hashes = {"settings": hash_settings(sources.settings)} if sources.settings else {}
    versions = [(str(name), str(value)) for name, value in provenance.get("versions", {}).items()]
    return {
        "versions": pairs("versions", ("Software", "Version"), versions),
        "machine": pairs("machine", ("Machine and seeds", "Value"), [*machine, *seeds]),
        "hashes": input_table(hashes | provenance.get("inputs", {})),
    }
