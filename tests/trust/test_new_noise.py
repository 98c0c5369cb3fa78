"""New noise like that of a displacement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm.physics import estimate_noise
from napari_vit_tfm.trust.new_noise import new_noise


@pytest.mark.parametrize("length", [0.0, 0.3, 1.0])
def test_new_noise_is_as_strong_as_the_estimate(length: float) -> None:
    rng = np.random.default_rng(0)
    white = rng.normal(0, 0.05, (96, 96, 2))
    # Fine enough a grid that the Gaussian is not cut to one node.
    fine = gaussian_filter(rng.normal(size=(288, 288, 2)), (3 * length, 3 * length, 0))
    measured = white if length == 0 else 0.05 * (fine / fine.std())[::3, ::3]
    noise = estimate_noise(measured[..., 0], measured[..., 1])
    made = new_noise(noise, (96, 96), 4, rng)
    assert made.shape == (4, 96, 96, 2)
    assert made.std() == pytest.approx(float(noise.standard_deviation()), rel=0.02)
    assert made.std() == pytest.approx(0.05, rel=0.1)
    # Smoothing by a Gaussian of this length correlates neighbours this much.
    beside = (made[:, :, 1:] * made[:, :, :-1]).mean() / np.square(made).mean()
    expected = np.exp(-0.25 / length**2) if length else 0
    assert beside == pytest.approx(expected, abs=0.05)
