"""Maps of people: plausible values, real differences between people, and disease exactly where the truth says."""

import dataclasses

import numpy as np
import pytest

from nigra.phantom.disease import CHANGES, MILD_SIDE, STAGE, plan
from nigra.phantom.parcellation import index_of
from nigra.phantom.person import draw_person
from nigra.phantom.rendering import render


@pytest.fixture(scope="module")
def controls(anatomy):
    people = [draw_person("control", k, 0, anatomy) for k in range(1, 13)]
    return people, [render(person, anatomy) for person in people]


def test_tissue_medians_are_plausible(anatomy, controls):
    maps = controls[1]
    fa, md = np.stack([m.fa for m in maps]), np.stack([m.md for m in maps])
    callosum_free = (anatomy.white > 0.95) & (anatomy.labels == index_of("white matter left"))
    grey, fluid = anatomy.grey > 0.9, (anatomy.csf > 0.95) & anatomy.mask & (anatomy.labels > 0)
    assert 0.40 < np.median(fa[:, callosum_free]) < 0.60
    assert 0.69e-3 < np.median(md[:, callosum_free]) < 0.78e-3
    assert 0.12 < np.median(fa[:, grey]) < 0.20
    assert 0.78e-3 < np.median(md[:, grey]) < 0.98e-3
    assert np.median(fa[:, fluid]) < 0.12
    assert 2.3e-3 < np.median(md[:, fluid]) < 3.2e-3


def test_values_are_lawful_and_zero_outside(controls):
    for maps in controls[1]:
        assert maps.fa.dtype == maps.md.dtype == np.float32
        assert maps.fa.min() >= 0
        assert maps.fa.max() <= 1
        assert (maps.fa[~maps.mask] == 0).all()
        assert (maps.md[~maps.mask] == 0).all()
        assert (maps.md[maps.mask] > 0).all()
        assert not maps.truth.any()


def test_people_differ_by_a_plausible_amount(anatomy, controls):
    """Voxelwise sd between controls in white matter: FA 0.01-0.08, MD 2-8 %; regional mean of putamen FA 3-15 %."""
    maps = controls[1]
    fa, md = np.stack([m.fa for m in maps]), np.stack([m.md for m in maps])
    white = anatomy.white > 0.95
    assert 0.01 < np.median(fa.std(axis=0, ddof=1)[white]) < 0.08
    assert 0.02 < np.median(md.std(axis=0, ddof=1)[white] / md.mean(axis=0)[white]) < 0.08
    putamen = fa[:, anatomy.labels == index_of("putamen left")].mean(axis=1)
    assert 0.03 < putamen.std(ddof=1) / putamen.mean() < 0.15


def test_age_lowers_fa_and_raises_md_and_fluid(anatomy):
    """The same person at four ages: the slope of a regression has the stated size per decade."""
    person = draw_person("control", 1, 0, anatomy)
    young, old = (dataclasses.replace(person, widening_mm=mm) for mm in (-1.5, 1.5))
    ventricles = anatomy.labels == index_of("ventricles left")
    assert render(old, anatomy).md[ventricles].mean() > render(young, anatomy).md[ventricles].mean() * 1.02
    people = [draw_person("control", k, 0, anatomy) for k in range(1, 301)]
    ages = np.array([p.age for p in people])
    for values, expected in (
        ([p.fa["white"] for p in people], -0.020),
        ([p.md["grey"] for p in people], 0.015),
        ([p.widening_mm for p in people], 0.5),
    ):
        assert np.polyfit(ages / 10, values, 1)[0] == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("number", [1, 2])
def test_truth_is_exactly_where_disease_changed_something(anatomy, number):
    patient = draw_person("patient", number, 0, anatomy)
    ill, well = render(patient, anatomy), render(patient, anatomy, disease=False)
    np.testing.assert_array_equal(ill.fa != well.fa, ill.truth > 0)
    np.testing.assert_array_equal(ill.md != well.md, ill.truth > 0)
    assert set(np.unique(ill.truth)) - {0} == {change.label for change in plan(patient)}
    assert (ill.fa < well.fa)[ill.truth > 0].mean() > 0.95
    assert (ill.md > well.md)[ill.truth > 0].all()


def test_planted_size_is_recovered(anatomy):
    """Where a voxel is wholly inside the region, its change is the planned one times bias, site and noise gain."""
    patient = draw_person("patient", 2, 0, anatomy)
    ill, well = render(patient, anatomy), render(patient, anatomy, disease=False)
    for change in plan(patient):
        if not change.region.startswith("corona"):
            continue
        inside = ill.truth == change.label
        assert np.quantile(ill.md[inside] - well.md[inside], 0.9) == pytest.approx(change.md, rel=0.1)
        assert np.quantile(ill.fa[inside] - well.fa[inside], 0.1) == pytest.approx(change.fa, rel=0.1)


def test_stage_and_side_order_the_strength(anatomy):
    strengths = {}
    for number in (2, 3):
        patient = dataclasses.replace(draw_person("patient", number, 0, anatomy), severity=1.0)
        for change in plan(patient):
            strengths[patient.hoehn_yahr, change.worse] = change.fa / CHANGES[change.region.rsplit(" ", 1)[0]][0]
            assert change.worse == (change.side[0].upper() == patient.worse_side)
    assert strengths[1, True] == pytest.approx(STAGE[1])
    assert strengths[2, False] == pytest.approx(STAGE[2] * MILD_SIDE[2])
    assert strengths[1, False] < strengths[1, True] < strengths[2, True]
    assert strengths[1, False] < strengths[2, False] < strengths[2, True]


def test_a_person_is_the_same_every_time_and_differs_from_others(anatomy):
    first = draw_person("control", 5, 7, anatomy)
    assert first == draw_person("control", 5, 7, anatomy)
    np.testing.assert_array_equal(render(first, anatomy).fa, render(first, anatomy).fa)
    others = [draw_person(*args, anatomy) for args in (("control", 5, 8), ("control", 6, 7), ("patient", 5, 7))]
    for other in others:
        assert (render(other, anatomy, disease=False).fa != render(first, anatomy).fa)[anatomy.mask].mean() > 0.9


def test_groups_are_matched_in_age_and_sex(anatomy):
    for seed in range(5):
        groups = [
            [draw_person(g, k, seed, anatomy) for k in range(1, n + 1)]
            for g, n in (("control", 24), ("patient", 16))
        ]
        ages = [np.mean([p.age for p in group]) for group in groups]
        males = [np.mean([p.sex == "M" for p in group]) for group in groups]
        assert abs(ages[0] - ages[1]) < 4
        assert abs(males[0] - males[1]) < 0.2
        assert {p.hoehn_yahr for p in groups[1]} == {1, 2}
