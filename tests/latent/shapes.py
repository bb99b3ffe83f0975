"""Codes whose shape is known: a rolled-up sheet, and clusters."""

import numpy as np


def swiss_roll(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes (count, 3) on a rolled-up sheet, and where on the sheet they lie (count, 2)."""
    along = 1.5 * np.pi * (1 + 2 * rng.random(count))
    across = 21 * rng.random(count)
    codes = np.stack([along * np.cos(along), across, along * np.sin(along)], axis=1)
    return codes.astype(np.float32), np.stack([along**2 / 2, across], axis=1)


def sheet(count: int, rng: np.random.Generator) -> np.ndarray:
    """Codes (count, 6) on a flat sheet, more than twice as long as wide, with a little noise."""
    flat = rng.random((count, 2)) * [20, 8]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    return (flat @ turn[:2] + 0.2 * rng.normal(size=(count, 6))).astype(np.float32)


def clusters(count: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes (count, d) in four clusters that do not touch, and each one's cluster."""
    which = np.arange(count) % 4
    centres = 12 * np.eye(4, d)
    return (centres[which] + rng.normal(size=(count, d))).astype(np.float32), which
