"""What is asked of the latent spaces of a run: which codes are kept, what is measured, what is drawn."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nigra.latent.embedding_settings import EmbeddingSettings
from nigra.latent.measured import Resampling
from nigra.latent.probes import ProbeSettings
from nigra.latent.tightness import Metric

RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BallSettings(_Settings):
    """All codes around a chosen place, in every subject."""

    centre: tuple[float, float, float] = Field(..., description="x, y, z in mm, in the space of the maps")
    radius: float = Field(8.0, gt=0, description="of the ball, mm")


class SampleSettings(_Settings):
    """Which codes the code table holds; what is drawn twice is kept once."""

    places: int = Field(
        300, ge=2, description="places coded in every subject, spread evenly over the regions; the numbers are "
        "measured on them",
    )  # fmt: skip
    per_subject: int = Field(200, ge=0, description="further codes of each subject, from anywhere")
    per_region: int = Field(0, ge=0, description="further codes of each region, over all subjects")
    around: list[BallSettings] = Field([], description="all codes around chosen places")
    training: bool = Field(True, description="training controls too; the column set tells them from the tested")
    balanced: bool = Field(
        False, description="as many patients as test controls in the table, drawn by the seed; the AUC by region "
        "uses all of them",
    )  # fmt: skip


class DecodingSettings(_Settings):
    """Codes between and beyond, decoded to units."""

    steps: int = Field(7, ge=3, description="steps from one end to the other")
    axes: int = Field(4, ge=1, description="principal axes of the codes along which is traversed")
    reach: float = Field(2.0, gt=0, description="how far along an axis, in standard deviations")
    pairs: int = Field(
        4, ge=1, description="pairs of codes interpolated: one place in two subjects, two places in one"
    )


class LatentPageSettings(_Settings):
    """What `latent.html`, made to be passed on, may hold."""

    points: int = Field(200_000, ge=100, description="codes at most, over all latent spaces")
    megabytes: float = Field(15.0, gt=5, description="size of the file at most, 10^6 bytes")
    personal: bool = Field(
        False, description="keep participant ids, age, sex and site; else subjects are numbered anew"
    )


class LatentSettings(_Settings):
    """Everything that changes the results of `nigra latent`."""

    run: RunName = Field("run", description="the trained run whose models are examined")
    title: str = Field("", description="one line on top of the page; empty: the run's name")
    models: list[str] = Field([], description="models examined, by name; none: all of the run")
    draws: int | None = Field(1, ge=1, description="draws of the run that are used, from the first; null: all")
    untrained: bool = Field(
        True, description="each model also with fresh weights, as the negative control of every picture and number"
    )
    sample: SampleSettings = Field(SampleSettings(), description="the code table")
    beside: list[RunName] = Field(
        [], description="other runs of the study, examined before and of the same draws, whose models are compared "
        "with those of this one",
    )  # fmt: skip
    metric: Metric = Field("euclidean", description="distance of the tightness map: euclidean or cosine")
    bootstrap: int = Field(500, ge=100, description="subject resamplings behind each interval")
    permutations: int = Field(1000, ge=100, description="permuted groups behind the null of separability")
    folds: int = Field(5, ge=2, description="folds of the probes, by subject")
    repeats: int = Field(5, ge=1, description="divisions into folds of the probes of a person")
    probe_codes: int = Field(10_000, ge=100, description="codes that a probe looks at, at most")
    decoding: DecodingSettings = Field(DecodingSettings(), description="interpolation and traversal")
    anchors: int = Field(6, ge=1, description="codes whose neighbours in other subjects are listed")
    neighbours: int = Field(8, ge=1, description="neighbours listed of each")
    embeddings: EmbeddingSettings = Field(EmbeddingSettings(), description="pictures of the latent space")
    page: LatentPageSettings = Field(LatentPageSettings(), description="latent.html")
    seed: int = Field(0, ge=0, description="seed of everything drawn")

    @model_validator(mode="after")
    def _models_once(self) -> "LatentSettings":
        if len(set(self.models)) < len(self.models):
            raise ValueError(f"models: {max(self.models, key=self.models.count)} stands twice; name each once")
        if self.run in self.beside or len(set(self.beside)) < len(self.beside):
            raise ValueError("beside: names each other run once, and not the run itself")
        if not self.sample.training and self.embeddings.methods and self.embeddings.fitted_on == "train":
            raise ValueError(
                "embeddings are fitted on training controls; set sample.training: true, or methods: []"
            )
        return self

    @property
    def resampling(self) -> Resampling:
        """How intervals are drawn."""
        return Resampling(self.bootstrap, self.seed)

    @property
    def probes(self) -> ProbeSettings:
        """How probes are cross-validated."""
        return ProbeSettings(self.folds, self.repeats, self.probe_codes, self.resampling)
