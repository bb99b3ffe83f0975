"""What changes how a run is executed, never its results. Imports nothing heavy: the command line shows it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Execution(BaseModel):
    """What changes how a run is executed, never its results."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes the GPU when there is one")
    threads: int = Field(0, ge=0, le=512, description="CPU threads; 0: all cores this process may use")
    maps: Literal["first-draw", "all", "none"] = Field(
        "first-draw", description="draws whose test subjects get score maps as NIfTI (scores.npy has all)"
    )
    overwrite: bool = Field(False, description="start every stage afresh instead of taking up what is done")
