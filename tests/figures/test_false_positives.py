import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.false_positives import false_positive_check


def table(rng):
    return pd.DataFrame(
        [(m, f, f"sub-{i}", rng.gamma(3, 0.7)) for m in ("a", "b") for f in (0, 4) for i in range(7)],
        columns=["model", "fold", "participant_id", "percent"],
    )


def test_dots_bars_and_line_are_the_values(rng):
    controls = table(rng)
    figure = false_positive_check(controls, expected_percent=2.5)
    assert len(figure.axes) == 2
    dots, bar, _, _, line = figure.axes[1].lines
    expected = controls[(controls["model"] == "b") & (controls["fold"] == 0)]["percent"]
    np.testing.assert_allclose(dots.get_ydata(), np.sort(expected))
    np.testing.assert_allclose(bar.get_ydata(), expected.mean())
    np.testing.assert_allclose(line.get_ydata(), 2.5)
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["0", "4"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_no_value_is_one_sentence(rng):
    with pytest.raises(NigraError, match="no test control"):
        false_positive_check(table(rng).assign(percent=np.nan))
