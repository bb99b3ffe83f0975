import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.training_curves import read_training, training_curves
from tests.report.fake_run import MODELS, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path)


def test_every_line_of_every_model_and_draw_is_read(run):
    history = read_training(run)
    assert len(history) == 2 * 2 * 30
    assert set(history["model"]) == set(MODELS)
    assert history.loc[history["model"] == MODELS[0], "similarity"].isna().all()


def test_a_line_still_being_written_is_left_out(run):
    path = run / MODELS[0] / "draw-00" / "training.jsonl"
    path.write_text(path.read_text() + '{"epoch": 31, "lo')
    assert len(read_training(run)) == 120


def test_panels_draw_the_values(run):
    history = read_training(run)
    figure = training_curves(history)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert set(panels) == {"training loss (total)", "reconstruction term", "mean cosine of paired codes"}
    assert len(panels["reconstruction term"].lines) == 4
    cosine = panels["mean cosine of paired codes"]
    assert len(cosine.lines) == 2
    expected = history[(history["model"] == MODELS[1]) & (history["draw"] == 0)]["similarity"]
    assert list(cosine.lines[0].get_ydata()) == list(expected)


def test_only_wide_positive_values_get_a_logarithmic_axis():
    wide = pd.DataFrame({"model": "a", "draw": 0, "epoch": [1, 2, 3], "loss": [1.0, 0.1, 0.01]})
    below = wide.assign(loss=[1.0, 0.1, -0.01])
    assert [training_curves(table).axes[0].get_yscale() for table in (wide, below)] == ["log", "linear"]


def test_an_empty_history_is_one_sentence(tmp_path):
    with pytest.raises(NigraError, match="train a model first"):
        training_curves(read_training(tmp_path))
