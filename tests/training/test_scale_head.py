"""Training of the scale head: it learns the quantiles of errors."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.resources import as_file, files

import pytest
import torch
from torch import Tensor

from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig
from napari_vit_tfm.training import TrainingConfig
from napari_vit_tfm.training.scale_head import (
    ErrorBatch,
    ScaleHeadTraining,
    error_batches,
    train_scale_head,
)

SMALL = ScaleHeadConfig(channels=8, layers=1)


def nothing(displacement: Tensor) -> Tensor:
    """A method that finds no traction: its error is the traction."""
    return torch.zeros_like(displacement)


@pytest.fixture
def batches(tiny: TrainingConfig) -> list[ErrorBatch]:
    return list(error_batches(tiny, nothing, range(12), misfit_share=0.3))


def test_weights_of_a_field_add_up_to_one(batches: list[ErrorBatch]) -> None:
    total = batches[0].weight.sum(dim=(1, 2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_field_with_traction_everywhere_counts_fully() -> None:
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(1, 2, 16, 16, generator=generator)
    batch = ErrorBatch.of(0.01 * field, nothing(field), field)
    assert float(batch.weight.sum()) == pytest.approx(1)


def test_it_learns_the_quantiles(batches: list[ErrorBatch]) -> None:
    losses: list[float] = []
    head = train_scale_head(
        batches,
        ScaleHeadTraining(head=SMALL, epochs=30, learning_rate=1e-2),
        on_epoch=lambda _, loss: losses.append(loss),
    )
    assert losses[-1] < 0.8 * losses[0]
    # Within an error of 10%, since here the head knows many errors nearly exactly.
    narrower, wider = (held(head, batches, factor) for factor in (0.9, 1.1))
    assert narrower[0] < 0.68 < wider[0]
    assert narrower[1] < 0.95 < wider[1]


def held(head: ScaleHead, batches: list[ErrorBatch], factor: float) -> list[float]:
    """Shares of the errors that are in the intervals, whose widths are multiplied."""
    shares = torch.zeros(2)
    with torch.inference_mode():
        for batch in batches:
            found = head.logarithms(batch.maps.float(), batch.constants)
            # (N, 2 levels, 2, H, W)
            inside = batch.logarithm[:, None] <= found + math.log(factor)
            weighted = inside * batch.weight[:, None]
            shares += weighted.sum(dim=(2, 3, 4)).mean(dim=0) / 2
    both: list[float] = (shares / len(batches)).tolist()
    return both


def test_the_same_seed_gives_the_same_head(batches: list[ErrorBatch]) -> None:
    training = ScaleHeadTraining(head=SMALL, epochs=1)
    one, same = (train_scale_head(batches, training) for _ in range(2))
    other = train_scale_head(batches, replace(training, seed=1))
    assert torch.equal(one.head[1].weight, same.head[1].weight)
    assert not torch.equal(one.head[1].weight, other.head[1].weight)


def test_the_bundled_configuration_is_valid() -> None:
    resource = files("napari_vit_tfm.training") / "configs" / "scale_head.toml"
    with as_file(resource) as path:
        config = TrainingConfig.from_toml(path)
    assert len({kind.kind for kind in config.kinds}) == 11
