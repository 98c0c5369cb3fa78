"""Bayesian FTTC: known tractions, no tractions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics.bayesian import (
    bayesian_fttc,
    posterior_gains,
    posterior_variance,
)
from napari_vit_tfm.physics.evidence import Prior
from napari_vit_tfm.physics.halfspace import Gains, displacement_of, filter_modes
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.physics.tikhonov import fttc, periodic_component
from napari_vit_tfm.synthesis import synthesise


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.1])
def test_discs_are_found_as_well_as_by_the_best_regularisation(sigma: float) -> None:
    made = synthesise(2, seed=3)
    noise = sigma * np.random.default_rng(0).normal(size=made.displacement.shape)
    for field, truth in zip(
        made.displacement * 103.0 + noise, made.traction, strict=True
    ):
        x, y = field[..., 0], field[..., 1]

        def error(
            found: tuple[np.ndarray, np.ndarray], truth: np.ndarray = truth
        ) -> float:
            return float(np.square(np.stack(found, axis=-1) - truth).sum())

        periodic = periodic_component(x), periodic_component(y)
        best = min(
            error(fttc(*periodic, regularisation=regularisation))
            for regularisation in np.geomspace(1e-3, 1e3, 25)
        )
        assert error(bayesian_fttc(x, y)) < 1.1 * best


def test_uncorrelated_tractions_give_tikhonov_s_solution() -> None:
    """Huang et al.'s prior: the posterior mean is FTTC at noise over prior."""
    rng = np.random.default_rng(1)
    t_x, t_y = rng.normal(size=(2, 48, 48)) * (rng.uniform(size=(48, 48)) < 0.05)
    clean = displacement_of(t_x, t_y)
    x, y = (part + 0.2 * rng.normal(size=part.shape) for part in clean)
    found = np.stack(bayesian_fttc(x, y, lengths=[0.0]))
    periodic = periodic_component(x), periodic_component(y)
    closest = min(
        np.square(found - np.stack(fttc(*periodic, regularisation=r))).sum()
        for r in np.geomspace(1e-3, 1e2, 101)
    )
    # Up to the noise's slight correlation, which is estimated too.
    assert closest < 0.01 * np.square(found).sum()


def test_a_strain_of_the_whole_field_is_no_reason_for_strong_tractions() -> None:
    made = synthesise(1, seed=3).displacement[0].astype(float) * 103.0
    made += 0.1 * np.random.default_rng(0).normal(size=made.shape)
    x, y = made[..., 0], made[..., 1]
    before = np.stack(bayesian_fttc(x, y))
    after = np.stack(bayesian_fttc(x + 0.2 * np.arange(104.0), y))
    assert np.square(after - before).sum() < 0.05 * np.square(before).sum()


def test_another_gel_s_tractions_are_found_better_than_by_any_regularisation() -> None:
    response = Substrate(Gel(poisson=0.3, thickness_um=0.5)).response(spacing_um=1.0)
    truth = np.moveaxis(synthesise(1, seed=3).traction[0].astype(float), -1, 0)
    clean = np.stack(displacement_of(*truth, response=response))
    x, y = clean + 0.02 * np.random.default_rng(0).normal(size=clean.shape)

    def error(found: tuple[np.ndarray, np.ndarray]) -> float:
        return float(np.square(np.stack(found) - truth).sum())

    periodic = periodic_component(x), periodic_component(y)
    best = min(
        error(fttc(*periodic, regularisation=regularisation, response=response))
        for regularisation in np.geomspace(1e-3, 1e3, 25)
    )
    assert error(bayesian_fttc(x, y, response=response)) < 0.7 * best
    assert error(bayesian_fttc(x, y)) > 2 * best


def test_zeros_and_a_drift_have_no_traction_and_noise_hardly_any() -> None:
    zero, drift = np.zeros((16, 20)), np.full((16, 20), 3.0)
    for x in (zero, drift):
        np.testing.assert_allclose(bayesian_fttc(x, zero), 0, atol=1e-12)
    noise = np.random.default_rng(0).normal(size=(2, 64, 64))
    found = np.square(bayesian_fttc(*noise)).mean()
    unregularised = np.square(fttc(*noise, regularisation=0)).mean()
    assert found < 0.01 * unregularised


def test_many_fields_at_once_and_tensors() -> None:
    made = synthesise(3, seed=3, shape=(40, 56)).displacement.astype(float) * 55.0
    made[0] += 0.2 * np.random.default_rng(0).normal(size=made[0].shape)
    made[1] = 0
    x, y = made[..., 0], made[..., 1]
    together = np.stack(bayesian_fttc(x, y))
    alone = np.stack([bayesian_fttc(*pair) for pair in zip(x, y, strict=True)], axis=1)
    np.testing.assert_allclose(together, alone, atol=1e-12)
    tensors = bayesian_fttc(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(torch.stack(tensors).numpy(), together, atol=1e-10)


@pytest.mark.parametrize("step", [0.05, 0.25])
def test_rounded_displacements_are_regularised(step: float) -> None:
    made = synthesise(2, seed=3)
    for field, truth in zip(made.displacement * 103.0, made.traction, strict=True):
        rounded = np.round(field.astype(float) / step) * step
        found = np.stack(bayesian_fttc(rounded[..., 0], rounded[..., 1]), axis=-1)
        assert np.square(found - truth).sum() < 0.3 * np.square(truth).sum()


@pytest.mark.parametrize("length", [0.0, 2.0])
@pytest.mark.parametrize("shape", [(96, 96), (63, 80)])
def test_the_posterior_of_gaussian_tractions_holds_the_stated_shares(
    length: float, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(4)
    prior = Prior(np.array(0.01), np.array(length))
    noise = Noise(np.array(0.05**2), np.array(0.5), np.array(True))

    def root_of(power: Callable[[np.ndarray], np.ndarray]) -> Gains:
        # No mean, of which the displacement says nothing.
        return lambda k: (np.sqrt(power(k)) * (k > 0),) * 2

    truth = filter_modes(*rng.normal(size=(2, *shape)), root_of(prior.power), pad=False)
    clean = displacement_of(*truth, pad=False)
    added = filter_modes(*rng.normal(size=(2, *shape)), root_of(noise.power), pad=False)
    gains = posterior_gains(noise, prior)
    found = filter_modes(*np.add(clean, added), gains, pad=False)
    variances = posterior_variance(noise, gains, shape)
    for a, b, variance in zip(found, truth, variances, strict=True):
        errors = np.abs(a - b) / np.sqrt(variance)
        assert abs((errors < 0.994).mean() - 0.68) < 0.03
        assert abs((errors < 1.96).mean() - 0.95) < 0.015
