"""Sweeps at a quick size, and the slope against powers known beforehand."""

import numpy as np
import pytest

from nigra.bench import cost
from nigra.bench.cost import slope


def test_every_sweep_has_its_points() -> None:
    found = {comparison.name: comparison for comparison in cost.measure(quick=True)}
    assert list(found) == ["cost-locations", "cost-subjects", "cost-d", "cost-volumes"]
    sizes = {name: [size for size, _ in c.curve.points["nigra"]] for name, c in found.items() if c.curve}
    assert sizes == {
        "cost-locations": [10, 30, 100], "cost-subjects": [10, 20, 40], "cost-d": [2, 4, 8],
        "cost-volumes": [1, 2, 3],
    }  # fmt: skip
    for comparison in found.values():
        assert comparison.curve is not None
        for side, points in comparison.curve.points.items():
            assert all(seconds > 0 for _, seconds in points)
            assert comparison.curve.slopes[side] == pytest.approx(slope(points))
    assert found["cost-locations"].curve is not None
    assert set(found["cost-locations"].curve.points) == {"nigra", cost.PEER}


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_is_the_power(power: float) -> None:
    points = [(size, 3e-4 * size**power) for size in (1.0, 3.0, 10.0, 31.0)]
    assert slope(points) == pytest.approx(power, abs=1e-9)
    assert np.isfinite(slope(points[:2]))
