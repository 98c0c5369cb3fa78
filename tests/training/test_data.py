"""Training fields obey the physics they were made with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.halfspace import displacement_of
from napari_vit_tfm.synthesis import DiscDistribution
from napari_vit_tfm.training.config import FieldKind, TrainingConfig
from napari_vit_tfm.training.data import (
    TrainingFields,
    add_noise,
    turn,
    validation_fields,
)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_a_mirrored_traction_makes_the_mirrored_displacement(
    transpose: bool, flip_x: bool, flip_y: bool
) -> None:
    traction = np.zeros((16, 24, 2))
    traction[3:6, 15:20] = [0.2, -0.1]
    traction[10, 4] = [-0.3, 0.4]

    def forward(field: np.ndarray) -> np.ndarray:
        parts = displacement_of(field[..., 0], field[..., 1], poisson=0.49)
        return np.stack(parts, axis=-1)

    turned = turn(traction, transpose=transpose, flip_x=flip_x, flip_y=flip_y)
    expected = turn(
        forward(traction), transpose=transpose, flip_x=flip_x, flip_y=flip_y
    )
    np.testing.assert_allclose(forward(turned), expected, atol=1e-12)


def test_noise_has_the_strength_asked_for() -> None:
    clean = np.ones((200, 16, 16, 2), dtype=np.float32) * np.float32(0.5)
    rng = np.random.default_rng(0)
    noisy = add_noise(clean, rng, noise=(0.01, 0.1), clean_share=0.25)
    sigma = (noisy - clean).std(axis=(1, 2, 3)) / 0.5
    assert 0.15 < (sigma == 0).mean() < 0.35
    assert 0.009 < sigma[sigma > 0].min() < sigma.max() < 0.11


def test_batches_are_reproducible_and_differ_after_a_resume() -> None:
    config = TrainingConfig(
        batch_size=4,
        kinds=(
            FieldKind((24, 24), 0.5, DiscDistribution(count=(3, 6))),
            FieldKind((16, 32), 0.5, DiscDistribution(count=(3, 6), margin=0.01)),
        ),
    )

    def batches(start: int) -> list[torch.Tensor]:
        stream = iter(TrainingFields(config, start=start))
        return [next(stream)[0] for _ in range(6)]

    one, two, later = batches(0), batches(0), batches(100)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b)
    assert {tuple(batch.shape[2:]) for batch in one + later} == {(24, 24), (16, 32)}
    assert not any(
        a.shape == b.shape and torch.equal(a, b)
        for a, b in zip(one, later, strict=True)
    )


def test_validation_fields_are_fixed_and_as_noisy_as_said() -> None:
    clean, truth = validation_fields(2, 0.0)
    noisy, same = validation_fields(2, 1e-3)
    torch.testing.assert_close(truth, same)
    assert (noisy - clean).std().item() == pytest.approx(1e-3, rel=0.05)
