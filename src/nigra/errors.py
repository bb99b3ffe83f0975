"""One error type: a sentence a user can act on.

Everything a user can get wrong (a file, a table, a setting) raises ``NigraError``; the command line prints it
as one line without a traceback. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from dataclasses import dataclass


class NigraError(Exception):
    """A user's input breaks a rule: which file or subject, which rule, what was found, what to do."""


@dataclass(frozen=True)
class Fault:
    """One broken rule, kept as a table row while the other subjects go on (DESIGN, law 8).

    >>> print(Fault("sub-03", "sub-03_T1w.nii.gz", "a scan has finite values", "12 NaN voxels", "export it again"))
    sub-03, sub-03_T1w.nii.gz: a scan has finite values, but found 12 NaN voxels; export it again.
    """

    subject: str
    file: str
    rule: str
    found: str
    remedy: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.subject, self.file) if part)
        return f"{where}: {self.rule}, but found {self.found}; {self.remedy}."


class FaultError(NigraError):
    """A single fault, raised; ``fault`` holds its parts so that a cohort loop can keep it as a row."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Work stopped because a signal asked it to; its state is on disk, and the same command goes on from there."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: a launcher starts a command that ends so again."""


def refused(error: OSError) -> str:
    """What the system refuses (a full disk, no permission, a file in a folder's place) as one sentence.

    >>> refused(OSError(28, "No space left on device", "regions.tsv"))[:71]
    'regions.tsv: the system refuses to read or write (No space left on devi'
    """
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"{where}the system refuses to read or write ({error.strerror or error}); see to the path, its permissions "
        "and the room on the disk, then give the same command again: what was done is kept."
    )


SHORT_OF_MEMORY = (
    "the machine has not enough memory for this; take a smaller batch, smaller units or narrower models, or fewer "
    "jobs at a time, then give the same command again: what was done is kept."
)
"""What a user can do about it."""


def is_short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's and numpy's own, and torch's, which is a RuntimeError.

    >>> is_short_of_memory(MemoryError()), is_short_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    (True, True)
    """
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
