"""What a benchmark found, in words: for the terminal, and the parts the page shares with it."""

from typing import Any

from nigra.bench.interleave import Number


def lines(content: dict[str, Any]) -> list[str]:
    """Everything found, ratio first, then the machine; ``content`` is what ``run.run_bench`` returns."""
    found = [line for comparison in content["comparisons"] for line in [*_told(comparison, content["quick"]), ""]]
    return [*found, *machine_lines(content["machine"])]


def _told(comparison: dict[str, Any], quick: bool) -> list[str]:
    ours, unit = comparison["ours"], f"{comparison['work']} a second"
    told = [comparison["title"], f"  {sizes(comparison)}"]
    for peer in comparison["peers"]:
        against = f"{number(ours['rate'])} against {number(peer['rate'])} {unit}"
        told.append(f"  {times(peer):<32} {peer['name']}" + (f": {against}" if peer["ratio"] else ""))
    if not comparison["peers"]:
        told.append(f"  {number(ours['rate'])} {unit}")
    if comparison["curve"]:
        told += [f"  {line}" for line in growth(comparison)]
    if comparison["largest_difference"] is not None:
        told.append(f"  largest difference {difference(comparison)}: {comparison['difference_of']}")
    return [*told, f"  {verdict(comparison, quick)}"]


def sizes(comparison: dict[str, Any]) -> str:
    """What was measured, so that a number can be measured again."""
    return "; ".join(f"{name}: {value}" for name, value in comparison["sizes"].items())


def times(peer: dict[str, Any]) -> str:
    """How many times as fast, with the range over the rounds; or why it is not known.

    >>> times({"ratio": {"median": 88.2, "low": 81.04, "high": 93.1}})
    '88.2 times (81 to 93.1)'
    """
    if peer["ratio"] is None:
        return f"not measured ({peer['note']})"
    median, low, high = (number(peer["ratio"][key]) for key in ("median", "low", "high"))
    return f"{median} times ({low} to {high})"


def number(value: Number) -> str:
    """Three figures, thousands apart by a space.

    >>> number(283456.0), number(3.14159), number(1.23e-7), number(0)
    ('283 000', '3.14', '1.23e-07', '0')
    """
    if abs(value) < 1000:
        return f"{value:.3g}"
    return f"{float(f'{value:.3g}'):,.0f}".replace(",", " ")


def difference(comparison: dict[str, Any]) -> str:
    """The largest difference, two figures; a dash where none is defined."""
    found = comparison["largest_difference"]
    return "–" if found is None else f"{found:.1e}" if 0 < abs(found) < 0.01 else f"{found:.3g}"


def growth(comparison: dict[str, Any]) -> list[str]:
    """How the cost of each side grows with size."""
    curve = comparison["curve"]
    return [
        f"{side}: time grows as {curve['axis']} to the power {slope:.2f}" for side, slope in curve["slopes"].items()
    ]


def verdict(comparison: dict[str, Any], quick: bool) -> str:
    """Whether the goal is reached, and by how much it is missed."""
    if not comparison["goal"]:
        return "no goal set"
    if quick:
        return f"goal: {comparison['goal']}: not judged at quick sizes"
    missed = comparison["missed"]
    return f"goal: {comparison['goal']}: " + (f"NOT reached: {'; '.join(missed)}" if missed else "reached")


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """Processor, cores, threads, load and versions."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"load average {machine['load_average']} at the start, {machine['system']}, "
        f"GPU {machine['gpu'] or 'none'}",
        versions,
    ]
