"""Quick sizes run whole; the difference that is reported is that of the decisions."""

import numpy as np
import pytest

from nigra.bench import libsvm, ocsvm, samples


def test_it_measures_both_sizes_against_both_peers() -> None:
    found = ocsvm.measure(quick=True)
    assert [comparison.sizes["d"] for comparison in found] == [3, 8]
    for comparison in found:
        assert [peer.name for peer in comparison.peers] == [ocsvm.PEER, ocsvm.CORE]
        assert comparison.largest_difference is not None
        assert 0 < comparison.largest_difference <= 1e-5
        assert all(side.rate > 0 for side in (comparison.ours, *comparison.peers))
        assert set(comparison.goals.ratio) == {ocsvm.PEER}


def test_a_difference_would_be_noticed(monkeypatch) -> None:
    values = samples.codes(12, 5, 3)
    small = ocsvm.difference(values, 10)
    monkeypatch.setattr(libsvm, "NU", 0.1)
    theirs, free = libsvm.core(samples.blocks(values), 10, libsvm.EXACT)
    assert small == pytest.approx(np.abs(ocsvm.decisions(values, 10).T - theirs)[free].max())
    mine = ocsvm.decisions
    monkeypatch.setattr(ocsvm, "decisions", lambda values, controls: mine(values, controls) + np.float32(0.25))
    assert ocsvm.difference(values, 10) == pytest.approx(0.25, abs=1e-4)


def test_the_sizes_are_those_of_the_goals() -> None:
    assert [size[:2] + size[-1:] for size in ocsvm.SIZES] == [(40, 16, 60), (75, 64, 15)]
