"""Scores against brute force: joint error, batches, borders, both directions of change."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from nigra.models.autoencoder import Autoencoder
from nigra.models.published import build
from nigra.models.siamese import Siamese
from nigra.scoring.errors import ScoreSettings, joint_error, reconstruct
from nigra.scoring.scorer import Scorer
from nigra.units import Patches, Slices, Source, Unit

SHAPE = (13, 16, 5)


@pytest.fixture
def source(rng: np.random.Generator) -> Source:
    x, y, z = np.indices(SHAPE)
    mask = ((x - 6) / 6) ** 2 + ((y - 8) / 8) ** 2 + ((z - 1) / 3) ** 2 <= 1
    return Source.plain(rng.random((2, 2, *SHAPE)).astype(np.float32), mask)


def test_joint_error_by_hand() -> None:
    units, rebuilt = np.zeros((1, 2, 1, 2), np.float32), np.zeros((1, 2, 1, 2), np.float32)
    units[0, :, 0, 0] = [3.0, 4.0]
    rebuilt[0, :, 0, 1] = [-5.0, 12.0]
    np.testing.assert_allclose(joint_error(units, rebuilt)[0, 0, 0], [5.0, 13.0])


def score_map(
    model: Autoencoder | Siamese, unit: Unit, source: Source, row: int, settings: ScoreSettings | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    return Scorer(model, unit, settings).score(source, row, mask).error


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_central_scores_equal_patches_scored_one_by_one(source: Source, plane: str) -> None:
    """Oracle: each voxel's padded patch through the model on its own, central pixel, by hand."""
    model = build("mlcn2021-sae", seed=1).eval()
    unit = Patches(15, plane)  # type: ignore[arg-type]
    scores = score_map(model, unit, source, 1)
    assert np.isnan(scores[~source.mask]).all()
    axes = [a for a in range(3) if a != {"sagittal": 0, "coronal": 1, "axial": 2}[plane]]
    padding = [(0, 0)] + [(7, 7) if a in axes else (0, 0) for a in range(3)]
    padded = np.pad(np.where(source.mask, source.volumes[1], 0), padding, mode="edge")
    for x, y, z in np.argwhere(source.mask)[::17]:
        window = tuple(slice(i, i + 15) if a in axes else i for a, i in enumerate((x, y, z)))
        patch = np.ascontiguousarray(padded[(slice(None), *window)])
        with torch.no_grad():
            rebuilt = model(torch.from_numpy(patch[None]))[0].numpy()
        expected = np.sqrt(((patch[:, 7, 7] - rebuilt[:, 7, 7]) ** 2).sum())
        assert scores[x, y, z] == pytest.approx(expected, abs=1e-6)


def test_slices_scores_equal_slices_scored_one_by_one(source: Source) -> None:
    wide = Source.plain(np.random.default_rng(0).random((1, 2, 17, 19, 5)).astype(np.float32))
    model = build("mlcn2021-ae", 2, (17, 19), seed=1).eval()
    scores = score_map(model, Slices("axial", 3), wide, 0)
    assert np.isnan(scores[..., [0, 4]]).all()
    for z in (1, 2, 3):
        with torch.no_grad():
            rebuilt = model(torch.from_numpy(wide.volumes[:1, ..., z].copy()))[0].numpy()
        expected = np.sqrt(((wide.volumes[0, ..., z] - rebuilt) ** 2).sum(axis=0))
        np.testing.assert_allclose(scores[..., z], expected, atol=1e-6)


def test_average_scores_equal_brute_force(source: Source) -> None:
    model, unit = build("isbi2023-ae", seed=1).eval(), Patches(15)
    scores = score_map(model, unit, source, 0, ScoreSettings(overlap="average", stride=3))
    locations = unit.locate(source.mask, 3)
    patches = unit.cut(source, np.zeros(len(locations), int), locations)
    with torch.no_grad():
        errors = joint_error(patches, model(torch.from_numpy(patches)).numpy())[:, 0]
    for x, y, z in np.argwhere(source.mask)[::23]:
        covering = [
            errors[n][x - cx + 7, y - cy + 7]
            for n, (cx, cy, cz) in enumerate(locations)
            if cz == z and abs(x - cx) <= 7 and abs(y - cy) <= 7
        ]
        assert scores[x, y, z] == pytest.approx(np.mean(covering), abs=1e-6)


class Constant(nn.Module):
    """Rebuilds every unit as one grey value."""

    def forward(self, units: torch.Tensor) -> torch.Tensor:
        return torch.full_like(units, 0.5)


def test_a_drop_scores_like_a_rise() -> None:
    """Law 6: hypo- as well as hyper-intense; a score of positive residuals alone would miss one."""
    model = Autoencoder(nn.Sequential(nn.Identity()), nn.Sequential(Constant()), "mse")
    volumes = np.full((1, 1, 20, 20, 3), 0.5, np.float32)
    volumes[0, 0, 5, 5, 1], volumes[0, 0, 14, 14, 1] = 0.2, 0.8
    for unit in (Patches(5), Slices("axial", None)):
        scores = score_map(model, unit, Source.plain(volumes), 0)
        assert scores[5, 5, 1] == pytest.approx(0.3, abs=1e-6) == scores[14, 14, 1]
        assert np.count_nonzero(scores > 0.1) == 2


def test_a_part_of_the_mask_gets_the_scores_of_the_whole(source: Source) -> None:
    model = build("mlcn2021-sae", seed=2)
    part = source.mask.copy()
    part[..., 1:] = False
    whole = score_map(model, Patches(15), source, 0)
    some = score_map(model, Patches(15), source, 0, mask=part)
    np.testing.assert_allclose(some[part], whole[part], atol=1e-6)
    assert np.isnan(some[~part]).all()


def test_reconstruction_and_score_agree(source: Source) -> None:
    model = build("mlcn2021-sae", seed=2)
    rebuilt = reconstruct(model, Patches(15), source, 1)
    expected = np.sqrt(((source.volume(1) - rebuilt) ** 2).sum(axis=0))
    np.testing.assert_allclose(
        score_map(model, Patches(15), source, 1)[source.mask], expected[source.mask], atol=1e-6
    )


def test_a_stride_with_central_scores_is_refused() -> None:
    with pytest.raises(ValidationError, match="use average"):
        ScoreSettings(stride=2)
