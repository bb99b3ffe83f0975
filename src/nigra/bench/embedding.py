"""A million codes in one picture: UMAP on landmarks, everybody projected, quality by sampled queries."""

import resource
import sys
import time

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.bench.interleave import Comparison, Side, part
from nigra.latent.embed import Session
from nigra.latent.embedding_settings import EmbeddingSettings
from nigra.training import Tick

CODES, LANDMARKS, FEATURES, CENTRES = 1_000_000, 50_000, 16, 40


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Codes per second, once: fit, projection and quality; the process's peak memory among the sizes."""
    count, landmarks = (1_500, 500) if quick else (CODES, LANDMARKS)
    settings = EmbeddingSettings(methods=["umap"], landmarks=landmarks, stability_codes=0, bootstrap=100)
    codes, subjects = million(count), [f"sub-{i % 100:02d}" for i in range(count)]
    # libraries compile at their first call, which is no part of the work
    Session(codes[:1_000], subjects[:1_000], np.ones(1_000, bool), settings).picture("umap")
    began = time.perf_counter()
    session = Session(codes, subjects, np.ones(count, bool), settings)
    picture = session.picture("umap", part(tick, 0, 2))
    drawn = time.perf_counter() - began
    trust = (
        session.numbers("umap", picture, part(tick, 1, 2))
        .set_index("measure")[["estimate", "low", "high"]]
        .loc["trustworthiness"]
        .to_dict()
    )
    seconds = time.perf_counter() - began
    ours = Side("nigra", count / seconds, [seconds], picture.note, count)
    return [
        Comparison(
            name="embedding",
            title=f"An embedding of {count} codes: UMAP on {landmarks} landmarks",
            work="codes placed and judged",
            ours=ours,
            peers=[],
            largest_difference=None,
            difference_of="",
            sizes={
                "codes": count, "d": FEATURES, "landmarks": landmarks, "seconds": round(seconds, 1),
                "of these quality": round(seconds - drawn, 1), "peak memory, GB": round(peak_memory(), 2),
                "trustworthiness": round(float(trust["estimate"]), 3),
                "its interval": f"{trust['low']:.3f} to {trust['high']:.3f}",
            },
            goal="",
        )
    ]  # fmt: skip


def million(count: int, seed: int = 0) -> Float[ndarray, "n d"]:
    """Codes of overlapping clusters, each with directions of its own, as places of a brain have."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(CENTRES, FEATURES)).astype(np.float32)
    turns = rng.normal(size=(CENTRES, FEATURES, 4)).astype(np.float32) / 2
    which = rng.integers(0, CENTRES, count)
    codes = centres[which] + 0.3 * rng.standard_normal((count, FEATURES), dtype=np.float32)
    for cluster in range(CENTRES):
        here = which == cluster
        codes[here] += rng.standard_normal((here.sum(), 4), dtype=np.float32) @ turns[cluster].T
    return codes


def peak_memory() -> float:
    """The most memory this process has held, in GB; Linux counts in kB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
