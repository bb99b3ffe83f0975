"""Two sides timed in turns: a busy machine slows both, so the ratio holds where absolute times drift.

Every benchmark returns ``Comparison``s made of ``Side``s; all of it is plain data that JSON can hold.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from nigra.training import Tick

Number = float | int
"""A quantity; the type checks of the tests do not take an int for a float."""


@dataclass(frozen=True)
class Side:
    """What was timed on one side.

    ``rate`` is work per second, the median over rounds; ``seconds`` are those of each round's call, which did
    ``work`` of it. A peer that could not run has rate 0, no seconds, and says why in ``note``.
    """

    name: str
    rate: Number
    seconds: list[Number]
    note: str = ""
    work: Number = 1.0


@dataclass(frozen=True)
class Goals:
    """Limits that a comparison is held against; what is left out is not judged.

    ``ratio`` gives, by the name of a peer, how many times as fast ours must be; ``rate`` the least work per
    second of ours; ``difference`` the most that results may differ; ``most``, by the name of one of the sizes, the
    largest it may be.
    """

    ratio: dict[str, Number] = field(default_factory=dict)
    rate: Number | None = None
    difference: Number | None = None
    most: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """Cost against size: per side, points (size, seconds) and the slope fitted to their logarithms."""

    axis: str
    points: dict[str, list[tuple[Number, Number]]]
    slopes: dict[str, Number]


@dataclass(frozen=True)
class Comparison:
    """What one benchmark found.

    ``work`` says what a rate counts ("voxels fitted and scored"), ``difference_of`` what ``largest_difference``
    is the difference of, ``goal`` puts ``goals`` into words.
    """

    name: str
    title: str
    work: str
    ours: Side
    peers: list[Side]
    largest_difference: Number | None
    difference_of: str
    sizes: dict[str, Number | str]
    goal: str
    goals: Goals = field(default_factory=Goals)
    curve: Curve | None = None


def interleave(
    work: Number, ours: Callable[[], Any], peers: Mapping[str, Callable[[], Any]], rounds: int = 5,
    peer_work: Mapping[str, Number] | None = None, notes: Mapping[str, str] | None = None,
    name: str = "nigra", tick: Tick | None = None, warm: bool = False,
) -> tuple[Side, list[Side]]:  # fmt: skip
    """Time ``ours`` and every peer in turns: one call each that is not timed (compilation, caches), then rounds.

    Args:
        work: what a call does, in the unit of the rate.
        peers: by name; a slow one may do a smaller share of the work.
        peer_work: what a call of a peer does, where it is not ``work``.
        notes: a peer's setting in a few words; ``name`` is the key of ours.
        tick: told the fraction of calls done.
        warm: before each timed call the same one, not timed, for work that goes on without a pause where it is
            used: it finds the memory that the others' turns made the system take back.
    """
    calls = {name: ours, **peers}
    works = {name: work, **dict.fromkeys(peers, work), **(peer_work or {})}
    seconds: dict[str, list[Number]] = {side: [] for side in calls}
    total, done = (rounds + 1) * len(calls), 0
    for turn in range(rounds + 1):
        for side, call in calls.items():
            if warm and turn:
                call()
            began = time.perf_counter()
            call()
            if turn:
                seconds[side].append(time.perf_counter() - began)
            done += 1
            if tick:
                tick(done / total, side)
    sides = [
        Side(side, works[side] / median(seconds[side]), seconds[side], (notes or {}).get(side, ""), works[side])
        for side in calls
    ]
    return sides[0], sides[1:]


def part(tick: Tick | None, at: int, count: int) -> Tick:
    """The progress of step ``at`` of ``count`` equal ones, as a share of the whole."""
    return lambda done, text: tick((at + done) / count, text) if tick else None


def missing(name: str, note: str) -> Side:
    """A peer that could not run, and why.

    >>> missing("TorchIO Queue", "not installed: pip install nigra[benchmark]").rate
    0.0
    """
    return Side(name, 0.0, [], note)


def ratio(ours: Side, peer: Side) -> tuple[Number, Number, Number] | None:
    """How many times as fast ours is: median, lowest and highest over the rounds; None where a side did not run.

    >>> ratio(Side("nigra", 2.0, [0.5, 0.5, 1.0]), Side("peer", 0.25, [4.0, 5.0, 4.0]))
    (8.0, 4.0, 10.0)
    """
    rounds = [
        (ours.work / mine) / (peer.work / theirs) for mine, theirs in zip(ours.seconds, peer.seconds, strict=False)
    ]
    return (median(rounds), min(rounds), max(rounds)) if rounds else None


def missed(comparison: Comparison) -> list[str]:
    """The goals that were not reached, in words; those of a peer that could not run are not known either."""
    goals, found = comparison.goals, []
    peers = {peer.name: peer for peer in comparison.peers}
    for name, least in goals.ratio.items():
        reached = ratio(comparison.ours, peers[name]) if name in peers else None
        if reached is None:
            found.append(f"not measured against {name}")
        elif reached[0] < least:
            found.append(f"{reached[0]:.3g} times {name}, goal {least:g}")
    if goals.rate is not None and comparison.ours.rate < goals.rate:
        found.append(f"{comparison.ours.rate:.3g} {comparison.work} a second, goal {goals.rate:.3g}")
    for name, most in goals.most.items():
        if not float(comparison.sizes[name]) <= most:
            found.append(f"{name} {comparison.sizes[name]}, goal {most:g}")
    if goals.difference is not None:
        difference = comparison.largest_difference
        if difference is None or not difference <= goals.difference:
            found.append(f"difference {difference}, goal {goals.difference:g}")
    return found


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON holds it, with each peer's ratio and the goals that were missed."""
    content = asdict(comparison)
    for peer, side in zip(content["peers"], comparison.peers, strict=True):
        found = ratio(comparison.ours, side)
        peer["ratio"] = None if found is None else dict(zip(("median", "low", "high"), found, strict=True))
    return content | {"missed": missed(comparison)}
