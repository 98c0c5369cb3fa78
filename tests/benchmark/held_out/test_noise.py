"""Noise is as strong, and as correlated, as its name says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.held_out import NOISES, with_noise

FIELD = np.random.default_rng(0).normal(7, 1, (2, 64, 80, 2)).astype(np.float32)
FIELD[1] *= 10


@pytest.mark.parametrize("level", NOISES)
def test_strength_is_that_share_of_the_field_about_its_mean(level: str) -> None:
    added = (with_noise(FIELD, level, seed=1) - FIELD).astype(float)
    share = NOISES[level].strength
    for noise, field in zip(added, FIELD, strict=True):
        np.testing.assert_allclose(
            noise.std(axis=(0, 1)), share * field.std(), rtol=0.1, atol=1e-9
        )


@pytest.mark.parametrize("level", ["5%", "5% correlated"])
def test_only_correlated_noise_is_shared_by_neighbours(level: str) -> None:
    noise = with_noise(FIELD, level, seed=2)[0] - FIELD[0]
    power = np.square(noise).mean()
    neighbours = (noise[1:] * noise[:-1]).mean() / power
    expected = np.exp(-0.25) if "correlated" in level else 0
    assert neighbours == pytest.approx(expected, abs=0.05)
    # Not periodic.
    assert abs((noise[0] * noise[-1]).mean()) < 0.4 * power


def test_the_same_seed_draws_the_same_noise() -> None:
    first, again, other = (with_noise(FIELD, "20%", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
