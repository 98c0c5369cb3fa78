"""The evidence: against brute force, known priors, and the noise of small fields."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.physics.bayesian import bayesian_fttc
from napari_vit_tfm.physics.evidence import (
    Prior,
    log_evidence,
    most_probable_prior,
    noise_for_inversion,
)
from napari_vit_tfm.physics.halfspace import REFERENCE_RESPONSE, displacement_of
from napari_vit_tfm.physics.noise import Noise, estimate_noise
from napari_vit_tfm.physics.spectrum import spectrum
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
)


def prior_of(variance: float, length: float) -> Prior:
    return Prior(np.array(variance), np.array(length))


def noise_of(variance: float) -> Noise:
    return Noise(np.array(variance), np.array(0.0), np.array(True))


def test_the_evidence_is_the_density_of_the_displacement() -> None:
    """Against the covariance matrix of all nodes, by columns of the response."""
    shape, prior, noise = (3, 7), prior_of(0.3, 0.0), noise_of(0.2)
    nodes = shape[0] * shape[1]
    # The mean is no part of the spectrum: tractions and noise have none.
    identity = np.eye(2 * nodes).reshape(-1, 2, *shape)
    centred = identity - identity.mean(axis=(-2, -1), keepdims=True)
    columns = displacement_of(centred[:, 0], centred[:, 1], pad=False)
    response = np.stack(columns, axis=1).reshape(2 * nodes, -1).T
    projection = centred.reshape(2 * nodes, -1)
    covariance = 0.3 * response @ response.T + 0.2 * projection
    rng = np.random.default_rng(0)

    def pair() -> tuple[float, float]:
        u = rng.normal(size=(2, *shape)) * rng.uniform(0.2, 2)
        u -= u.mean(axis=(-2, -1), keepdims=True)
        field = spectrum(*u)
        squared = np.square(np.stack(REFERENCE_RESPONSE(field.k)))
        variance = noise.power(field.k) + squared * prior.power(field.k)
        exact = multivariate_normal(cov=covariance, allow_singular=True).logpdf(
            u.ravel()
        )
        return log_evidence(field, variance=variance), float(exact)

    first, second = pair(), pair()
    assert first[0] - second[0] == pytest.approx(first[1] - second[1])


@pytest.mark.parametrize("prior", [prior_of(0.02, 0.0), prior_of(0.5, 4.0)])
def test_the_prior_that_made_the_tractions_is_found(prior: Prior) -> None:
    shape = (64, 80)
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
    gain = np.sqrt(prior.power(np.hypot(k_y[:, None], k_x)))
    white = np.random.default_rng(0).normal(size=(4, *shape))
    t_x, t_y = np.fft.ifft2(np.fft.fft2(white[:2]) * gain).real
    noise = noise_of(0.01)
    u_x, u_y = displacement_of(t_x, t_y, pad=False)
    field = spectrum(u_x + 0.1 * white[2], u_y + 0.1 * white[3])
    found = most_probable_prior(field, noise=noise)
    assert found.length == prior.length
    assert found.variance == pytest.approx(prior.variance, rel=0.25)


def test_a_prior_is_correlated_as_said() -> None:
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in (256, 256))
    power = prior_of(1.0, 4.0).power(np.hypot(k_y[:, None], k_x))
    covariance = np.fft.ifft2(power).real[0]
    for near, far in ((4, 8), (8, 12)):
        expected = np.exp(-(far - near) / 4)
        assert covariance[far] / covariance[near] == pytest.approx(expected, rel=0.05)


def chosen_fttc(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    periodic = periodic_component(x), periodic_component(y)
    return fttc(*periodic, regularisation=choose_regularisation(x, y))


Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["adhesions", "colony", "pads"])
@pytest.mark.parametrize("side", [8, 12])
@pytest.mark.parametrize("method", [bayesian_fttc, chosen_fttc])
def test_small_fields_keep_their_tractions(
    method: Method, side: int, kind: str, noise: float
) -> None:
    clean, truth = simulate(kind, 12, seed=5, shape=(side, side))
    clean = clean.astype(float) * (side - 1)
    sigma = noise * clean.std(axis=(1, 2), keepdims=True)
    measured = clean + sigma * np.random.default_rng(0).normal(size=clean.shape)

    def error(found: tuple[np.ndarray, np.ndarray], wanted: np.ndarray) -> float:
        difference = np.stack(found, axis=-1) - wanted
        return float(np.square(difference).sum() / np.square(wanted).sum())

    errors, lowest = [], []
    for field, wanted in zip(measured, truth, strict=True):
        x, y = np.moveaxis(field, -1, 0)
        periodic = periodic_component(x), periodic_component(y)
        errors.append(error(method(x, y), wanted))
        lowest.append(
            min(
                error(fttc(*periodic, regularisation=tried), wanted)
                for tried in np.geomspace(1e-4, 1e2, 19)
            )
        )
    assert np.median(errors) < np.median(lowest) + 0.1
    possible = np.array(lowest) < 0.3
    assert np.mean(np.array(errors)[possible] > 0.9) < 0.1


def test_noise_of_a_small_field_has_hardly_any_traction() -> None:
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(size=(2, 16, 16))
        unregularised = np.square(fttc(*noise, regularisation=0)).mean()
        for method in (bayesian_fttc, chosen_fttc):
            assert np.square(method(*noise)).mean() < 0.05 * unregularised


@pytest.mark.parametrize("side", [16, 23, 24, 40])
def test_the_noise_of_large_fields_is_that_of_their_details(side: int) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, side, 40))
    field = spectrum(periodic_component(x), periodic_component(y))
    found, limit = noise_for_inversion(x, y, field), estimate_noise(x, y)
    assert (found.variance == limit.variance) == (side >= 24)
    assert found.standard_deviation() <= 1.001 * limit.standard_deviation()
    assert found.standard_deviation() == pytest.approx(1, abs=0.15)


def test_small_fields_without_noise_or_vectors_and_tensors() -> None:
    displacement, _ = simulate("pads", 3, seed=1, shape=(16, 16))
    x, y = np.moveaxis(displacement.astype(float) * 15, -1, 0).copy()
    x[1] = y[1] = 0
    together = np.stack(bayesian_fttc(x, y))
    assert not together[:, 1].any()
    alone = np.stack([bayesian_fttc(*pair) for pair in zip(x, y, strict=True)], axis=1)
    np.testing.assert_allclose(together, alone, atol=1e-12)
    tensors = bayesian_fttc(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(torch.stack(tensors).numpy(), together, atol=1e-10)
