"""Tests of residuals relative to the noise."""

import numpy as np
import pytest

from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.noise import estimated_noise, noise_records
from napari_vit_tfm.trust.whitening import (
    chi_squared,
    clear_noise,
    cosine_modes,
    from_cosine_modes,
    noise_of_modes,
)


def noise_of(fields: np.ndarray) -> Noise:
    return clear_noise(estimated_noise(fields), fields.shape[1:3])


def noise_fields(n: int, side: int, length: float, seed: int = 0) -> np.ndarray:
    """Noise of variance 1 before its convolution with a Gaussian, ``(n, H, W, 2)``."""
    size = 2 * side + 16
    k = 2 * np.pi * np.fft.fftfreq(size)
    kept = np.exp(-np.square(k * length) / 2)
    white = np.random.default_rng(seed).normal(size=(n, size, size, 2))
    modes = np.fft.fft2(white, axes=(1, 2)) * (kept[:, None] * kept)[..., None]
    return np.fft.ifft2(modes, axes=(1, 2)).real[:, :side, :side]


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0, 1.4])
@pytest.mark.parametrize(("side", "n"), [(16, 60), (40, 12), (104, 3), (256, 1)])
def test_chi_squared_of_known_noise_is_one(side: int, n: int, length: float) -> None:
    noise = Noise(np.ones(n), np.full(n, length), np.ones(n, dtype=bool))
    found = chi_squared(noise_fields(n, side, length), noise)
    assert found.mean() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("side", "n"), [(16, 200), (24, 100), (64, 12), (160, 3)])
def test_chi_squared_of_estimated_noise_is_one(
    side: int, n: int, length: float
) -> None:
    fields = noise_fields(n, side, length)
    assert chi_squared(fields, noise_of(fields)).mean() == pytest.approx(1, abs=0.07)


def test_chi_squared_counts_what_is_not_noise() -> None:
    (field,) = noise_fields(1, 64, 0.0)
    noise = Noise(np.ones(1), np.zeros(1), np.ones(1, dtype=bool))
    wave = np.cos(2 * np.pi * np.arange(64) / 16)[:, None, None] * np.ones((64, 2))
    found = chi_squared((field + 2 * wave)[None], noise)
    assert found[0] == pytest.approx(3, abs=0.1)


def test_chi_squared_ignores_the_mean() -> None:
    fields = noise_fields(1, 32, 0.0)
    noise = noise_of(fields)
    np.testing.assert_allclose(
        chi_squared(fields + 5, noise), chi_squared(fields, noise)
    )


def test_unknown_noise_has_no_chi_squared() -> None:
    still = np.zeros((1, 16, 16, 2))
    assert np.isnan(chi_squared(still, noise_of(still))).all()


def test_modes_and_back() -> None:
    fields = noise_fields(2, 20, 1.0)
    np.testing.assert_allclose(
        from_cosine_modes(cosine_modes(fields)), fields, atol=1e-12
    )


def test_variance_of_modes_is_that_of_the_nodes() -> None:
    noise = Noise(np.float64(2.0), np.float64(0.7), np.bool_(True))
    modes = noise_of_modes(2.0, 0.7, (24, 40))
    assert modes.mean() == pytest.approx(noise.standard_deviation() ** 2, rel=1e-3)


def test_records_of_the_noise() -> None:
    fields = 0.1 * noise_fields(1, 64, 0.0)
    fields += np.sin(np.linspace(0, 9, 64))[:, None, None]
    found = noise_records(fields, estimated_noise(fields))
    size = np.sqrt(fields.var(axis=(0, 1, 2)).mean())
    assert found["relative_noise"][0] == pytest.approx(0.1 / size, rel=0.1)
    assert found["noise_length"][0] == pytest.approx(0, abs=0.3)
    still = np.zeros((1, 16, 16, 2))
    assert np.isnan(
        noise_records(still, estimated_noise(still))["relative_noise"]
    ).all()
