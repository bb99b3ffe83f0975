"""Stage latent: the latent space of every model of a run as a code table, with numbers, pictures and embeddings.

``runs/NAME/latent/MODEL/draw-NN`` is one latent space; ``MODEL_untrained`` is the same network with fresh
weights, the negative control. ``runs/NAME/latent/latent.tsv`` gathers the numbers of all, ``agreement.tsv`` says
how far spaces are one another's, ``study`` what the models differ in.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from nigra.cohort.store import PATIENT
from nigra.errors import NigraError
from nigra.figures.latent_decoding import decoding_figure
from nigra.figures.latent_numbers import latent_numbers_figure
from nigra.figures.style import save
from nigra.files import key_in, read_tsv, write_array, write_image, write_json, write_tsv
from nigra.latent.codes import CodeTable, code_rows, draw_codes, write_codes
from nigra.latent.decoding import Line, decode, interpolations, spread_out, traversals
from nigra.latent.embed import embed_folder
from nigra.latent.measured import as_table
from nigra.latent.neighbours import neighbour_table
from nigra.latent.numbers import People, held_out, latent_numbers
from nigra.latent.separability import separability_numbers, separability_table
from nigra.latent.settings import LatentSettings
from nigra.latent.spectrum import spectrum_table
from nigra.provenance import record
from nigra.study.coding import Coder
from nigra.study.execution import Execution
from nigra.study.gathering import gather
from nigra.study.latent_pictures import draw_embeddings, write_page
from nigra.study.latent_study import study_of, tested_to_trained
from nigra.study.latent_views import Placed, agreement, write_views
from nigra.study.progress import Steps, between
from nigra.study.run import Run, cores
from nigra.study.score import is_scored, methods_of, read_scores
from nigra.study.settings import RunSettings
from nigra.study.spaces import Space, spaces_of
from nigra.training import Tick, limit_threads


def latent(
    study: Path, run_settings: RunSettings, settings: LatentSettings, execution: Execution | None = None,
    console: Console | None = None,
) -> Path:  # fmt: skip
    """Examine the latent space of every model and draw of a trained run; returns ``runs/NAME/latent``.

    A killed one, started again with the same settings, goes on where it was and ends with the same results.

    Raises:
        NigraError: the run is not trained with these settings, or the settings do not fit it.
    """
    run = Run(study, run_settings, execution or Execution())
    spaces = spaces_of(run, settings)
    folder = run.folder / "latent"
    try:
        with FileLock(run.folder / ".lock", timeout=0):
            limit_threads(run.execution.threads or cores())
            for path in folder.glob("**/.writing-*"):  # left by a killed process; the lock says that nobody writes
                path.unlink()
            _latent(folder, spaces, settings, Steps(console, 2 * len(spaces) + 5))
    except Timeout as error:
        raise NigraError(f"{run.folder} is in use by another nigra; wait for it.") from error
    return folder


def to_do(study: Path, run_settings: RunSettings, settings: LatentSettings) -> list[tuple[str, bool, bool]]:
    """What would be done, by latent space: its name, and whether its numbers and its embeddings are there."""
    return [
        (f"{space.label}, draw-{space.draw.draw:02d}", space.is_done, space.is_embedded)
        for space in spaces_of(Run(study, run_settings), settings)
    ]


def _latent(folder: Path, spaces: list[Space], settings: LatentSettings, steps: Steps) -> None:
    for space in spaces:
        again, text = space.run.execution.overwrite, f"{space.label}, draw-{space.draw.draw:02d}"
        if space.is_done and not again:
            steps.skip(f"codes and numbers of {text}")
        else:
            with steps.step(f"codes and numbers of {text}") as tick:
                examine(space, tick)
        if space.is_embedded and not again:
            steps.skip(f"embeddings of {text}")
        else:
            with steps.step(f"embeddings of {text}") as tick:
                _forget_embeddings(space.folder)
                if settings.embeddings.methods:
                    embed_folder(space.folder, settings.embeddings, tick)
                content = record("embed", settings.embeddings.model_dump(mode="json"))
                write_json(space.folder / "embeddings.json", {"key": space.embedding_key, **content})
    with steps.step("tables and figures"):
        for name in ("latent.tsv", "separability.tsv"):
            write_tsv(folder / name, _gathered(spaces, name))
        table = read_tsv(folder / "latent.tsv", ("model", "measure", "note"))
        save(latent_numbers_figure(table), folder / "figures" / "latent-numbers")
    with steps.step("subjects and places") as tick:
        placed: dict[str, Placed] = {}
        for number, space in enumerate(spaces):
            own = write_views(space)
            if not space.untrained:
                placed[f"{space.label}, draw-{space.draw.draw:02d}"] = own
            tick((number + 1) / (len(spaces) + 1), space.label)
        write_tsv(folder / "agreement.tsv", agreement(placed))
    with steps.step("models compared"):
        others = [folder.parent.parent / name for name in settings.beside]
        if not study_of(folder.parent, tested_to_trained(spaces), others):
            steps.say("One model, one draw: nothing to compare.")
    draw_embeddings(spaces, steps)
    write_page(spaces, settings, steps)


def _forget_embeddings(folder: Path) -> None:
    """Remove what was made of earlier codes, or of methods no longer asked for: it would pass for that of these."""
    for name in ("embeddings.json", "embeddings.tsv"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "embeddings", ignore_errors=True)


def _gathered(spaces: list[Space], name: str) -> pd.DataFrame:
    """A table of all spaces, with columns model and draw in front."""
    tables = []
    for space in spaces:
        own = read_tsv(space.folder / name, ("measure", "note", "region", "statistic"))
        own.insert(0, "draw", space.draw.draw)
        own.insert(0, "model", space.label)
        tables.append(own)
    return pd.concat(tables, ignore_index=True)


def examine(space: Space, tick: Tick) -> None:
    """Write the code table of a space, its numbers, its maps and what its decoder makes of codes in between."""
    (space.folder / "latent.json").unlink(missing_ok=True)
    _forget_embeddings(space.folder)
    run, settings, people = space.run, space.settings, space.people
    coder = Coder(run, space.model, space.draw, space.untrained)
    locations, names = coder.locations(space.atlas), people["participant_id"].tolist()
    drawn = draw_codes(locations, len(names), settings.sample, settings.seed)
    groups = dict(zip(run.cohort.ids, run.cohort.participants["group"], strict=True))
    patient = np.array([groups[name] == PATIENT for name in space.draw.test])
    tight = held_out(People.of(people))[0]
    found = gather(
        coder, space.atlas, locations, drawn, names, space.draw.train, space.draw.test, tight, settings.metric,
        between(tick, 0.0, 0.5),
    )  # fmt: skip
    table = code_rows(locations, drawn, people)
    if not space.untrained:
        table = table.assign(**_score_columns(space, coder, drawn.location, table["participant_id"]))
    write_codes(space.folder, table, found.codes)
    codes = CodeTable(table, found.codes)
    told = separability_table(found.scores, found.regions, patient, settings.resampling, settings.permutations)
    write_tsv(space.folder / "separability.tsv", told)
    rows = latent_numbers(codes, found.centred, coder.reach_mm, settings, between(tick, 0.5, 0.95))
    write_tsv(space.folder / "spectrum.tsv", spectrum_table(codes.block(tight)[0], settings.seed))
    write_tsv(space.folder / "latent.tsv", as_table([*rows, *separability_numbers(told)]))
    _write_map(space, coder, found.tightness)
    _write_neighbours(space, codes)
    _write_decoded(space, coder, codes)
    inputs = {"cohort/volumes.npy": run.cohort.digest, f"atlas {space.atlas.space}": space.atlas.source}
    content = record("latent", settings.model_dump(mode="json"), inputs)
    fitted = key_in(run.place(space.model, space.draw.draw) / "model.json")
    about = {
        "model": fitted,
        "codes": len(drawn),
        "d": coder.length,
        "way": coder.scorer.way,
        "trained_on": list(coder.trained_on),
    }
    write_json(space.folder / "latent.json", {"key": space.key, "untrained": space.untrained, **about, **content})


def _score_columns(space: Space, coder: Coder, location: np.ndarray, owner: pd.Series) -> dict[str, np.ndarray]:
    """A column per scored method: the voxel's score, or the mean over the voxels a unit is about."""
    found, codes = {}, owner.astype(str).to_numpy()
    covered = None if coder.per_voxel else coder.covered()
    for method in methods_of(space.run, space.model):
        if not is_scored(space.run, method, space.draw):
            continue
        scored = read_scores(space.run, method, space.draw)
        values = np.full(len(codes), np.nan, np.float32)
        for row, name in enumerate([*scored.calibration_ids, *scored.test_ids]):
            own = np.flatnonzero(codes == name)
            if len(own):
                scores = np.asarray(scored.scores[row])
                values[own] = (scores if covered is None else _means(scores, covered))[location[own]]
        found[f"score:{method.detector.label}"] = values
    return found


