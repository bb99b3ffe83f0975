"""The offline page: what it carries against the table it came from, what it keeps to itself, how large it is."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from nigra.cohort.store import Cohort, open_cohort
from nigra.errors import NigraError
from nigra.regions import Atlas, load_atlas
from nigra.report.latent_page import Pack, PageSettings, background, build_latent_page, joined, kept_rows, numbered
from tests.explorer.latent_fixture import PLACES, write_latent
from tests.study.study_fixture import CONTROLS, PATIENTS, SPACE, make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("page"))
    for seed, model in enumerate(("sae", "ae")):
        write_latent(folder, "quick", model, places=PLACES, seed=seed)
    return folder


def opened(study: Path) -> tuple[Cohort, Atlas]:
    cohort = open_cohort(study)
    dseg = study / f"space-{SPACE}_dseg.nii.gz"
    return cohort, load_atlas(dseg, None, SPACE, cohort.mask.shape, cohort.affine)


def build(study: Path, **settings: Any) -> tuple[str, dict[str, Any], bytes]:
    """The page, its JSON, and its unpacked block of numbers."""
    page = build_latent_page(study / "runs" / "quick", *opened(study), PageSettings(**settings)).read_text()
    content = re.search(r'id="content">(.*?)</script>', page, re.DOTALL)
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert content
    assert data
    return page, json.loads(content[1]), gzip.decompress(base64.b64decode(data[1]))


def read(block: bytes, place: dict[str, Any]) -> np.ndarray:
    count = int(np.prod(place["shape"]))
    values = np.frombuffer(block, place["type"], count, place["at"]).reshape(place["shape"])
    return np.where(values == 65535, np.nan, place["low"] + values * place["step"]) if "step" in place else values


def column(space: dict[str, Any], block: bytes, name: str) -> np.ndarray:
    found = next(each for each in space["columns"] if each["name"] == name)
    values = read(block, found["values"])
    if not found["categories"]:
        return values
    names = np.array([*found["categories"], None], object)
    return names[np.where(np.isnan(values), -1, np.round(values)).astype(int)]


def test_it_carries_the_codes_as_they_are(study: Path) -> None:
    _, content, block = build(study, personal=True)
    folder = study / "runs" / "quick" / "latent" / "sae" / "draw-00"
    table = pd.read_parquet(folder / "codes.parquet")
    space = content["spaces"][1]
    assert (space["label"], space["shown"], space["total"]) == ("sae, draw-00", len(table), len(table))
    x, y, z = np.unravel_index(read(block, space["places"]), content["shape"], order="F")
    np.testing.assert_array_equal(np.stack([x, y, z], 1), table[["x", "y", "z"]])
    for name in ("participant_id", "group", "region", "sex"):
        assert column(space, block, name).tolist() == table[name].astype(str).tolist()
    score = column(space, block, "score:error")
    np.testing.assert_allclose(score, table["score:error"], atol=np.ptp(table["score:error"]) / 65534)
    assert score.std() > 0
    points = load_file(folder / "embeddings" / "umap.safetensors")["points"]
    umap = next(each for each in space["embeddings"] if each["name"] == "umap")
    shown = np.stack([read(block, axis) for axis in umap["points"]], 1)
    np.testing.assert_allclose(shown, points, atol=np.ptp(points) / 65534)
    assert space["measures"][0]["measure"] == "trustworthiness"


def test_it_names_nobody_unless_told(study: Path) -> None:
    page, content, block = build(study)
    assert not any(name in page for name in CONTROLS + PATIENTS)
    names = [each["name"] for each in content["spaces"][0]["columns"]]
    assert not {"participant_id", "age", "sex", "site"} & set(names)
    people = column(content["spaces"][0], block, "subject")
    groups = column(content["spaces"][0], block, "group")
    assert {re.sub(r" \d+$", "", name) for name in people} == {"control", "patient"}
    assert (pd.Series(people).str.split().str[0].to_numpy() == groups).all()
    table = pd.read_parquet(study / "runs" / "quick" / "latent" / "ae" / "draw-00" / "codes.parquet")
    pairs = set(zip(people, table["participant_id"], strict=True))
    assert len(pairs) == 15  # one new name per person
    assert sorted(pairs) != [
        (name, ident) for (name, _), ident in zip(sorted(pairs), CONTROLS + PATIENTS, strict=True)
    ]
    personal, *_ = build(study, personal=True)
    assert "sub-C03" in personal
    assert "treat it as personal data" in personal
    assert "treat it as personal data" not in page


def test_the_brain_is_a_mean_of_many_or_only_a_mask(study: Path) -> None:
    cohort, _ = opened(study)
    mean = np.stack([np.array(cohort.volumes[row, 0]) for row in cohort.rows(CONTROLS)]).mean(0)
    shown = background(cohort)
    assert np.corrcoef(shown[cohort.mask], mean[cohort.mask])[0, 1] > 0.99
    assert (shown[~cohort.mask] == 0).all()
    for row in range(len(cohort.ids)):
        alone = np.array(cohort.volumes[row, 0])[cohort.mask]
        assert np.corrcoef(shown[cohort.mask], alone)[0, 1] < 0.995  # nobody's own scan
    people = cohort.participants.copy()
    people.loc[:1, "group"] = "left out"
    few = Cohort(cohort.volumes, cohort.mask, cohort.affine, cohort.channels, cohort.space, people)
    assert set(np.unique(background(few)[cohort.mask])) == {90}


def test_a_subsample_is_the_same_places_of_everybody(study: Path) -> None:
    _, content, block = build(study, points=2 * 15 * 20)
    space = content["spaces"][0]
    assert space["shown"] == 15 * 20
    people, places = column(space, block, "subject"), read(block, space["places"])
    by_person = pd.Series(places).groupby(people).apply(lambda each: tuple(sorted(each)))
    assert by_person.map(len).tolist() == [20] * 15
    assert len(set(by_person)) == 1
    assert build(study, points=600)[2] == block  # drawn alike again
    assert build(study, points=600, seed=1)[2] != block


def test_rows_are_spread_evenly_over_subjects(rng: np.random.Generator) -> None:
    subjects = rng.permutation(np.repeat([0, 1, 2], [50, 500, 5]))
    keys = rng.integers(0, 400, len(subjects))
    rows = kept_rows(keys, subjects, 90, 0)
    assert np.bincount(subjects[rows]).tolist() == [30, 30, 5]
    assert len(set(rows.tolist())) == len(rows) == 65


def test_it_keeps_to_its_size(study: Path) -> None:
    whole, all_content, _ = build(study)
    size = len(whole.encode()) - 8000
    page, content, _ = build(study, megabytes=size / 1e6)
    assert len(page.encode()) <= size
    assert 15 < content["spaces"][0]["shown"] < all_content["spaces"][0]["shown"] == 1800
    with pytest.raises(NigraError, match="a page of 3 MB cannot hold the codes"):
        build(study, megabytes=3.0)


def test_a_large_table_is_thinned_to_the_size(study: Path, tmp_path: Path) -> None:
    write_latent(study, "large", "sae", places=600, repeats=10)
    path = build_latent_page(study / "runs" / "large", *opened(study), PageSettings(megabytes=6.0))
    content = json.loads(re.search(r'id="content">(.*?)</script>', path.read_text(), re.DOTALL)[1])  # type: ignore[index]
    assert path.stat().st_size <= 6e6
    assert 10_000 < content["spaces"][0]["shown"] < 90_000


def test_its_policy_allows_its_own_scripts_and_no_request(study: Path) -> None:
    page, *_ = build(study)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = policy[1].replace("&#39;", "'")
    assert rules.startswith("default-src 'none'")
    assert "unsafe" not in rules
    assert "connect-src" not in rules
    for tag in ("script", "style"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(texts) == {"script": 2, "style": 1}[tag]
        for text in texts:
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in rules
    assert re.findall(r'<[^>]+\b(?:src|href)="(?!data:)[^"]*"', page.split("<script>")[0]) == []


def test_modules_are_joined_into_one_script() -> None:
    text = joined(
        ["export const a = 1;\nexport function f() {}\n", 'import {\n  a,\n} from "./a.js";\nexport class B {}\n']
    )
    assert "import" not in text
    assert "export" not in text
    assert text.index("const a = 1;") < text.index("class B {}")


def test_numbers_are_rounded_to_16_bits_and_missing_ones_kept(rng: np.random.Generator) -> None:
    pack, values = Pack(), rng.normal(size=501).astype(np.float32)
    values[7] = np.nan
    odd, place = pack.add(np.arange(3, dtype=np.uint8)), pack.rounded(values)
    block = gzip.decompress(base64.b64decode(pack.text()))
    found = read(block, place)
    assert place["at"] % 4 == 0
    assert read(block, odd).tolist() == [0, 1, 2]
    assert np.isnan(found[7])
    keep = np.arange(501) != 7
    np.testing.assert_allclose(found[keep], values[keep], atol=np.ptp(values[keep]) / 65534)
    same = Pack()
    equal = same.rounded(np.ones(3))
    assert read(gzip.decompress(base64.b64decode(same.text())), equal).tolist() == [1, 1, 1]


def test_no_latent_space_is_one_sentence(study: Path, tmp_path: Path) -> None:
    with pytest.raises(NigraError, match="has no latent space with an embedding; run `nigra latent` first"):
        build_latent_page(tmp_path, *opened(study))


def test_new_numbers_follow_a_drawn_order(study: Path) -> None:
    from nigra.report.latent_folder import Column

    person = Column("participant_id", np.repeat(np.arange(12), 2).astype(np.float32), tuple(map(str, range(12))))
    group = Column("group", np.repeat([0, 1], 12).astype(np.float32), ("control", "patient"))
    found = numbered(person, group, np.arange(24), 0)
    numbers = np.asarray(found.values)
    assert found.categories is not None
    assert len(found.categories) == 12
    assert np.array_equal(numbers[::2], numbers[1::2])
    other = numbered(person, group, np.arange(24), 1)
    assert not np.array_equal(numbers, np.asarray(other.values))
