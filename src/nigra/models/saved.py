"""A trained model on disk: weights as safetensors, everything else needed to use them as JSON. No pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nigra.errors import NigraError
from nigra.files import atomic, read_json, write_json
from nigra.models.composition import Composition, build
from nigra.models.published import preset
from nigra.models.siamese import Model
from nigra.preparation.scaling import IntensityScaling


@dataclass(frozen=True)
class Trained:
    """A model, the intensity scale it lives on, and the training controls both were fitted on."""

    model: Model
    scaling: IntensityScaling
    trained_on: tuple[str, ...]


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors atomically, from any device; a full disk is one sentence."""
    with atomic(path) as temporary:
        try:
            save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary, metadata)
        except SafetensorError as error:
            raise NigraError(
                f"{path} cannot be written ({error}); make room, then give the command again."
            ) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors; a missing or damaged file is one sentence."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise NigraError(f"{path} is damaged ({error}); delete it and train again.") from error


def save(folder: Path, trained: Trained, description: dict[str, Any]) -> None:
    """Write ``model.safetensors`` and ``model.json``; the JSON, written last, says that the model is whole.

    Args:
        description: ``composition`` (as ``model_dump`` gives it) or ``preset`` (its name), ``channels`` and
            ``shape`` of a unit, to build it again, and whatever else documents it.
    """
    write_tensors(folder / "model.safetensors", trained.model.state_dict())
    content = {**description, "scaling": trained.scaling.to_json(), "trained_on": list(trained.trained_on)}
    write_json(folder / "model.json", content)


def composition_of(folder: Path) -> Composition:
    """What the saved model of a folder is composed of; one saved without a composition is the preset it names."""
    path = folder / "model.json"
    content = read_json(path)
    if "composition" not in content:
        return preset(content["preset"]).composition
    try:
        return Composition.model_validate(content["composition"])
    except ValidationError as error:
        raise NigraError(
            f"{path} holds no composition of a model ({error.errors()[0]['msg']}); train again."
        ) from error


def load(folder: Path) -> Trained:
    """Read a model back, in evaluation mode."""
    content = read_json(folder / "model.json")
    model = build(composition_of(folder), content["channels"], tuple(content["shape"]))
    tensors = read_tensors(folder / "model.safetensors")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise NigraError(
            f"{folder / 'model.safetensors'} does not fit model.json ({error}); train again."
        ) from error
    scaling = IntensityScaling.from_json(content["scaling"])
    return Trained(model.eval(), scaling, tuple(content["trained_on"]))
