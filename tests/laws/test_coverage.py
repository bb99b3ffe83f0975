"""Intervals hold the AUC they should as often as they say; the measured page is docs/results/coverage.md."""

import re

import pytest

from tests.laws.coverage import AUCS, PAGE, as_table, coverage


def test_few_studies_already_rule_out_an_interval_that_is_too_narrow():
    share = coverage(56, 129, 60, bootstraps=200)
    assert list(share.index) == list(AUCS)
    assert (share[["DeLong, logit", "BCa"]].mean() > 0.9).all()
    assert (share[["DeLong, logit", "BCa"]].mean() < 0.995).all()  # negative control: nor do they hold anything
    assert as_table(share).count("\n") == 5


@pytest.mark.slow
def test_nominal_coverage_over_many_studies():
    """At least 93 % of the 95 % intervals in 500 studies, for AUC .5, .6, .7 and .8."""
    share = coverage(56, 129, 500, bootstraps=600)
    assert (share[["DeLong, logit", "BCa"]] >= 0.93).all(axis=None)


def test_the_page_was_measured_and_keeps_the_promise():
    rows = [
        line.split("|")[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| 0.")
    ]
    assert len(rows) == 3 * len(AUCS)
    for row in rows[: 2 * len(AUCS)]:
        logit, _, bca, _ = (float(cell) for cell in row[1:])
        assert 93 <= logit <= 97
        assert 93 <= bca <= 97
    assert all(93 <= float(cell) <= 97 for row in rows[2 * len(AUCS) :] for cell in row[1:])
    studies = [int(count) for count in re.findall(r"^(\d+) studies each", PAGE.read_text(encoding="utf-8"), re.M)]
    assert len(studies) == 3
    assert min(studies) >= 500
