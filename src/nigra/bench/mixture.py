"""Student-t mixture against scikit-learn's Gaussian mixture: an EM iteration, and the score of every code."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.mixture import GaussianMixture

from nigra.bench.interleave import Comparison, Goals, Side, interleave, part
from nigra.detection.mixture import Compiled, Parameters, maximisation
from nigra.training import Tick

PEER = "scikit-learn GaussianMixture"
COMPONENTS, FEATURES = 8, 3
FIRST_DOF, GAUSSIAN_DOF = 10.0, 1e8
"""The t that is timed; and the one that is a normal distribution to float32, for the difference."""


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """One iteration (E- and M-step), then the log density of every code; both sides with full scatter matrices."""
    codes, now = problem(2_000 if quick else 1_000_000)
    rounds = 2 if quick else 5
    passes, peer = Compiled(), gaussian(codes, now)

    def iteration() -> None:
        maximisation(passes.expectation(codes, now), now)

    step = interleave(
        len(codes), iteration, {PEER: lambda: peer_step(peer, codes)}, rounds, tick=part(tick, 0, 2)
    )  # fmt: skip
    peer = gaussian(codes, now)
    score = interleave(
        len(codes), lambda: passes.score(codes, now, False), {PEER: lambda: peer.score_samples(codes)}, rounds,
        tick=part(tick, 1, 2),
    )  # fmt: skip
    step_difference, score_difference = differences(codes, now)
    return [
        _comparison("iteration", "an EM iteration", "codes in an iteration", *step, step_difference,
                    "weights, means and scatter after a step of a mixture with 1e8 degrees of freedom", 1e-5),
        _comparison("score", "log density of every code", "codes scored", *score, score_difference,
                    "log densities (relative above 1) of a mixture with 1e8 degrees of freedom", 1e-5),
    ]  # fmt: skip


def problem(count: int) -> tuple[Float[ndarray, "n d"], Parameters]:
    """Codes of eight overlapping clusters with heavy tails, and a mixture some way from them."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(COMPONENTS, FEATURES))
    codes = centres[rng.integers(0, COMPONENTS, count)] + rng.standard_t(5, size=(count, FEATURES))
    mixing = rng.normal(size=(COMPONENTS, FEATURES, FEATURES))
    scales, axes = np.linalg.eigh(mixing @ np.swapaxes(mixing, 1, 2) / FEATURES + np.eye(FEATURES))
    weights = np.full(COMPONENTS, 1 / COMPONENTS)
    dof = np.full((COMPONENTS, 1), FIRST_DOF)
    return codes.astype(np.float32), Parameters(weights, centres + 0.5, axes, scales, dof)


def gaussian(codes: Float[ndarray, "n d"], now: Parameters) -> GaussianMixture:
    """The peer at the same parameters, of the codes' type: float32 is its fastest way, float64 the exact one."""
    precisions = np.einsum("kim,km,kjm->kij", now.axes, 1 / now.scales, now.axes)
    peer = GaussianMixture(len(now.weights), reg_covar=0)
    peer.weights_, peer.means_, peer.precisions_ = now.weights, now.means, precisions
    # Cholesky factors as scikit-learn keeps them: precision = factor @ factor.T
    peer.precisions_cholesky_ = np.linalg.cholesky(precisions)
    peer.covariances_ = np.linalg.inv(precisions)
    for name in ("weights_", "means_", "precisions_", "precisions_cholesky_", "covariances_"):
        setattr(peer, name, getattr(peer, name).astype(codes.dtype))
    return peer


def peer_step(peer: GaussianMixture, codes: Float[ndarray, "n d"]) -> None:
    """One E- and M-step, without the checks around them."""
    _, log_posterior = peer._e_step(codes)
    peer._m_step(codes, log_posterior)


def differences(codes: Float[ndarray, "n d"], now: Parameters) -> tuple[float, float]:
    """Largest difference after one step, and of log densities, where a t mixture is a Gaussian one."""
    now = Parameters(now.weights, now.means, now.axes, now.scales, np.full_like(now.dof, GAUSSIAN_DOF))
    exact, passes = codes.astype(np.float64), Compiled()
    peer = gaussian(exact, now)
    theirs = peer.score_samples(exact)
    score = float((np.abs(passes.score(codes, now, False) - theirs) / np.maximum(np.abs(theirs), 1)).max())
    peer_step(peer, exact)
    new = maximisation(passes.expectation(codes, now), now)
    scatter = np.einsum("kim,km,kjm->kij", new.axes, new.scales, new.axes)
    pairs = ((new.weights, peer.weights_), (new.means, peer.means_), (scatter, peer.covariances_))
    return max(float(np.abs(mine - theirs).max()) for mine, theirs in pairs), score


def _comparison(
    name: str, title: str, work: str, ours: Side, peers: list[Side], difference: float, of: str, most: float
) -> Comparison:
    return Comparison(
        name=f"mixture-{name}",
        title=f"Mixture of {COMPONENTS} in {FEATURES} dimensions: {title}",
        work=work, ours=ours, peers=peers, largest_difference=difference, difference_of=of,
        sizes={"codes": int(ours.work), "d": FEATURES, "components": COMPONENTS},
        goal=f"at least 5 times {PEER}, difference at most {most:g}",
        goals=Goals({PEER: 5}, difference=most),
    )  # fmt: skip
