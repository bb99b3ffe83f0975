"""What detectors of a run read of a subject: codes and residuals of one pass of a model, or the maps alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.detector import Detector
from nigra.detection.neighbourhood import Grid
from nigra.detection.settings import ERROR, INTENSITIES, DetectorSettings
from nigra.models.saved import Trained
from nigra.preparation.scaling import fit_scaling
from nigra.scoring.codes import CodeStore
from nigra.scoring.scorer import Scorer
from nigra.scoring.smoothing import smooth
from nigra.shapes import Codes, Volume
from nigra.study.run import Fit, Part, Run
from nigra.study.settings import Method, ModelSettings
from nigra.study.train import trained
from nigra.training import Tick
from nigra.units import Source

Features = dict[str, Float[ndarray, "n_locations d"]]
"""By what they are (codes, residuals, intensities, error, or smoothed: ``DetectorSettings.feature``), one row per
voxel of the mask in numpy.nonzero order."""


class Reader:
    """Reads for ``detectors`` the subjects of a part of a draw, with the model trained on its controls or none."""

    def __init__(
        self, run: Run, model: ModelSettings | None, draw: int, part: Part, detectors: Iterable[DetectorSettings]
    ) -> None:
        self.run, self.part = run, part
        self.needed = {each.feature: each for each in detectors if each.kind != ERROR}
        self.scorer: Scorer | None = None
        if model is None:
            self.trained_on, scaling = part.train, fit_scaling(run.cohort, list(part.train), run.settings.scaling)
        else:
            used: Trained = trained(run, Fit(model, draw, part.train, part.fold))
            self.trained_on, scaling = used.trained_on, used.scaling
            self.scorer = Scorer(used.model, run.unit(model), model.scores, run.device)
        source = Source.scaled(run.cohort, scaling)
        # clipping is for networks whose outputs end at 0 and 1; on maps themselves it would hide what is brightest
        self.source = source if self.scorer else source.unclipped()

    def read(self, name: str) -> Features:
        """One subject's features, by one pass of the model whatever the number of detectors."""
        return self._features(self.source, int(self.run.cohort.rows([name])[0]))

    def read_volume(self, volume: Volume) -> Features:
        """The same of any volume on the cohort's grid and its unscaled intensities, such as a planted one."""
        return self._features(replace(self.source, volumes=volume[None]), 0)

    def _features(self, source: Source, row: int) -> Features:
        found, cohort = self._one_pass(source, row), self.run.cohort
        for feature, each in self.needed.items():
            if each.smoothing_mm:
                found[feature] = smooth(found[each.source], cohort.mask, cohort.affine, each.smoothing_mm)
        return found

    def _one_pass(self, source: Source, row: int) -> Features:
        """What the model, or the maps, give before any smoothing."""
        mask = self.run.cohort.mask
        if self.scorer is None:
            return {INTENSITIES: np.ascontiguousarray(source.volume(row)[:, mask].T)}
        found = self.scorer.score(source, row, codes="codes" in self.needed)
        features = {
            "error": found.error[mask][:, None],
            "residuals": np.ascontiguousarray(found.residual[:, mask].T),
        }
        return features | ({"codes": found.codes} if found.codes is not None else {})

    def lengths(self) -> dict[str, int]:
        """d of each feature that is needed."""
        channels, code = len(self.run.cohort.channels), self.scorer.code_length if self.scorer else None
        return {name: (code or 0) if name == "codes" else channels for name in self.needed}


@contextmanager
def controls(reader: Reader, say: Callable[[str], None], tick: Tick) -> Iterator[dict[str, Codes]]:
    """Features of the part's training controls, on disk while the context lasts; their size is said first."""
    folder, train = reader.run.folder, reader.part.train
    voxels = int(reader.run.cohort.mask.sum())
    with ExitStack() as stack:
        stores = {
            name: CodeStore(
                folder / f"{name}.npy", len(train), voxels, d, np.float16 if name == "codes" else np.float32, name
            )
            for name, d in reader.lengths().items()
        }
        for store in stores.values():
            say(f"  {store.announcement}, until its detectors are fitted and used")
            stack.enter_context(store)
        for row, name in enumerate(train if stores else ()):
            found = reader.read(name)
            for kind, store in stores.items():
                store.write(row, found[kind])
            tick((row + 1) / len(train), f"{row + 1}/{len(train)} controls read")
        yield {kind: store.codes for kind, store in stores.items()}


def fit_detectors(
    reader: Reader, methods: list[Method], features: dict[str, Codes], tick: Tick
) -> dict[Method, Detector]:
    """Each method's detector, fitted on the part's training controls; the reconstruction error needs none."""
    fitted = {}
    for method in methods:
        if method.detector.kind != ERROR:
            cohort = reader.run.cohort
            detector = method.detector.build(reader.run.device, Grid.of(cohort.mask, cohort.affine))

            def within(done: float, text: str, name: str = method.detector.label) -> None:
                tick(done, f"fit {name}, {text}")

            fitted[method] = detector.fit(features[method.detector.feature], reader.part.train, within)
            detector.margin()  # found here, while a wait is expected
    return fitted
