"""White and correlated noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vit_tfm.synthesis import (
    NoiseDistribution,
    NoiseParameters,
    add_noise,
    correlated,
)


def test_noise_is_drawn_as_said() -> None:
    noise = NoiseDistribution(
        strength=(0.01, 0.1), clean_share=0.25, correlated_share=0.4, length=(0.5, 2)
    )
    drawn = noise.draw(np.random.default_rng(0), 2000)
    strength, length = drawn.strength, drawn.length
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


def test_what_else_a_measurement_adds_is_drawn_as_said() -> None:
    noise = NoiseDistribution(
        uneven_share=0.3,
        distorted_share=0.2,
        distortion=0.5,
        rounded_share=0.1,
        rounding=(0.1, 0.2),
    )
    drawn = noise.draw(np.random.default_rng(0), 2000)
    assert (drawn.unevenness > 0).mean() == pytest.approx(0.3, abs=0.03)
    distorted = np.abs(drawn.distortion).max(axis=(1, 2)) > 0
    assert distorted.mean() == pytest.approx(0.2, abs=0.03)
    rounded = drawn.rounding[drawn.rounding > 0]
    assert rounded.size / 2000 == pytest.approx(0.1, abs=0.03)
    assert 0.1 <= rounded.min() < rounded.max() <= 0.2


def nothing(n: int) -> NoiseParameters:
    zero = np.zeros(n)
    return NoiseParameters(zero, zero, zero, np.zeros((n, 2, 5)), zero)


def waves(n: int, size: int) -> np.ndarray:
    """Fields with a mean of three and a root mean square of one about it."""
    x = np.sqrt(2) * np.cos(2 * np.pi * np.arange(size) / size)
    return 3 + np.broadcast_to(x, (n, 2, size, size))


def in_torch(noise: NoiseParameters) -> NoiseParameters:
    return NoiseParameters(*(torch.from_numpy(part) for part in vars(noise).values()))


def test_noise_is_relative_to_each_field_about_its_mean() -> None:
    clean = waves(3, 64) * np.array([1.0, 5.0, 0.0])[:, None, None, None]
    white = np.random.default_rng(1).standard_normal((3, 3, 64, 64))
    noise = replace(
        nothing(3),
        strength=np.array([0.1, 0.2, 0.3]),
        length=np.array([0.0, 1.0, 0.0]),
        unevenness=np.array([0.0, 0.5, 0.0]),
    )
    noisy = add_noise(clean, white, noise)
    spread = (noisy - clean).std(axis=(1, 2, 3))
    np.testing.assert_allclose(spread, [0.1, 1.0, 0.0], rtol=0.07)
    tensors = add_noise(
        torch.from_numpy(clean), torch.from_numpy(white), in_torch(noise)
    )
    np.testing.assert_allclose(tensors.numpy(), noisy, atol=1e-12)


def test_uneven_noise_is_stronger_in_places() -> None:
    clean, white = (
        waves(1, 96),
        np.random.default_rng(1).standard_normal((1, 3, 96, 96)),
    )
    spreads = {}
    for unevenness in (0.0, 1.0):
        noise = replace(
            nothing(1), strength=np.ones(1), unevenness=np.array([unevenness])
        )
        made = (add_noise(clean, white, noise) - clean)[0]
        tiles = made.reshape(2, 12, 8, 12, 8).std(axis=(0, 2, 4))
        spreads[unevenness] = tiles.max() / tiles.min()
    assert spreads[0.0] < 2 < 5 < spreads[1.0]
    # Where it is stronger depends on numbers of its own, not on the noise.
    white[:, 2] = 1
    np.testing.assert_allclose(add_noise(clean, white, noise), clean + white[:, :2])


def test_a_distortion_is_a_polynomial_of_the_whole_field() -> None:
    rng = np.random.default_rng(0)
    clean, white = rng.normal(3, 5, (2, 2, 24, 33)), np.zeros((2, 3, 24, 33))
    clean[1] *= 10
    distortion = rng.normal(size=(2, 2, 5))
    made = add_noise(clean, white, replace(nothing(2), distortion=distortion)) - clean
    x, y = np.linspace(-1, 1, 33)[None, :], np.linspace(-1, 1, 24)[:, None]
    for found, field, factors in zip(made, clean, distortion, strict=True):
        rms = np.sqrt(field.var(axis=(1, 2)).mean())
        for part, (a, b, c, d, e) in zip(found, factors, strict=True):
            expected = a * x + b * y + c * x**2 + d * x * y + e * y**2
            np.testing.assert_allclose(part, rms * expected)


def test_displacements_are_rounded_where_asked_for() -> None:
    clean, white = 5 * waves(2, 32), np.zeros((2, 3, 32, 32))
    noise = replace(nothing(2), rounding=np.array([0.0, 0.5]))
    made = add_noise(clean, white, noise)
    np.testing.assert_array_equal(made[0], clean[0])
    steps = np.unique(np.round(np.diff(np.unique(made[1].round(9))), 6))
    np.testing.assert_allclose(steps, 2.5, rtol=0.05)


def test_noise_longer_than_the_field_is_not_periodic() -> None:
    clean = waves(20, 32)
    white = np.random.default_rng(2).standard_normal((20, 3, 80, 80))
    noise = replace(nothing(20), strength=np.ones(20), length=np.full(20, 6.0))
    made = add_noise(clean, white, noise) - clean
    neighbours = np.square(made[..., 1:] - made[..., :-1]).mean()
    borders = np.square(made[..., -1] - made[..., 0]).mean()
    assert borders > 20 * neighbours
