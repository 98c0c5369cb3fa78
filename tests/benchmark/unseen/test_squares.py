"""Displacements of squares against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.unseen.squares import squares_displacement
from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.physics.disc import disc_displacement


def test_the_centre_of_a_square_moves_as_love_found() -> None:
    traction = np.zeros((2, 9, 7))
    traction[1, 4, 3] = 1.0
    found = squares_displacement(traction)
    # The mean of 1 / r over a unit square is 4 asinh(1), and y y / r^3 has half of it.
    expected = (1 - REFERENCE_POISSON / 2) * 4 * np.arcsinh(1)
    expected *= (1 + REFERENCE_POISSON) / np.pi
    assert found[1, 4, 3] == pytest.approx(expected, rel=1e-9)
    assert abs(found[0, 4, 3]) < 1e-12


def test_far_away_a_square_is_a_point_force() -> None:
    traction = np.zeros((2, 60, 60))
    traction[0, 10, 10] = 1.0
    found = squares_displacement(traction)
    x, y = 30.0, 40.0
    r = np.hypot(x, y)
    nu = REFERENCE_POISSON
    along = (1 + nu) / np.pi * ((1 - nu) / r + nu * x * x / r**3)
    across = (1 + nu) / np.pi * nu * x * y / r**3
    assert found[0, 50, 40] == pytest.approx(along, rel=1e-3)
    assert found[1, 50, 40] == pytest.approx(across, rel=1e-3)


def test_squares_make_a_disc() -> None:
    y, x = np.mgrid[:120, :120].astype(float)
    centre, radius, force = (55.5, 61.0), 20.0, (0.3, -0.2)
    # The share of each square that the disc covers.
    inside = np.clip(radius - np.hypot(x - centre[0], y - centre[1]) + 0.5, 0, 1)
    found = squares_displacement(inside * np.array(force)[:, None, None])
    expected = disc_displacement(
        x[0], y[:, 0], np.array([centre]), np.array([radius]), np.array([force])
    )
    largest = np.abs(expected).max()
    assert np.abs(np.moveaxis(found, 0, -1) - expected).max() < 0.01 * largest
