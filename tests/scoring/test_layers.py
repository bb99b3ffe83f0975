"""Layers: unrolled in order, recognised exactly, refused by name."""

import pytest
import torch
from torch import nn

from nigra.models.published import build
from nigra.scoring.layers import (
    NotExactError,
    channels_of,
    is_one_of,
    layers_of,
    require_evaluation,
    set_inplace,
)


def test_layers_come_in_the_order_they_act() -> None:
    encoder = build("isbi2023-sae", 3, seed=1).encoder.eval()
    units = torch.rand(4, 3, 15, 15)
    values = units
    for _, layer in layers_of(encoder):
        values = layer(values)
    assert torch.equal(values, encoder(units))
    assert [name for name, _ in layers_of(encoder)][:3] == ["0.convolution", "0.norm", "0.activation"]


def test_channels_are_known_from_either_end() -> None:
    model = build("isbi2023-sae", 3)
    assert channels_of(model.encoder, nn.Identity()) == 3
    assert channels_of(nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(5)), model.decoder) == 5
    assert channels_of(nn.AvgPool2d(2), model.decoder) == 3
    assert channels_of(nn.AvgPool2d(2), nn.ReLU()) == 1


class Shifted(nn.ReLU):
    """Looks like a ReLU and is none."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.roll(1)


def test_a_subclass_or_a_hook_is_not_the_layer() -> None:
    assert is_one_of(nn.ReLU(), (nn.ReLU,))
    assert not is_one_of(Shifted(), (nn.ReLU,))
    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda layer, given, found: found + 1)
    assert not is_one_of(hooked, (nn.ReLU,))


@pytest.mark.parametrize(
    ("layer", "why"),
    [(nn.BatchNorm2d(2), "training mode"), (nn.Dropout(), "at random"),
     (nn.BatchNorm2d(2, track_running_stats=False).eval(), "no running statistics")],
)  # fmt: skip
def test_layers_that_depend_on_the_batch_or_on_chance_are_refused(layer: nn.Module, why: str) -> None:
    with pytest.raises(NotExactError, match=f"encoder layer 3.norm .*{why}"):
        require_evaluation("encoder", "3.norm", layer)
    require_evaluation("encoder", "3.norm", nn.BatchNorm2d(2).eval())


def test_inplace_is_set_where_there_is_such_a_thing() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Sigmoid())
    set_inplace(network, False)
    units = -torch.ones(1, 1, 2, 2)
    assert torch.equal(network(units), torch.full_like(units, 0.5))
    assert torch.equal(units, -torch.ones(1, 1, 2, 2))
