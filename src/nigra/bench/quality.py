"""Trustworthiness, continuity and recall of an embedding of 20 000 codes, exact, against scikit-learn."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.manifold import trustworthiness

from nigra.bench.interleave import Comparison, Goals, interleave
from nigra.latent.quality import neighbourhoods
from nigra.training import Tick

PEER = "scikit-learn trustworthiness, both ways"
CODES, FEATURES, K = 20_000, 16, 15
SECONDS, GIGABYTES = 8.0, 1.0
MEMORY = "memory taken, GB"


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Distances judged per second; the peer sorts all of them, takes 8 GB at full size and so gets a fifth."""
    count, sample = (600, 300) if quick else (CODES, CODES // 5)
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(count, FEATURES)).astype(np.float32)
    points = codes[:, :2] + 0.3 * rng.normal(size=(count, 2)).astype(np.float32)

    def peer() -> tuple[float, float]:
        some = codes[:sample], points[:sample]
        return trustworthiness(*some, n_neighbors=K), trustworthiness(*some[::-1], n_neighbors=K)

    memory = round(memory_of(lambda: neighbourhoods(codes, points, K)), 2)
    ours, peers = interleave(
        count**2, lambda: neighbourhoods(codes, points, K), {PEER: peer}, 2 if quick else 3, {PEER: sample**2},
        {PEER: f"{sample} codes, as it holds and sorts every distance"}, tick=tick,
    )  # fmt: skip
    found = neighbourhoods(codes[:sample], points[:sample], K)
    difference = max(
        abs(mine - theirs)
        for mine, theirs in zip((found.trustworthiness.mean(), found.continuity.mean()), peer(), strict=True)
    )
    return [
        Comparison(
            name="quality",
            title=f"Quality of an embedding, {count} codes",
            work="distances judged",
            ours=ours,
            peers=peers,
            largest_difference=float(difference),
            difference_of="trustworthiness and continuity, same codes",
            sizes={
                "codes": count, "d": FEATURES, "neighbours": K,
                f"seconds for {CODES} codes": round(CODES**2 / ours.rate, 2), MEMORY: memory,
            },
            goal=f"{CODES} codes in at most {SECONDS:g} s and {GIGABYTES:g} GB, difference at most 1e-6",
            goals=Goals(rate=CODES**2 / SECONDS, difference=1e-6, most={MEMORY: GIGABYTES}),
        )
    ]  # fmt: skip


def memory_of(call: Callable[[], Any]) -> float:
    """The most memory, in GB, that what a call makes takes at a time; the process's own is not counted."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e9
    finally:
        tracemalloc.stop()
