"""A trained model on disk: weights as safetensors, everything else needed to use them as JSON. No pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

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


def save(folder: Path, trained: Trained, description: dict[str, Any]) -> None:
    """Write ``model.safetensors`` and ``model.json``; the JSON, written last, says that the model is whole.

    Args:
        description: ``preset``, ``channels``, ``shape`` to build it again, and whatever else documents it.
    """
    with atomic(folder / "model.safetensors") as temporary:
        save_file({name: value.contiguous() for name, value in trained.model.state_dict().items()}, temporary)
    content = {**description, "scaling": trained.scaling.to_json(), "trained_on": list(trained.trained_on)}
    write_json(folder / "model.json", content)


def load(folder: Path) -> Trained:
    """Read a model back, in evaluation mode."""
    content = read_json(folder / "model.json")
    model = build(content["preset"], content["channels"], tuple(content["shape"]))
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, RuntimeError, ValueError) as error:
        raise NigraError(
            f"{folder / 'model.safetensors'} does not fit model.json ({error}); train again."
        ) from error
    scaling = IntensityScaling.from_json(content["scaling"])
    return Trained(model.eval(), scaling, tuple(content["trained_on"]))
