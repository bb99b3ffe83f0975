"""A run's own groups: which subjects count as controls, which as patients, who is left out."""

from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError


class GroupRule(BaseModel):
    """Subjects belong to a group when every condition given holds; a missing value never does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    age_from: float | None = Field(None, description="youngest age, years, included")
    age_below: float | None = Field(None, description="upper age limit, years, excluded")
    group: Literal["control", "patient"] | None = Field(None, description="group in participants.tsv")
    sex: Literal["M", "F"] | None = Field(None, description="sex in participants.tsv")
    site: str | None = Field(None, description="site in participants.tsv")

    def holds(self, participants: pd.DataFrame) -> pd.Series:
        """True for the rows that fulfil every condition."""
        keep = pd.Series(True, index=participants.index)
        for column in ("group", "sex", "site"):
            wanted = getattr(self, column)
            if wanted is not None:
                keep &= _column(participants, column) == wanted
        age = pd.to_numeric(_column(participants, "age"), errors="coerce")
        if self.age_from is not None:
            keep &= age >= self.age_from
        if self.age_below is not None:
            keep &= age < self.age_below
        return keep


def _column(participants: pd.DataFrame, name: str) -> pd.Series:
    """A column, all missing where the table lacks it."""
    return participants[name] if name in participants else pd.Series(None, index=participants.index, dtype=object)


class GroupSettings(BaseModel):
    """Rules for the two groups; without them the groups of participants.tsv hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    control: GroupRule = Field(GroupRule(group="control"), description="who counts as a control")
    patient: GroupRule = Field(GroupRule(group="patient"), description="who counts as a patient")
    patient_name: str = Field("patient", description="what the second group is called in figures and reports")
    control_name: str = Field("control", description="what the first group is called in figures and reports")


def select(participants: pd.DataFrame, settings: GroupSettings | None = None) -> pd.DataFrame:
    """Participants of the run with ``group`` set by the rules; those of neither group are left out.

    Raises:
        NigraError: a subject fulfils both rules, or no control is left.
    """
    settings = settings or GroupSettings()
    control, patient = settings.control.holds(participants), settings.patient.holds(participants)
    both = participants.loc[control & patient, "participant_id"].tolist()
    if both:
        raise NigraError(f"{both[0]} fulfils the rules of both groups; make the rules exclude each other.")
    if not control.any():
        raise NigraError("no subject fulfils the rule for controls; check the groups against participants.tsv.")
    chosen = participants[control | patient].copy()
    chosen["group"] = [PATIENT if patient[i] else CONTROL for i in chosen.index]
    return chosen
