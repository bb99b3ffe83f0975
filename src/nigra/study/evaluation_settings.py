"""What a run asks of its scores: the regions, how groups are compared, what is drawn."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nigra.statistics.disease import Questions


class Settings(BaseModel):
    """Unknown names are refused, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AtlasSettings(Settings):
    """The regions in which abnormal voxels are counted."""

    name: Literal["auto", "neuromorphometrics", "file"] = Field(
        "auto", description="file: the dseg given below; neuromorphometrics: packaged (extra `atlases`); auto: the "
        "*_space-SPACE_atlas-*_dseg.nii.gz of the maps' space in STUDY/sourcedata if there is one, else packaged"
    )  # fmt: skip
    dseg: Path | None = Field(None, description="label image, relative to the study folder or absolute")
    tsv: Path | None = Field(None, description="its table (index, name); null: beside the image, same name")
    space: str | None = Field(None, description="its space; null: the space- entity of its file name")
    merged: dict[str, list[str]] = Field(
        {}, description="further regions made of others: new name -> names of regions"
    )
    tissues: dict[str, list[str]] = Field(
        {}, description="tissue -> names of its regions, for the false-positive panel; empty: as the packaged "
        "atlas is known"
    )  # fmt: skip

    @model_validator(mode="after")
    def _file_is_named(self) -> "AtlasSettings":
        if (self.name == "file") != (self.dseg is not None):
            raise ValueError("atlas name: file and dseg: PATH go together; give both or neither")
        return self


def each_once(names: list[str] | None) -> list[str] | None:
    """The columns, once it is known that none is named twice: its rows would count double."""
    twice = [name for name in names or [] if (names or []).count(name) > 1]
    if twice:
        raise ValueError(f"a column is named once, but {twice[0]} is named {len(twice)} times")
    return names


class DiseaseSettings(Settings):
    """What is asked about patients; columns of participants.tsv, asked where the table has them."""

    stage: str = Field("hoehn_yahr", description="column of the Hoehn and Yahr stage; 101 is unable to rate")
    clinical: list[str] = Field(["motor_score"], description="columns of clinical scores")
    side: str = Field("more_affected_side", description="column of the body's more affected side: left, right")
    covariates: list[str] = Field(["age", "sex"], description="held fixed in the partial correlations")
    controls_as_zero: bool = Field(False, description="whether controls are stage 0 of the trend")

    _once = field_validator("clinical", "covariates")(each_once)

    def questions(self) -> Questions:
        """As the statistics take them."""
        return Questions(self.stage, self.clinical, self.side, self.covariates, self.controls_as_zero)


class EvaluationSettings(Settings):
    """How groups are compared."""

    specificity: float = Field(
        0.8, gt=0, lt=1, description="share of held-out controls below the cut-off that is fixed without test data"
    )
    bootstrap: int = Field(1000, ge=100, description="subject resamplings behind each interval")
    permutations: int = Field(10_000, ge=100, description="permutations of the labels behind each null and p")
    seed: int = Field(0, ge=0, description="seed of both")
    reference: str = Field(
        "", description="method that all others are compared with, such as mlcn2021-sae+z; empty: all pairs"
    )
    covariates: list[str] | None = Field(
        None, description="columns of participants.tsv and quality.tsv that could confound; null: all"
    )
    adjust_for: list[str] = Field(
        [], description="columns taken out of region scores by a regression on held-out controls, such as age, sex"
    )
    harmonise: bool = Field(
        False, description="ComBat over the column site, fitted on held-out controls (extra `harmonisation`)"
    )
    disease: DiseaseSettings = Field(DiseaseSettings(), description="stage, clinical scores, side")

    _once = field_validator("covariates", "adjust_for")(each_once)


class FigureSettings(Settings):
    """The cohort picture and the examples in the report."""

    patients_shown: int = Field(15, ge=0, description="patients drawn at random for the cohort picture")
    seed: int = Field(0, ge=0, description="seed of that drawing, printed in the picture")
    level_mm: float | None = Field(None, description="axial level z in mm; null: where most nuclei are")
    examples: int = Field(2, ge=0, description="subjects per group whose reconstructions and scores are shown")
