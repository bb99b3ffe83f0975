"""Latent spaces compared over the models of a run or of several: who is compared with whom, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nigra.errors import NigraError
from nigra.files import read_tsv, write_json, write_tsv
from nigra.study.latent_study import study_of, values_of
from nigra.study.settings import RunSettings

MEASURES = ("tightness", "place R2", "effective rank", "group AUC, shift")
FACTORIAL = {
    "factorial": {"base": {"preset": "isbi2023-sae"}, "factors": {"alpha": {"sweep": "siamese.alpha",
                  "values": [0, 0.005, 0.05]}, "loss": {"mse": {}, "l1": {"reconstruction": {"kind": "l1"}}}},
                  "seeds": [0, 1]}
}  # fmt: skip
TWO = {"models": [{"preset": "isbi2023-sae"}, {"preset": "isbi2023-ae"}]}


def make_run(folder: Path, name: str, settings: dict, draws: int = 3, first: str = "sub-C0") -> Path:
    """A run as the latent stage leaves it: settings, draws and ``latent.tsv``; tightness falls with alpha."""
    run = folder / "runs" / name
    made = RunSettings.model_validate({"name": name, "title": "Compared", **settings})
    run.mkdir(parents=True)
    (run / "settings.yaml").write_text(yaml.safe_dump(made.model_dump(mode="json"), sort_keys=False))
    own = [{"draw": draw, "train": [f"{first}{draw}", "sub-C8"], "test": ["sub-C9"]} for draw in range(draws)]
    write_json(run / "splits.json", {"draws": own})
    rng, rows = np.random.default_rng(0), []
    for model in made.models:
        for twin in ("", "_untrained"):
            for draw in range(draws):
                for measure in MEASURES:
                    less = 4 * float(model.levels.get("alpha", 0)) * (measure == "tightness" and not twin)
                    value = 0.7 + 0.2 * draw - less + 0.001 * rng.normal()
                    rows.append((model.label + twin, draw, measure, value, np.nan, np.nan, 0.5, ""))
    columns = ["model", "draw", "measure", "estimate", "low", "high", "null", "note"]
    write_tsv(run / "latent" / "latent.tsv", pd.DataFrame(rows, columns=columns))
    return run


def test_the_models_of_a_factorial_are_told_apart_by_its_factors(tmp_path: Path) -> None:
    run = make_run(tmp_path, "factorial", FACTORIAL)
    folder = study_of(run, 0.5)
    assert folder == run / "latent" / "study"
    cells = read_tsv(folder / "cells.tsv", ("alpha", "loss", "training", "measure"))
    assert len(cells) == 6 * 2 * len(MEASURES)
    assert set(cells["models"]) == {6}  # three folds, two seeds
    effects = read_tsv(folder / "effects.tsv", ("factor", "level", "by", "measure")).set_index(
        ["measure", "factor", "level", "by"]
    )
    row = effects.loc["tightness"].loc["alpha"].loc["0.05"].iloc[0]
    assert row["estimate"] == pytest.approx(-0.2, abs=0.005)
    assert row["high"] < -0.15
    loss = effects.loc["tightness"].loc["loss"].iloc[0]
    assert loss["low"] < 0 < loss["high"]
    page = (folder / "study.html").read_text("utf-8")
    assert "tightness, alpha 0.05 instead of 0: −0.2" in page
    assert 'src="http' not in page
    assert 'src="data:' in page
    assert sorted(path.stem for path in (folder / "figures").glob("*.png")) == [
        "cells", "effect-01", "effect-02", "effect-03",
    ]  # fmt: skip


def test_models_without_factors_are_told_apart_by_their_names(tmp_path: Path) -> None:
    values, factors = values_of([make_run(tmp_path, "two", TWO)])
    assert factors == {"model": ["isbi2023-sae", "isbi2023-ae"]}
    assert len(values) == 2 * 2 * 3 * len(MEASURES)
    assert set(values["training"]) == {"trained", "untrained"}


def test_several_runs_are_told_apart_and_paired_by_fold(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "first", TWO), make_run(tmp_path, "second", TWO, draws=2)]
    _, factors = values_of(runs)
    assert factors == {"run": ["first", "second"], "model": ["isbi2023-sae", "isbi2023-ae"]}
    folder = study_of(runs[0], 0.5, runs[1:])
    effects = read_tsv(folder / "effects.tsv", ("factor", "effect", "measure", "note"))
    row = effects[(effects["factor"] == "run") & (effects["effect"] == "main effect")].iloc[0]
    assert (row["pairs"], row["pairs_planned"]) == (4, 6)
    assert row["estimate"] == pytest.approx(0, abs=0.01)  # folds differ by .2: unpaired it would be -.1


def test_runs_of_other_people_or_without_latent_spaces_are_refused(tmp_path: Path) -> None:
    first = make_run(tmp_path, "first", TWO)
    other = make_run(tmp_path, "other", TWO, first="sub-C1")
    with pytest.raises(NigraError, match="first and other train on different controls"):
        study_of(first, 0.5, [other])
    (other / "latent" / "latent.tsv").unlink()
    with pytest.raises(NigraError, match="run other has no latent spaces"):
        study_of(first, 0.5, [other])


def test_one_model_of_one_draw_is_no_study_and_leaves_no_old_one(tmp_path: Path) -> None:
    run = make_run(tmp_path, "one", {"models": [{"preset": "isbi2023-sae"}]}, draws=1)
    table = read_tsv(run / "latent" / "latent.tsv", ("model", "measure"))
    (run / "latent" / "study").mkdir()
    write_tsv(run / "latent" / "latent.tsv", table[~table["model"].str.endswith("_untrained")])
    assert study_of(run, 0.5) is None
    assert not (run / "latent" / "study").exists()
