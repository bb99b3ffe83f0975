"""Between and beyond codes: interpolation and traversal, decoded to what the model would draw there.

A straight line between two codes that stay plausible says that the space is filled; a traversal along a principal
axis says what the axis means. Both are the decoder's opinion, not data.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.utils.extmath import randomized_svd

from nigra.models.siamese import Model

Decoded = Float[ndarray, "lines steps *unit"]
"""Units (channels, height, width) decoded along each line."""


@dataclass(frozen=True)
class Line:
    """A straight line in latent space: its ends, and what they are."""

    start: Float[ndarray, " d"]
    end: Float[ndarray, " d"]
    words: str

    def points(self, steps: int) -> Float[ndarray, "steps d"]:
        """Evenly spaced codes from start to end."""
        share = np.linspace(0, 1, steps)[:, None]
        return ((1 - share) * self.start + share * self.end).astype(np.float32)


def traversals(codes: Float[ndarray, "n d"], axes: int, reach: float) -> list[Line]:
    """Lines through the mean code along the principal axes, ``reach`` standard deviations either way.

    An axis points where its largest entry is positive, so that a picture does not turn over by chance.
    """
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    _, singular, directions = randomized_svd(centred, min(axes, *centred.shape), n_iter=7, random_state=0)
    mean, lines = codes.mean(axis=0, dtype=np.float64), []
    spread, total = singular / np.sqrt(len(codes)), float((centred**2).sum())
    for number in range(min(axes, len(spread))):
        axis = directions[number] * np.sign(directions[number][np.abs(directions[number]).argmax()])
        far, share = reach * spread[number] * axis, singular[number] ** 2 / max(total, 1e-300)
        lines.append(Line(mean - far, mean + far, f"axis {number + 1}, {100 * share:.0f} % of variance"))
    return lines


def interpolations(
    codes: Float[ndarray, "n_subjects n_locations d"], names: list[str], places: list[str], pairs: int, seed: int
) -> list[Line]:
    """Lines between two subjects' codes of one place, and between two places of one subject, in turns.

    Args:
        codes: of the same places in all subjects.
        names: the subjects'.
        places: what the places are called.
        pairs: number of lines.
        seed: seed of what is drawn.
    """
    rng, lines = np.random.default_rng(seed), []
    for number in range(pairs):
        a, b = rng.choice(len(codes), 2, replace=False)
        here, there = rng.choice(codes.shape[1], 2, replace=False)
        if number % 2:
            lines.append(Line(codes[a, here], codes[a, there], f"{names[a]}, {places[here]} to {places[there]}"))
        else:
            lines.append(Line(codes[a, here], codes[b, here], f"{places[here]}, {names[a]} to {names[b]}"))
    return lines


def decode(
    model: Model, lines: list[Line], steps: int, code_shape: tuple[int, ...], device: str = "cpu"
) -> Decoded:
    """Decode every line.

    Args:
        model: in evaluation mode, on the device.
        lines: their codes are flat.
        steps: codes along a line.
        code_shape: what the decoder takes, without the batch.
        device: "cpu" or "cuda".
    """
    codes = np.stack([line.points(steps) for line in lines])
    with torch.inference_mode():
        given = torch.from_numpy(codes).to(device).view(-1, *code_shape)
        units = model.decode(given).float().cpu().numpy()
    return units.reshape(len(lines), steps, *units.shape[1:])


def spread_out(codes: Float[ndarray, "n d"], count: int) -> Int[ndarray, " count"]:
    """Rows of codes spread over the space: the first is the most typical, each next the furthest from those taken.

    Gonzalez (Theoretical Computer Science 38:293, 1985).
    """
    wide = codes.astype(np.float64)
    chosen = [int(((wide - wide.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    nearest = ((wide - wide[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(codes)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((wide - wide[chosen[-1]]) ** 2).sum(axis=1))
    return np.array(chosen, dtype=np.int64)
