"""A method's ``scores.npy``: what it stands for, and how it is filled, row by row, so that a kill loses one."""

from pathlib import Path

import numpy as np

from nigra.cohort.splits import Draw
from nigra.files import create_array, key_in, read_json, write_json
from nigra.provenance import hash_settings, record
from nigra.study.run import Run
from nigra.study.settings import Method


def is_array(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a ``.npy`` of float32 is there, whole and of this shape."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, EOFError, ValueError):
        return False
    return bool(array.shape == shape and array.dtype == np.float32)


def score_key(run: Run, method: Method, draw: Draw) -> str:
    """Stands for everything a draw's scores depend on; another key means other scores."""
    if method.model is None:
        parts = [[part.train, part.fold] for part in run.parts(draw)]
        scaling = run.settings.scaling.model_dump(exclude={"clip"})  # maps themselves are not clipped
        made = [run.cohort.digest, run.cohort.channels, scaling, parts]
    else:
        made = [[run.fit_key(fit) for fit in run.fits(method.model, draw)], method.model.scores.model_dump()]
    # how training controls are scored depends on who sets the threshold
    calibrated_by = run.settings.calibration.controls
    return hash_settings([made, method.detector.model_dump(exclude={"name"}), calibrated_by, draw.train, draw.test])


class Rows:
    """A method's ``scores.npy`` in the making; rows done before a kill are kept."""

    def __init__(self, run: Run, method: Method, draw: Draw) -> None:
        self.run, self.method, self.draw = run, method, draw
        self.folder, self.key = run.method_place(method, draw.draw), score_key(run, method, draw)
        self.names = draw.train + draw.test
        self.rows, self.done = self._so_far((len(self.names), int(run.cohort.mask.sum())))

    def _so_far(self, shape: tuple[int, int]) -> tuple[np.memmap, set[int]]:
        """The array to fill and the rows that are already whole."""
        array, note = self.folder / "scores-so-far.npy", self.folder / "scores-so-far.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.run.execution.overwrite and key_in(note) == self.key and is_array(array, shape):
            rows = read_json(note).get("rows")
            if isinstance(rows, list) and set(rows) <= set(range(shape[0])):
                return np.lib.format.open_memmap(array, mode="r+"), set(rows)
        note.unlink(missing_ok=True)
        return create_array(array, shape), set()

    def lacks(self, name: str) -> bool:
        """Whether a subject has no row yet."""
        return self.names.index(name) not in self.done

    def write(self, name: str, scores: np.ndarray) -> None:
        """A subject's row, on disk before it counts as done."""
        number = self.names.index(name)
        self.rows[number] = scores
        self.rows.flush()
        self.done.add(number)
        content = {"key": self.key, "rows": sorted(self.done)}
        write_json(self.folder / "scores-so-far.json", content)

    def finish(self) -> None:
        """All rows are there: give the array its name; what earlier settings left goes now, not before."""
        del self.rows
        (self.folder / "scores.json").unlink(missing_ok=True)
        (self.folder / "scores-so-far.npy").replace(self.folder / "scores.npy")
        run, draw = self.run, self.draw
        settings = {
            "detector": self.method.detector.model_dump(),
            "model": self.method.model.scores.model_dump() if self.method.model else None,
        }
        description = {
            "key": self.key, "calibration": draw.train, "test": draw.test, "folds": run.folds(draw),
            "rows": "calibration, then test; columns are the voxels of cohort/mask.nii.gz in numpy.nonzero order",
            "provenance": record("score", settings, {"cohort/volumes.npy": run.cohort.digest}),
        }  # fmt: skip
        write_json(self.folder / "scores.json", description)
        (self.folder / "scores-so-far.json").unlink()
