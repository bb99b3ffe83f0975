"""The sentences follow from the numbers and claim nothing that interval and corrected p do not both give."""

import numpy as np
import pandas as pd

from nigra.statistics.factorial import COLUMNS, INTERACTION, MAIN
from nigra.statistics.factorial_words import (
    PHANTOM,
    answer,
    effect_words,
    in_short,
    interaction_words,
    is_shown,
    paragraph,
    plain,
    signed,
)


def effect(**changes: object) -> dict[str, object]:
    row = dict.fromkeys(COLUMNS, "") | {
        "outcome": "planted_sensitivity", "detector": "error", "effect": MAIN, "factor": "siamese",
        "level": "cosine", "reference": "none", "estimate": 0.05, "low": 0.02, "high": 0.08, "first": 0.4,
        "second": 0.35, "p": 0.002, "p_holm": 0.01, "q": 0.01, "folds": 5, "seeds": 3, "subjects": 0,
        "collapsed": 0, "estimate_healthy": 0.05,
    }  # fmt: skip
    return row | changes


def test_a_difference_is_claimed_where_interval_and_corrected_p_say_so():
    assert effect_words(effect()) == (
        "siamese, cosine instead of none: raised it by 0.050 (95 % 0.020 to 0.080; p = .010 after Holm), which is "
        "better."
    )
    worse = effect(estimate=-0.05, low=-0.08, high=-0.02)
    assert effect_words(worse).endswith(
        "lowered it by 0.050 (95 % −0.080 to −0.020; p = .010 after Holm), which is worse."
    )
    assert effect_words(effect(outcome="subject_leakage")).endswith("which is worse.")
    assert "better" not in effect_words(effect(outcome="effective_rank"))


def test_nothing_is_claimed_beyond_the_interval_or_the_correction():
    holds_zero = effect(estimate=-0.01, low=-0.03, high=0.01, p=0.3, p_holm=0.9)
    assert effect_words(holds_zero) == (
        "siamese, cosine instead of none: changed it by −0.010 (95 % −0.030 to 0.010): no difference was shown."
    )
    many = effect_words(effect(p=0.03, p_holm=0.24))
    assert many.endswith("no evidence (p = .030; after Holm = .240).")
    alone = effect_words(effect(low=np.nan, high=np.nan, p=np.nan, p_holm=np.nan, note="one fold and one seed"))
    assert alone.endswith("without an interval (one fold and one seed): nothing more can be said.")
    for row in (holds_zero, effect(p=0.03, p_holm=0.24), effect(low=np.nan)):
        assert not is_shown(row)
        assert not {"raised", "lowered", "better", "worse"} & set(effect_words(row).replace(",", " ").split())


def test_in_short_says_where_only_collapsed_models_are_compared():
    flat = effect(collapsed=8, estimate_healthy=np.nan)
    told = "Without collapsed models nothing is left to compare"
    assert sum(told in text for text in in_short(pd.DataFrame([flat, flat | {"factor": "unit"}]))) == 1
    sound = effect(collapsed=1, estimate_healthy=0.01)
    assert not any(told in text for text in in_short(pd.DataFrame([flat, sound])))


def test_collapsed_models_do_not_win_quietly():
    words = effect_words(effect(collapsed=2, estimate_healthy=-0.01))
    assert words.endswith("which is better. 2 models in this comparison collapsed; without, it is −0.010.")
    nothing = effect_words(effect(collapsed=1, estimate_healthy=np.nan))
    assert nothing.endswith("1 model in this comparison collapsed; without, nothing is left to compare.")


def test_an_interaction_is_two_effects_that_differ():
    both = effect(effect=INTERACTION, by="unit", by_level="patch", by_reference="slice", first=0.09, second=0.01,
                  estimate=0.08, low=0.05, high=0.11)  # fmt: skip
    assert interaction_words(both).startswith(
        "The effect of siamese (cosine instead of none) depended on unit: +0.090 at patch and +0.010 at slice, a "
        "difference of +0.080"
    )
    shown = paragraph(pd.DataFrame([effect(), both]))
    assert len(shown) == 2
    not_shown = paragraph(pd.DataFrame([effect(), both | {"low": -0.1, "p_holm": 0.4}]))
    assert not_shown[1].startswith("That one factor's effect depends on another was not shown (1 interaction")
    assert "95 % −0.100 to 0.110" in not_shown[1]


def test_many_levels_have_one_sentence_unless_they_are_shown():
    rows = [effect(factor="alpha", level=str(k), reference="0", low=-0.01 * k, p_holm=0.5) for k in range(1, 6)]
    rows[1] |= {"low": 0.01, "p_holm": 0.01}
    sentences = paragraph(pd.DataFrame(rows))
    assert len(sentences) == 2
    assert sentences[0].startswith("alpha, 2 instead of 0: raised it")
    assert sentences[1] == (
        "alpha: of 5 pairs of levels 4 were not shown to differ; the widest interval, of 5 instead of 0, is 95 % "
        "−0.050 to 0.080."
    )


def test_levels_that_never_differ_are_not_passed_over():
    rows = [
        effect(factor="alpha", level=str(k), low=np.nan, high=np.nan, note="the same everywhere") for k in range(6)
    ]
    assert paragraph(pd.DataFrame(rows)) == [
        "alpha: 6 of 6 pairs of levels have no interval (the same everywhere)."
    ]


def test_the_answer_begins_in_short_and_a_phantom_is_called_one():
    rows = [effect(), effect(outcome="group_auc", low=-0.1, p_holm=1.0), effect(outcome="effective_rank", folds=3)]
    table = pd.DataFrame(rows)
    assert in_short(table) == [
        "Siamese: cosine instead of none changed share of planted voxels found (error) by +0.050; effective rank "
        "of the code (error) by +0.050. No other effect was shown, of 3 outcomes."
    ]
    assert in_short(table.assign(collapsed=1))[0].endswith(" Collapsed models are among those compared.")
    none = pd.DataFrame([effect(low=-0.1, p_holm=1.0)])
    assert in_short(none) == ["Siamese: no effect was shown on any of 1 outcome."]
    heads, said = zip(*answer(table), strict=True)
    assert heads[:2] == ("In short", "What was compared")
    assert heads[2:] == (
        "Share of planted voxels found (error)", "Patients against controls, AUC (error)",
        "Effective rank of the code (error)",
    )  # fmt: skip
    assert PHANTOM not in said[0]
    assert answer(table, synthetic=True)[0][1][0] == PHANTOM
    assert "over 5 folds and 3 seeds" in said[1][0]
    assert "With 3 folds only large differences" in answer(table.assign(folds=3))[1][1][1]


def test_numbers_have_the_digits_their_size_deserves():
    assert [plain(value) for value in (0.0004, -0.25, 3.14159, -25.04)] == ["0.000", "−0.250", "3.14", "−25.0"]
    assert [signed(value) for value in (0.0004, -0.0004, 3.14159, -25.04)] == ["0.000", "0.000", "+3.14", "−25.0"]
