"""Clinical signs follow what is planted, so that disease questions have a known answer."""

import numpy as np
import pandas as pd

from nigra.files import read_json, read_tsv
from nigra.phantom.disease import CHANGES, MILD_SIDE, STAGE, plan, share_of_sides, signs
from nigra.phantom.person import draw_person
from nigra.statistics.disease import disease_questions
from tests.statistics.test_evaluation import study


def test_signs_follow_stage_severity_and_the_other_side_of_the_brain(anatomy):
    people = [draw_person("patient", k, 0, anatomy) for k in range(1, 121)]
    found = pd.DataFrame([signs(person) for person in people])
    burden = [STAGE[p.hoehn_yahr] * p.severity * (1 + MILD_SIDE[p.hoehn_yahr]) for p in people]
    left_over = found["motor_score"] - 16 * np.array(burden)
    assert abs(left_over.mean()) < 1
    assert 2 < left_over.std() < 3.2
    assert found["motor_score"].min() >= 0
    for person, side in zip(people, found["more_affected_side"], strict=True):
        brain = {"L": "right", "R": "left"}[side]
        assert (
            max(plan(person), key=lambda change: abs(change.fa / CHANGES[change.region.rsplit(" ", 1)[0]][0])).side
            == brain
        )
    assert set(found["more_affected_side"]) == {"L", "R"}
    assert signs(people[3]) == signs(draw_person("patient", 4, 0, anatomy))
    control = draw_person("control", 1, 0, anatomy)
    assert signs(control) == {"motor_score": None, "more_affected_side": None}
    assert share_of_sides(control) == {}


def test_participants_tell_the_signs(small_phantom, anatomy):
    table = read_tsv(small_phantom / "participants.tsv").set_index("participant_id")
    assert table.columns.tolist() == [
        "age", "sex", "group", "site", "hoehn_yahr", "worse_side", "motor_score", "more_affected_side",
    ]  # fmt: skip
    assert table["motor_score"].isna().tolist() == [True] * 4 + [False] * 2
    for number, name in enumerate(["sub-P001", "sub-P002"], start=1):
        expected = signs(draw_person("patient", number, 3, anatomy))
        assert table.loc[name, ["motor_score", "more_affected_side"]].to_dict() == expected
        assert table.loc[name, "more_affected_side"] != table.loc[name, "worse_side"]
    described = read_json(small_phantom / "participants.json")
    assert set(table.columns) <= set(described)


def test_disease_questions_find_the_planted_answers(anatomy, rng):
    """Scores that see the planted share of each side, with noise: trend, correlation and side come back."""
    people = [draw_person("control", k, 5, anatomy) for k in range(1, 13)]
    people += [draw_person("patient", k, 5, anatomy) for k in range(1, 31)]
    shares = np.array([[share_of_sides(person).get(side, 0.0) for person in people] for side in ("left", "right")])
    seen = 2 + 10 * shares + rng.gamma(2, 0.7, shares.shape)
    names = ["SN left", "SN right", "occipital left", "occipital right"]
    regions = study(np.vstack([seen, rng.gamma(2, 1, shares.shape)]), 12, 2, 4, names=names)
    own = {f"sub-{k:03}": person.record() | signs(person) for k, person in enumerate(people)}
    table = pd.DataFrame([values | {"participant_id": name} for name, values in own.items()])
    answers = disease_questions(regions, table, permutations=500, bootstraps=200).set_index(["question", "region"])
    for question in ("trend", "correlation", "correlation given age and sex"):
        assert (answers.loc[question].loc[["SN left", "SN right"], "q"] < 0.05).all()
        assert (answers.loc[question].loc[["SN left", "SN right"], "low"] > 0).all()
        assert (answers.loc[question].loc[["occipital left", "occipital right"], "q"] > 0.05).all()
    assert answers.loc[("lateralisation", "SN"), "low"] > 0.05
    assert answers.loc[("lateralisation", "SN"), "p"] < 0.01
    assert answers.loc[("lateralisation", "occipital"), "p"] > 0.05
