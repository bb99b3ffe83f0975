"""Parameters belong to kinds: defaults are filled in, strangers refused."""

import pytest
from pydantic import ValidationError

from nigra.models.architecture import ArchitectureSettings
from nigra.models.reconstruction import ReconstructionSettings
from nigra.models.siamese import SiameseSettings


def test_values_are_those_of_the_kind_given_or_default() -> None:
    assert SiameseSettings(kind="vicreg", variance=2.0).values == {"variance": 2.0, "covariance": 0.04}
    assert SiameseSettings(kind="cosine").values == {}
    assert ReconstructionSettings(kind="charbonnier").values == {"epsilon": 1e-3}
    assert ArchitectureSettings(kind="stack", batch_norm=False).values["batch_norm"] is False
    assert ArchitectureSettings(kind="stack").values["batch_norm"] is True


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: SiameseSettings(kind="cosine", temperature=0.1),
            "temperature is no setting of cosine; it has none",
        ),
        (lambda: SiameseSettings(kind="vicreg", off_diagonal=0.1), "no setting of vicreg; it has variance, covar"),
        (
            lambda: ArchitectureSettings(kind="mlcn2021-patch", widths=(8,)),
            "widths is no setting of mlcn2021-patch",
        ),
        (lambda: ReconstructionSettings(kind="mse", epsilon=0.1), "epsilon is no setting of mse"),
    ],
)
def test_a_setting_of_another_kind_is_refused(make, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        make()


def test_what_is_written_down_reads_back_the_same() -> None:
    settings = ArchitectureSettings(kind="stack", widths=(4, 8), strides=(1, 2), code="dense", code_size=3)
    assert ArchitectureSettings.model_validate(settings.model_dump(mode="json")) == settings
