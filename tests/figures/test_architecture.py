import pytest
import torch
from matplotlib.patches import Rectangle

from nigra.figures.architecture import TERMS, Architecture, architecture_diagram, layer_sizes
from nigra.models import published
from nigra.models.composition import Composition, build
from nigra.models.siamese import SiameseSettings

AE = [(2, 121, 145), (32, 61, 73), (64, 31, 37), (128, 16, 19), (128, 8, 10), (256, 4, 5)]
SAE = [(2, 15), (16, 13), (16, 6), (16, 4), (16, 2), (16, 4), (16, 6), (16, 12), (16, 14), (2, 15)]


def test_sizes_are_those_of_the_papers():
    ae = layer_sizes(published.build("mlcn2021-ae"), (2, 121, 145))
    assert [shape for _, shape in ae] == AE + AE[-2::-1]
    sae = layer_sizes(published.build("mlcn2021-sae"), (2, 15, 15))
    assert [(channels, height) for _, (channels, height, _) in sae] == SAE
    assert [name for name, _ in sae][:4] == ["input", "conv 3", "max-pool 2", "conv 3"]


def test_looking_leaves_the_model_as_it_was():
    model = published.build("isbi2023-ae").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layer_sizes(model, (2, 15, 15))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(stage._forward_hooks for stage in model.modules())


def test_a_pair_is_drawn_twice_and_every_size_is_printed():
    layers = [("input", (2, 15, 15)), ("conv 3", (16, 2, 2)), ("conv-T 3", (2, 15, 15))]
    figure = architecture_diagram([("plain-ae", layers, 1234), ("my-sae", layers, 5)])
    plain, pair = figure.axes
    assert [sum(isinstance(patch, Rectangle) for patch in axes.patches) for axes in (plain, pair)] == [3, 6]
    texts = [text.get_text() for text in pair.texts]
    assert texts.count("15 × 15\n2 ch.") == 2
    assert "code\nd = 64" in texts
    assert any(text.startswith("cos(") for text in texts)
    assert not any(text.get_text().startswith("cos(") for text in plain.texts)
    assert "1\u202f234 parameters" in plain.texts[0].get_text()


def test_the_term_of_a_pair_is_named_and_none_is_drawn_where_none_acts():
    layers = [("input", (1, 5, 5)), ("conv 5", (3, 1, 1)), ("conv-T 5", (1, 5, 5))]
    for kind, text in (("wasserstein", "W₂²(p₁, p₂)\nmirrored location"), ("", None)):
        entry = Architecture("pair", layers, 9, True, kind, "mirrored location")
        texts = [each.get_text() for each in architecture_diagram([entry]).axes[0].texts]
        assert (text in texts) == bool(text)
        assert any("mirrored" in each for each in texts) == bool(text)
    assert set(TERMS) == set(SiameseSettings.model_fields["kind"].annotation.__args__)


def test_cubes_and_a_dense_code_are_drawn():
    settings = {"kind": "stack", "widths": (4, 6), "code": "dense", "code_size": 5}
    model = build(Composition(architecture=settings, variational={}), 1, (9, 8, 12))
    layers = layer_sizes(model, (1, 9, 8, 12))
    assert layers[1:4] == [
        ("conv 3, stride 2", (4, 5, 4, 6)), ("conv 3, stride 2", (6, 3, 2, 3)), ("conv, 3 × 2 × 3", (5, 1, 1, 1))
    ]  # fmt: skip
    texts = [each.get_text() for each in architecture_diagram([("cube", layers, 9)]).axes[0].texts]
    assert "9 × 8 × 12\n1 ch." in texts
    assert "code\nd = 5" in texts


@pytest.mark.parametrize(("siamese", "boxes"), [(False, 2), (True, 4)])
def test_the_pair_can_be_stated(siamese, boxes):
    figure = architecture_diagram([("sae", [("input", (1, 5, 5)), ("linear", (3,))], 9, siamese)])
    assert sum(isinstance(patch, Rectangle) for patch in figure.axes[0].patches) == boxes
