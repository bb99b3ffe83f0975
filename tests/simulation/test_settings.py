"""Simulation files: what makes no sense is one sentence; names and sizes as tables show them."""

import pytest

from nigra.config import describe, settings_from
from nigra.errors import NigraError
from nigra.simulation.settings import EffectSettings, ShapeSettings, SimulationSettings


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"shapes": [{"kind": "sphere"}]}, "a sphere needs sizes"),
        ({"shapes": [{"kind": "mask"}]}, "a mask has files and no sizes"),
        ({"shapes": [{"kind": "blob", "sizes": [3], "regions": ["putamen"]}]}, "regions is no setting of blob"),
        ({"shapes": [{"kind": "sphere", "sizes": [3]}, {"kind": "sphere", "sizes": [4]}]}, "two shapes are both"),
        ({"effects": [{"kind": "add", "strengths": [0.2, 0.1]}]}, "strengths rise, each once"),
        ({"effects": [{"kind": "add", "strengths": [0.0]}]}, "greater than 0"),
        ({"effects": [{"kind": "shrink", "strengths": [0.8]}]}, "a share of at most 0.6"),
        ({"effects": [{"kind": "texture", "strengths": [0.5], "channels": {"FA": 3}}]}, "at most 1"),
        ({"shapes": [{"kind": "sphere", "sizes": [8, 12, 8.0000001]}]}, "each their own, but two are 8 mm"),
        ({"effects": [{"kind": "add", "strengths": [1], "channels": {"FA": 0}}]}, "a change of 0 in FA"),
        ({"effects": [{"kind": "multiply", "strengths": [0.5, 3], "channels": {"FA": -1}}]}, "turn negative"),
        ({"rates": [0.1, 0.01]}, "rates lie between 0 and 1 and rise"),
        ({"subjectz": 3}, "subjectz is unknown; did you mean subjects"),
        ({"shapes": [{"kind": "sphere", "sises": [3]}]}, "shapes.0.sises is unknown; did you mean sizes"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        settings_from(content, "simulate.yaml", SimulationSettings)


def test_every_size_of_every_shape_is_planted() -> None:
    settings = SimulationSettings(
        shapes=[ShapeSettings(kind="sphere", sizes=[6, 9]), ShapeSettings(kind="region")],
        effects=[EffectSettings(kind="add", strengths=[1, 2, 3]), EffectSettings(kind="blur", strengths=[1])],
    )
    assert [shape.size_text(size) for shape, size in settings.sized] == ["6 mm", "9 mm", "whole region"]
    assert settings.volumes == 12


def test_every_setting_is_described() -> None:
    text = describe(SimulationSettings)
    assert all(f"{name}:" in text for name in ("shapes", "strengths", "smallest_mm3", "found_share", "rates"))
