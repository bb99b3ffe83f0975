import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.provenance import FittedOnError
from nigra.statistics.draws import read_draws


def table() -> pd.DataFrame:
    """Two draws of three controls and two patients, two regions; the rows shuffled."""
    rows = [
        (subject, "patient" if subject[0] == "p" else "control", fold, set_, region, 10 * fold + offset + 0.5 * k)
        for fold, held_out in ((0, ["c1", "c2"]), (1, ["c2", "c3"]))
        for k, subject in enumerate(["c1", "c2", "c3", "p1", "p2"])
        for set_ in ["held-out" if subject in held_out else "test"]
        for offset, region in enumerate(["whole brain", "SN"])
    ]
    return pd.DataFrame(rows, columns=["participant_id", "group", "fold", "set", "region", "percent"])


def test_every_percentage_lands_where_its_row_says():
    rows = table()
    draws = read_draws(rows.sample(frac=1, random_state=3))
    assert sorted(draws.regions) == ["SN", "whole brain"]
    assert draws.folds == [0, 1]
    assert draws.reference_set == "held-out"
    seen = 0
    for row in rows.itertuples():
        where = draws.regions.index(row.region), row.fold, draws.subjects.index(row.participant_id)
        inside, outside = draws.scores_tested[where], draws.scores_reference[where]
        if row.set != "test":
            inside, outside = outside, inside
        assert inside == row.percent
        assert np.isnan(outside)
        assert draws.patient[where[2]] == (row.group == "patient")
        seen += 1
    assert seen == 20
    assert draws.tested.sum() == 6
    assert draws.reference.sum() == 4


def test_held_out_controls_are_preferred_to_training_ones():
    rows = table()
    training = rows[rows["set"] == "held-out"].assign(set="training", percent=-1.0)
    assert read_draws(pd.concat([training, rows])).scores_reference.min() != -1
    only = read_draws(pd.concat([training, rows[rows["set"] == "test"]]))
    assert only.reference_set == "training"
    assert np.nanmax(only.scores_reference) == -1
    assert read_draws(rows[rows["set"] == "test"]).reference_set == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop(columns="percent"), "lacks the column percent"),
        (lambda t: t.assign(group=t["group"].replace("control", "healthy")), "found healthy"),
        (lambda t: t.assign(set="held-out"), "rows of the set test, but found none"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "c1: one row per subject.*whole brain twice in fold 0"),
        (lambda t: t.assign(group=["patient", *t["group"][1:]]), "c1: a subject has one group"),
        (lambda t: t.assign(group="patient"), "c1: only controls train"),
    ],
)
def test_a_wrong_table_is_one_sentence(change, sentence):
    with pytest.raises(NigraError, match=sentence):
        read_draws(change(table()))


def test_nobody_is_tested_where_it_set_the_cut_off():
    rows = table()
    leak = rows[(rows["participant_id"] == "c1") & (rows["fold"] == 0)].assign(set="test")
    with pytest.raises(FittedOnError, match="cut-off of fold 0 was fitted on c1"):
        read_draws(pd.concat([rows, leak]))


def test_the_score_column_is_what_is_compared():
    """A baseline has scores and no percentages: NaN there must not reach the comparison."""
    rows = table()
    scored = rows.assign(score=rows["percent"] + 100, percent=np.nan)
    by_percent, by_score = read_draws(rows), read_draws(scored)
    np.testing.assert_array_equal(by_score.scores_tested, by_percent.scores_tested + 100)
    np.testing.assert_array_equal(by_score.scores_reference, by_percent.scores_reference + 100)
    assert np.isfinite(by_score.scores_tested).sum() == 12
