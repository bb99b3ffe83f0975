"""Unit settings: each kind becomes its unit; what has no meaning for a kind is refused."""

import pytest
from pydantic import ValidationError

from nigra.units import Cubes, Hemispheres, Patches, Slices, Unit
from nigra.units.settings import UnitSettings


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ({}, Patches(15, "axial")),
        ({"size": 9, "plane": "coronal"}, Patches(9, "coronal")),
        ({"kind": "cube", "size": 7}, Cubes(7)),
        ({"kind": "slice"}, Slices("axial", 40, 1)),
        ({"kind": "slice", "slices": "all", "stack": 5, "plane": "sagittal"}, Slices("sagittal", None, 5)),
        ({"kind": "hemisphere", "plane": "coronal", "slices": 10}, Hemispheres("coronal", 10, 5.5)),
    ],
)
def test_each_kind_becomes_its_unit(given: dict[str, object], unit: Unit) -> None:
    settings = UnitSettings(**given)  # type: ignore[arg-type]
    assert settings.build(5.5) == unit
    assert UnitSettings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"size": 14}, "patch size is 14; choose an odd one"),
        ({"kind": "cube", "size": 4}, "cube size is 4; choose an odd one"),
        ({"kind": "slice", "stack": 2}, "stack size is 2; choose an odd one"),
        ({"kind": "hemisphere", "plane": "sagittal"}, "choose axial or coronal"),
        ({"kind": "hemisphere", "stack": 3}, "stack 3 has no meaning for kind: hemisphere; leave it out"),
        ({"kind": "cube", "plane": "coronal"}, "plane coronal has no meaning"),
        ({"kind": "slice", "size": 9}, "size 9 has no meaning"),
        ({"slices": "all"}, "slices all has no meaning for kind: patch"),
        ({"kind": "slab"}, "'patch', 'cube', 'slice' or 'hemisphere'"),
        ({"length": 9}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        UnitSettings(**given)  # type: ignore[arg-type]
