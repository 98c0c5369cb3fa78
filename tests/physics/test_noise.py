"""Noise of fields: known noise, no noise, rounding and masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.noise import Noise, estimate_noise
from napari_vit_tfm.physics.spectrum import spectrum
from napari_vit_tfm.synthesis import synthesise


def known(variance: float, length: float) -> Noise:
    return Noise(np.array(variance), np.array(length), np.array(True))


def noise_of(
    variance: float, length: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
    gain = np.sqrt(known(variance, length).power(np.hypot(k_y[:, None], k_x)))
    white = np.random.default_rng(4).normal(size=(2, *shape))
    x, y = np.fft.ifft2(np.fft.fft2(white) * gain).real
    return x, y


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(104, 104), (64, 96)])
def test_noise_upon_discs_is_found(length: float, shape: tuple[int, int]) -> None:
    clean = synthesise(1, seed=2, shape=shape).displacement[0] * (shape[1] - 1.0)
    noise = noise_of(0.01, length, shape)
    found = estimate_noise(clean[..., 0] + noise[0], clean[..., 1] + noise[1])
    assert found.length == pytest.approx(length, abs=0.25)
    k = np.array([1.0, 2.0, 3.0])
    ratio = found.power(k) / known(0.01, length).power(k)
    # Over three orders of magnitude at length 1.
    assert (np.abs(np.log(ratio)) < 0.6).all()


def test_a_clean_field_has_hardly_any_noise_and_zeros_have_none() -> None:
    clean = synthesise(1, seed=2).displacement[0] * 103.0
    x, y = clean[..., 0], clean[..., 1]
    noise = estimate_noise(x, y)
    field = spectrum(x, y)
    assert 0 < (field.count * noise.power(field.k)).sum() < 1e-3 * field.power.sum()


def test_a_field_that_shows_no_noise_is_told_apart() -> None:
    zeros = np.zeros((16, 16))
    found = estimate_noise(zeros, zeros)
    assert (found.variance, found.is_known) == (0, False)
    almost = zeros.copy()
    almost[:6, :6] = np.random.default_rng(0).normal(size=(6, 6))
    assert not estimate_noise(almost, almost).is_known
    noise = noise_of(0.01, 0.0, (16, 16))
    assert estimate_noise(*noise).is_known


@pytest.mark.parametrize("shape", [(4, 4), (5, 30), (6, 6), (8, 8)])
def test_noise_of_small_fields_has_the_right_magnitude(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.1, (2, 400, *shape))
    found = estimate_noise(x, y)
    assert found.is_known.all()
    assert 0.005 < np.median(found.variance) < 0.02
    if min(shape) < 6:
        assert not found.length.any()
    hidden = np.zeros(shape)
    assert not estimate_noise(hidden, hidden).is_known


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_rounding_counts_as_noise(noise: float) -> None:
    clean = synthesise(1, seed=2).displacement[0].astype(float) * 103.0
    step = 0.25
    noisy = clean + noise * np.random.default_rng(0).normal(size=clean.shape)
    rounded = np.round(noisy / step) * step
    found = estimate_noise(rounded[..., 0], rounded[..., 1])
    expected = max(noise**2 + step**2 / 12, step**2 / 12)
    assert found.is_known
    assert float(found.variance) == pytest.approx(expected, rel=0.35)
    # Arithmetic in single precision leaves dust on what was a multiple.
    exact = rounded.astype(np.float32)
    dust = np.random.default_rng(1).random(exact.shape) < 0.3
    dusty = np.where(dust, np.nextafter(exact, np.float32(np.inf)), exact)
    again = estimate_noise(dusty[..., 0], dusty[..., 1])
    assert float(again.variance) == pytest.approx(float(found.variance), rel=0.05)


@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_masked_vectors_say_nothing(drift: float) -> None:
    clean = synthesise(1, seed=2).displacement[0].astype(float) * 103.0
    noisy = clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape)
    whole = estimate_noise(noisy[..., 0], noisy[..., 1])
    noisy[:, :40] = 0
    noisy += drift
    masked = estimate_noise(noisy[..., 0], noisy[..., 1])
    assert float(masked.variance) == pytest.approx(float(whole.variance), rel=0.2)


def test_masked_vectors_here_and_there_say_nothing() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.normal(5, 0.1, (2, 96, 96))
    noisy[:, rng.random((96, 96)) < 0.08] = 0
    found = estimate_noise(*noisy)
    assert float(found.variance) == pytest.approx(0.01, rel=0.2)
    # A field of zeros beside it makes no difference.
    beside = np.stack([noisy, 0 * noisy], axis=1)
    np.testing.assert_array_equal(estimate_noise(*beside).variance[0], found.variance)


def test_a_smooth_field_is_no_correlated_noise() -> None:
    y, x = np.mgrid[:48, :64] * 2 * np.pi
    wave = np.cos(x / 32) * np.cos(y / 24)
    found = estimate_noise(wave, 0.5 * wave)
    assert found.length == 0
    field = spectrum(wave, 0.5 * wave)
    assert (field.count * found.power(field.k)).sum() < 1e-3 * field.power.sum()


def test_many_fields_at_once_and_tensors() -> None:
    made = synthesise(3, seed=2, shape=(40, 56)).displacement.astype(float) * 55.0
    made[0] += 0.1 * np.random.default_rng(0).normal(size=made[0].shape)
    made[1] = np.round(made[1] / 0.05) * 0.05
    made[2] = 0
    x, y = made[..., 0], made[..., 1]
    together = estimate_noise(x, y)
    powers = spectrum(x, y).power
    tensors = estimate_noise(torch.from_numpy(x), torch.from_numpy(y))
    for i in range(3):
        alone = estimate_noise(x[i], y[i])
        for name in ("variance", "length", "is_known"):
            expected = getattr(alone, name)
            np.testing.assert_allclose(getattr(together, name)[i], expected)
            np.testing.assert_allclose(getattr(tensors, name)[i].numpy(), expected)
        np.testing.assert_allclose(powers[i], spectrum(x[i], y[i]).power)


def test_noise_that_is_scaled_has_so_many_times_the_standard_deviation() -> None:
    noise = known(4.0, 0.5)
    more = noise.scaled(3.0)
    assert more.standard_deviation() == pytest.approx(3 * noise.standard_deviation())
    assert (more.length, more.is_known) == (noise.length, noise.is_known)
