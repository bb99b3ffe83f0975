"""What is said of networks and baselines, by hand-made tables: of a network that wins, and of one that does not."""

import pandas as pd

from nigra.statistics.baselines import auc_of_methods, baseline_words

COLUMNS = ["model", "region", "measure", "estimate", "low", "high"]


def evaluation(**whole: tuple[float, float, float]) -> pd.DataFrame:
    """AUC of the whole brain and of two regions: in ``a`` as in the whole brain, in ``b`` .5 for everybody."""
    rows = []
    for name, (estimate, low, high) in whole.items():
        label = name.replace("__", "+").replace("_", "-")
        rows += [(label, region, "auc", estimate, low, high) for region in ("whole brain", "a")]
        rows += [(label, "b", "auc", 0.5, 0.4, 0.6), (label, "whole brain", "g-mean", 0.99, 0.98, 1.0)]
    return pd.DataFrame(rows, columns=COLUMNS)


BASELINES = {"intensities__z": (0.7, 0.62, 0.78), "intensities__raw": (0.5, 0.4, 0.6)}


def test_a_network_that_beats_the_best_baseline_is_told() -> None:
    words = baseline_words(evaluation(sae=(0.9, 0.85, 0.95), ae=(0.75, 0.65, 0.85), **BASELINES))
    assert words[0] == (
        "Whole brain: sae beats the best baseline, intensities+z (AUC 0.70, 0.62 to 0.78) "
        "(without a comparison of the two, intervals that overlap count as no difference)."
    )
    assert words[1].startswith(
        "Regions: sae beats the best baseline of the region in 1 of 2, and lies below it in 0"
    )
    assert words[2].startswith(
        "Regions: ae beats the best baseline of the region in 0 of 2, and lies below it in 0"
    )


def test_networks_that_do_not_beat_it_are_told_too() -> None:
    words = baseline_words(evaluation(sae=(0.72, 0.66, 0.79), ae=(0.5, 0.4, 0.6), **BASELINES))
    assert words[0].startswith("Whole brain: no network beats the best baseline, intensities+z (AUC 0.70")
    assert "; ae lies below it (" in words[0]
    assert "sae lies" not in words[0]


def test_a_comparison_of_the_two_goes_before_their_intervals() -> None:
    """The same subjects: a difference can be sure where both intervals overlap; either order of the pair."""
    table = evaluation(sae=(0.75, 0.67, 0.83), **BASELINES)
    assert "no network beats" in baseline_words(table)[0]
    heads = ["region", "measure", "first", "second", "low", "high", "p_holm"]
    for row in (
        ("whole brain", "auc", "sae", "intensities+z", 0.01, 0.09, 0.3),
        ("whole brain", "auc", "intensities+z", "sae", -0.09, -0.01, 0.3),
    ):
        words = baseline_words(table, pd.DataFrame([row], columns=heads))
        assert words[0].startswith("Whole brain: sae beats")
        assert words[0].endswith("(by the 95 % interval of the difference, for below with p < .05 after Holm too).")
    lost = ("whole brain", "auc", "sae", "intensities+z", -0.09, -0.01)
    assert "sae lies below it" in baseline_words(table, pd.DataFrame([(*lost, 0.01)], columns=heads))[0]
    chosen = baseline_words(table, pd.DataFrame([(*lost, 0.2)], columns=heads))[0]
    assert "below it" not in chosen  # the best of several is chosen: not without the correction


def test_a_comparison_of_others_is_not_claimed() -> None:
    """All methods against a reference that is not the best baseline: the verdict rests on overlap, and says so."""
    heads = ["region", "measure", "first", "second", "low", "high", "p_holm"]
    other = pd.DataFrame([("whole brain", "auc", "sae", "intensities+raw", 0.1, 0.2, 0.01)], columns=heads)
    words = baseline_words(evaluation(sae=(0.75, 0.67, 0.83), **BASELINES), other)
    assert words[0].startswith("Whole brain: no network beats")
    assert words[0].endswith("(without a comparison of the two, intervals that overlap count as no difference).")


def test_a_detector_with_a_name_of_its_own_is_held_against_the_baselines() -> None:
    own = {"intensities__nigra_default": (0.9, 0.85, 0.95)}
    words = baseline_words(evaluation(**own, **BASELINES))
    assert words[0].startswith("Whole brain: intensities+nigra-default beats the best baseline, intensities+z (")
    weak = {"intensities__nigra_default": (0.7, 0.6, 0.8)}
    assert baseline_words(evaluation(**weak, **BASELINES))[0].startswith("Whole brain: no method beats")


def test_nothing_is_said_where_there_is_nothing_to_compare() -> None:
    assert baseline_words(evaluation(sae=(0.9, 0.85, 0.95))) == []
    assert baseline_words(evaluation(**BASELINES)) == []
    assert baseline_words(pd.DataFrame()) == []
    nothing = evaluation(sae=(0.9, 0.85, 0.95), **BASELINES).assign(estimate=float("nan"))
    assert baseline_words(nothing) == []


def test_methods_are_named_from_model_and_detector_or_as_they_are() -> None:
    table = evaluation(sae__z=(0.9, 0.85, 0.95), **BASELINES)
    apart = table.assign(
        detector=table["model"].str.split("+").str[1].fillna("error"), model=table["model"].str.split("+").str[0]
    )
    pd.testing.assert_frame_equal(auc_of_methods(apart), auc_of_methods(table))
    assert set(auc_of_methods(apart)["method"]) == {"sae+z", "intensities+z", "intensities+raw"}
    assert baseline_words(apart) == baseline_words(table)
