"""Spectra of fields: Parseval, and directions of waves."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.physics.spectrum import spectrum


@pytest.mark.parametrize("shape", [(24, 24), (17, 30)])
def test_the_power_is_that_of_the_field(shape: tuple[int, int]) -> None:
    x, y = np.sqrt(2) * np.random.default_rng(4).normal(size=(2, *shape))
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
