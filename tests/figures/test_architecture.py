import pytest
import torch
from matplotlib.patches import Rectangle

from nigra.figures.architecture import architecture_diagram, layer_sizes
from nigra.models import published

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


@pytest.mark.parametrize(("siamese", "boxes"), [(False, 2), (True, 4)])
def test_the_pair_can_be_stated(siamese, boxes):
    figure = architecture_diagram([("sae", [("input", (1, 5, 5)), ("linear", (3,))], 9, siamese)])
    assert sum(isinstance(patch, Rectangle) for patch in figure.axes[0].patches) == boxes
