"""The mixture's passes over all codes in torch, for a GPU: ``mixture_kernels`` to float32 rounding."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from nigra.detection.detector import check_device
from nigra.detection.mixture import Parameters, Sums, from_local

CHUNK = 2**16
"""Codes handled at once; (CHUNK, d, d) products must fit the GPU."""


class OnDevice:
    """As ``mixture.Compiled``, on a torch device.

    Raises:
        NigraError: there is no such device.
    """

    def __init__(self, device: str) -> None:
        check_device(device)
        self.device = torch.device(device)

    def hold(self, codes: Float[ndarray, "n d"]) -> Tensor:
        """Codes on the device, once for all passes."""
        return torch.from_numpy(np.ascontiguousarray(codes, np.float32)).to(self.device)

    def expectation(self, codes: Tensor, now: Parameters) -> Sums:
        """E-step over held, finite codes; sums leave a chunk as float64."""
        components, scales = now.dof.shape
        d = codes.shape[1]
        shapes = ((), (scales, d), (scales, d, d), (scales,), (scales,))
        local = [torch.zeros((components, *s), dtype=torch.float64, device=self.device) for s in shapes]
        density_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        for chunk in codes.split(CHUNK):
            v, u, logs, t, density = self._posteriors(chunk, now)
            density_sum += density.sum(dtype=torch.float64)
            for k in range(components):
                weight = u[k] * t[k, :, None]  # (n, scales)
                squares = (v[k, :, :, None] * v[k, :, None, :]).flatten(1)  # (n, d * d)
                parts = (
                    t[k].sum(dtype=torch.float64), weight.T @ v[k], (weight.T @ squares).view(scales, d, d),
                    weight.sum(dim=0, dtype=torch.float64), t[k] @ logs[k],
                )  # fmt: skip
                for total, part in zip(local, parts, strict=True):
                    total[k] += part
        sums = [a.cpu().numpy() / len(codes) for a in (*local, density_sum)]
        return from_local(now, *sums)

    def score(self, codes: Tensor, now: Parameters, proximity: bool) -> Float[ndarray, " n"]:
        """Proximity or log density of held codes; NaN where a code has a NaN."""
        found = []
        for chunk in codes.split(CHUNK):
            _, u, _, t, density = self._posteriors(chunk, now)
            found.append((u * t[:, :, None]).sum(dim=0).amax(dim=1) if proximity else density)
        return torch.cat(found).cpu().numpy()

    def _posteriors(self, codes: Tensor, now: Parameters) -> tuple[Tensor, ...]:
        """Whitened codes (K, n, d), E[W], log1p(distance / dof) (K, n, scales), posteriors (K, n), density (n)."""
        mean, whiten, constant, half, dof = (torch.from_numpy(a).to(self.device) for a in now.prepared())
        v = (codes[None] - mean[:, None]) @ whiten.mT
        distance = (v**2).unflatten(2, (dof.shape[1], -1)).sum(dim=3)
        u = 2 * half[:, None] / (dof[:, None] + distance)
        logs = torch.log1p(distance / dof[:, None])
        joint = constant[:, None] - (half[:, None] * logs).sum(dim=2)
        density = joint.logsumexp(dim=0)
        return v, u, logs, (joint - density).exp(), density
