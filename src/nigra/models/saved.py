"""A trained model on disk: weights as safetensors, everything else needed to use them as JSON. No pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nigra.errors import NigraError
from nigra.files import atomic, read_json, write_json
from nigra.models.published import build
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
        description: ``preset``, ``channels``, ``shape`` to build it again, and whatever else documents it.
    """
    write_tensors(folder / "model.safetensors", trained.model.state_dict())
    content = {**description, "scaling": trained.scaling.to_json(), "trained_on": list(trained.trained_on)}
    write_json(folder / "model.json", content)


def load(folder: Path) -> Trained:
    """Read a model back, in evaluation mode."""
    content = read_json(folder / "model.json")
    model = build(content["preset"], content["channels"], tuple(content["shape"]))
    tensors = read_tensors(folder / "model.safetensors")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise NigraError(
            f"{folder / 'model.safetensors'} does not fit model.json ({error}); train again."
        ) from error
    scaling = IntensityScaling.from_json(content["scaling"])
    return Trained(model.eval(), scaling, tuple(content["trained_on"]))
