"""A run's own groups: the rules decide, a missing value fulfils none."""

import pandas as pd
import pytest
from pydantic import ValidationError

from nigra.cohort.selection import GroupRule, GroupSettings, select
from nigra.errors import NigraError

AGES = GroupSettings(control=GroupRule(age_below=45), patient=GroupRule(age_from=65), patient_name="over 65")


@pytest.fixture
def participants() -> pd.DataFrame:
    rows = [
        ("sub-a", "control", 44.9, "M", "Guys"),
        ("sub-b", "control", 45.0, "F", "HH"),
        ("sub-c", "control", 64.99, "M", "HH"),
        ("sub-d", "control", 65.0, "F", "Guys"),
        ("sub-e", "control", None, "M", "Guys"),
        ("sub-f", "patient", 80.0, "F", None),
        ("sub-g", "patient", 20.0, None, "IOP"),
    ]
    return pd.DataFrame(rows, columns=["participant_id", "group", "age", "sex", "site"], index=range(10, 17))


def groups(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["participant_id"], table["group"], strict=True))


def test_age_rules_replace_the_groups_of_the_table(participants: pd.DataFrame) -> None:
    before = participants.copy()
    chosen = select(participants, AGES)
    assert groups(chosen) == {"sub-a": "control", "sub-d": "patient", "sub-f": "patient", "sub-g": "control"}
    assert chosen["participant_id"].tolist() == ["sub-a", "sub-d", "sub-f", "sub-g"]
    pd.testing.assert_frame_equal(participants, before)


def test_without_rules_the_groups_of_the_table_hold(participants: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(select(participants), participants)


def test_all_conditions_of_a_rule_must_hold(participants: pd.DataFrame) -> None:
    rule = GroupRule(group="control", sex="M", site="Guys", age_below=45)
    assert participants.loc[rule.holds(participants), "participant_id"].tolist() == ["sub-a"]
    both = GroupRule(age_from=45, age_below=65)
    assert participants.loc[both.holds(participants), "participant_id"].tolist() == ["sub-b", "sub-c"]
    assert GroupRule().holds(participants).all()


@pytest.mark.parametrize("rule", [{"age_from": 0}, {"age_below": 200}])
def test_a_missing_age_never_matches(participants: pd.DataFrame, rule: dict) -> None:
    matched = participants.loc[GroupRule(**rule).holds(participants), "participant_id"].tolist()
    assert matched == ["sub-a", "sub-b", "sub-c", "sub-d", "sub-f", "sub-g"]


@pytest.mark.parametrize(("rule", "missing"), [({"sex": "M"}, "sub-g"), ({"site": "nan"}, "sub-f")])
def test_a_missing_sex_or_site_never_matches(participants: pd.DataFrame, rule: dict, missing: str) -> None:
    assert missing not in participants.loc[GroupRule(**rule).holds(participants), "participant_id"].tolist()


@pytest.mark.parametrize("column", ["age", "sex", "site"])
def test_a_column_the_table_lacks_matches_nobody(participants: pd.DataFrame, column: str) -> None:
    rule = {"age": GroupRule(age_from=1), "sex": GroupRule(sex="M"), "site": GroupRule(site="HH")}[column]
    assert rule.holds(participants).any()
    assert not rule.holds(participants.drop(columns=column)).any()


def test_a_subject_of_both_groups_is_refused(participants: pd.DataFrame) -> None:
    rules = GroupSettings(control=GroupRule(group="control"), patient=GroupRule(age_from=65))
    with pytest.raises(NigraError, match=r"sub-d fulfils the rules of both groups"):
        select(participants, rules)


def test_a_run_needs_controls_but_no_patients(participants: pd.DataFrame) -> None:
    with pytest.raises(NigraError, match="no subject fulfils the rule for controls"):
        select(participants, GroupSettings(control=GroupRule(age_from=100)))
    alone = select(participants[participants["group"] == "control"])
    assert set(alone["group"]) == {"control"}
    assert len(alone) == 5


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        GroupRule.model_validate({"age_form": 65})
