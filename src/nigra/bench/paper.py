"""Paper scale on a GPU: a place kept for it, not a measurement."""

import torch

from nigra.errors import NigraError

SCALE = {"controls": 56, "patients": 129, "volume": "121 x 145 x 121", "channels": 2, "draws": 10}
"""mlcn2021's cohort; both published models and a detector per voxel."""


def paper(device: str = "cuda") -> None:
    """Train, score and detect at ``SCALE`` on a GPU.

    Raises:
        NigraError: always, as it is not written; without a GPU the sentence says that one is needed first.
    """
    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise NigraError(f"paper scale needs a GPU, and {device} is none here; run it on a machine with CUDA.")
    raise NigraError("paper scale is not measured by this version; `nigra run --device cuda` runs a whole study.")
