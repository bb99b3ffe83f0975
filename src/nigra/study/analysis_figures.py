"""The pictures of the analyses: forests, confounds, where the promise holds, scores by stage."""

import pandas as pd
from matplotlib.figure import Figure

from nigra.detection.settings import method_label
from nigra.figures.calibration_panel import calibration_panel
from nigra.figures.confounds import confound_panel
from nigra.figures.forest import differences, forest
from nigra.figures.trend import scores_by_stage
from nigra.files import read_tsv
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.clinical import stages
from nigra.statistics.disease import read_subjects
from nigra.statistics.groups import AUC_POOLED
from nigra.study.run import Run
from nigra.study.settings import Method

MOST_PAIRS = 15
"""Pairs of methods in a picture; of more, those that involve the first method listed."""

MOST_STAGES = 6
"""Regions in the picture of scores by stage: the whole brain, then those with the smallest q."""


def analysis_figures(run: Run, methods: list[Method]) -> dict[str, Figure]:
    """Pictures by name, of what this run wrote; per method for those in ``methods``."""
    figures: dict[str, Figure] = {}
    comparison, evaluation = _read(run, "comparison"), _read(run, "evaluation")
    pooled = evaluation[(evaluation["measure"] == AUC_POOLED) & (evaluation["region"] == WHOLE_BRAIN)]
    if len(comparison) and pooled["estimate"].notna().any():
        rows = pooled.assign(label=pooled["method"], low=pooled["low_delong"], high=pooled["high_delong"])
        figures["comparison"] = forest(rows, "AUC, whole brain", 0.5, "chance")
        own = comparison
        if len(own[["first", "second"]].drop_duplicates()) > MOST_PAIRS:
            own = own[(own["first"] == methods[0].label) | (own["second"] == methods[0].label)]
        if own["difference"].notna().any():
            rows = differences(own, AUC_POOLED, [WHOLE_BRAIN])
            figures["differences"] = forest(rows, "difference of AUC, whole brain")
    for name, draw in (("panel", _panel), ("confounds", _confounds), ("stage", _stage)):
        for method in methods:
            figure = draw(run, method)
            if figure is not None:
                figures[f"{name}-{method.label}"] = figure
    return figures


def _read(run: Run, name: str) -> pd.DataFrame:
    """A table of the run with the column ``method``; empty where it was not written."""
    path = run.folder / f"{name}.tsv"
    if not path.exists():
        return pd.DataFrame(columns=["method", "measure", "region", "estimate", "difference"])
    table = read_tsv(path, ("participant_id", "region", "column", "level", "note"))
    if "detector" in table:
        labels = [method_label(*pair) for pair in zip(table["model"], table["detector"], strict=True)]
        table = table.assign(method=labels)
    return table


def _own(run: Run, name: str, method: Method) -> pd.DataFrame:
    table = _read(run, name)
    return table[table["method"] == method.label]


def _panel(run: Run, method: Method) -> Figure | None:
    table = _own(run, "false_positives", method)
    if table.empty or table["percent"].isna().all():
        return None
    return calibration_panel(table.fillna({"note": ""}), run.settings.calibration.alpha, len(run.draws[0].train))


def _confounds(run: Run, method: Method) -> Figure | None:
    table = _own(run, "confounds", method)
    return None if table.empty else confound_panel(table.fillna({"note": ""}), WHOLE_BRAIN)


def _stage(run: Run, method: Method) -> Figure | None:
    asked, answers = run.settings.evaluation.disease, _own(run, "disease", method)
    people = run.cohort.participants
    if answers.empty or asked.stage not in people:
        return None
    answers = answers[answers["question"] == "trend"]
    order = answers[answers["region"] != WHOLE_BRAIN].sort_values("q", kind="stable")["region"]
    shown = [WHOLE_BRAIN, *order[: MOST_STAGES - 1]]
    regions = read_tsv(run.folder / "regions.tsv")
    labels = [method_label(*pair) for pair in zip(regions["model"], regions["detector"], strict=True)]
    own = regions[pd.Series(labels, index=regions.index) == method.label].drop(columns=["model", "detector"])
    subjects = read_subjects(own, people)
    stage = stages(subjects.people[asked.stage])
    stage[~subjects.patient] = 0  # controls stand beside the patients; the trend does not count them unless asked
    rows = [
        {"region": region, "stage": at, "score": score}
        for region in shown
        for at, score in zip(stage, subjects.scores[subjects.regions.index(region)], strict=True)
    ]
    scores = pd.DataFrame(rows).dropna()
    unit = "score" if own["percent"].isna().all() else "abnormal voxels (%)"
    if subjects.draws > 1:  # what a draw gives everybody is taken out, which can lead below 0
        unit += ", draws levelled"
    return scores_by_stage(scores, answers, unit) if len(scores) else None
