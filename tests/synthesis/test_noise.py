"""White and correlated noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.synthesis import NoiseDistribution, add_noise, correlated


def test_noise_is_drawn_as_said() -> None:
    noise = NoiseDistribution(
        strength=(0.01, 0.1), clean_share=0.25, correlated_share=0.4, length=(0.5, 2)
    )
    strength, length = noise.draw(np.random.default_rng(0), 2000)
    assert (strength == 0).mean() == pytest.approx(0.25, abs=0.03)
    noisy = strength[strength > 0]
    assert 0.01 <= noisy.min() < noisy.max() <= 0.1
    assert np.median(noisy) == pytest.approx(np.sqrt(0.001), rel=0.1)
    assert (length > 0).mean() == pytest.approx(0.4, abs=0.03)
    assert 0.5 <= length[length > 0].min() < length.max() <= 2
    assert np.median(length[length > 0]) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("length", [0.0, 0.7, 2.0])
def test_neighbours_are_correlated_as_said_and_the_strength_stays(
    length: float,
) -> None:
    white = np.random.default_rng(0).standard_normal((8, 127, 128))
    noise = correlated(white, np.full(8, length))
    assert noise.std() == pytest.approx(1, rel=0.05)
    expected = np.exp(-1 / (4 * length**2)) if length else 0.0
    for axis in (-2, -1):
        neighbour = np.roll(noise, 1, axis)
        assert (noise * neighbour).mean() == pytest.approx(expected, abs=0.03)
    if not length:
        np.testing.assert_allclose(noise, white, atol=1e-12)


def test_noise_is_relative_to_each_field() -> None:
    clean = np.ones((3, 2, 64, 64)) * np.array([1.0, 5.0, 0.0])[:, None, None, None]
    white = np.random.default_rng(1).standard_normal(clean.shape)
    strength, length = np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 0.0])
    noisy = add_noise(clean, white, strength=strength, length=length)
    spread = (noisy - clean).std(axis=(1, 2, 3))
    np.testing.assert_allclose(spread, [0.1, 1.0, 0.0], rtol=0.05)
    in_torch = add_noise(
        *(torch.from_numpy(a) for a in (clean, white)),
        strength=torch.from_numpy(strength),
        length=torch.from_numpy(length),
    )
    np.testing.assert_allclose(in_torch.numpy(), noisy, atol=1e-12)


def test_noise_longer_than_the_field_is_not_periodic() -> None:
    clean = np.ones((20, 2, 32, 32))
    white = np.random.default_rng(2).standard_normal((20, 2, 80, 80))
    noise = add_noise(clean, white, strength=np.ones(20), length=np.full(20, 6.0))
    noise = noise - clean
    neighbours = np.square(noise[..., 1:] - noise[..., :-1]).mean()
    borders = np.square(noise[..., -1] - noise[..., 0]).mean()
    assert borders > 20 * neighbours
