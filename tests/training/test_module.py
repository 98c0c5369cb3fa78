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


def test_matrices_are_moved_by_muon(tiny: TrainingConfig) -> None:
    module = TrainingModule(tiny)
    name_of = {id(p): name for name, p in module.named_parameters()}
    matrices, rest = (
        {name_of[id(p)] for p in group["params"]}
        for group in module.configure_optimizers().param_groups
    )
    assert matrices | rest == set(name_of.values())
    assert {"network.head.1.weight", "network.blocks.0.attn.qkv.weight"} <= matrices
    assert {"network.position.weight", "network.norm.weight"} <= rest
    assert not [name for name in matrices if name.endswith("bias")]
