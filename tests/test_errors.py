"""One sentence for the user, its parts for the table of subjects."""

import pytest

from nigra.errors import Fault, FaultError, NigraError, is_short_of_memory

FAULT = Fault("sub-03", "sub-03_T1w.nii.gz", "a scan has finite values", "12 NaN voxels", "export it again")


def test_a_fault_is_one_sentence_with_subject_file_rule_found_and_remedy() -> None:
    assert str(FAULT) == (
        "sub-03, sub-03_T1w.nii.gz: a scan has finite values, but found 12 NaN voxels; export it again."
    )


def test_memory_that_ran_out_is_told_from_a_fault_of_ours() -> None:
    assert is_short_of_memory(MemoryError())
    assert is_short_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_short_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(
    ("subject", "file", "start"),
    [("sub-03", "", "sub-03: a rule"), ("", "table.tsv", "table.tsv: a rule"), ("s", "f", "s, f: a rule")],
)
def test_an_unknown_subject_or_file_leaves_no_stray_comma(subject: str, file: str, start: str) -> None:
    assert str(Fault(subject, file, "a rule", "nothing", "mend it")).startswith(start)


def test_a_raised_fault_keeps_its_parts_and_is_a_users_error() -> None:
    with pytest.raises(NigraError, match="12 NaN voxels") as caught:
        raise FaultError(FAULT)
    assert isinstance(caught.value, FaultError)
    assert caught.value.fault is FAULT
    assert str(caught.value) == str(FAULT)
