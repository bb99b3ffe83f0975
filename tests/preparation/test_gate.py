"""The gate against hostile files, each made by hand: the sentence names file, rule, found and remedy."""

import gzip
import resource
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nigra.cohort.scan import Scan
from nigra.errors import NigraError
from nigra.preparation import gate
from nigra.preparation.header import read_header
from nigra.preparation.values import summarise

SHAPE = (11, 13, 9)
VOXELS = 1287
DIM, TYPE, OFFSET, SLOPE, INTERCEPT, CODES, QUATERNION, SROW = 40, 70, 108, 112, 116, 252, 256, 280


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def edit(path: Path, place: int, form: str, *numbers: float) -> None:
    """Overwrite header fields in place, packed or not."""
    raw = bytearray(unpacked(path))
    struct.pack_into(form, raw, place, *numbers)
    path.write_bytes(gzip.compress(bytes(raw)) if path.suffix == ".gz" else bytes(raw))


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture
def cohort(tmp_path: Path, rng: np.random.Generator, affine: np.ndarray, mask: np.ndarray) -> list[Scan]:
    """Three good subjects with FA, MD and a mask."""
    scans = []
    for name in ("sub-1", "sub-2", "sub-3"):
        fa = np.where(mask, rng.uniform(0, 1, SHAPE), 0).astype(np.float32)
        md = np.where(mask, rng.uniform(5e-4, 2e-3, SHAPE), 0).astype(np.float32)
        files = {
            "FA": save(tmp_path / name / f"{name}_space-S_FA.nii.gz", fa, affine),
            "MD": save(tmp_path / name / f"{name}_space-S_MD.nii.gz", md, affine),
        }
        inside = save(tmp_path / name / f"{name}_space-S_mask.nii.gz", mask.astype(np.uint8), affine)
        scans.append(Scan(name, files, space="S", mask=inside))
    return scans


def refused(cohort: list[Scan], rule: str, found: str, file: str = "sub-2_space-S_FA.nii.gz") -> gate.GateResult:
    """Assert that sub-2 alone is refused, by one fault whose sentence says all of law 8."""
    result = gate.check_cohort(cohort, registration=False, jobs=2)
    assert [scan.participant_id for scan in result.kept] == ["sub-1", "sub-3"]
    assert len(result.faults) == 1, [str(fault) for fault in result.faults]
    fault = result.faults[0]
    assert (fault.subject, fault.file) == ("sub-2", file)
    assert rule in fault.rule
    assert found in fault.found
    assert fault.remedy
    assert str(fault).count("\n") == 0
    assert result.table["kept"].tolist() == ["yes", "no", "yes"]
    assert result.table["reason"].tolist() == ["", str(fault), ""]
    return result


def test_a_good_cohort_is_kept(cohort: list[Scan]) -> None:
    done = []
    result = gate.check_cohort(cohort, registration=False, progress=lambda now, of: done.append((now, of)))
    assert result.kept == cohort
    assert result.faults == []
    assert result.table.to_dict("list") == {
        "participant_id": ["sub-1", "sub-2", "sub-3"], "kept": ["yes"] * 3, "reason": [""] * 3,
    }  # fmt: skip
    assert done == [(1, 3), (2, 3), (3, 3)]


