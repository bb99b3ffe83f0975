"""Splits by subject: which controls train, which controls and patients are tested. A split is a file.

mlcn2021 draws 41 of 56 controls for training ten times, with age and sex kept balanced, and tests all
patients each time. Patients can never enter training: they are not among the candidates.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.files import read_json, write_json


class SplitSettings(BaseModel):
    """How controls are divided into training and test."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    method: Literal["repeated", "k-fold"] = Field(
        "repeated", description="repeated: independent balanced draws (mlcn2021); k-fold: each control tested once"
    )
    draws: int = Field(10, ge=1, description="number of draws, or of folds")
    test_fraction: float = Field(0.27, gt=0, lt=1, description="share of the controls tested in a repeated draw")
    seed: int = Field(0, ge=0, description="seed of the draws")
    test_controls: list[str] = Field(
        [], description="these controls are tested and all others train, in one draw: a hold-out declared before"
    )

    @model_validator(mode="after")
    def _a_hold_out_is_one_draw(self) -> "SplitSettings":
        if self.test_controls and (self.draws != 1 or self.method != "repeated"):
            raise ValueError("test_controls are one hold-out: give draws: 1 and method: repeated with them")
        return self


@dataclass(frozen=True)
class Draw:
    """One split: ids of training controls, and of test controls and patients."""

    draw: int
    train: list[str]
    test: list[str]


def split(participants: pd.DataFrame, settings: SplitSettings | None = None) -> list[Draw]:
    """Draw the splits of a cohort.

    Args:
        participants: columns participant_id, group (control or patient), age (years), sex (M or F); age and
            sex may be missing, such controls are spread evenly too.

    Raises:
        NigraError: too few controls to train on and test.
    """
    settings = settings or SplitSettings()
    controls = participants[participants["group"] == CONTROL]
    patients = participants.loc[participants["group"] == PATIENT, "participant_id"].tolist()
    count = round(settings.test_fraction * len(controls))
    if settings.test_controls:
        tests = [_declared(settings.test_controls, controls)]
    elif settings.method == "k-fold":
        if not 2 <= settings.draws <= len(controls) // 2:
            raise NigraError(
                f"{settings.draws} folds of {len(controls)} controls leave no two to train or test; "
                f"choose 2 to {len(controls) // 2}."
            )
        tests = balanced_folds(controls, settings.draws, settings.seed)
    else:
        if count < 1 or len(controls) - count < 2:
            raise NigraError(
                f"test_fraction {settings.test_fraction} of {len(controls)} controls is {count} to test and "
                f"{len(controls) - count} to train; at least 1 and 2 are needed."
            )
        tests = [
            balanced_sample(controls, count, np.random.default_rng([settings.seed, draw]))
            for draw in range(settings.draws)
        ]
    order = controls["participant_id"].tolist()
    return [
        Draw(number, [name for name in order if name not in set(test)], sorted(test, key=order.index) + patients)
        for number, test in enumerate(tests)
    ]


def _declared(names: list[str], controls: pd.DataFrame) -> list[str]:
    """The hold-out of the settings, once it is known to leave somebody to train on."""
    known = set(controls["participant_id"])
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NigraError(
            f"{unknown[0]}: a test control is a control of the cohort, but found it is none of them; choose of "
            f"{', '.join(sorted(known)[:8])}{', ...' if len(known) > 8 else ''}."
        )
    if len(known) - len(set(names)) < 2:
        raise NigraError("test_controls leave fewer than 2 controls to train on; name fewer.")
    return list(dict.fromkeys(names))


def balanced_folds(controls: pd.DataFrame, folds: int, seed: int) -> list[list[str]]:
    """Divide controls into folds of near-equal size, age and sex: neighbours in age go to different folds."""
    rng = np.random.default_rng([seed, 4])
    ordered = _by_sex_and_age(controls, rng)
    assigned: list[list[str]] = [[] for _ in range(folds)]
    for begin in range(0, len(ordered), folds):
        block = ordered[begin : begin + folds]
        # the fullest folds wait, so that a short last block cannot make sizes differ by more than one
        for name, fold in zip(block, sorted(rng.permutation(folds), key=lambda k: len(assigned[k])), strict=False):
            assigned[fold].append(name)
    return assigned


def _by_sex_and_age(controls: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """Participant ids sorted by sex, then age; ties and missing values in random order.

    Age rises in one sex and falls in the next, so that a stretch across the border holds people of one age.
    """
    shuffled = controls.iloc[rng.permutation(len(controls))]
    keys = pd.DataFrame(
        {
            "id": shuffled["participant_id"].to_numpy(),
            "sex": shuffled["sex"].astype(object).fillna("").astype(str).to_numpy() if "sex" in shuffled else "",
            "age": pd.to_numeric(shuffled["age"], errors="coerce").to_numpy() if "age" in shuffled else np.nan,
        }
    )
    keys["age"] *= np.where(keys["sex"].rank(method="dense") % 2 == 1, 1, -1)
    return keys.sort_values(["sex", "age"], kind="stable")["id"].tolist()


def balanced_sample(controls: pd.DataFrame, count: int, rng: np.random.Generator) -> list[str]:
    """One subject at random from each of ``count`` equal stretches of the controls sorted by sex and age."""
    ordered = _by_sex_and_age(controls, rng)
    edges = np.linspace(0, len(ordered), count + 1)
    edges[1:-1] += rng.uniform(-0.5, 0.5)  # a fixed rounding would favour the subjects of short stretches
    whole = np.rint(edges).astype(int)
    points = rng.integers(whole[:-1], whole[1:])
    return [ordered[p] for p in points]


def write_splits(path: Path, draws: list[Draw], provenance: dict[str, Any]) -> None:
    """Write the draws as ``splits.json``."""
    write_json(path, {"draws": [asdict(draw) for draw in draws], "provenance": provenance})


def read_splits(path: Path, participants: pd.DataFrame) -> list[Draw]:
    """Read a split file and check it against the cohort.

    Raises:
        NigraError: a subject unknown to the cohort, a patient in training, a subject in both sets, a file
            without draws.
    """
    groups = dict(zip(participants["participant_id"], participants["group"], strict=True))
    try:
        draws = [Draw(entry["draw"], entry["train"], entry["test"]) for entry in read_json(path)["draws"]]
    except (KeyError, TypeError) as error:
        raise NigraError(f"{path} is no split file ({error} is missing); delete it to split again.") from error
    for draw in draws:
        for name in draw.train + draw.test:
            if name not in groups:
                raise NigraError(f"{path}: draw {draw.draw} names {name}, who is not in the cohort; split again.")
        for name in draw.train:
            if groups[name] != CONTROL:
                raise NigraError(
                    f"{path}: draw {draw.draw} trains on {name}, who is a {groups[name]}; only controls may train."
                )
        both = set(draw.train) & set(draw.test)
        if both:
            raise NigraError(f"{path}: draw {draw.draw} has {sorted(both)[0]} in both sets; keep it in one.")
    return draws
