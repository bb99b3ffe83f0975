"""New processes, with sources that change between them: what was compiled from the old ones is not taken up."""

import os
import subprocess
import sys
from pathlib import Path

from nigra.detection import svm_kernels
from nigra.detection.compiled import STAMP, _digest, forget_older

INNER = "import numba\n\n@numba.njit(cache=True)\ndef inner(x):\n    return x + {}\n"
OUTER = """import sys
import numba
from inner import inner
from nigra.detection.compiled import forget_older

@numba.njit(cache=True)
def outer(x):
    return inner(x)

if {}:
    forget_older(outer)
print(outer(1), sum(outer.stats.cache_hits.values()))
"""


def answer(folder: Path, added: int, forgets: bool = True) -> tuple[int, int]:
    """What a new process computes, and how often it took compiled code from disk."""
    (folder / "inner.py").write_text(INNER.format(added))
    if not (folder / "outer.py").exists():
        (folder / "outer.py").write_text(OUTER.format(forgets))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    run = [sys.executable, "-c", "import outer"]
    printed = subprocess.run(run, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    value, hits = printed.split()
    return int(value), int(hits)


def test_compiled_code_is_taken_up_until_what_it_calls_changes(tmp_path: Path) -> None:
    assert answer(tmp_path, 1) == (2, 0)
    assert answer(tmp_path, 1) == (2, 1)
    assert answer(tmp_path, 5) == (6, 0)
    assert answer(tmp_path, 5) == (6, 1)


def test_without_it_the_old_code_goes_on_running(tmp_path: Path) -> None:
    answer(tmp_path, 1, forgets=False)
    assert answer(tmp_path, 5, forgets=False) == (2, 1), "if numba has learnt to look, this module may go"


def test_the_solver_is_stamped_and_plain_python_is_let_be() -> None:
    stamp = Path(svm_kernels.fit.stats.cache_path) / STAMP
    assert stamp.read_text() == _digest(Path(svm_kernels.__file__).parent)
    forget_older(svm_kernels.fit.py_func)  # as it is under NUMBA_DISABLE_JIT
