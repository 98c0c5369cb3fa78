"""A run from a configuration to weights, small but whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from napari_vit_tfm.fields import FieldError
from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.models.weights import load_network
from napari_vit_tfm.synthesis import DiscDistribution
from napari_vit_tfm.training import FieldKind, TrainingConfig, train
from napari_vit_tfm.training.module import TrainingModule, relative_error

TINY = TrainingConfig(
    network=PhysicsViTConfig(
        width=16,
        depth=1,
        heads=2,
        mlp_ratio=1,
        channels=8,
        stem_layers=0,
        decoder_layers=1,
    ),
    kinds=(FieldKind((24, 24), 1.0, DiscDistribution(count=(3, 6))),),
    steps=6,
    batch_size=2,
    warmup_steps=2,
    validate_every=3,
    validation_fields=1,
)

# Lightning asks torch for names that torch has since renamed.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*", "ignore:.*does not have many workers.*"
)


def test_relative_error_by_hand() -> None:
    truth = torch.zeros(2, 2, 4, 4)
    truth[:, 0, 0, 0] = torch.tensor([2.0, 4.0])
    torch.testing.assert_close(
        relative_error(torch.zeros_like(truth), truth), torch.ones(2)
    )
    torch.testing.assert_close(
        relative_error(1.5 * truth, truth), torch.full((2,), 0.5)
    )


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    module = TrainingModule(dataclasses.replace(TINY, steps=100, warmup_steps=10))
    rates = [module.rate_factor(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates.index(max(rates)) in range(8, 12)
    assert rates[100] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("steps", [2, 5])
def test_the_weights_are_those_of_the_last_step(tmp_path: Path, steps: int) -> None:
    config = dataclasses.replace(TINY, steps=steps)
    weights = train(config, output=tmp_path, device="cpu", progress=False)
    with safe_open(weights, framework="pt") as file:
        assert json.loads(file.metadata()["training"])["step"] == steps


def test_training_writes_weights_and_goes_on_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    with pytest.raises(FieldError, match="nothing to resume"):
        train(TINY, output=tmp_path / "run", resume=True)
    weights = train(TINY, output=tmp_path / "run", device="cpu", progress=False)
    first = load_network(weights)
    assert first.network.config == TINY.network
    assert (tmp_path / "run" / "config.json").exists()
    with pytest.raises(FieldError, match="holds a run already"):
        train(TINY, output=tmp_path / "run", device="cpu", progress=False)
    longer = dataclasses.replace(TINY, steps=9)
    train(longer, output=tmp_path / "run", resume=True, device="cpu", progress=False)
    second = load_network(weights)
    assert first.sha256 != second.sha256
