"""A run of three models, of which one cannot be trained: its loss is soon no number."""

from nigra.study.settings import RunSettings
from tests.study.study_fixture import quick_settings

QUICK = {"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}
BROKEN = QUICK | {"name": "broken", "learning_rate": 1e30, "epochs": 3}


def small_settings(**changes: object) -> RunSettings:
    """One draw without cross-fitting: a model is one training and one scoring."""
    plain = {
        "splits": {"draws": 1, "test_fraction": 0.27}, "calibration": {"controls": "training"},
        "models": [QUICK, BROKEN], "baselines": ["z"], "figures": {"examples": 0},
        "evaluation": {"bootstrap": 100, "permutations": 100},
    }  # fmt: skip
    return quick_settings(**{**plain, **changes})
