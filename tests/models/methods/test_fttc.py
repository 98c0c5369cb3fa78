"""Classical methods as reconstruction methods: batches, precision, zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.models import load
from napari_vit_tfm.models.methods.fttc import FTTCMethod, FTTCOptions
from napari_vit_tfm.models.registry import balances_forces, registered_methods
from napari_vit_tfm.models.tensors import to_stack, to_tensor
from napari_vit_tfm.synthesis import synthesise

NAMES = ["fttc", "bayesian-fttc"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_field_of_a_batch_for_itself(name: str, dtype: torch.dtype) -> None:
    made = synthesise(2, seed=1, shape=(41, 60))
    noise = np.random.default_rng(0).normal(size=made.displacement.shape)
    batch = to_tensor(made.displacement + np.array([[[[1e-5]]], [[[1e-3]]]]) * noise)
    batch = batch.to(dtype)
    method = load(name)
    together = method.traction(batch)
    assert together.dtype == dtype
    one_by_one = [method.traction(field[None]) for field in batch]
    torch.testing.assert_close(together, torch.cat(one_by_one))


@pytest.mark.parametrize("name", NAMES)
def test_zeros_have_no_traction_and_a_clean_field_nearly_its_own(name: str) -> None:
    made = synthesise(1, seed=1)
    fields = np.concatenate([np.zeros_like(made.displacement), made.displacement])
    nothing, found = to_stack(load(name).traction(to_tensor(fields)))
    assert not nothing.any()
    truth = made.traction[0]
    assert np.square(found - truth).sum() < 0.1 * np.square(truth).sum()


@pytest.mark.parametrize("name", NAMES)
def test_the_amplitude_scales_the_result(name: str) -> None:
    field = to_tensor(synthesise(1, seed=1).displacement).double()
    noisy = field + 1e-4 * torch.randn(
        field.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    method = load(name)
    torch.testing.assert_close(
        method.traction(1e-3 * noisy), 1e-3 * method.traction(noisy)
    )


@pytest.mark.parametrize("name", registered_methods())
def test_only_methods_that_say_so_balance_the_forces(name: str) -> None:
    field = to_tensor(synthesise(1, seed=1, shape=(33, 40)).displacement)
    rng = torch.Generator().manual_seed(0)
    found = load(name).traction(field + 1e-3 * torch.randn(field.shape, generator=rng))
    net = found.sum(dim=(-2, -1)).norm() / found.norm(dim=1).sum()
    assert bool(net < 1e-6) == balances_forces(name) == load(name).balances_forces


def test_more_regularisation_gives_less_traction() -> None:
    field = to_tensor(synthesise(1, seed=1).displacement)
    sizes = [
        FTTCMethod(FTTCOptions(regularisation=regularisation))
        .traction(field)
        .square()
        .sum()
        for regularisation in (0.0, 1.0, 100.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0
