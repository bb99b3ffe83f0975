"""Pictures of latent spaces, each with its numbers beside it, and the page that links codes and brain."""

import numpy as np
from matplotlib.figure import Figure

from nigra.figures.embedding import embedding_panels, stability_panels
from nigra.figures.style import save
from nigra.files import read_tsv
from nigra.latent.codes import read_codes
from nigra.latent.embed import read_points
from nigra.latent.settings import LatentSettings
from nigra.report.latent_folder import latent_folders
from nigra.report.latent_page import PageSettings, build_latent_page
from nigra.study.progress import Steps
from nigra.study.spaces import Space

COLOURS = {"region": "region", "group": "group", "y_mm": "place"}
"""Columns of the code table that colour embeddings, and what the pictures are called."""

SHUFFLED = ("region", "y_mm")
"""Columns of which the first that a table has also colours the embeddings with the places of other codes: a
negative control for the eye, in which whatever order is seen is made by the eye and the method."""


def embedding_figures(space: Space) -> dict[str, Figure]:
    """The embeddings of one space in each of ``COLOURS`` it knows, and how far refits agree, by name."""
    names = sorted(path.stem for path in (space.folder / "embeddings").glob("*.safetensors"))
    names = [name for name in space.settings.embeddings.methods if name in names]
    if not names:
        return {}
    points = {name: read_points(space.folder, name) for name in names}
    numbers = read_tsv(space.folder / "embeddings.tsv", ("embedding", "measure", "note"))
    table = read_codes(space.folder).table
    made = {
        f"embeddings-{called}": embedding_panels(points, table[column], numbers, space.settings.seed)
        for column, called in COLOURS.items() if column in table and table[column].nunique() > 1
    }  # fmt: skip
    for column in [name for name in SHUFFLED if name in table and table[name].nunique() > 1][:1]:
        order = np.random.default_rng(space.settings.seed).permutation(len(table))
        places = table[column].iloc[order].reset_index(drop=True).rename(f"{column} of another code (shuffled)")
        made["embeddings-shuffled"] = embedding_panels(points, places, numbers, space.settings.seed)
    if numbers["measure"].str.match("seeds|subsamples|projection").any():
        made["embeddings-stability"] = stability_panels(numbers)
    return made


def why_not(spaces: list[Space]) -> list[str]:
    """Why embeddings were not made, each reason once."""
    tables = [read_tsv(space.folder / "embeddings.tsv", ("embedding", "measure", "note")) for space in spaces]
    return list(dict.fromkeys(note for own in tables for note in own.loc[own["measure"] == "not made", "note"]))


def draw_embeddings(spaces: list[Space], steps: Steps) -> None:
    """Write the pictures of every space into its ``figures``."""
    with steps.step("pictures of embeddings") as tick:
        for number, space in enumerate(spaces):
            for path in space.folder.glob("figures/embeddings-*"):  # of methods or codes that may be others now
                path.unlink()
            for name, figure in embedding_figures(space).items():
                save(figure, space.folder / "figures" / name)
            tick((number + 1) / len(spaces), space.label)


def write_page(spaces: list[Space], settings: LatentSettings, steps: Steps) -> None:
    """Write ``latent.html``, unless nothing is embedded: then an earlier one goes, and why is said."""
    space = spaces[0]
    if not any(each.embeddings for each in latent_folders(space.run.folder)):
        (space.run.folder / "latent" / "latent.html").unlink(missing_ok=True)
        for note in why_not(spaces) if settings.embeddings.methods else ():
            steps.say(f"No latent.html: {note}")
        return
    if not settings.embeddings.methods:
        return
    with steps.step("latent.html"):
        page = PageSettings(**settings.page.model_dump(), seed=settings.seed)
        build_latent_page(space.run.folder, space.run.cohort, space.atlas, page, settings.title)
