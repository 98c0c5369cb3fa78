"""One step of the training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_vit_tfm.training import TrainingConfig
from napari_vit_tfm.training.module import TrainingModule


def test_the_rate_warms_up_and_falls_to_zero(tiny: TrainingConfig) -> None:
    module = TrainingModule(replace(tiny, steps=100, warmup_steps=10))
    rates = [module.rate_factor(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates.index(max(rates)) in range(8, 12)
    assert rates[100] == pytest.approx(0, abs=1e-12)
