"""The rest of stage evaluate: what a reviewer asks of the group comparison, each question one table of the run.

``comparison.tsv`` methods against one another; ``balance.tsv``, ``confounds.tsv``, ``site.tsv`` what else could
tell the groups apart; ``disease.tsv`` stage, clinical scores and side; ``false_positives.tsv`` where in the brain
and in whom the promise of the threshold holds. A table whose question cannot be asked of this cohort is not
written, and one left by earlier settings is deleted.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from nigra.cohort.store import CONTROL, PATIENT
from nigra.detection.settings import method_label
from nigra.errors import NigraError
from nigra.files import read_tsv, write_tsv
from nigra.regions import WHOLE_BRAIN, Atlas, neuromorphometrics_tissues
from nigra.statistics.adjustment import adjust
from nigra.statistics.balance import balance
from nigra.statistics.calibration_panel import false_positives
from nigra.statistics.clinical import stages
from nigra.statistics.comparison import compare
from nigra.statistics.confounds import confounds
from nigra.statistics.covariates import read_covariates, subject_scores
from nigra.statistics.disease import disease_questions
from nigra.statistics.draws import read_draws
from nigra.statistics.harmonisation import harmonise
from nigra.statistics.site import predict_site
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.settings import INTENSITIES, REGIONAL_MEAN

TABLES = ("comparison", "balance", "confounds", "site", "disease", "false_positives")
"""Names of the tables, each a ``.tsv`` of the run."""

STEPS = 2
"""Steps of ``analyse``, for the count of a run's steps."""


def rehearse(run: Run, atlas: Atlas) -> None:
    """Ask the questions of made-up scores before the training, so that what they refuse is not told hours later.

    Raises NigraError: columns the study does not have or that cannot be read, an unknown reference, sites or
    controls that allow no harmonisation or adjustment, tissues of regions the atlas does not have.
    """
    settings, asked = run.settings.evaluation, run.settings.evaluation.disease
    labels = [method.label for method in run.settings.methods]
    labels += [method_label(INTENSITIES, REGIONAL_MEAN)] if REGIONAL_MEAN in run.settings.baselines else []
    if settings.reference and settings.reference not in labels:
        raise NigraError(
            f"evaluation reference: it is a method of the run ({', '.join(labels)}), but found "
            f"{settings.reference}; choose of these, or leave it empty."
        )
    covariates_of(run), tissues_of(run, atlas)
    made_up = _made_up(run)
    if settings.harmonise or settings.adjust_for:
        compared_scores(run, made_up)
    if PATIENT in set(made_up["group"]):
        named = [asked.stage, *asked.clinical, asked.side]
        usual = type(asked)()  # asked where there are such columns; others are asked for by name
        unknown = set(named) - {usual.stage, *usual.clinical, usual.side, *run.cohort.participants}
        if unknown:
            found = ", ".join(map(str, run.cohort.participants))
            raise NigraError(
                f"evaluation disease: {min(unknown)} is a column of participants.tsv, but found {found}; name one "
                "of these, or leave it out."
            )
        disease_questions(made_up, run.cohort.participants, asked.questions(), permutations=1, bootstraps=2)


def _made_up(run: Run) -> pd.DataFrame:
    """A region table of the run's subjects with scores drawn at random, of one method and two regions."""
    group = run.cohort.participants.set_index("participant_id")["group"]
    rows = [
        (INTENSITIES, "made-up", name, group[name], draw.draw, set_, region)
        for draw in run.draws
        for set_, names in ((run.settings.calibration.controls, draw.train), ("test", draw.test))
        for name in names
        for region in (WHOLE_BRAIN, "another region")
    ]
    table = pd.DataFrame(rows, columns=["model", "detector", "participant_id", "group", "fold", "set", "region"])
    table["percent"] = np.random.default_rng(0).uniform(1, 3, len(table))
    return table


def covariates_of(run: Run) -> pd.DataFrame:
    """Covariates of the run's subjects: participants.tsv, and quality.tsv where the study has one.

    Unless the settings name them, what only the ill have (stage, clinical scores, side, any column without a value
    in every control) is none.
    """
    table, asked = _columns(run), run.settings.evaluation.disease
    wanted = run.settings.evaluation.covariates
    if wanted is None:
        controls = table.reindex(run.cohort.group(CONTROL))
        ill = [name for name in table if controls[name].isna().all() and table[name].notna().any()]
        return table.drop(columns=[asked.stage, *asked.clinical, asked.side, *ill], errors="ignore")
    unknown = [name for name in wanted if name not in table]
    if unknown:
        found = ", ".join(map(str, table.columns)) or "none"
        raise NigraError(f"evaluation covariates: {unknown[0]} is a column of the study, but found {found}.")
    return table[list(wanted)]


def _columns(run: Run) -> pd.DataFrame:
    """All that the study knows of its subjects and their scans; a stage that could not be rated is unknown."""
    quality, people = run.study / "quality.tsv", run.cohort.participants
    if (stage := run.settings.evaluation.disease.stage) in people:
        people = people.assign(**{stage: stages(people[stage])})
    return read_covariates(people, read_tsv(quality) if quality.exists() else None)


