"""All numbers of a table at once: who each is measured on, what is planted, and what is not there."""

import numpy as np
import pandas as pd
import pytest
import torch

from nigra.latent.codes import CodeTable, Locations, code_rows, draw_codes
from nigra.latent.numbers import People, held_out, latent_numbers
from nigra.latent.settings import LatentSettings, SampleSettings
from nigra.models.published import build
from tests.latent.latent_spaces import places

SETTINGS = LatentSettings(
    sample=SampleSettings(places=40, per_subject=10), bootstrap=100, folds=4, repeats=2, probe_codes=1500
)
REACH = np.array([20.0, 20.0, 2.0])


def people(train: int = 14, controls: int = 12, patients: int = 10) -> pd.DataFrame:
    n = train + controls + patients
    return pd.DataFrame({
        "participant_id": [f"sub-{k:02d}" for k in range(n)],
        "group": ["control"] * (train + controls) + ["patient"] * patients,
        "set": ["train"] * train + ["test"] * (controls + patients),
        "age": np.linspace(45, 80, n)[np.random.default_rng(2).permutation(n)],
        "sex": (["M", "F"] * n)[:n],
    })  # fmt: skip


def table_of(who: pd.DataFrame, rng: np.random.Generator, **planted: float) -> tuple[CodeTable, np.ndarray]:
    """A code table of 8 dimensions: place, sex, age, group each along a direction of its own, and unit noise."""
    mm = places(rng, 120)
    region = np.where(mm[:, 0] > 0, "right", "left").astype(object)
    locations = Locations(mm, mm, region, np.full(120, "", dtype=object))
    drawn = draw_codes(locations, len(who), SETTINGS.sample, 0)
    codes = rng.normal(size=(len(drawn), 8))
    own = who.iloc[drawn.subject]
    codes[:, :3] += planted.get("place", 0) * mm[drawn.location] / 40
    if planted.get("sex"):
        codes[:, 3] += planted["sex"] * (own["sex"] == "M").to_numpy()
    if planted.get("age"):
        codes[:, 4] += planted["age"] * (own["age"].fillna(60).to_numpy() - 60) / 12
    codes[:, 5] += planted.get("group", 0) * (own["group"] == "patient").to_numpy()
    codes[:, 6] += planted.get("seen", 0) * (own["set"] == "train").to_numpy()
    table = code_rows(locations, drawn, who)
    centred = codes.copy()
    centred[:, :3] -= planted.get("place", 0) * mm[drawn.location] / 40
    return CodeTable(table, codes.astype(np.float32)), centred.astype(np.float32)


def numbers(who: pd.DataFrame, rng: np.random.Generator, **planted: float) -> pd.DataFrame:
    told: list[float] = []
    rows = latent_numbers(*table_of(who, rng, **planted), REACH, SETTINGS, lambda done, text: told.append(done))
    assert told == sorted(told)
    return pd.DataFrame([vars(row) for row in rows]).set_index("measure")


def test_what_is_planted_is_found_and_every_number_has_its_null(rng: np.random.Generator) -> None:
    found = numbers(people(), rng, place=4, sex=2, age=2, group=3)
    assert found.index.is_unique
    assert found.loc["place R2", "low"] > 0.5
    assert found.loc["region balanced accuracy", "low"] > 0.7
    assert found.loc["tightness", "high"] < 0.7
    assert found.loc["tightness, training controls", "high"] < 0.7
    for name in ("sex AUC", "group AUC"):
        assert found.loc[f"{name}, subject", "low"] > 0.75
        assert found.loc[f"{name}, code", "low"] > 0.6
        assert found.loc[f"{name}, code beyond place", "low"] > 0.6
    assert found.loc["age R2, subject", "low"] > 0.7
    assert found["estimate"].notna().all()
    assert found["null"].notna().all()
    inside = found.drop(["live dimensions", "collapsed"])
    assert (inside["low"] <= inside["estimate"] + 1e-9).all()
    assert (inside["estimate"] <= inside["high"] + 1e-9).all()


