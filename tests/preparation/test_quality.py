import numpy as np
import pandas as pd
import pytest

from nigra.preparation import quality


def test_dice_counts_shared_voxels():
    a, b = np.zeros((4, 3, 2), dtype=bool), np.zeros((4, 3, 2), dtype=bool)
    a[:2], b[1:3] = True, True
    assert quality.dice(a, b) == 0.5
    assert quality.dice(a, a) == 1
    assert quality.dice(a & False, a & False) == 0


def test_correlation_is_pearsons_inside_the_mask(rng, mask):
    a, b = rng.normal(size=(2, *mask.shape)).astype(np.float32)
    expected = np.cov(a[mask], b[mask])[0, 1] / np.sqrt(a[mask].var(ddof=1) * b[mask].var(ddof=1))
    assert quality.correlation(a, b, mask) == pytest.approx(expected, abs=1e-4)
    assert quality.correlation(a, -a, mask) == -1
    assert quality.correlation(a, np.ones_like(a), mask) is None


def test_outliers_are_told_in_words_and_others_are_not(rng):
    rows = [
        quality.as_row(
            f"sub-{i:02d}",
            quality.Quality(
                0.97 + rng.uniform(-0.003, 0.003), 0.8, 1500 + rng.uniform(-60, 60), "2x2x2", 900.0, 20.0
            ),
            "prepared",
        )
        for i in range(20)
    ]
    rows[4]["dice"], rows[7]["volume_ml"] = 0.88, 2600.0
    rows.append(quality.as_row("sub-99", None, "failed", "because"))
    table = quality.table(rows)
    assert "low overlap with the mask (0.88" in table["note"][4]
    assert "high brain volume (2600" in table["note"][7]
    assert (table["note"].drop([4, 7]) == "").all()
    assert pd.isna(table["dice"].iloc[-1])
    assert table["reason"].iloc[-1] == "because"


def test_a_good_overlap_is_no_outlier():
    table = pd.DataFrame(
        {name: [0.90, 0.91, 0.92, 0.91, 0.90, 0.999] for name in ("dice", "correlation")} | {"volume_ml": [1.0] * 6}
    )
    assert quality.notes(table) == [""] * 6