def _means(scores: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Mean of the known scores of the voxels of each unit."""
    known = np.isfinite(scores)
    count = covered @ known.astype(float)
    total = covered @ np.where(known, scores, 0).astype(float)
    return np.divide(total, count, out=np.full(len(covered), np.nan), where=count > 0)


def _write_map(space: Space, coder: Coder, values: np.ndarray) -> None:
    """The tightness of every place as an image, NaN where there is none."""
    cohort = space.run.cohort
    image = np.full(cohort.mask.shape, np.nan, np.float32)
    if coder.per_voxel:
        image[cohort.mask] = values
    else:
        image[cohort.mask] = _means_over_units(values, coder.covered())
    path = space.folder / "maps" / f"space-{cohort.space}_desc-tightness_map.nii.gz"
    write_image(path, image, cohort.affine)
    what = "root of mean squared distance of codes at the same place over that between other places, other subjects"
    write_json(path.with_name(path.name.replace(".nii.gz", ".json")), {"Description": what, "Units": "ratio"})


def _means_over_units(values: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """For every voxel the mean over the units that are about it."""
    count = covered.sum(axis=0)
    return np.divide(values @ covered, count, out=np.full(covered.shape[1], np.nan), where=count > 0)


def _write_neighbours(space: Space, codes: CodeTable) -> None:
    """Neighbours of codes spread over the space, among the tested subjects."""
    rows = np.flatnonzero((codes.table["set"] == "test").to_numpy())
    own, table = codes.codes[rows], codes.table.iloc[rows]
    settings = space.settings
    found = neighbour_table(table, own, spread_out(own, settings.anchors).tolist(), settings.neighbours)
    write_tsv(space.folder / "neighbours.tsv", found)


def _write_decoded(space: Space, coder: Coder, codes: CodeTable) -> None:
    """Traversals and interpolations: decoded units, what they are, and their pictures."""
    settings, names = space.settings.decoding, held_out(People.of(space.people))[0]
    block, where = codes.block(names)
    mm = where[["x_mm", "y_mm", "z_mm"]].to_numpy(dtype=float)
    places = ["(" + " ".join(f"{value:.0f}" for value in row if np.isfinite(value)) + ")" for row in mm]
    lines = {
        "traversal": traversals(block.reshape(-1, block.shape[2]), settings.axes, settings.reach),
        "interpolation": interpolations(block, list(names), places, settings.pairs, space.settings.seed),
    }
    for kind, own in lines.items():
        units = decode(coder.model, own, settings.steps, coder.code_shape, space.run.device)
        write_array(space.folder / f"{kind}.npy", units)
        write_json(space.folder / f"{kind}.json", {"lines": [line.words for line in own], "steps": settings.steps})
        _save_decoded(space, kind, units, own)


def _save_decoded(space: Space, kind: str, units: np.ndarray, lines: Sequence[Line]) -> None:
    channels = space.run.cohort.channels
    figure = decoding_figure(units, [line.words for line in lines], channels, kind)
    save(figure, space.folder / "figures" / kind, ("png",))
