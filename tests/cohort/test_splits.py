"""Splits: by subject, balanced, fair to every control, and patients never train."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nigra.cohort.splits import Draw, SplitSettings, balanced_folds, read_splits, split, write_splits
from nigra.errors import NigraError


def people(controls: int = 56, patients: int = 129, seed: int = 5) -> pd.DataFrame:
    """A cohort like mlcn2021's: 56 controls and 129 patients, about two thirds men, 61 +- 11 years."""
    rng = np.random.default_rng(seed)
    n = controls + patients
    groups = rng.permutation(["control"] * controls + ["patient"] * patients)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)],
            "group": groups,
            "age": np.round(rng.normal(61, 11, n), 1),
            "sex": np.where(rng.random(n) < 0.65, "M", "F"),
        }
    )


def of_group(table: pd.DataFrame, group: str) -> set[str]:
    return set(table.loc[table["group"] == group, "participant_id"])


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def many(cohort: pd.DataFrame) -> list[Draw]:
    return split(cohort, SplitSettings(draws=400))


def test_the_published_sizes(cohort: pd.DataFrame) -> None:
    draws = split(cohort)
    controls, patients = of_group(cohort, "control"), of_group(cohort, "patient")
    assert [draw.draw for draw in draws] == list(range(10))
    for draw in draws:
        assert len(draw.train) == 41
        assert len(draw.test) == 15 + 129
        assert set(draw.train) | (set(draw.test) & controls) == controls
        assert not set(draw.train) & set(draw.test)
        assert patients <= set(draw.test)
    assert len({tuple(draw.train) for draw in draws}) == 10


def test_draws_are_balanced_on_age_and_sex_far_better_than_chance(cohort, many) -> None:
    controls = cohort[cohort["group"] == "control"]
    names = controls["participant_id"].to_numpy()
    balanced = np.array([np.isin(names, draw.test) for draw in many])
    plain = np.random.default_rng(1).permuted(balanced, axis=1)  # the same sizes, anybody

    def differences(values: np.ndarray, tested: np.ndarray) -> np.ndarray:
        return tested @ values / 15 - ~tested @ values / 41

    men = (controls["sex"] == "M").to_numpy(dtype=float)
    for values, most in ((controls["age"].to_numpy(), 0.65), (men, 0.4)):
        spread, chance = differences(values, balanced).std(), differences(values, plain).std()
        # simple random sampling (Cochran 1977, theorem 2.2): the variance is s2 (1/15 + 1/41)
        assert chance == pytest.approx(values.std(ddof=1) * np.sqrt(1 / 15 + 1 / 41), rel=0.1)
        assert 0 < spread < most * chance
        assert abs(differences(values, balanced).mean()) < 0.2 * chance


def test_every_control_is_tested_about_as_often_as_any_other(cohort, many) -> None:
    controls = sorted(of_group(cohort, "control"))
    tested = pd.Series([name for draw in many for name in draw.test]).value_counts()
    share = tested.reindex(controls, fill_value=0) / len(many)
    assert share.mean() == pytest.approx(15 / 56)
    # the binomial sd of a share over 400 draws is 0.022
    assert share.min() > 0.27 - 0.09
    assert share.max() < 0.27 + 0.09


@pytest.mark.parametrize("fraction", [0.1, 0.27, 0.5, 0.8])
def test_test_fraction_is_the_share_of_tested_controls(cohort, fraction: float) -> None:
    for draw in split(cohort, SplitSettings(test_fraction=fraction, draws=20)):
        assert len(draw.train) == 56 - round(56 * fraction)
        assert len(set(draw.train)) == len(draw.train)
        assert len(set(draw.test)) == len(draw.test) == 129 + round(56 * fraction)


def test_k_fold_tests_each_control_once(cohort: pd.DataFrame) -> None:
    draws = split(cohort, SplitSettings(method="k-fold", draws=5))
    controls, patients = of_group(cohort, "control"), of_group(cohort, "patient")
    tested = [name for draw in draws for name in draw.test if name in controls]
    assert sorted(tested) == sorted(controls)
    sizes = [len(draw.test) - len(patients) for draw in draws]
    assert sorted(sizes) == [11, 11, 11, 11, 12]
    for draw in draws:
        assert set(draw.train) == controls - set(draw.test)
        assert patients <= set(draw.test)


def test_folds_are_balanced_on_age(cohort: pd.DataFrame) -> None:
    controls = cohort[cohort["group"] == "control"]
    ages = controls.set_index("participant_id")["age"]
    rng = np.random.default_rng(2)

    def spread(folds: list) -> float:
        return float(np.std([ages[list(fold)].mean() for fold in folds]))

    balanced = np.mean([spread(balanced_folds(controls, 4, seed)) for seed in range(40)])
    plain = np.mean([spread(np.array_split(rng.permutation(ages.index), 4)) for _ in range(40)])
    assert 0 < balanced < 0.6 * plain


@given(n=st.integers(4, 60), folds=st.integers(2, 9), seed=st.integers(0, 1000), known=st.booleans())
@settings(max_examples=60, deadline=None)
def test_folds_cover_everybody_once_in_near_equal_sizes(n: int, folds: int, seed: int, known: bool) -> None:
    table = people(n, 0, seed)
    if not known:
        table = table.drop(columns=["age", "sex"])
    parts = balanced_folds(table, folds, seed)
    assert sorted(name for part in parts for name in part) == sorted(table["participant_id"])
    sizes = [len(part) for part in parts]
    assert len(sizes) == folds
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("method", ["repeated", "k-fold"])
def test_the_same_seed_gives_the_same_file_another_seed_another(cohort, tmp_path: Path, method) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        chosen = SplitSettings(method=method, draws=4, seed=seed)
        write_splits(tmp_path / name, split(cohort, chosen), {"stage": "split"})
    same, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert same == again
    assert same != other


