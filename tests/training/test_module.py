"""One step of the training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_vit_tfm.models.views import N_VIEWS, from_view
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


def test_the_target_is_the_truth_unless_there_is_a_teacher(
    tiny: TrainingConfig,
) -> None:
    displacement, truth = torch.randn(2, 1, 2, 24, 24).unbind()
    assert TrainingModule(tiny).target(displacement, truth) is truth


def test_the_teacher_looks_at_another_view_in_every_step(
    tiny: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = TrainingModule(replace(tiny, consistency=0.25))
    module.teacher = lambda displacement: displacement.cumsum(-1)
    displacement, truth = torch.randn(2, 1, 2, 24, 24).unbind()
    found = []
    for step in range(N_VIEWS):
        monkeypatch.setattr(TrainingModule, "global_step", step)
        found.append(module.target(displacement, truth))
    views = [
        from_view(module.teacher, displacement, view) for view in range(1, N_VIEWS)
    ]
    for target, view in zip(found, [*views, views[0]], strict=True):
        torch.testing.assert_close(target, 0.75 * truth + 0.25 * view)
