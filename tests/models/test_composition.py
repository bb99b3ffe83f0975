"""Compositions: same weights for same seeds whatever the terms, capacity in numbers, refusals."""

import pytest
import torch
from pydantic import ValidationError

from nigra.errors import NigraError
from nigra.models.autoencoder import Autoencoder
from nigra.models.composition import Composition, build, code_shape, describe, parameter_count
from nigra.models.siamese import Siamese

STACK = {"kind": "stack", "widths": (4, 6), "code": "dense", "code_size": 5}


def test_the_default_is_the_published_patch_network_as_an_auto_encoder() -> None:
    model = build(Composition(), 2, (15, 15))
    assert isinstance(model, Autoencoder)
    assert (parameter_count(model), model.members) == (12_034, 1)
    assert isinstance(build(Composition(siamese={}), 2, (15, 15)), Siamese)


@pytest.mark.parametrize(
    "others",
    [
        {"siamese": {"kind": "vicreg"}},
        {"variational": {"beta": 1}},
        {"corruption": {"sd": 0.1}},
        {"reconstruction": {"kind": "gaussian"}},
        {"siamese": {"kind": "wasserstein"}, "variational": {}},
    ],
)
def test_terms_do_not_change_the_first_weights(others: dict) -> None:
    plain = build(Composition(architecture=STACK, reconstruction={"kind": "l1"}), 2, (9, 12), seed=7)
    model = build(Composition(architecture=STACK, **others), 2, (9, 12), seed=7)
    for part in ("encoder", "decoder"):
        expected = getattr(plain, part).state_dict()
        found = getattr(model, part).state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    other = build(Composition(architecture=STACK), 2, (9, 12), seed=8)
    assert not torch.equal(other.encoder[0].convolution.weight, plain.encoder[0].convolution.weight)


def test_torchs_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(Composition(architecture=STACK, variational={}), 1, (8, 8), seed=1)
    describe(Composition(architecture=STACK, variational={}), 1, (8, 8))
    assert torch.equal(torch.rand(3), expected)


def test_capacity_is_counted() -> None:
    """Oracle: kernels and biases by hand for 9 x 12, strides 2: 5 x 6, then 3 x 3."""
    encoder = (2 * 4 * 9 + 4 + 8) + (4 * 6 * 9 + 6 + 12) + (6 * 5 * 9 + 5)
    decoder = (5 * 6 * 9 + 6 + 12) + (6 * 4 * 9 + 4 + 8) + (4 * 2 * 9 + 2)
    found = describe(Composition(architecture=STACK), 2, (9, 12))
    assert found == {
        "parameters": encoder + decoder, "encoder_parameters": encoder, "decoder_parameters": decoder,
        "unit_values": 216, "code_shape": [5, 1, 1], "code_length": 5, "compression": 43.2,
    }  # fmt: skip
    head = 6 * 5 * 9 + 5
    assert (
        describe(Composition(architecture=STACK, variational={}), 2, (9, 12))["parameters"]
        == encoder + decoder + head
    )
    cube = describe(Composition(architecture={"kind": "stack", "widths": (4, 6)}), 1, (7, 7, 9))
    assert (cube["code_shape"], cube["compression"]) == ([6, 2, 2, 3], 7 * 7 * 9 / 72)


def test_looking_at_the_code_leaves_the_encoder_as_it_was() -> None:
    model = build(Composition(architecture=STACK), 1, (8, 8)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert code_shape(model.encoder, 1, (8, 8)) == (5, 1, 1)
    assert model.encoder.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"siamese": {"kind": "wasserstein"}}, "give a variational term, or choose squared"),
        ({"reconstruction": {"weight": 0}}, "nothing is learnt"),
        ({"reconstruction": {"weight": 0}, "siamese": {"alpha": 0}}, "nothing is learnt"),
        ({"loss": "mse"}, "Extra inputs"),
    ],
)
def test_terms_that_do_not_fit_are_refused(given: dict, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Composition(**given)


@pytest.mark.parametrize(
    ("given", "channels", "shape", "sentence"),
    [
        ({}, 0, (15, 15), "channels are 0; a model needs at least one"),
        ({}, 1, (15, 17), "takes 15 x 15 patches"),
        ({"architecture": STACK, "reconstruction": {"kind": "ssim"}}, 1, (2, 40), "at least 3 voxels"),
        ({"architecture": {"kind": "stack", "widths": (300,)}, "siamese": {"kind": "barlow"}}, 1, (16, 16),
         "the code has 19200 values"),
    ],
)  # fmt: skip
def test_units_that_do_not_fit_are_refused(given: dict, channels: int, shape, sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        build(Composition(**given), channels, shape)