def compared_scores(run: Run, regions: pd.DataFrame) -> pd.DataFrame:
    """The region table whose scores are compared: harmonised, then adjusted, where the settings ask for it.

    Both are fitted on each draw's controls that are not tested, method by method.
    """
    settings, every = run.settings.evaluation, _columns(run)
    changes: list[Callable[[pd.DataFrame], pd.DataFrame]] = []
    if settings.harmonise:
        changes.append(lambda own: harmonise(own, every, settings.adjust_for, seed=settings.seed))
    if settings.adjust_for:
        changes.append(lambda own: adjust(own, every, settings.adjust_for))
    if not changes:
        return regions
    parts = []
    for own in of_methods(regions).values():
        for change in changes:
            own = change(own)
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def of_methods(regions: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of each method, (model, detector)."""
    found = regions.groupby(["model", "detector"], sort=False)
    return {(str(model), str(detector)): own for (model, detector), own in found}


def analyse(run: Run, regions: pd.DataFrame, compared: pd.DataFrame, atlas: Atlas, steps: Steps) -> None:
    """Write the tables of this module; ``regions`` as scored, ``compared`` as the groups are compared."""
    for name in TABLES:
        (run.folder / f"{name}.tsv").unlink(missing_ok=True)
    groups = set(regions.loc[regions["set"] == "test", "group"])
    settings = run.settings.evaluation
    with steps.step("comparison") as tick:
        if {CONTROL, PATIENT} <= groups and len(of_methods(compared)) > 1:
            table = compare(
                compared, settings.reference or None, settings.specificity, settings.bootstrap, settings.seed, tick
            )
            write_tsv(run.folder / "comparison.tsv", table)
    with steps.step("confounds") as tick:
        questions = list(_questions(run, regions, compared, atlas, groups))
        for number, (name, ask) in enumerate(questions):
            table = ask()
            if len(table):
                write_tsv(run.folder / f"{name}.tsv", table)
            tick((number + 1) / len(questions), f"{name}.tsv")


def _questions(
    run: Run, regions: pd.DataFrame, compared: pd.DataFrame, atlas: Atlas, groups: set[str]
) -> Iterator[tuple[str, Callable[[], pd.DataFrame]]]:
    """What can be asked of this cohort: a table's name, and how to make it."""
    covariates, settings = covariates_of(run), run.settings.evaluation
    asked = settings.disease.questions()
    people = run.cohort.participants

    def each(make: Callable[[pd.DataFrame], pd.DataFrame], table: pd.DataFrame) -> Callable[[], pd.DataFrame]:
        return lambda: _each_method(table, make)

    if {CONTROL, PATIENT} <= groups and len(covariates.columns):
        tested = regions[regions["set"] == "test"].drop_duplicates("participant_id")
        group = tested.set_index("participant_id")["group"]
        yield "balance", lambda: balance(covariates, group, seed=settings.seed)
        yield "confounds", each(lambda own: confounds(own, covariates, settings.seed), compared)
    if "site" in covariates:
        yield "site", each(lambda own: _site(own, covariates["site"], settings.seed), compared)
    if PATIENT in groups and any(name in people for name in (asked.stage, *asked.clinical, asked.side)):
        yield (
            "disease",
            each(
                lambda own: disease_questions(
                    own, people, asked, bootstraps=settings.bootstrap, seed=settings.seed
                ),
                compared,
            ),
        )
    if CONTROL in groups:
        expected = run.settings.calibration.expected_percent(len(run.draws[0].train))
        tissue = tissues_of(run, atlas)
        voxelwise = regions[regions["voxels"].notna()]
        yield (
            "false_positives",
            each(
                lambda own: false_positives(
                    own, covariates, expected, tissue, bootstraps=settings.bootstrap, seed=settings.seed
                ),
                voxelwise,
            ),
        )


def _each_method(regions: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The table of every method, one below the other, with columns model and detector in front."""
    parts = []
    for (model, detector), own in of_methods(regions).items():
        table = make(own.drop(columns=["model", "detector"]))
        table.insert(0, "detector", detector)
        table.insert(0, "model", model)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def tissues_of(run: Run, atlas: Atlas) -> dict[str, str]:
    """Region -> tissue, as the settings say; failing that, as the packaged atlas is known."""
    settings = run.settings.atlas
    named = {region: tissue for tissue, regions in settings.tissues.items() for region in regions}
    unknown = [region for region in named if region not in atlas.regions]
    if unknown:
        raise NigraError(f"atlas tissues: {unknown[0]} is a region of the atlas, but found no such region.")
    return named or (neuromorphometrics_tissues(atlas.names.values()) if run.label_image is None else {})


def _site(regions: pd.DataFrame, site: pd.Series, seed: int) -> pd.DataFrame:
    """Predictability of the test controls' site, one row; none where there are not two sites to tell apart."""
    scores, group = subject_scores(read_draws(regions))
    own = scores[(group == CONTROL).reindex(scores.index)]
    try:
        found = predict_site(own, site, seed=seed)
    except NigraError:
        return pd.DataFrame()
    return pd.DataFrame([vars(found)])
