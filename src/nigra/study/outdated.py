"""Which rows of a run's tables speak of models as they are now: a folder may hold more than the settings ask for.

Simulation and latent stage are given on their own, so a model can be trained anew after them. Both note the keys of
what they examined; where these are others by now, their rows are of a model that is gone.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from nigra.files import key_in, read_json, read_tsv
from nigra.statistics.cells import Levels


def draws_of(run: Path) -> list[int]:
    """Numbers of the run's draws; its folder may hold models of more, which earlier settings asked for."""
    return [int(draw["draw"]) for draw in read_json(run / "splits.json")["draws"]]


def stale_plantings(run: Path, table: pd.DataFrame) -> pd.Series:
    """Rows of a simulation's table whose scores were made anew since; none where it does not say which they were.

    Args:
        run: the run's folder.
        table: columns model, draw, detector.
    """
    path = run / "simulation" / "simulation.json"
    scored = read_json(path).get("scored", {}) if path.exists() else {}
    return _stale(run, table, ["model", "draw", "detector"], "scores.json", scored.get)


def stale_spaces(run: Path, table: pd.DataFrame) -> pd.Series:
    """Rows of the latent stage whose model was trained anew since; none where it does not say which it was.

    Args:
        run: the run's folder.
        table: columns model, draw.
    """

    def trained(place: str) -> str | None:
        return key_in(run / "latent" / place / "latent.json", "model")

    return _stale(run, table, ["model", "draw"], "model.json", trained)


def outdated(run: Path, levels: Levels) -> list[str]:
    """What a factorial leaves out as it is of earlier trainings, a sentence per table.

    Args:
        run: the run's folder.
        levels: by model label, the level of every factor.
    """
    said = []
    for command, name, stale in (
        ("simulate", "simulation/lesions.tsv", stale_plantings),
        ("latent", "latent/latent.tsv", stale_spaces),
    ):
        if not (run / name).exists():
            continue
        table = read_tsv(run / name, ("model", "detector"))
        own = table[table["model"].isin(list(levels)) & table["draw"].isin(draws_of(run))]
        each = own.assign(stale=stale(run, own)).groupby(["model", "draw"])["stale"].any()
        if each.any():
            said.append(
                f"{name} is of earlier trainings of {each.sum()} of {len(each)} models and is left out for these; "
                f"give `nigra {command}` again, then `nigra report`."
            )
    return said


def _stale(
    run: Path, table: pd.DataFrame, columns: list[str], file: str, made_of: Callable[[str], str | None]
) -> pd.Series:
    """Rows made of a ``file`` that has another key by now."""
    found = {}
    for label, draw, *detector in table[columns].drop_duplicates().itertuples(index=False, name=None):
        place = "/".join([str(label), f"draw-{draw:02d}", *detector])
        key = made_of(place)
        found[label, draw, *detector] = key is not None and key != key_in(run / place / file)
    rows = table[columns].itertuples(index=False, name=None)
    return pd.Series([found[row] for row in rows], index=table.index, dtype=bool)
