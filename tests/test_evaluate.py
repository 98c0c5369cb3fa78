"""The comparison is fair: same fields, same noise, and zero beside it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.evaluate import ZERO, evaluate
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.synthesis import synthesise


def test_scores_of_fttc_and_of_nothing() -> None:
    discs = synthesise(2, seed=0, shape=(48, 48))
    arguments = (
        DisplacementStack(discs.displacement, unit="field"),
        TractionStack(discs.traction),
    )
    config = ReconstructionConfig(device="cpu")
    fttc, zero = evaluate(
        *arguments, methods=["fttc"], sigmas=[0.0, 1e-3], config=config
    )
    assert (fttc.name, zero.name) == ("fttc", ZERO)
    assert list(fttc.noise) == [0.0, 1e-3]
    clean, noisy = fttc.noise.values()
    assert clean["sum_of_squared_errors"] < noisy["sum_of_squared_errors"]
    assert fttc.ms_per_field > 0
    power = np.square(discs.traction).sum(axis=(1, 2, 3)).mean()
    for scores in zero.noise.values():
        assert scores["sum_of_squared_errors"] == pytest.approx(power, rel=1e-5)
        assert scores["relative_squared_error"] == pytest.approx(1)
    again, _ = evaluate(*arguments, methods=["fttc"], sigmas=[0.0, 1e-3], config=config)
    assert again.noise == fttc.noise
