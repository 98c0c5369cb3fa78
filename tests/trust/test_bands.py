"""Tests of the bands of wave numbers."""

import numpy as np

from napari_vit_tfm.trust.bands import FLOOR, N_BANDS, bands_of, log10


def test_each_wave_number_is_in_one_band() -> None:
    in_band = bands_of(np.geomspace(0.05, 4, 300))
    assert in_band.shape == (N_BANDS, 300)
    np.testing.assert_array_equal(in_band.sum(axis=0), 1)
    assert np.all(np.diff(in_band.argmax(axis=0)) >= 0)


def test_an_empty_band_has_the_wave_numbers_of_the_nearest() -> None:
    k = np.array([0.2, 0.3, 3.0])
    in_band = bands_of(k, 4)
    assert in_band.tolist() == [
        [True, False, False],
        [True, False, False],
        [True, False, False],
        [True, False, False],
    ]
    assert bands_of(k)[4].tolist() == [False, True, False]
    assert bands_of(k)[-1].tolist() == [False, False, True]


def test_logarithm_of_nothing_is_finite() -> None:
    np.testing.assert_allclose(log10([-1.0, 0.0, 1.0]), [-9, -9, 0], atol=1e-8)
    assert FLOOR == 1e-9
