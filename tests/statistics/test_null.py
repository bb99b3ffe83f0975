import numpy as np
import pytest
import scipy.stats

from nigra.statistics.groups import MEASURES
from nigra.statistics.null import benjamini_hochberg, mean_of_known, p_value, simulate

AUC, GMEAN_TEST, GMEAN_HELD_OUT, SENSITIVITY, SPECIFICITY = range(len(MEASURES))


def protocol(draws: int, controls: int = 56, test: int = 15, patients: int = 129, seed: int = 0):
    """Who is tested, who sets the cut-off, who is a patient: repeated draws of controls, the same patients."""
    rng = np.random.default_rng(seed)
    tested = np.zeros((draws, controls + patients), dtype=bool)
    tested[:, controls:] = True
    for draw in range(draws):
        tested[draw, rng.permutation(controls)[:test]] = True
    patient = np.arange(controls + patients) >= controls
    return tested, ~tested & ~patient, patient


def brute_gmean(patients: np.ndarray, controls: np.ndarray) -> float:
    return max(np.sqrt(np.mean(patients > cut) * np.mean(controls <= cut)) for cut in controls)


def test_published_protocol_one_draw():
    """15 controls against 129 patients: best g-mean .545 +- .063, 95th percentile .647."""
    null = simulate(*protocol(1), simulations=10_000)[GMEAN_TEST]
    assert null.mean() == pytest.approx(0.545, abs=0.003)
    assert null.std() == pytest.approx(0.063, abs=0.003)
    assert np.quantile(null, 0.95) == pytest.approx(0.647, abs=0.005)


def test_published_protocol_ten_draws():
    """Mean over ten draws: 95th percentile .608, 99th .638, and only if each subject keeps its score."""
    tested, reference, patient = protocol(10)
    tail = np.quantile(simulate(tested, reference, patient, simulations=4000)[GMEAN_TEST], [0.95, 0.99])
    assert tail == pytest.approx([0.608, 0.638], abs=0.008)
    # the negative control: a fresh score in every draw is ten studies, and its null is far narrower
    fresh = [simulate(tested[:1], reference[:1], patient, simulations=1000, seed=k)[GMEAN_TEST] for k in range(10)]
    assert np.quantile(np.mean(fresh, axis=0), 0.95) < 0.585


@pytest.mark.slow
def test_published_protocol_ten_draws_whole():
    """As above with enough simulations, and several sets of draws, to hold to three thousandths."""
    null = np.concatenate(
        [simulate(*protocol(10, seed=k), simulations=20_000, seed=k)[GMEAN_TEST] for k in range(3)]
    )
    assert null.mean() == pytest.approx(0.545, abs=0.002)
    assert np.quantile(null, [0.95, 0.99]) == pytest.approx([0.608, 0.638], abs=0.003)


def test_auc_null_has_the_mann_whitney_variance():
    n, m = 15, 129
    null = simulate(*protocol(1), simulations=10_000)[AUC]
    assert null.mean() == pytest.approx(0.5, abs=0.003)
    assert null.std() == pytest.approx(np.sqrt((n + m + 1) / (12 * n * m)), rel=0.03)


def test_held_out_null_follows_the_order_statistic():
    """The cut-off is the k-th of n scores: it leaves k / (n + 1) of new subjects below it on average."""
    null = simulate(*protocol(1), simulations=10_000, specificity=0.8)
    expected = np.ceil(0.8 * 41) / 42
    assert null[SPECIFICITY].mean() == pytest.approx(expected, abs=0.005)
    assert null[SENSITIVITY].mean() == pytest.approx(1 - expected, abs=0.005)
    assert null[GMEAN_HELD_OUT].mean() < 0.45


def test_simulation_equals_the_definition_score_by_score():
    tested, reference, patient = protocol(3, controls=9, test=4, patients=6)
    null = simulate(tested, reference, patient, specificity=0.6, simulations=20, seed=5)
    scores = np.random.default_rng(5).random((15, 20))
    for k in range(20):
        best, held_out = [], []
        for who, others in zip(tested, reference, strict=True):
            patients, controls = scores[who & patient, k], scores[who & ~patient, k]
            best.append(brute_gmean(patients, controls))
            cut = np.quantile(scores[others, k], 0.6, method="inverted_cdf")
            held_out.append(np.sqrt(np.mean(patients > cut) * np.mean(controls <= cut)))
        assert null[GMEAN_TEST, k] == pytest.approx(np.mean(best))
        assert null[GMEAN_HELD_OUT, k] == pytest.approx(np.mean(held_out), abs=1e-7)


def test_same_seed_same_null_other_seed_another():
    design = protocol(2, 10, 4, 8)
    assert np.array_equal(simulate(*design, simulations=1200), simulate(*design, simulations=1200))
    assert not np.array_equal(simulate(*design, simulations=50), simulate(*design, simulations=50, seed=1))


def test_without_reference_or_patients_only_what_can_be_known():
    tested, reference, patient = protocol(2, 10, 4, 8)
    null = simulate(tested, np.zeros_like(reference), patient, simulations=30)
    assert np.isfinite(null[[AUC, GMEAN_TEST]]).all()
    assert np.isnan(null[[GMEAN_HELD_OUT, SENSITIVITY, SPECIFICITY]]).all()
    healthy = simulate(tested[:, ~patient], reference[:, ~patient], patient[~patient], simulations=30)
    assert np.isnan(healthy[[AUC, GMEAN_TEST, GMEAN_HELD_OUT, SENSITIVITY]]).all()
    assert np.isfinite(healthy[SPECIFICITY]).all()


def test_p_value_counts_and_never_reaches_zero():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert p_value(null, 0.3) == 3 / 5
    assert p_value(null, 0.9) == 1 / 5
    assert p_value(null, 0.0) == 1
    assert np.isnan(p_value(null, np.nan))


def test_benjamini_hochberg_by_hand():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    assert benjamini_hochberg(p) == pytest.approx([0.02, np.nan, 0.04, 0.04, 0.02], nan_ok=True)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_mean_of_known_skips_nan():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    assert mean_of_known(values) == pytest.approx([2, 5, np.nan], nan_ok=True)


def test_p_is_uniform_for_the_null_itself():
    """Half of the simulations judge the other half."""
    null = simulate(*protocol(3, 30, 8, 40), simulations=2000)
    for measure in (AUC, GMEAN_TEST):
        p = [p_value(null[measure, 1000:], value) for value in null[measure, :1000]]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
