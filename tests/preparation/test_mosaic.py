import numpy as np
from matplotlib.image import imread

from nigra.preparation import intensity, mosaic


def test_mosaic_shows_the_volume_and_its_outline(tmp_path, small_template):
    white = intensity.white_matter(small_template)
    for name, volume in (("brain", small_template.brain), ("flipped", small_template.brain[:, ::-1])):
        mosaic.draw(
            tmp_path / f"{name}.png", np.ascontiguousarray(volume), small_template.mask, white,
            small_template.affine, "sub-01", "legend",
        )  # fmt: skip
    brain, flipped = (imread(tmp_path / f"{name}.png")[..., :3] for name in ("brain", "flipped"))
    assert brain.shape[1] > 2 * brain.shape[0] > 800
    orange = np.abs(brain - np.array([0xF2, 0xA9, 0x00]) / 255).max(-1) < 0.2
    assert 0.002 < orange.mean() < 0.2
    grey = np.abs(brain - brain.mean(-1, keepdims=True)).max(-1) < 0.02
    assert brain[grey].std() > 0.15
    assert np.abs(brain - flipped).mean() > 0.01
