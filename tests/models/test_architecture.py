"""Settings of architectures: published ones are exact, stacks are checked before anything is built."""

import pytest
import torch
from pydantic import ValidationError

from nigra.errors import NigraError
from nigra.models.architecture import ArchitectureSettings
from nigra.models.networks import valid_network


def test_a_published_kind_is_the_published_network() -> None:
    torch.manual_seed(1)
    found = ArchitectureSettings(kind="mlcn2021-patch").network(2, (15, 15))
    torch.manual_seed(1)
    expected = valid_network(2, (15, 15))
    units = torch.rand(2, 2, 15, 15)
    assert torch.equal(found[1](found[0](units)), expected[1](expected[0](units)))


def test_a_stack_can_describe_the_slice_network_of_mlcn2021() -> None:
    """The same layers, sizes and parameters as the network written out."""
    stack = ArchitectureSettings(kind="stack", widths=(32, 64, 128, 128, 256))
    published = ArchitectureSettings(kind="mlcn2021-slice")
    torch.manual_seed(1)
    one = [value for part in stack.network(2, (33, 40)) for value in part.state_dict().values()]
    torch.manual_seed(1)
    two = [value for part in published.network(2, (33, 40)) for value in part.state_dict().values()]
    assert len(one) == len(two) > 50
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"widths": (4, 4), "strides": (2,)}, "1 strides for 2 widths; give one for each stage"),
        ({"kernel": 4}, "kernel 4 is even; padding same needs an odd one"),
        ({"code": "dense"}, "a dense code needs its code_size"),
        ({"widths": ()}, "at least 1"),
        ({"widths": (0,)}, "greater than 0"),
        ({"depth": 3}, "Extra inputs"),
    ],
)
def test_what_makes_no_stack_is_refused(given: dict, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ArchitectureSettings(kind="stack", **given)
    assert ArchitectureSettings(kind="stack", kernel=4, padding="valid").kernel == 4


@pytest.mark.parametrize(
    ("kind", "shape", "sentence"),
    [
        ("mlcn2021-slice", (16, 40), "units are 16 x 40|slices are 16 x 40"),
        ("mlcn2021-slice", (20, 20, 20), "slices are 20 x 20 x 20"),
        ("mlcn2021-patch", (15, 15, 15), "units are 15 x 15 x 15; this published model takes 15 x 15 patches"),
        ("isbi2023-patch", (17, 17), "takes 15 x 15 patches"),
    ],
)
def test_shapes_a_published_network_cannot_take_are_refused(kind, shape, sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        ArchitectureSettings(kind=kind).network(1, shape)
