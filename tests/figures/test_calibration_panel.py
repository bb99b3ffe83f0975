"""What is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.calibration_panel import MOST, calibration_panel
from nigra.statistics.calibration_panel import COLUMNS


def table(rng, regions=30):  # type: ignore[no-untyped-def]
    rows = [("whole brain", "whole brain"), ("sex", "F"), ("sex", "M")]
    rows += [("region", f"region {i}") for i in range(regions)]
    found = pd.DataFrame(rows, columns=["factor", "level"])
    found["percent"] = rng.uniform(0.5, 4, len(found))
    found = found.assign(controls=20, low=found["percent"] - 0.4, high=found["percent"] + 0.5, expected_percent=2.0)
    found["note"] = np.where(found["low"] > 2, "more than promised", "")
    return found.reindex(columns=COLUMNS)


def test_points_intervals_and_promise_are_the_values(rng):  # type: ignore[no-untyped-def]
    rows = table(rng)
    figure = calibration_panel(rows, alpha=0.02, controls=60)
    brain, sex, curve, regions = figure.axes
    assert [axes.get_title(loc="left") for axes in (brain, sex)] == ["whole brain", "sex"]
    assert regions.get_title(loc="left") == f"farthest {MOST} of 30 regions"
    points = [line for line in sex.lines if line.get_marker() in ("o", "s")]
    np.testing.assert_allclose([line.get_xdata()[0] for line in points], rows["percent"][1:3])
    intervals = [line.get_xdata() for line in sex.lines[:-1] if line.get_marker() == "None"]
    np.testing.assert_allclose(intervals, rows[["low", "high"]][1:3])
    np.testing.assert_allclose(sex.lines[-1].get_xdata(), 2)
    away = (rows["percent"][3:] - 2).abs().sort_values(ascending=False)
    drawn = {tick.get_text().removesuffix(" (20)") for tick in regions.get_yticklabels()}
    assert drawn == set(rows.loc[away.index[:MOST], "level"])
    broken = [line.get_marker() for line in regions.lines if line.get_marker() in ("o", "s")].count("s")
    assert broken == (rows.loc[away.index[:MOST], "note"] != "").sum() > 0
    steps = next(line for line in curve.lines if len(line.get_xdata()) > 2)
    at = dict(zip(steps.get_xdata(), steps.get_ydata(), strict=True))
    assert at[24] == 0
    assert max(steps.get_ydata()) == pytest.approx(2, abs=0.05)


def test_without_regions_or_curve_there_is_less_to_draw(rng):  # type: ignore[no-untyped-def]
    assert len(calibration_panel(table(rng, 0)).axes) == 2


def test_no_value_is_one_sentence(rng):  # type: ignore[no-untyped-def]
    with pytest.raises(NigraError, match="no test control"):
        calibration_panel(table(rng).assign(percent=np.nan))
