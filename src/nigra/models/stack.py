"""A described stack of convolution stages, and the decoder that mirrors it for units of any shape."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from nigra.errors import NigraError
from nigra.models.blocks import (
    CONVOLUTION,
    MAX_POOL,
    TRANSPOSED,
    Network,
    Shape,
    convolved_size,
    output_padding,
    shape_text,
    stage,
)

ACTIVATION = {"relu": nn.ReLU, "gelu": nn.GELU}


@dataclass(frozen=True)
class _Stage:
    """One stage of the plan: features and sizes, ``convolved`` being the size between convolution and pool."""

    fewer: int
    more: int
    factor: int
    before: Shape
    convolved: Shape
    after: Shape


@dataclass(frozen=True)
class Stack:
    """Convolution stages, one per width; the decoder takes the same way back, stage by stage.

    Stage i makes ``widths[i]`` features and shrinks lengths by ``strides[i]``: the convolution strides, or
    (``down`` pool) a max-pool follows it and nearest-neighbour up-sampling undoes it. ``padding`` same keeps the
    lengths otherwise, valid loses ``kernel - 1``.

    The code is the last stage's map. With a ``code_size`` one more convolution, without activation, makes it: of
    kernel 1 (``code`` spatial: so many features at each place) or as large as the map (dense: so many numbers, the
    same matrix as flattening and a linear layer, so that dense scoring stays possible).
    """

    widths: tuple[int, ...] = (16, 32, 64)
    kernel: int = 3
    strides: tuple[int, ...] = ()
    down: Literal["stride", "pool"] = "stride"
    padding: Literal["same", "valid"] = "same"
    batch_norm: bool = True
    activation: Literal["relu", "gelu"] = "relu"
    code: Literal["spatial", "dense"] = "spatial"
    code_size: int = 0
    output: Literal["sigmoid", "linear"] = "sigmoid"

    def network(self, channels: int, shape: Shape) -> Network:
        """Encoder and decoder for units of ``channels`` and ``shape``.

        Raises:
            NigraError: a stage that a unit of this shape is too small for.
        """
        plan = self._plan(channels, shape)
        encoder = [part for each in plan for part in self._shrink(each)]
        decoder = [part for each in reversed(plan) for part in self._grow(each, last=each is plan[0])]
        if self.code_size:
            to_code, back = self._code_layers(plan[-1])
            encoder, decoder = [*encoder, to_code], [back, *decoder]
        return nn.Sequential(*encoder), nn.Sequential(*decoder)

    def _plan(self, channels: int, shape: Shape) -> list[_Stage]:
        plan, size = [], shape
        strides = self.strides or (2,) * len(self.widths)
        for number, (fewer, more) in enumerate(pairwise((channels, *self.widths))):
            factor, own = strides[number], 1 if self.down == "pool" else strides[number]
            convolved = tuple(convolved_size(length, self.kernel, own, self._pad) for length in size)
            after = convolved if self.down == "stride" else tuple(length // factor for length in convolved)
            if min(after) < 1:
                raise NigraError(
                    f"units are {shape_text(shape)}, and of their {shape_text(size)} stage {number + 1} of the "
                    f"stack (kernel {self.kernel}, {self.padding}, {self.down} {factor}) leaves nothing; choose "
                    "larger units, fewer stages, or a smaller kernel or stride."
                )
            plan.append(_Stage(fewer, more, factor, size, convolved, after))
            size = after
        return plan

    @property
    def _pad(self) -> int:
        return self.kernel // 2 if self.padding == "same" else 0

    def _shrink(self, at: _Stage) -> list[nn.Module]:
        axes = len(at.before)
        own = at.factor if self.down == "stride" else 1
        convolution = CONVOLUTION[axes](at.fewer, at.more, self.kernel, stride=own, padding=self._pad)
        parts: list[nn.Module] = [stage(convolution, ACTIVATION[self.activation](), self.batch_norm)]
        pools = self.down == "pool" and at.factor > 1
        return [*parts, MAX_POOL[axes](at.factor)] if pools else parts

    def _grow(self, at: _Stage, last: bool) -> list[nn.Module]:
        own = at.factor if self.down == "stride" else 1
        added = output_padding(at.convolved, at.before, self.kernel, own, self._pad)
        up = TRANSPOSED[len(at.before)](
            at.more, at.fewer, self.kernel, stride=own, padding=self._pad, output_padding=added  # type: ignore[arg-type]
        )  # fmt: skip
        activation = ACTIVATION[self.activation]() if not last else self._output()
        parts: list[nn.Module] = [stage(up, activation, self.batch_norm and not last)]
        pools = self.down == "pool" and at.factor > 1
        return [nn.Upsample(size=at.convolved), *parts] if pools else parts

    def _output(self) -> nn.Module:
        return nn.Sigmoid() if self.output == "sigmoid" else nn.Identity()

    def _code_layers(self, at: _Stage) -> tuple[nn.Module, nn.Module]:
        axes = len(at.after)
        kernel = at.after if self.code == "dense" else (1,) * axes
        to_code = CONVOLUTION[axes](at.more, self.code_size, kernel)  # type: ignore[arg-type]
        back = TRANSPOSED[axes](self.code_size, at.more, kernel)  # type: ignore[arg-type]
        for weights in back.parameters():  # torch counts a transposed layer's inputs as if it were not transposed
            nn.init.uniform_(weights, -(self.code_size**-0.5), self.code_size**-0.5)
        return to_code, stage(back, ACTIVATION[self.activation](), self.batch_norm)