def test_without_a_signal_every_number_stays_at_its_null(rng: np.random.Generator) -> None:
    found = numbers(people(), rng)
    for name in ("tightness", "tightness, cosine", "same place closer", "alignment", "place R2", "uniformity"):
        assert found.loc[name, "estimate"] == pytest.approx(found.loc[name, "null"], abs=0.06), name
    for name in ("sex AUC, subject", "group AUC, subject", "sex AUC, code", "group AUC, code beyond place"):
        assert found.loc[name, "low"] - 0.05 <= 0.5 <= found.loc[name, "high"] + 0.05, name
    assert found.loc["age R2, subject", "estimate"] < 0.2
    assert found.loc["subject accuracy", "estimate"] == pytest.approx(1 / 12, abs=0.06)


def test_being_seen_in_training_does_not_pass_for_being_healthy(rng: np.random.Generator) -> None:
    found = numbers(people(), rng, seen=5)
    assert found.loc["group AUC, subject", "low"] <= 0.5 <= found.loc["group AUC, subject", "high"]


def test_place_numbers_are_of_test_controls_unless_there_are_too_few() -> None:
    names, note = held_out(People.of(people()))
    assert names == [f"sub-{k:02d}" for k in range(14, 26)]
    assert note == ""
    names, note = held_out(People.of(people(controls=2)))
    assert len(names) == 12
    assert "only 2 are controls" in note


def test_without_patients_training_controls_or_facts_their_numbers_are_missing(rng: np.random.Generator) -> None:
    found = numbers(people(train=0, patients=0).drop(columns=["age", "sex"]), rng, place=2)
    assert not [
        name for name in found.index if name.startswith(("group", "sex", "age", "site", "tightness, train"))
    ]
    assert found.loc["tightness", "high"] < 1


def test_unknown_ages_and_sexes_are_left_out(rng: np.random.Generator) -> None:
    who = people()
    who.loc[[0, 15], "age"] = np.nan
    who.loc[[3, 20], "sex"] = None
    found = numbers(who, rng, sex=3, age=3)
    assert found.loc["sex AUC, subject", "low"] > 0.9
    assert found.loc["age R2, subject", "low"] > 0.6


def test_an_untrained_network_that_looks_at_noise_tells_nothing(rng: np.random.Generator) -> None:
    """The negative control of the whole chain: what it reads off noise is what it reads off everything."""
    who = people()
    table, _ = table_of(who, rng)
    noise = torch.from_numpy(rng.random((len(table.table), 2, 15, 15)).astype(np.float32))
    with torch.inference_mode():
        codes = build("isbi2023-sae", 2, seed=5).eval().codes(noise).numpy()
    rows = latent_numbers(CodeTable(table.table, codes), codes, REACH, SETTINGS, lambda done, text: None)
    found = pd.DataFrame([vars(row) for row in rows]).set_index("measure")
    assert found.loc["collapsed", "estimate"] == 0
    for name in ("tightness", "same place closer", "place R2", "region balanced accuracy", "subject AUC"):
        assert found.loc[name, "estimate"] == pytest.approx(found.loc[name, "null"], abs=0.06), name
    assert found.loc["subject accuracy", "estimate"] == pytest.approx(1 / 12, abs=0.06)
    assert found.loc["age R2, subject", "estimate"] < 0.2
    for name in ("sex AUC, subject", "group AUC, subject"):
        assert abs(found.loc[name, "estimate"] - 0.5) < 0.25, name
    with torch.inference_mode():  # and its place is found as soon as there is one in what it sees
        seen = noise + torch.from_numpy(table.table["x_mm"].to_numpy(np.float32) / 40)[:, None, None, None]
        codes = build("isbi2023-sae", 2, seed=5).eval().codes(seen).numpy()
    rows = latent_numbers(CodeTable(table.table, codes), codes, REACH, SETTINGS, lambda done, text: None)
    again = pd.DataFrame([vars(row) for row in rows]).set_index("measure")
    assert again.loc["place R2", "low"] > 0.2
    assert again.loc["tightness", "high"] < 0.9
