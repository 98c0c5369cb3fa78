"""Noise in a region without force, and regions as text."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.trust.force_free import (
    noise_in_region,
    region_as_text,
    region_from_text,
)
from napari_vit_tfm.trust.new_noise import new_noise
from napari_vit_tfm.trust.noise import estimated_noise, noise_of_sd

SIDE = 64


def ring() -> np.ndarray:
    """Nodes far from the middle, in a shape that is no rectangle."""
    rows, columns = np.indices((SIDE, SIDE))
    return np.hypot(rows - 32, columns - 32) > 24


def measured(length: float, seed: int = 0) -> np.ndarray:
    """A cell with sharp details in the middle, and noise of 0.02 grid steps."""
    rng = np.random.default_rng(seed)
    traction = np.zeros((SIDE, SIDE, 2))
    traction[18:46, 18:46] = rng.normal(0, 0.3, (28, 28, 2))
    noise = noise_of_sd(np.array([0.02]), np.array([length]))
    return surface_displacement(traction) + new_noise(noise, (SIDE, SIDE), 1, rng)[0]


@pytest.mark.parametrize("length", [0.0, 0.5, 1.0])
def test_noise_of_a_region_is_that_of_the_measurement(length: float) -> None:
    found = [noise_in_region(measured(length, seed), ring()) for seed in range(8)]
    sd = np.mean([float(one.standard_deviation()) for one in found])
    assert sd == pytest.approx(0.02, rel=0.06)
    assert np.mean([float(one.length) for one in found]) == pytest.approx(
        length, abs=0.1
    )


def test_the_whole_field_has_more_noise_where_details_are_sharp() -> None:
    steps = measured(0.0)
    whole = estimated_noise(steps[None]).standard_deviation().item()
    assert whole > 1.2 * float(noise_in_region(steps, ring()).standard_deviation())


def test_a_slope_or_a_bend_in_the_region_is_no_noise() -> None:
    y, x = np.indices((SIDE, SIDE)) / SIDE
    bend = np.stack([3 + x - 2 * y + x * y, y * y - x], axis=-1)
    plain, bent = (
        float(noise_in_region(steps, ring()).standard_deviation())
        for steps in (measured(0.0), measured(0.0) + bend)
    )
    assert bent == pytest.approx(plain, rel=1e-6)


def test_only_the_region_is_used() -> None:
    steps = measured(0.0)
    before = noise_in_region(steps, ring())
    steps[~ring()] = np.nan
    after = noise_in_region(steps, ring())
    assert float(after.variance) == float(before.variance)


def test_regions_that_tell_nothing_are_refused() -> None:
    for rows, columns in ((7, 9), (4, SIDE)):
        inside = np.zeros((SIDE, SIDE), dtype=bool)
        inside[:rows, :columns] = True
        with pytest.raises(FieldError, match="too small or too narrow"):
            noise_in_region(measured(0.0), inside)
    with pytest.raises(FieldError, match="all equal"):
        noise_in_region(np.ones((SIDE, SIDE, 2)), ring())


def test_regions_survive_as_text() -> None:
    for inside in (ring(), np.ones((3, 5), dtype=bool), np.eye(4, dtype=bool)):
        text = region_as_text(inside)
        np.testing.assert_array_equal(region_from_text(text), inside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 x 3",
        "2 x 3: 5+2",
        "2 x 3: -1+2",
        "2 x 3: a",
        "-2 x -3: 0+1",
        "9999999 x 9999999: 0+1",
    ],
)
def test_other_texts_are_no_regions(text: str) -> None:
    with pytest.raises(ConfigError, match="no region"):
        region_from_text(text)


def test_regions_of_no_vector_or_too_many_pieces() -> None:
    with pytest.raises(ConfigError, match="no vector"):
        region_as_text(np.zeros((8, 8), dtype=bool))
    board = np.indices((200, 200)).sum(axis=0) % 2 == 0
    with pytest.raises(ConfigError, match="pieces"):
        region_as_text(board)