def test_more_draws_leave_the_first_ones_as_they_were(cohort: pd.DataFrame) -> None:
    assert split(cohort, SplitSettings(draws=12))[:3] == split(cohort, SplitSettings(draws=3))


def test_the_order_of_rows_changes_the_order_of_ids_but_not_who_is_in_them() -> None:
    """This holds where no two controls of a sex have the same age; ties are broken by a draw over the rows."""
    table = people(20, 4)
    table["age"] = np.arange(24) + 40.0
    other = table.iloc[::-1]
    for one, two in zip(split(table), split(other), strict=True):
        assert set(one.train) == set(two.train)
        assert set(one.test) == set(two.test)
        assert one.train == two.train[::-1]


def test_the_table_is_left_as_it_was(cohort: pd.DataFrame) -> None:
    before = cohort.copy()
    split(cohort)
    pd.testing.assert_frame_equal(cohort, before)


@pytest.mark.parametrize("harm", ["no columns", "half missing", "no age known", "no sex known"])
def test_controls_of_unknown_age_and_sex_are_split_too(harm: str) -> None:
    table = people(20, 4)
    if harm == "no columns":
        table = table.drop(columns=["age", "sex"])
    elif harm == "half missing":
        table.loc[::2, "age"], table.loc[::3, "sex"] = np.nan, None
    else:
        table["age" if harm == "no age known" else "sex"] = np.nan
    draws = split(table, SplitSettings(draws=200))
    counts = pd.Series([name for draw in draws for name in draw.train]).value_counts()
    assert all(len(draw.train) == 15 for draw in draws)
    assert set(counts.index) == of_group(table, "control")
    assert counts.max() < 200  # nobody trains in every draw


@pytest.mark.parametrize(
    ("controls", "given", "sentence"),
    [
        (2, {}, r"of 2 controls is 1 to test and 1 to train; at least 1 and 2 are needed"),
        (3, {"test_fraction": 0.1}, r"is 0 to test and 3 to train"),
        (5, {"method": "k-fold", "draws": 3}, r"3 folds of 5 controls .* choose 2 to 2"),
        (9, {"method": "k-fold", "draws": 1}, r"1 folds of 9 controls .* choose 2 to 4"),
        (0, {}, "of 0 controls"),
    ],
)
def test_too_few_controls_are_refused(controls: int, given: dict, sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        split(people(controls, 3), SplitSettings(**given))


@pytest.mark.parametrize("given", [{"draws": 0}, {"test_fraction": 0.0}, {"test_fraction": 1.0}, {"seed": -1}])
def test_settings_out_of_range_are_refused(given: dict) -> None:
    with pytest.raises(ValidationError):
        SplitSettings(**given)


def test_a_split_file_comes_back(cohort: pd.DataFrame, tmp_path: Path) -> None:
    draws = split(cohort)
    write_splits(tmp_path / "splits.json", draws, {"stage": "split"})
    assert read_splits(tmp_path / "splits.json", cohort) == draws
    assert json.loads((tmp_path / "splits.json").read_text())["provenance"] == {"stage": "split"}


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda d, p: d["train"].append(p), r"draw 1 trains on sub-\d+, who is a patient; only controls may"),
        (lambda d, p: d["test"].append("sub-999"), r"draw 1 names sub-999, who is not in the cohort"),
        (lambda d, p: d["train"].append("sub-999"), r"draw 1 names sub-999, who is not in the cohort"),
        (lambda d, p: d["test"].append(d["train"][0]), r"draw 1 has sub-\d+ in both sets"),
        (lambda d, p: d.pop("train"), r"is no split file"),
    ],
    ids=["patient trains", "unknown in test", "unknown in train", "both sets", "no train"],
)
def test_a_split_file_that_breaks_a_rule_is_refused(cohort, tmp_path: Path, harm, sentence: str) -> None:
    path = tmp_path / "splits.json"
    write_splits(path, split(cohort, SplitSettings(draws=3)), {})
    content = json.loads(path.read_text())
    harm(content["draws"][1], sorted(of_group(cohort, "patient"))[0])
    path.write_text(json.dumps(content))
    with pytest.raises(NigraError, match=sentence) as caught:
        read_splits(path, cohort)
    assert str(path) in str(caught.value)


def test_a_declared_hold_out_is_tested_and_all_others_train() -> None:
    people = pd.DataFrame(
        {"participant_id": [f"sub-{i}" for i in range(8)], "group": ["control"] * 6 + ["patient"] * 2}
    )
    declared = SplitSettings(draws=1, test_controls=["sub-4", "sub-1"])
    (draw,) = split(people, declared)
    assert draw.test == ["sub-1", "sub-4", "sub-6", "sub-7"]
    assert draw.train == ["sub-0", "sub-2", "sub-3", "sub-5"]
    with pytest.raises(NigraError, match="sub-6: a test control is a control"):
        split(people, SplitSettings(draws=1, test_controls=["sub-6"]))
    with pytest.raises(NigraError, match="fewer than 2 controls to train on"):
        split(people, SplitSettings(draws=1, test_controls=[f"sub-{i}" for i in range(5)]))
    with pytest.raises(ValueError, match="test_controls are one hold-out"):
        SplitSettings(draws=2, test_controls=["sub-1"])
