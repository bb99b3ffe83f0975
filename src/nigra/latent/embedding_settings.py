"""What is embedded, how, and how each picture is judged."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EmbeddingName = Literal["pca", "tsne", "umap", "spectral", "isomap", "diffusion", "pacmap", "localmap"]

EVERY: tuple[EmbeddingName, ...] = (
    "pca", "tsne", "umap", "spectral", "isomap", "diffusion", "pacmap", "localmap",
)  # fmt: skip


class EmbeddingSettings(BaseModel):
    """Everything that changes an embedding or the numbers beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    methods: list[EmbeddingName] = Field(list(EVERY), description="embeddings to make; an empty list makes none")
    dimensions: Literal[2, 3] = Field(2, description="axes of the picture")
    neighbours: int = Field(15, ge=2, description="nearest codes a method looks at")
    perplexity: float = Field(
        30.0, ge=2, description="t-SNE: effective number of neighbours; it uses 3 times as many"
    )
    diffusion_time: float = Field(1.0, ge=0, description="diffusion map: steps of the random walk")
    fitted_on: Literal["train", "all"] = Field(
        "train", description="train: fitted on the training controls, everybody else projected; all: fitted on "
        "every code, patients included, and marked as such",
    )  # fmt: skip
    landmarks: int = Field(
        50_000, ge=50, description="codes a method is fitted on at most; the others are projected like new ones"
    )
    exact_up_to: int = Field(
        20_000, ge=0, description="codes up to which neighbours and quality come from all distances"
    )
    judged_neighbours: int = Field(15, ge=1, description="neighbours of the quality numbers")
    queries: int = Field(2_000, ge=50, description="codes judged where there are more than exact_up_to")
    pairs: int = Field(20_000, ge=50, description="random pairs behind the rank correlation")
    bootstrap: int = Field(500, ge=0, description="subject resamplings behind each interval")
    stability_codes: int = Field(
        2_000, ge=0, description="codes of the refits that stability and the error of projection come from; 0: none"
    )
    seeds: int = Field(3, ge=1, description="seeds a method with chance in it is fitted with for its stability")
    subsamples: int = Field(3, ge=0, description="refits without a fifth of the subjects, who are then projected")
    parallel: bool = Field(
        False, description="several threads for methods that then give another picture each time (t-SNE, UMAP, "
        "PaCMAP, LocalMAP); the default repeats bit by bit and takes up to twice as long on two cores",
    )  # fmt: skip
    seed: int = Field(0, ge=0, description="seed of everything drawn")

    @model_validator(mode="after")
    def _each_once(self) -> "EmbeddingSettings":
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"each method once, but {max(self.methods, key=self.methods.count)} is given twice")
        return self
