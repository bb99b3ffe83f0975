"""What benchmarks leave behind, made by hand: a peer that ran, one that could not, a curve."""

from typing import Any

import pytest

from nigra.bench.interleave import Comparison, Curve, Goals, Side, as_json, missing


def fast(difference: float = 2e-6) -> Comparison:
    return Comparison(
        name="fast-1", title="A fast thing", work="things", ours=Side("nigra", 200.0, [0.5, 0.5, 1.0], "", 100),
        peers=[Side("slow", 2.5, [4.0, 5.0, 4.0], "batches of 8", 10), missing("absent", "not installed: pip it")],
        largest_difference=difference, difference_of="values", sizes={"things": 100, "d": 16},
        goal="at least 60 times slow", goals=Goals({"slow": 60}, difference=1e-5),
    )  # fmt: skip


def growing() -> Comparison:
    points = {"nigra": [(1.0, 0.5), (2.0, 1.0), (4.0, 2.0)], "slow": [(1.0, 3.0), (2.0, 12.0)]}
    return Comparison(
        name="cost-things", title="Cost against things: the thing, doing it", work="things",
        ours=Side("nigra", 2.0, [2.0], "at 4", 4.0), peers=[], largest_difference=None, difference_of="",
        sizes={"fixed": "d = 16", "largest": 4}, goal="",
        curve=Curve("things", points, {"nigra": 1.0, "slow": 2.0}),
    )  # fmt: skip


@pytest.fixture
def content() -> dict[str, Any]:
    """As ``run.run_bench`` returns it."""
    kept = {"benchmark": "fast", "load_average": 0.5}
    return {
        "command": "nigra bench all",
        "created": "2031-02-03T04:05:06+00:00",
        "quick": False,
        "machine": {
            "processor": "A Processor", "cores": 2, "threads": 2, "numba_threads": 2, "load_average": 0.25,
            "gpu": None, "system": "Linux x86_64", "versions": {"nigra": "9.9", "torch": "8.8"},
        },
        "comparisons": [as_json(fast()) | kept, as_json(growing()) | kept],
    }  # fmt: skip
