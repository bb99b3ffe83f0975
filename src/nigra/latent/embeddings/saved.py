"""Arrays and words in one safetensors file, whole or absent; no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nigra.errors import NigraError
from nigra.files import atomic


def write(path: Path, arrays: Mapping[str, np.ndarray], words: Mapping[str, Any]) -> None:
    """Write arrays, and ``words`` as metadata: text as it is, everything else as JSON."""
    metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in words.items()}
    with atomic(path) as temporary:
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, metadata)
        except SafetensorError as error:
            raise NigraError(f"{path} cannot be written ({error}); make room, then try again.") from error


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata; a missing or damaged file is one sentence."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise NigraError(f"{path} does not exist; run `nigra latent` first.") from error
    except (OSError, SafetensorError) as error:
        raise NigraError(f"{path} is damaged ({error}); delete it and embed again.") from error
