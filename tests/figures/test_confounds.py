"""What is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.confounds import confound_panel
from nigra.statistics.confounds import ALARM, confounds


def study(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(60) >= 25
    index = [f"sub-{i}" for i in range(60)]
    age = rng.normal(60, 8, 60) + 14 * patient
    covariates = pd.DataFrame(
        {"age": age, "site": rng.choice(["a", "b", "c"], 60).astype(object), "scale": np.nan}, index=index
    )
    rows = {"participant_id": index, "group": np.where(patient, "patient", "control"), "fold": 0, "set": "test"}
    return pd.DataFrame(rows | {"region": "whole brain", "percent": age + rng.normal(size=60)}), covariates


def test_points_are_the_values_and_alarms_are_squares(rng):  # type: ignore[no-untyped-def]
    table = confounds(*study(rng))
    left, right = confound_panel(table).axes
    names = [tick.get_text() for tick in left.get_yticklabels()]
    assert names == ["score, whole brain", "age", "site", "all together"]
    points = [line for line in left.lines if line.get_marker() in ("o", "s")]
    expected = table[table["question"].isin(["score separates", "confound separates"])]["estimate"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in points], expected)
    alarms = set(table.loc[table["note"].str.startswith(ALARM), "column"])
    assert "age" in alarms
    assert [line.get_marker() for line in points] == ["s" if name in alarms else "o" for name in names]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["age", "site", "scale"]
    follows = table[(table["question"] == "score follows") & (table["subjects"] == "controls")]
    drawn = [line.get_xdata()[0] for line in right.lines if line.get_marker() in ("o", "s")]
    np.testing.assert_allclose(drawn, follows["estimate"].dropna())
    assert [text.get_text().strip() for text in right.texts] == ["no subject has a value"]


def test_an_unknown_region_is_one_sentence(rng):  # type: ignore[no-untyped-def]
    with pytest.raises(NigraError, match="'pons' is not in the table"):
        confound_panel(confounds(*study(rng)), "pons")
