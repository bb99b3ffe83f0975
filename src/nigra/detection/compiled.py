"""Compiled code on disk that is older than its source is thrown away.

numba keeps compiled functions and looks, before it takes one up again, at the file that holds it; not at the files
whose compiled functions it calls, although their code stands inside it. After an upgrade in place the old code
would go on running there.
"""

import hashlib
from pathlib import Path
from typing import Any

from nigra.files import write_text

STAMP = "kernels.sha256"
"""Beside the compiled code: of which sources it is."""


def forget_older(compiled: Any) -> None:
    """Throw away what lies where numba keeps ``compiled`` on disk, if a source file beside its own has changed.

    To be called where the module ends, before anything is compiled. A folder that cannot be written to is left.
    """
    if not hasattr(compiled, "stats"):  # NUMBA_DISABLE_JIT: nothing is compiled
        return
    folder, sources = Path(compiled.stats.cache_path), Path(compiled.py_func.__code__.co_filename).parent
    stamp = _digest(sources)
    try:
        if (folder / STAMP).is_file() and (folder / STAMP).read_text() == stamp:
            return
        for index in folder.glob("*.nbi"):
            index.unlink(missing_ok=True)
        write_text(folder / STAMP, stamp)
    except OSError:
        return  # numba will not keep anything new there either


def _digest(folder: Path) -> str:
    """Of all source files in ``folder`` that hold compiled functions."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        content = path.read_bytes()
        if b"numba.njit" in content:
            found.update(path.name.encode() + content)
    return found.hexdigest()
