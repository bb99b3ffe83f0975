"""Negative controls of a latent space: what numbers and pictures are worth where there is nothing to see.

``python examples/negative_controls.py STUDY RUN MODEL``, after ``nigra latent``. Places are dealt out anew among
codes, points among pictures; every number must fall to what chance gives. How to read it:
docs/how-to/read-an-embedding.md.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from nigra.latent.codes import read_codes
from nigra.latent.embed import read_points
from nigra.latent.numbers import MM, People, held_out
from nigra.latent.probes import ProbeSettings, place_numbers
from nigra.latent.quality import quality

TWIN = "_untrained"
K = 15
MOST = 5_000
"""Codes that pictures are judged on; more would only take longer."""


def main(study: Path, run: str, model: str, draw: int = 0, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Print and return how far codes tell places and pictures keep codes: as it is, shuffled, by chance."""
    folder = study / "runs" / run / "latent"
    spaces = [folder / name / f"draw-{draw:02d}" for name in (model, model + TWIN)]
    told = pd.concat([places(space, seed) for space in spaces if space.exists()], ignore_index=True)
    judged = pictures(spaces[0], seed)
    for table in (told, judged):
        print(table.round(3).to_string(index=False), end="\n\n")
    return told, judged


def places(folder: Path, seed: int) -> pd.DataFrame:
    """Place and region told from a code, with the places as they are and dealt out anew among the codes."""
    codes = read_codes(folder)
    names, _ = held_out(People.of(codes.table))
    block, where = codes.block(names)
    flat, owner = block.reshape(-1, block.shape[2]), np.repeat(np.arange(len(names)), block.shape[1])
    mm = np.tile(where[MM].to_numpy(dtype=float), (len(names), 1))
    regions = np.tile(where["region"].astype(str).to_numpy(), len(names))
    order = np.random.default_rng(seed).permutation(len(flat))
    true, shuffled = (
        place_numbers(flat, owner, mm[rows], regions[rows], ProbeSettings()) for rows in (slice(None), order)
    )
    return pd.DataFrame(
        [(folder.parent.name, one.measure, one.estimate, other.estimate, one.null)
         for one, other in zip(true, shuffled, strict=True)],
        columns=["codes of", "measure", "as it is", "shuffled", "chance"],
    )  # fmt: skip


def pictures(folder: Path, seed: int) -> pd.DataFrame:
    """Quality of every embedding, and of the same points dealt out anew among the codes."""
    table, rng, rows = read_codes(folder), np.random.default_rng(seed), []
    some = np.sort(rng.permutation(len(table.codes))[:MOST])
    codes = np.asarray(table.codes[some], np.float32)
    for path in sorted((folder / "embeddings").glob("*.safetensors")):
        points = read_points(folder, path.stem)[some]
        true, shuffled = (quality(codes, each, k=K, bootstrap=0) for each in (points, rng.permutation(points)))
        told = true[["measure", "estimate", "null"]].assign(embedding=path.stem, shuffled=shuffled["estimate"])
        rows.append(told.rename(columns={"estimate": "as it is", "null": "chance"}))
    columns = ["embedding", "measure", "as it is", "shuffled", "chance"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("python examples/negative_controls.py STUDY RUN MODEL")
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
