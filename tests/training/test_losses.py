"""Losses by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_vit_tfm.training.config import LossConfig
from napari_vit_tfm.training.losses import (
    background_magnitude,
    magnitude_error,
    relative_squared_error,
    traction_loss,
)


@pytest.fixture
def truth() -> Tensor:
    """Magnitude 5 at two of twenty nodes; in the second field ten times that."""
    field = torch.zeros(1, 2, 4, 5)
    field[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    field[0, :, 2, 3] = torch.tensor([-5.0, 0.0])
    return torch.cat([field, 10 * field])


def test_every_term_is_relative_to_its_field(truth: Tensor) -> None:
    ones = torch.ones(2)
    zero = torch.zeros_like(truth)
    torch.testing.assert_close(relative_squared_error(zero, truth), ones)
    torch.testing.assert_close(relative_squared_error(1.5 * truth, truth), 0.25 * ones)
    torch.testing.assert_close(magnitude_error(zero, truth), ones)
    torch.testing.assert_close(magnitude_error(1.5 * truth, truth), 0.5 * ones)
    torch.testing.assert_close(background_magnitude(1.5 * truth, truth), 0 * ones)


def test_magnitudes_too_high_and_too_low_do_not_cancel(truth: Tensor) -> None:
    traction = truth.clone()
    traction[:, :, 0, 0] *= 1.5
    traction[:, :, 2, 3] *= -0.5
    torch.testing.assert_close(magnitude_error(traction, truth), torch.full((2,), 0.5))


def test_weak_adhesions_count_as_much_as_strong_ones_unless_very_weak() -> None:
    truth = torch.zeros(1, 2, 2, 2)
    truth[0, 0] = torch.tensor([[10.0, 1.0], [1.0, 0.0]])
    traction = truth.clone()
    traction[0, 0, 0, 1] = 0.0  # one of three is missing
    torch.testing.assert_close(magnitude_error(traction, truth), torch.tensor([1 / 3]))
    truth[0, 0, 0, 1] = 0.1  # mean 3.7, a twentieth of which is 0.185
    torch.testing.assert_close(
        magnitude_error(traction, truth), torch.tensor([0.1 / 0.185 / 3])
    )


def test_the_background_is_where_no_traction_is(truth: Tensor) -> None:
    traction = 7 * truth
    traction[:, 1, 3, 3] = torch.tensor([-9.0, 18.0])
    # One of 18 nodes with magnitude 9 (18), where adhesions have 5 (50).
    expected = torch.tensor([9 / 18 / 5, 18 / 18 / 50])
    torch.testing.assert_close(background_magnitude(traction, truth), expected)


def test_the_terms_are_weighted(truth: Tensor) -> None:
    traction = 1.5 * truth
    traction[:, 0, 3, 3] = 9.0
    config = LossConfig(exponent=1.0, background=0.3, adhesions=0.2)
    still = torch.zeros_like(truth)
    torch.testing.assert_close(
        traction_loss(traction, truth, still, config),
        relative_squared_error(traction, truth)
        + 0.3 * background_magnitude(traction, truth)
        + 0.2 * magnitude_error(traction, truth),
    )
    torch.testing.assert_close(
        traction_loss(traction, truth, still, LossConfig()),
        relative_squared_error(traction, truth).sqrt(),
    )


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_gradients_are_finite_everywhere(truth: Tensor, factor: float) -> None:
    config = LossConfig(background=1.0, adhesions=1.0)
    fields = torch.cat([truth, torch.zeros_like(truth[:1])])
    traction = (factor * fields).requires_grad_()
    loss = traction_loss(traction, fields, 0.1 * torch.ones_like(fields), config)
    loss.sum().backward()
    assert traction.grad is not None
    assert traction.grad.isfinite().all()


def test_where_all_forces_lie_outside_the_error_is_related_to_displacement() -> None:
    zero = torch.zeros(1, 2, 4, 5)
    # A grid step up or down, four to a width; its mean makes no difference.
    displacement = 7 + torch.tensor([0.25, -0.25]).repeat(10)[:20].view(1, 1, 4, 5)
    displacement = displacement.expand(1, 2, 4, 5)
    config = LossConfig(exponent=1.0, background=1.0, adhesions=1.0)
    assert traction_loss(zero, zero, displacement, config).item() < 1e-5
    wrong = torch.full_like(zero, 0.02)
    loss = traction_loss(wrong, zero, displacement, config)
    torch.testing.assert_close(loss, torch.tensor([4.0]))
    still = traction_loss(wrong, zero, zero, LossConfig(exponent=1.0))
    assert still.isfinite().all()


def test_the_error_of_another_target_is_still_relative_to_the_truth(
    truth: Tensor,
) -> None:
    config = LossConfig(exponent=1.0, adhesions=1.0)
    displacement = torch.zeros_like(truth)
    # The squared error is that of the target, the magnitudes are those of the truth.
    loss = traction_loss(1.5 * truth, truth, displacement, config, target=3 * truth)
    torch.testing.assert_close(loss, torch.full((2,), 1.5**2 + 0.5), rtol=1e-4, atol=0)