HEADERS = [
    ("NaN affine", (SROW, "<f", np.nan), "affine is finite", "1 NaN"),
    ("zero affine", (SROW, "<12f", *[0.0] * 12), "spans three directions", "length 0"),
    ("singular affine", (SROW, "<8f", 1, 0, 0, 0, 1, 0, 0, 0), "spans three directions", ""),
    ("huge voxel", (SROW, "<f", 1e6), "voxel's edge", "1e+06"),
    ("no orientation", (CODES, "<2h", 0, 0), "where its voxels are", "neither"),
    ("zero side", (DIM + 2, "<h", 0), "at least 1 voxel", "0 x 13 x 9"),
    ("negative side", (DIM + 4, "<h", -13), "at least 1 voxel", "11 x -13 x 9"),
    ("absurd sides", (DIM + 2, "<3h", 32767, 32767, 32767), "2048 voxels a side", "32767 x 32767 x 32767"),
    ("absurd product", (DIM + 2, "<3h", 2000, 2000, 2000), "in all", "2000 x 2000 x 2000"),
    ("no dimension", (DIM, "<h", 0), "3 dimensions", "0"),
    ("two dimensions", (DIM, "<h", 2), "3 dimensions", "2"),
    ("a slice", (DIM + 6, "<h", 1), "is a volume", "11 x 13 x 1"),
    ("four dimensions", (DIM, "<5h", 4, 11, 13, 3, 3), "3 dimensions", "11 x 13 x 3 x 3"),
    ("infinite slope", (SLOPE, "<f", np.inf), "slope and intercept", "slope inf"),
    ("NaN slope", (SLOPE, "<f", np.nan), "slope and intercept", "slope nan"),
    ("infinite intercept", (INTERCEPT, "<f", -np.inf), "slope and intercept", "intercept -inf"),
    ("complex", (TYPE, "<2h", 32, 64), "real numbers", "complex64"),
    ("RGB", (TYPE, "<2h", 128, 24), "real numbers", "RGB"),
    ("unknown type", (TYPE, "<h", 77), "real numbers", "type code 77"),
    ("values inside the header", (OFFSET, "<f", 16.0), "values start", "16"),
    ("values nowhere", (OFFSET, "<f", np.nan), "values start", "nan"),
    ("more announced than there", (DIM + 2, "<h", 12), "is whole", "5148 bytes of values where 5616"),
    ("less announced than there", (DIM + 2, "<h", 10), "ends where its header says", "more than the 4680 bytes"),
    ("more than gzip can hold", (DIM + 2, "<3h", 1024, 512, 512), "is whole", "are announced"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule", "found"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_a_hostile_header_is_refused(cohort: list[Scan], change: tuple, rule: str, found: str) -> None:
    edit(cohort[1].channels["FA"], *change)
    refused(cohort, rule, found)


def test_a_broken_extension_is_refused(cohort: list[Scan]) -> None:
    """One that claims to reach far beyond the values: nibabel would unpack whatever follows."""
    path = cohort[1].channels["FA"]
    raw = unpacked(path)
    path.write_bytes(gzip.compress(raw[:348] + struct.pack("<4B2i8x", 1, 0, 0, 0, 2**30, 6) + raw[352:]))
    edit(path, OFFSET, "<f", 368.0)
    refused(cohort, "extensions are whole", f"one of {2**30} bytes")


def test_a_sound_extension_is_stepped_over(cohort: list[Scan]) -> None:
    path = cohort[1].channels["FA"]
    raw = unpacked(path)
    path.write_bytes(
        gzip.compress(raw[:348] + struct.pack("<4B2i24s", 1, 0, 0, 0, 32, 6, b"a comment") + raw[352:])
    )
    edit(path, OFFSET, "<f", 384.0)
    assert gate.check_cohort(cohort, registration=False).kept == cohort


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("klass", [nib.Nifti1Image, nib.Nifti2Image])
def test_both_formats_and_byte_orders_are_read(
    tmp_path: Path, affine: np.ndarray, rng: np.random.Generator, order: str, klass: type
) -> None:
    data = rng.normal(size=SHAPE)
    header = klass.header_class(endianness=order)
    header.set_data_dtype(np.float64)
    path = tmp_path / "a.nii.gz"
    nib.save(klass(data, affine, header), path)
    found, broken = read_header(path)
    assert broken == []
    assert found is not None
    np.testing.assert_allclose(found.affine, affine)
    summary = summarise(path, found, high=1.0)
    assert (summary.lowest, summary.highest) == (data.min(), data.max())
    assert (summary.above, summary.nonzero) == ((data > 1).sum(), VOXELS)


def test_stored_integers_are_scaled(tmp_path: Path, affine: np.ndarray) -> None:
    path = save(tmp_path / "a.nii", np.arange(VOXELS, dtype=np.int16).reshape(SHAPE), affine)
    edit(path, SLOPE, "<2f", 0.5, -3.0)
    header, _ = read_header(path)
    assert header is not None
    summary = summarise(path, header)
    assert (summary.lowest, summary.highest) == (-3.0, 0.5 * (VOXELS - 1) - 3)
    positive = 0.5 * np.arange(7, VOXELS) - 3
    assert summary.high == pytest.approx(np.quantile(positive, 0.95))


def test_the_affine_judged_is_the_one_nibabel_uses(tmp_path: Path, affine: np.ndarray) -> None:
    """Also by the qform, with a negative voxel size that nibabel mends on loading."""
    path = save(tmp_path / "a.nii", np.arange(VOXELS, dtype=np.int16).reshape(SHAPE), affine)
    edit(path, CODES, "<2h", 1, 0)
    edit(path, QUATERNION, "<3f", 0.1, 0.2, 0.3)
    edit(path, 80, "<f", -2.0)
    header, broken = read_header(path)
    assert broken == []
    assert header is not None
    np.testing.assert_allclose(header.affine, nib.load(path).affine)


def test_an_impossible_quaternion_is_refused(cohort: list[Scan]) -> None:
    edit(cohort[1].channels["FA"], CODES, "<2h3f", 1, 0, 5.0, 5.0, 5.0)
    refused(cohort, "valid NIfTI", "")


def test_a_trailing_axis_of_one_is_let_go(cohort: list[Scan]) -> None:
    for path in cohort[1].channels.values():
        edit(path, DIM, "<5h", 4, *SHAPE, 1)
    assert gate.check_cohort(cohort, registration=False).kept == cohort


def test_a_slope_of_zero_means_unscaled(cohort: list[Scan]) -> None:
    edit(cohort[1].channels["FA"], SLOPE, "<2f", 0.0, 7.0)
    assert gate.check_cohort(cohort, registration=False).kept == cohort


CONTENTS: list[tuple[str, Callable[[bytes], bytes], str, str]] = [
    ("empty", lambda raw: b"", "header", "only 0 bytes"),
    ("cut gzip", lambda raw: raw[: len(raw) // 2], "is whole", "damage"),
    ("cut inside the header", lambda raw: raw[:100], "is whole", "damage"),
    ("text", lambda raw: b"this is no image" * 40, "is whole", "Not a gzip"),
    ("packed text", lambda raw: gzip.compress(b"this is no image" * 40), "NIfTI header", "other content"),
    ("flipped byte", lambda raw: raw[:-6] + bytes([raw[-6] ^ 255]) + raw[-5:], "is whole", "CRC"),
    ("short values", lambda raw: gzip.compress(gzip.decompress(raw)[:-7]), "is whole", "5141 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "rule", "found"), [row[1:] for row in CONTENTS], ids=[row[0] for row in CONTENTS]
)
def test_a_damaged_file_is_refused(
    cohort: list[Scan], change: Callable[[bytes], bytes], rule: str, found: str
) -> None:
    path = cohort[1].channels["FA"]
    path.write_bytes(change(path.read_bytes()))
    refused(cohort, rule, found)


def test_a_missing_file_is_refused(cohort: list[Scan]) -> None:
    cohort[1].channels["FA"].unlink()
    refused(cohort, "is a file", "none")


def test_a_short_unpacked_file_is_refused_by_its_size(tmp_path: Path, affine: np.ndarray) -> None:
    path = save(tmp_path / "a_T1w.nii", np.arange(VOXELS, dtype=np.int16).reshape(SHAPE), affine)
    path.write_bytes(path.read_bytes()[:-1])
    (fault,) = gate.check(Scan("sub-1", {"T1w": path}))
    assert fault.found == f"{352 + 2 * VOXELS - 1} bytes where {352 + 2 * VOXELS} are announced"


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mgz").write_bytes(b"x")
    (fault,) = gate.check(Scan("sub-1", {"T1w": tmp_path / "a.mgz"}))
    assert (fault.rule, fault.found) == ("a scan is a .nii or .nii.gz file", ".mgz")


def test_a_gzip_bomb_is_not_unpacked(cohort: list[Scan]) -> None:
    """512 MB of zeros behind an honest small image: refused in no time and no memory."""
    path = cohort[1].channels["FA"]
    with path.open("ab") as stream:
        stream.write(gzip.compress(bytes(2**23), 9) * 64)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    refused(cohort, "ends where its header says", "more than the 5148 bytes")
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_values_are_read_in_bounded_memory(tmp_path: Path, affine: np.ndarray) -> None:
    """A packed file of 128 MB announced as such costs a few blocks."""
    path = tmp_path / "a_T1w.nii.gz"
    first = bytearray(unpacked(save(tmp_path / "small.nii.gz", np.zeros(SHAPE, np.int16), affine))[:352])
    struct.pack_into("<3h", first, DIM + 2, 512, 512, 256)
    path.write_bytes(gzip.compress(bytes(first)) + gzip.compress(bytes(2**23), 1) * 16)
    tracemalloc.start()
    (fault,) = gate.check(Scan("sub-1", {"T1w": path}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (fault.rule, fault.found) == ("a scan is not constant", "0 everywhere")
    assert peak < 60e6


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    image = nib.load(path)
    data = np.asarray(image.dataobj).copy()
    save(path, change(data), image.affine)


def planted(*values: float) -> Callable[[np.ndarray], np.ndarray]:
    """Put values into the first voxels."""

    def change(data: np.ndarray) -> np.ndarray:
        data.flat[: len(values)] = values
        return data

    return change


VALUES = [
    ("FA", planted(np.nan, np.inf), "finite values", f"2 of {VOXELS} voxels"),
    ("FA", lambda data: data * 0 + 0.25, "not constant", "0.25 everywhere"),
    ("FA", planted(1.5), "between 0 and 1", f"1 of {VOXELS} voxels outside"),
    ("FA", planted(-0.2, -0.1), "between 0 and 1", f"2 of {VOXELS} voxels outside, -0.2"),
    ("FA", lambda data: data * 1000, "between 0 and 1", ""),
    ("MD", planted(-1e-3), "not negative", f"1 of {VOXELS} voxels below 0, the lowest -0.001"),
    ("MD", lambda data: data * 1e3, "mm²/s", "um²/ms"),
    ("MD", lambda data: data * 1e6, "mm²/s", "um²/s"),
    ("MD", lambda data: data * 1e-6, "mm²/s", ", as in m²/s"),
    ("MD", lambda data: data * 30, "mm²/s", "a 95 % quantile of 0.05"),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "change", "rule", "found"), VALUES)
def test_wrong_values_are_refused(
    cohort: list[Scan], channel: str, change: Callable[[np.ndarray], np.ndarray], rule: str, found: str
) -> None:
    path = cohort[1].channels[channel]
    rewrite(path, change)
    refused(cohort, rule, found, path.name)


@pytest.mark.parametrize(("scale", "factor"), [(1e3, "0.001"), (1e6, "1e-06"), (1e-6, "1e+06")])
def test_a_wrong_unit_says_which_factor(cohort: list[Scan], scale: float, factor: str) -> None:
    rewrite(cohort[1].channels["MD"], lambda data: data * scale)
    (fault,) = gate.check(cohort[1])
    assert fault.remedy == f"multiply it by {factor}"


def test_interpolation_may_overshoot_a_little(cohort: list[Scan]) -> None:
    rewrite(cohort[1].channels["FA"], planted(1.005, -0.005))
    rewrite(cohort[1].channels["MD"], planted(-5e-6))
    assert gate.check_cohort(cohort, registration=False).kept == cohort


@pytest.mark.parametrize(
    ("change", "rule", "found"),
    [
        (lambda data: data * 0, "has an inside", "0 voxels"),
        (lambda data: data * 0 + 1, "has an outside", f"all {VOXELS} voxels"),
        (lambda data: data[:-1], "grid of the FA", "10x13x9 voxels"),
    ],
)
def test_a_wrong_mask_is_refused(
    cohort: list[Scan], change: Callable[[np.ndarray], np.ndarray], rule: str, found: str
) -> None:
    assert cohort[1].mask is not None
    rewrite(cohort[1].mask, change)
    refused(cohort, rule, found, cohort[1].mask.name)


def test_channels_of_a_subject_share_a_grid(cohort: list[Scan]) -> None:
    path = cohort[1].channels["MD"]
    moved = nib.load(path).affine.copy()
    moved[0, 3] += 0.5
    save(path, np.asarray(nib.load(path).dataobj).copy(), moved)
    refused(cohort, "grid of the FA, sub-2_space-S_FA.nii.gz", "mm from (-10,", path.name)


def test_every_broken_rule_of_a_scan_is_told(cohort: list[Scan]) -> None:
    edit(cohort[1].channels["FA"], SLOPE, "<f", np.inf)
    edit(cohort[1].channels["FA"], SROW, "<f", np.nan)
    rewrite(cohort[1].channels["MD"], planted(np.nan))
    rules = [fault.rule for fault in gate.check(cohort[1])]
    assert rules == ["slope and intercept are finite", "an affine is finite", "a scan has finite values"]


def regrid(scan: Scan, step: float) -> None:
    for path in (*scan.channels.values(), scan.mask):
        assert path is not None
        image = nib.load(path)
        save(path, np.asarray(image.dataobj).copy(), image.affine + np.diag([step, 0, 0, 0]))


def test_subjects_share_a_grid_unless_registered(cohort: list[Scan]) -> None:
    regrid(cohort[1], 0.25)
    assert gate.check_cohort(cohort, registration=True).kept == cohort
    refused(cohort, "share one grid", "2.25x1.5x3 mm from (-10.5, -9, -12.25) where 2 of 3 have", "")


def test_rounding_of_a_header_is_no_other_grid(cohort: list[Scan]) -> None:
    regrid(cohort[1], 1e-5)
    assert gate.check_cohort(cohort, registration=False).kept == cohort


def with_changes(scan: Scan, **changes: object) -> Scan:
    return Scan(**{**vars(scan), **changes})


def test_subjects_share_a_space_unless_registered(cohort: list[Scan]) -> None:
    cohort[1] = with_changes(cohort[1], space="T")
    assert gate.check_cohort(cohort, registration=True).kept == cohort
    refused(cohort, "share one space", "T where 2 of 3 have S", "")


def test_a_space_is_declared_unless_registered(cohort: list[Scan]) -> None:
    cohort[1] = with_changes(cohort[1], space="native")
    refused(cohort, "states its space", "none")


def test_subjects_have_the_same_channels(cohort: list[Scan]) -> None:
    cohort[1] = with_changes(cohort[1], channels={"FA": cohort[1].channels["FA"]})
    refused(cohort, "same channels", "FA where 2 of 3 have FA and MD", "")


def test_a_subject_under_two_ids_is_refused_twice(cohort: list[Scan]) -> None:
    """The copy is packed anew, so that the bytes of the files differ."""
    one, two = cohort[0].channels["FA"], cohort[1].channels["FA"]
    two.write_bytes(gzip.compress(unpacked(one), 1))
    assert one.read_bytes() != two.read_bytes()
    result = gate.check_cohort(cohort)
    assert [scan.participant_id for scan in result.kept] == ["sub-3"]
    assert [(fault.subject, fault.found) for fault in result.faults] == [
        ("sub-1", "the values of sub-2, sub-2_space-S_FA.nii.gz"),
        ("sub-2", "the values of sub-1, sub-1_space-S_FA.nii.gz"),
    ]


def test_the_same_file_for_two_channels_is_refused(cohort: list[Scan]) -> None:
    cohort[1] = with_changes(cohort[1], channels={"FA": cohort[1].channels["FA"], "T1w": cohort[1].channels["FA"]})
    cohort[1:] = [cohort[1]]
    (fault,) = gate.check_cohort(cohort).faults
    assert (fault.subject, fault.found) == ("sub-2", "the values of sub-2, sub-2_space-S_FA.nii.gz")


def test_a_mask_may_be_shared(cohort: list[Scan]) -> None:
    cohort[1] = with_changes(cohort[1], mask=cohort[0].mask)
    assert gate.check_cohort(cohort, registration=False).kept == cohort


def test_the_first_session_is_kept_and_the_table_says_so(cohort: list[Scan]) -> None:
    later = with_changes(cohort[2], participant_id="sub-2", session_id="V04")
    scans = [cohort[0], later, with_changes(cohort[1], session_id="BL")]
    result = gate.check_cohort(scans)
    assert [(scan.participant_id, scan.session_id) for scan in result.kept] == [("sub-1", None), ("sub-2", "BL")]
    assert result.table["kept"].tolist() == ["yes", "yes"]
    assert "ses-V04 beside ses-BL, which is kept" in result.table["reason"].iloc[1]


def test_an_id_twice_is_refused(cohort: list[Scan]) -> None:
    scans = [cohort[0], cohort[1], with_changes(cohort[2], participant_id="sub-2")]
    result = gate.check_cohort(scans)
    assert [scan.participant_id for scan in result.kept] == ["sub-1"]
    assert {fault.rule for fault in result.faults} == {"a subject is there once"}


def test_a_subject_refused_alone_has_no_say_in_the_cohort(cohort: list[Scan]) -> None:
    """Two broken subjects with another channel set do not outvote the good one."""
    for row in (0, 1):
        edit(cohort[row].channels["FA"], SLOPE, "<f", np.inf)
        cohort[row] = with_changes(cohort[row], channels={"FA": cohort[row].channels["FA"]})
    assert gate.check_cohort(cohort).kept == [cohort[2]]


def test_doctor_joins_intake_and_gate(cohort: list[Scan], tmp_path: Path) -> None:
    rows = ["participant_id\tgroup", "1\tHC", "sub-2\tPD", "3\tprodromal"]
    (tmp_path / "participants.tsv").write_text("\n".join(rows))
    edit(cohort[1].channels["FA"], SLOPE, "<f", np.inf)
    result = gate.doctor(tmp_path, tmp_path / "out", registration=False)
    assert result.table["kept"].tolist() == ["yes", "no", "no"]
    written = (tmp_path / "out" / "intake.tsv").read_text().splitlines()
    assert written[0] == "participant_id\tkept\treason"
    assert "found slope inf" in written[2]
    assert "'prodromal'" in written[3]
    with pytest.raises(NigraError, match="no sub-9"):
        gate.doctor(tmp_path, participant_labels=("9",))


def test_doctor_goes_by_how_the_source_looks(cohort: list[Scan], tmp_path: Path) -> None:
    """Maps must share a grid without being told so, T1w need not."""
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\n1\tHC\n2\tHC\n3\tHC\n")
    regrid(cohort[1], 0.25)
    assert gate.doctor(tmp_path).table["kept"].tolist() == ["yes", "no", "yes"]
    assert gate.doctor(tmp_path, registration=True).table["kept"].tolist() == ["yes"] * 3
    for scan in cohort:
        scan.channels["FA"].rename(scan.channels["FA"].with_name(f"{scan.participant_id}_space-S_T1w.nii.gz"))
        scan.channels["MD"].unlink()
    assert gate.doctor(tmp_path).table["kept"].tolist() == ["yes"] * 3


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small valid packed image."""
    affine = np.diag([2.0, 1.5, 3.0, 1.0])
    data = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    return save(tmp_path_factory.mktemp("valid") / "a.nii.gz", data, affine).read_bytes()


SPOTS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=SPOTS, inside=st.booleans(), cut=st.none() | st.integers(0, 1700))
def test_any_corruption_is_a_fault_or_harmless(
    valid: bytes, tmp_path: Path, spots: list[tuple[int, int]], inside: bool, cut: int | None
) -> None:
    """Bytes changed in the packed file, or in its content and packed again: no error, no memory, no time.

    What passes the gate, nibabel reads too.
    """
    raw = bytearray(gzip.decompress(valid) if inside else valid)
    for place, byte in spots:
        raw[(place % 352 if inside and place % 2 else place) % len(raw)] = byte
    path = tmp_path / "a_T1w.nii.gz"
    whole = bytes(raw[:cut])
    path.write_bytes(gzip.compress(whole) if inside else whole)
    tracemalloc.start()
    start = time.perf_counter()
    faults = gate.check(Scan("sub-1", {"T1w": path}))
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 200e6
    assert all(fault.rule and fault.found and fault.remedy for fault in faults)
    if not faults:
        values = nib.load(path).get_fdata()
        assert np.isfinite(values).all()
        assert values.shape[:3] == read_header(path)[0].shape  # type: ignore[union-attr]


@pytest.mark.real
def test_all_real_scans_pass(real_data: Path) -> None:
    start = time.perf_counter()
    result = gate.doctor(real_data / "ixi")
    assert result.faults == []
    assert len(result.kept) == 101
    assert all(scan.mask is not None and set(scan.channels) == {"T1w"} for scan in result.kept)
    assert (time.perf_counter() - start) / 101 < 0.3
