"""The page of a simulation: its sentences follow from the table, and an end beyond the grid is no number."""

import numpy as np
import pandas as pd

from nigra.report.simulation import advantage_words, curve_table, in_brief, smallest_table, smallest_words
from nigra.simulation.dose_response import dose_response, smallest_effect
from tests.simulation.test_dose_response import CURVES, lesion_table


def rows(**estimates: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"model": name, "estimate": each[0], "low": each[1], "high": each[2], "strongest": 0.4, "subjects": 12}
            for name, each in estimates.items()
        ]
    )


def test_methods_are_ranked_and_those_that_never_find_half_named() -> None:
    table = rows(ae=(np.nan, np.nan, np.nan), sae=(0.3, 0.2, np.nan), z=(0.1, 0.08, 0.15))
    assert smallest_words(table) == [
        "Half of the voxels is found from this strength on (95 % interval): z 0.1 (0.08 to 0.15), "
        "sae 0.3 (0.2 to beyond 0.4).",
        "Less than half is found at 0.4, the strongest planted, by ae.",
    ]
    assert smallest_words(table.iloc[:1]) == [
        "Less than half is found at 0.4, the strongest planted, by every method."
    ]
    assert len(smallest_words(table.iloc[1:])) == 1


def test_a_handful_of_subjects_is_cautioned_about() -> None:
    curves, smallest = dose_response(lesion_table()), smallest_effect(lesion_table(), 0.5, 100)
    head, sentences = in_brief(curves, smallest)[0]
    assert head == "What was done"
    assert sentences[0].startswith("Anomalies were planted into 3 controls that no model")
    assert "rank no methods" in sentences[1]
    many = {f"{name}{number}": curve for name, curve in CURVES.items() for number in range(5)}
    table = lesion_table(many)
    assert len(in_brief(dose_response(table), smallest_effect(table, 0.5, 100))[0][1]) == 1


def test_tables_show_what_is_planted_beside_chance() -> None:
    table = curve_table(dose_response(lesion_table()))
    assert len(table.rows) == 7 * 3  # measures x strengths above 0
    row = next(r for r in table.rows if r[5].text == "sensitivity_matched" and r[4].text == "0.200")
    assert [cell.text for cell in row[6:7] + row[8:]] == ["0.500", "0.020", "0.033", "3", "6"]
    smallest = smallest_table(smallest_effect(lesion_table(), 0.5, 100))
    assert [row[5].text for row in smallest.rows] == ["0.20", "0.20"]


def test_who_finds_more_than_the_best_baseline_is_said_by_the_interval() -> None:
    rows = [("net", 1.4, 1.1, 1.7), ("other", 1.2, 0.9, 1.5), ("intensities+z", 1.0, 1.0, 1.0)]
    table = pd.DataFrame(rows, columns=["model", "ratio", "low", "high"]).assign(
        reference="intensities+z", effect=np.nan, conditions=16
    )
    (sentence,) = advantage_words(table)
    assert "net 1.40 times as much (1.10 to 1.70)" in sentence
    assert "other" not in sentence
    assert advantage_words(table.assign(low=0.5))[0].startswith("No method finds more than intensities+z")
