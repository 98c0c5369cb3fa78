"""Spectra of fields and of noise: Parseval, known noise, no noise."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.physics.spectrum import Noise, estimate_noise, spectrum
from napari_vit_tfm.synthesis import synthesise


def noise_of(
    variance: float, length: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
    gain = np.sqrt(Noise(variance, length).power(np.hypot(k_y[:, None], k_x)))
    white = np.random.default_rng(4).normal(size=(2, *shape))
    x, y = np.fft.ifft2(np.fft.fft2(white) * gain).real
    return x, y


@pytest.mark.parametrize("shape", [(24, 24), (17, 30)])
def test_the_power_is_that_of_the_field(shape: tuple[int, int]) -> None:
    x, y = noise_of(2.0, 0.0, shape)
    field = spectrum(x, y)
    # Without the mean; the amplitudes' sum is the field's, by Parseval.
    expected = sum(np.square(part - part.mean()).sum() for part in (x, y))
    assert field.power.sum() == pytest.approx(expected)
    assert field.count.sum() == x.size - 1
    assert (np.diff(field.k) > 0).all()


def test_a_wave_along_its_direction_is_longitudinal() -> None:
    rows, columns = np.mgrid[:32, :48]
    wave = np.cos(2 * np.pi * (3 * columns / 48 + 2 * rows / 32))
    field = spectrum(wave, wave)
    k = 2 * np.pi * np.hypot(3 / 48, 2 / 32)
    found = field.power[:, np.argmin(np.abs(field.k - k))]
    # 2 pi (3/48, 2/32) points along (1, 1): nothing is across.
    np.testing.assert_allclose(found, [wave.size, 0], atol=1e-9)


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(104, 104), (64, 96)])
def test_noise_upon_discs_is_found(length: float, shape: tuple[int, int]) -> None:
    clean = synthesise(1, seed=2, shape=shape).displacement[0] * (shape[1] - 1.0)
    noise = noise_of(0.01, length, shape)
    found = estimate_noise(clean[..., 0] + noise[0], clean[..., 1] + noise[1])
    assert found.length == pytest.approx(length, abs=0.25)
    k = np.array([1.0, 2.0, 3.0])
    ratio = found.power(k) / Noise(0.01, length).power(k)
    # Over three orders of magnitude at length 1.
    assert (np.abs(np.log(ratio)) < 0.6).all()


def test_a_clean_field_has_hardly_any_noise_and_zeros_have_none() -> None:
    clean = synthesise(1, seed=2).displacement[0] * 103.0
    x, y = clean[..., 0], clean[..., 1]
    noise = estimate_noise(x, y)
    field = spectrum(x, y)
    assert 0 < (field.count * noise.power(field.k)).sum() < 1e-3 * field.power.sum()
    zeros = np.zeros((16, 16))
    assert estimate_noise(zeros, zeros) == Noise(0.0, 0.0)
