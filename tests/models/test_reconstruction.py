"""Reconstruction terms against numpy, and what the gaussian one learns against theory."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nigra.errors import NigraError
from nigra.models.reconstruction import Reconstruction, ReconstructionSettings
from nigra.models.ssim import ssim


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((3, 2, 7, 9)).astype(np.float32), rng.random((3, 2, 7, 9)).astype(np.float32)


def value(pair: tuple[np.ndarray, np.ndarray], **settings: object) -> float:
    term = Reconstruction(ReconstructionSettings(**settings), channels=2)
    with torch.no_grad():
        return float(term(*(torch.from_numpy(each) for each in pair)))


def test_voxelwise_kinds_are_means_over_everything(pair) -> None:
    error = (pair[0] - pair[1]).astype(float)
    assert value(pair, kind="mse") == pytest.approx((error**2).mean(), rel=1e-5)
    assert value(pair, kind="l1") == pytest.approx(np.abs(error).mean(), rel=1e-5)
    expected = np.sqrt(error**2 + 0.2**2).mean()
    assert value(pair, kind="charbonnier", epsilon=0.2) == pytest.approx(expected, rel=1e-5)
    assert value(pair, kind="charbonnier") == pytest.approx(np.abs(error).mean(), abs=1e-3)


def test_ssim_is_a_loss_and_mixes_with_mse(pair) -> None:
    structure = 1 - float(ssim(*(torch.from_numpy(each) for each in pair)))
    assert value(pair, kind="ssim") == pytest.approx(structure, rel=1e-5)
    mse = ((pair[0] - pair[1]) ** 2).mean()
    expected = 0.8 * mse + 0.2 * structure
    assert value(pair, kind="mse+ssim", ssim_share=0.2) == pytest.approx(expected, rel=1e-5)


def test_gaussian_is_the_likelihood_and_learns_each_channels_noise(rng: np.random.Generator) -> None:
    """Oracle: the log density of a normal distribution, whose best variance is the mean squared error."""
    sd = np.array([0.05, 0.3])
    error = (rng.normal(size=(400, 2, 5, 5)) * sd[:, None, None]).astype(np.float32)
    term = Reconstruction(ReconstructionSettings(kind="gaussian"), channels=2)
    optimiser = torch.optim.Adam(term.parameters(), lr=0.05)
    for _ in range(300):
        loss = term(torch.from_numpy(error), torch.zeros(error.shape))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    learnt = np.exp(0.5 * term.log_variance.detach().numpy())
    np.testing.assert_allclose(learnt, np.sqrt((error**2).mean(axis=(0, 2, 3))), rtol=0.01)
    spread = learnt[:, None, None].astype(float)
    density = -np.log(spread) - 0.5 * np.log(2 * np.pi) - 0.5 * (error / spread) ** 2
    assert float(loss.detach()) == pytest.approx(-density.mean() - 0.5 * np.log(2 * np.pi), abs=2e-3)


def test_gaussian_stays_finite_for_a_perfect_and_for_a_hopeless_reconstruction() -> None:
    for error, at in ((0.0, -12.0), (1e3, 2.0)):
        term = Reconstruction(ReconstructionSettings(kind="gaussian"))
        with torch.no_grad():
            term.log_variance.fill_(-200.0 if error == 0 else 200.0)
        loss = term(torch.full((2, 1, 4, 4), error), torch.zeros(2, 1, 4, 4))
        loss.backward()
        assert loss.item() == pytest.approx(0.5 * (at + error**2 * np.exp(-at)), rel=1e-4)
        assert torch.isfinite(term.log_variance.grad).all()


def test_only_the_gaussian_kind_learns() -> None:
    counts = {
        kind: sum(p.numel() for p in Reconstruction(ReconstructionSettings(kind=kind), 3).parameters())
        for kind in ("mse", "l1", "charbonnier", "ssim", "mse+ssim", "gaussian")
    }
    assert counts == {"mse": 0, "l1": 0, "charbonnier": 0, "ssim": 0, "mse+ssim": 0, "gaussian": 3}


def test_what_is_refused() -> None:
    with pytest.raises(NigraError, match="units are 2 x 9; mse\\+ssim needs at least 3 voxels"):
        ReconstructionSettings(kind="mse+ssim").refuse((2, 9))
    ReconstructionSettings(kind="mse").refuse((2, 9))
    with pytest.raises(ValidationError):
        ReconstructionSettings(weight=-1)
