"""The architecture of a model: a published network, or a described stack."""

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from nigra.models.blocks import Network, Shape
from nigra.models.networks import narrow_network, strided_network, valid_network
from nigra.models.settings import KindSettings
from nigra.models.stack import Stack

PUBLISHED = {
    "mlcn2021-slice": strided_network,
    "mlcn2021-patch": valid_network,
    "isbi2023-patch": narrow_network,
}
"""The published networks by name; each takes channels and shape of a unit."""


class ArchitectureSettings(KindSettings):
    """Encoder and decoder; a published network has no settings of its own, a stack is described by them."""

    own: ClassVar[dict[str, dict[str, Any]]] = {"stack": {field.name: field.default for field in fields(Stack)}}
    kind: Literal["mlcn2021-slice", "mlcn2021-patch", "isbi2023-patch", "stack"] = Field(
        "mlcn2021-patch", description="a published network, exactly, or a stack of convolution stages as described"
    )
    widths: tuple[PositiveInt, ...] | None = Field(
        None, min_length=1, description="stack: features of each stage, and so the depth; null: 16, 32, 64"
    )
    kernel: int | None = Field(None, ge=1, le=15, description="stack: voxels a convolution sees; null: 3")
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] | None = Field(
        None, description="stack: the factor by which each stage shrinks lengths; null: 2 each"
    )
    down: Literal["stride", "pool"] | None = Field(
        None, description="stack: whether convolutions stride or max-pools follow them; null: stride"
    )
    padding: Literal["same", "valid"] | None = Field(
        None, description="stack: same keeps lengths, valid loses the border (needed for dense scoring); null: same"
    )
    batch_norm: bool | None = Field(None, description="stack: BatchNorm in every stage but the last; null: true")
    activation: Literal["relu", "gelu"] | None = Field(None, description="stack: after each stage; null: relu")
    code: Literal["spatial", "dense"] | None = Field(
        None, description="stack: code_size features at each place of the last map, or as one vector; null: spatial"
    )
    code_size: PositiveInt | None = Field(
        None, description="stack: features (spatial) or numbers (dense) of the code; null: the last map itself"
    )
    output: Literal["sigmoid", "linear"] | None = Field(
        None, description="stack: reconstructions between 0 and 1, or unbounded; null: sigmoid"
    )

    @model_validator(mode="after")
    def _stages_fit(self) -> "ArchitectureSettings":
        stack = Stack(**self.values)
        if self.strides and len(self.strides) != len(stack.widths):
            raise ValueError(f"{len(self.strides)} strides for {len(stack.widths)} widths; give one for each stage")
        if stack.padding == "same" and stack.kernel % 2 == 0:
            raise ValueError(f"kernel {stack.kernel} is even; padding same needs an odd one")
        if stack.code == "dense" and not stack.code_size:
            raise ValueError("a dense code needs its code_size")
        return self

    def network(self, channels: int, shape: Shape) -> Network:
        """Encoder and decoder with weights drawn from torch's generator.

        Args:
            channels: of a unit.
            shape: of a unit, 2 or 3 lengths.

        Raises:
            NigraError: a shape that this architecture cannot take.
        """
        if self.kind == "stack":
            return Stack(**self.values).network(channels, shape)
        return PUBLISHED[self.kind](channels, shape)
