"""Tables of the factorial's page: each number where its head says, ratios where they are not 1."""

import numpy as np
import pandas as pd

from nigra.report.factorial import cell_table, effect_table, matching_table, sweep_table, unmatched_words, warnings
from nigra.statistics.factorial import INTERACTION, cell_means
from nigra.statistics.sweep import sweep
from tests.statistics.test_factorial import FACTORS, table
from tests.statistics.test_factorial_words import effect
from tests.statistics.test_sweep import FACTORS as SWEPT


def shown(made, row: int) -> dict[str, str]:
    return dict(zip(made.heads, (cell.text for cell in made.rows[row]), strict=True))


def test_effects_stand_under_their_heads():
    both = effect(effect=INTERACTION, by="unit", by_level="patch", by_reference="slice", low=np.nan)
    made = effect_table(pd.DataFrame([effect(pairs=11, pairs_planned=12), both | {"pairs": 4, "pairs_planned": 4}]))
    first, second = shown(made, 0), shown(made, 1)
    assert (first["Effect of"], first["Level"], first["Instead of"], first["By"]) == (
        "siamese",
        "cosine",
        "none",
        "",
    )
    assert (first["Estimate"], first["95 % interval"], first["Pairs"]) == ("+0.050", "0.020 to 0.080", "11 of 12")
    assert (first["p (Holm)"], first["First"], first["Second"]) == ("0.010", "0.400", "0.350")
    assert second["By"] == "unit: patch against slice"
    assert second["95 % interval"] == "–"


def test_cells_and_curves_stand_under_their_heads(rng):
    cells = table(rng, unit_patch=0.1)
    made = cell_table(cell_means(cells, FACTORS, 0.3), list(FACTORS))
    assert len(made.rows) == 6
    own = cells[(cells["unit"] == "slice") & (cells["siamese"] == "cosine")]
    found = shown(made, 1)
    assert (found["unit"], found["siamese"], found["Models"]) == ("slice", "cosine", "12")
    assert found["Mean"] == f"{own['value'].mean():.3f}"
    curves = sweep(table(rng, SWEPT), SWEPT, "alpha", 0.3)
    found = shown(sweep_table(curves), 3)
    assert (found["Value"], found["Against"], found["Curve"]) == ("0.5", "0.005", "unit slice")
    assert len(sweep_table(curves).rows) == 8


def test_ratios_are_shown_where_they_are_not_one_and_many_cells_become_rows():
    one = {"unit": "slice", "models": 6, "parameters": 12034.0, "parameters_ratio": 1.0, "steps": np.nan,
           "steps_ratio": np.nan, "unmatched": ""}  # fmt: skip
    other = one | {"unit": "patch", "parameters": 24068.0, "parameters_ratio": 2.0, "unmatched": "parameters × 2"}
    two = pd.DataFrame([one, other])
    made = matching_table(two, ("unit",))
    assert list(made.heads) == ["", "slice", "patch"]
    texts = [[cell.text for cell in row] for row in made.rows]
    assert texts[0] == ["Trained models", "6", "6"]
    assert [text.replace("\N{NARROW NO-BREAK SPACE}", " ") for text in texts[1]] == [
        "Parameters", "12 034", "24 068 (× 2)"
    ]  # fmt: skip
    assert texts[2] == ["Steps", "–", "–"]
    many = matching_table(pd.concat([two] * 5), ("unit",))
    assert list(many.heads) == ["", "Trained models", "Parameters", "Steps"]
    assert len(many.rows) == 10
    assert unmatched_words(two, ["unit"]) == ["patch: parameters × 2."]
    assert unmatched_words(two.iloc[:1], ["unit"]) == ["Every quantity below is the same in all cells, to 2 %."]


def test_what_to_be_wary_of_is_counted():
    collapsed = pd.DataFrame({"model": list("abcdef"), "fold": 1})
    failed = pd.DataFrame({"state": ["failed", "failed", "skipped"]})
    said = warnings(collapsed, failed)
    assert said[0].startswith("6 trainings collapsed: a (fold 1), b (fold 1), c (fold 1), d (fold 1) and 2 more.")
    assert said[1].startswith("2 tasks failed, and 1 that need such could not be done.")
    assert warnings(collapsed.iloc[:0], failed.iloc[:0]) == []
