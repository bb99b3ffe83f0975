"""``docs/benchmarks.md`` from the JSON of ``nigra bench all``: nothing on the page is typed by hand twice."""

from typing import Any

from nigra.bench.words import difference, growth, machine_lines, number, sizes, times

PICTURE = "images/benchmark-cost"
"""The cost picture, without extension, beside the page."""

INTRO = """\
# Benchmarks

How fast nigra is beside other software that does the same work, and how far the two results lie apart.

Both sides run in turns in one process, on all cores, after one call each that is not timed: ours, peer, ours, peer.
A busy machine slows both, so the **ratio** holds where absolute times drift. It is the median over the rounds of a
round's own ratio; lowest and highest stand beside it. A slow peer does a smaller share of the work, and rates are
compared. Data are random and seeded; no time here depends on what they show, and no number here says how well
anything is detected.
"""

QUICK = """\
!!! warning "Tiny sizes"
    These numbers come from `--quick`: they show that the benchmarks run, and measure nothing.
"""

NOTHING = f"""\
{INTRO}
Nothing is measured yet: `nigra bench all --json docs/benchmarks.json` does, `make docs` writes this page from it.
"""

PUBLISHED = """\
## Published costs

To stand beside ours, as their authors give them (miccai2023, other machines, other cohorts, not measured here):

| work | time |
|---|---|
| training the small auto-encoder, GPU | 1 h 26 min |
| scoring with it | 3 h 30 min |
| training and scoring with ResNet-18 | 17 h 40 min and 59 h |
| fitting the mixture and scoring, CPU | 80 s and 18 min |
"""

GPU = """\
## On a GPU

Not measured: there was no machine with a GPU. The command is ready: `nigra bench paper` trains and scores paper
scale (56 controls and 129 patients of 121 x 145 x 121 with two channels, 10 draws with 3-fold cross-fitting, both
published models, a one-class SVM per voxel) and puts the arithmetic the models need beside the seconds. Without a
GPU it refuses; `nigra bench paper --quick` runs the same code at a toy size. The torch paths of scoring, gathering
and detection are tested on the CPU against the compiled ones; on CUDA they have not run.
"""


def page(content: dict[str, Any]) -> str:
    """The page in Markdown; ``content`` is what ``run.run_bench`` returns and ``--json`` keeps."""
    parts = [INTRO, _how(content), QUICK if content["quick"] else "", _table(content), _details(content)]
    return "\n".join(part for part in [*parts, _cost(content), PUBLISHED, GPU] if part)


def _how(content: dict[str, Any]) -> str:
    loads = [each["load_average"] for each in content["comparisons"] if "measured" not in each]
    known = [load for load in loads if load is not None]
    load = f", {number(min(known))} to {number(max(known))} after the benchmarks" if known else ""
    first, versions = machine_lines(content["machine"])
    command = f"{content['command']} --json docs/benchmarks.json"
    return f"```\n{command}\n```\n\n{content['created'][:10]}. {first}{load}.\n\n{versions}.\n"


def _table(content: dict[str, Any]) -> str:
    """One row per peer, the ratio first."""
    rows = ["| what | against | times as fast | nigra, per second | peer, per second | largest difference | goal |"]
    rows.append("|---|---|---|---|---|---|---|")
    for comparison in _judged(content):
        peers = comparison["peers"] or [None]
        for peer in peers:
            rows.append(_row(comparison, peer, content["quick"], peer is peers[0]))
    return "## Results\n\n" + "\n".join(rows) + "\n\n" + _missed(content)


def _row(comparison: dict[str, Any], peer: dict[str, Any] | None, quick: bool, first: bool) -> str:
    goal = comparison["goal"]
    reached = "no goal set" if not goal else goal if quick else f"{goal}: {_reached(comparison)}"
    cells = [
        comparison["title"] if first else "",
        peer["name"] if peer else "–",
        times(peer) if peer else "–",
        f"{number(comparison['ours']['rate'])} {comparison['work']}",
        number(peer["rate"]) if peer and peer["ratio"] else "–",
        difference(comparison) if first else "",
        reached if first else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _reached(comparison: dict[str, Any]) -> str:
    return "**not reached**" if comparison["missed"] else "reached"


def _missed(content: dict[str, Any]) -> str:
    """The goals that were not reached, in words."""
    if content["quick"]:
        return ""
    judged = [comparison for comparison in content["comparisons"] if comparison["goal"]]
    missed = [comparison for comparison in judged if comparison["missed"]]
    if not missed:
        return f"All {len(judged)} goals are reached.\n"
    lines = [f"- {comparison['title']}: {'; '.join(comparison['missed'])}." for comparison in missed]
    return f"Not reached, {len(missed)} of {len(judged)} goals:\n\n" + "\n".join(lines) + "\n"


def _details(content: dict[str, Any]) -> str:
    """Sizes and settings, so that a number can be measured again."""
    lines = ["## What was measured", ""]
    for comparison in _judged(content):
        lines.append(f"**{comparison['title']}** (`nigra bench {comparison['benchmark']}`)")
        lines.append("")
        lines.append(f"- {sizes(comparison)}")
        if comparison["difference_of"]:
            lines.append(f"- largest difference of {comparison['difference_of']}")
        if "measured" in comparison:
            lines.append(f"- {_at(comparison)}")
        sides = [comparison["ours"], *comparison["peers"]]
        lines += [f"- {side['name']}: {side['note']}" for side in sides if side["note"]]
        lines.append("")
    return "\n".join(lines)


def _at(comparison: dict[str, Any]) -> str:
    """When and where a benchmark was measured that is not of the same day as the others."""
    machine, load = comparison["measured"]["machine"], comparison["load_average"]
    after = "" if load is None else f", load average {number(load)} after it"
    return (
        f"measured on {comparison['measured']['created'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['threads']} threads, nigra {machine['versions']['nigra']}{after}"
    )


def _cost(content: dict[str, Any]) -> str:
    curves = [comparison for comparison in content["comparisons"] if comparison["curve"]]
    if not curves:
        return ""
    told = "Each point is the quickest of several calls: what the size costs, not what else the machine did."
    lines = ["## Cost against size", "", told, "", f"![Time against size, on logarithmic axes]({PICTURE}.svg)", ""]
    for comparison in curves:
        lines.append(f"- {comparison['title']} ({comparison['sizes']['fixed']}): {'; '.join(growth(comparison))}")
    return "\n".join(lines) + "\n"


def _judged(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [comparison for comparison in content["comparisons"] if not comparison["curve"]]
