import re
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures import false_positive_check, read_training, save, training_curves
from nigra.files import read_tsv, write_json, write_tsv
from nigra.report import build_report
from nigra.report.build import SECTIONS
from tests.report.fake_run import MODELS, REGIONS, write_run

HOSTILE = 'sub-<script>alert("1")</script>$x_{'


class Page(HTMLParser):
    """Tags with their attributes, ids, and all visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.inside = [], [], ""
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def rows(self, table, source):
        part = source.split(f'id="table-{table}"', 1)[1].split("</table>", 1)[0]
        cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in part.split("<tr>")[1:]]
        return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells if row]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("study"), hostile=HOSTILE)
    regions = read_tsv(run / "regions.tsv")
    controls = regions[(regions["region"] == "whole brain") & (regions["group"] == "control")]
    save(false_positive_check(controls), run / "figures" / "false-positives", ("svg",))
    save(training_curves(read_training(run)), run / "figures" / f"training-{MODELS[0]}", ("png",))
    return run


@pytest.fixture(scope="module")
def source(run):
    return build_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_it_is_one_file_that_loads_nothing(run, source, page):
    assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[\w+/=]+", "", source))
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "base", "form"})
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    assert "default-src 'none'" in source
    assert (run / "report.html").stat().st_size < 15e6


def test_every_section_stands_in_the_page_and_the_sidebar(page):
    assert [section["id"] for section in page.all("section")] == [name for name, _ in SECTIONS]
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name, _ in SECTIONS]


def test_the_warnings_stand_at_both_ends(tmp_path, page):
    assert page.text.count("Research use only, not a medical device.") == 2
    assert page.text.count("not a finding about Parkinson's disease") == 2
    real = Page(build_report(write_run(tmp_path / "real", synthetic=False)).read_text(encoding="utf-8"))
    assert real.text.count("Research use only, not a medical device.") == 2
    assert "Parkinson" not in real.text


def test_a_hostile_name_is_text(source, page):
    assert HOSTILE not in source
    assert HOSTILE in page.text
    assert len(page.all("script")) == 1


def test_the_same_run_gives_the_same_bytes(run, source):
    assert build_report(run).read_text(encoding="utf-8") == source


def test_pictures_are_inside_and_absent_ones_named(page):
    kinds = [image["src"].split(";")[0] for image in page.all("img")]
    assert kinds == ["data:image/png", "data:image/svg+xml"]
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert f"Training curves: {MODELS[0]}" in page.text
    assert "figures/cohort.png" in page.text
    assert "figures/training.png" not in page.text


def test_tables_sort_by_keyboard(page):
    tables = [table for table in page.all("table") if "data-sortable" in table]
    assert {"table-regions", "table-evaluation", "table-calibration"} <= {table["id"] for table in tables}
    heads = page.all("th")
    assert all(head["aria-sort"] == "none" and head["scope"] == "col" for head in heads)
    assert len(page.all("button")) == len(heads)
    keys = [cell["data-key"] for cell in page.all("td") if "data-key" in cell]
    assert len(keys) > 300
    assert all(float(key) == float(key) for key in keys)


def test_region_numbers_are_subject_means(run, source, page):
    rows = {(row[0], row[1]): row for row in page.rows("regions", source)}
    assert len(rows) == len(MODELS) * len(REGIONS)
    table = pd.read_csv(run / "regions.tsv", sep="\t", na_values="n/a")
    for group, column in (("control", 3), ("patient", 5)):
        part = table.query(f"model == '{MODELS[1]}' and region == 'SN right' and group == '{group}'")
        expected = sum(subject["percent"].mean() for _, subject in part.groupby("participant_id"))
        expected /= part["participant_id"].nunique()
        assert rows[MODELS[1], "SN right"][column] == f"{expected:.1f}"
    assert rows[MODELS[0], "STN left"][2:] == ["0", "–", "–", "–", "–", "–", "no scored voxel"]
    assert rows[MODELS[0], "SN left"][8] == "fewer than 10 voxels"


def test_evaluation_shows_chance_beside_the_estimate(source, page):
    rows = page.rows("evaluation", source)
    assert len(rows) == len(MODELS) * len(REGIONS) * 3
    row = next(row for row in rows if row[:3] == [MODELS[1], "SN left", "auc"])
    assert row[3:10] == ["0.91", "0.80 to 0.98", "0.50", "0.66", "0.70", "<0.001", "0.001"]
    chosen = [row for row in rows if row[2].startswith("g-mean, cut-off chosen on test")]
    assert all(row[2].endswith("optimistic") for row in chosen)
    assert not any(row[2].endswith("optimistic") for row in rows if row not in chosen)


def test_the_flow_counts_subjects_and_says_why_one_is_out(source, page):
    boxes = re.findall(r"<li><b>(\d+)</b><span>(.*?)</span><small>(.*?)</small>", source)
    assert boxes == [
        ("21", "subjects found", ""),
        ("20", "kept", "1 excluded"),
        ("20", "used in this run", "12 controls, 8 patients"),
        ("2", "draws of training and test subjects", "patients never train"),
    ]
    assert "FA lies in [0, 1], but found 1.7" in page.text
    assert page.rows("draws", source) == [["0", "9", "3", "8"], ["1", "9", "3", "8"]]


def test_an_empty_run_names_what_is_absent(tmp_path):
    run = tmp_path / "runs" / "bare"
    run.mkdir(parents=True)
    page = Page(build_report(run).read_text(encoding="utf-8"))
    assert [section["id"] for section in page.all("section")] == [name for name, _ in SECTIONS]
    for name in ("runs/bare/evaluation.tsv", "runs/bare/settings.yaml", "participants.tsv", "figures/cohort.png"):
        assert name in page.text
    assert page.text.count("not a medical device") == 2


def test_a_run_without_patients_compares_nothing(tmp_path):
    run = write_run(tmp_path, patients=0)
    write_tsv(run / "evaluation.tsv", read_tsv(run / "evaluation.tsv").assign(estimate=float("nan"), patients=0))
    text = Page(build_report(run).read_text(encoding="utf-8")).text
    assert "12 controls and no patients: nothing is compared" in text
    assert "AUC 0." not in text


def test_a_run_with_groups_of_its_own_says_what_they_stand_for(tmp_path):
    run = write_run(tmp_path)
    people = read_tsv(tmp_path / "participants.tsv")
    write_tsv(tmp_path / "participants.tsv", people.assign(group="control"))  # healthy volunteers, grouped by age
    settings = (run / "settings.yaml").read_text()
    (run / "settings.yaml").write_text(settings + "groups: {control_name: under 45, patient_name: over 65}\n")
    text = Page(build_report(run).read_text(encoding="utf-8")).text
    assert "The cohort has 12 controls and 8 patients" in text
    assert "“control” stands for under 45 and “patient” stands for over 65" in text
    assert "12 under 45, 8 over 65" in text
    assert "Over 65, mean %" in text


def test_a_subject_lost_in_preparation_is_listed_once(tmp_path):
    run = write_run(tmp_path)
    lost = pd.DataFrame(
        {"participant_id": ["sub-X001", "sub-X002"], "status": "failed", "reason": "no brain found"}
    )
    write_tsv(tmp_path / "quality.tsv", lost)
    source = build_report(run).read_text(encoding="utf-8")
    rows = Page(source).rows("excluded", source)
    assert [row[0] for row in rows] == ["sub-X001", "sub-X002"]
    assert "no brain found" in rows[1][1]


def test_a_study_made_from_a_phantom_says_so(tmp_path):
    run = write_run(tmp_path / "study", synthetic=False)
    banner = "not a finding about Parkinson"
    assert banner not in build_report(run).read_text(encoding="utf-8")
    name = "Maps prepared by nigra from: nigra phantom: synthetic FA and MD maps"
    write_json(tmp_path / "study" / "dataset_description.json", {"Name": name})
    assert banner in build_report(run).read_text(encoding="utf-8")


def test_a_missing_run_is_one_sentence(tmp_path):
    with pytest.raises(NigraError, match="does not exist; run `nigra run` first"):
        build_report(tmp_path / "runs" / "nothing")


def test_who_collapsed_and_who_failed_is_told_before_the_results(tmp_path):
    run = write_run(tmp_path)
    quiet = build_report(run).read_text(encoding="utf-8")
    assert "collapsed (draw" not in quiet
    assert "<h3>Left out</h3>" not in quiet
    rows = [(MODELS[0], draw, "yes", "every unit has the same code.") for draw in (0, 1)] + [
        (MODELS[1], 0, "no", None)
    ]
    health = pd.DataFrame(rows, columns=["model", "draw", "collapsed", "why"])
    numbers = {
        "fold": None,
        "effective_rank": 1.2,
        "dimensions": 64,
        "alike": 0.5,
        "error": 3.0,
        "unit_error": 1.25,
    }
    write_tsv(run / "health.tsv", health.assign(**numbers))
    write_json(run / "left_out.json", ["third is left out: draw 0 could not be scored; tasks.tsv says why."])
    page = Page(build_report(run).read_text(encoding="utf-8"))
    text = page.text
    caution = "Caution: 2 of 2 trainings of this model collapsed (draw 0, 1): every unit has the same code."
    assert text.count(caution) == 1
    assert text.index("third is left out") < text.index(caution) < text.index("False positives:")
