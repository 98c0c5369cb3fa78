"""Node-wise uniform tractions against the disc's closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.physics.raster import raster_displacement, square_displacement


@pytest.mark.parametrize("poisson", [0.0, 0.49])
def test_far_away_a_square_is_a_disc_of_its_area(poisson: float) -> None:
    x, y = np.array([7.0, -12.0, 3.0]), np.array([5.0, 8.0])
    xx, yy, xy = square_displacement(x, y[:, None], poisson=poisson)
    one = {"centre": np.zeros((1, 2)), "radius": np.array([np.pi**-0.5])}
    along_x = disc_displacement(
        x, y, **one, traction=np.array([[1.0, 0.0]]), poisson=poisson
    )
    along_y = disc_displacement(
        x, y, **one, traction=np.array([[0.0, 1.0]]), poisson=poisson
    )
    np.testing.assert_allclose(xx, along_x[..., 0], rtol=1e-3)
    np.testing.assert_allclose(xy, along_x[..., 1], rtol=5e-3, atol=1e-12)
    np.testing.assert_allclose(yy, along_y[..., 1], rtol=1e-3)


def test_four_half_squares_make_the_whole() -> None:
    x = np.array([0.0, 0.3, 2.0])
    whole = square_displacement(x, 0.2)
    halves = [(i, j) for i in (-0.5, 0.5) for j in (-0.5, 0.5)]
    quarters = [square_displacement(2 * x + i, 0.4 + j) for i, j in halves]
    for part in range(3):
        found = sum(quarter[part] for quarter in quarters) / 2
        np.testing.assert_allclose(found, whole[part], atol=1e-12)


@pytest.mark.parametrize("poisson", [0.2, 0.49])
def test_the_field_is_the_sum_over_squares_without_periodic_images(
    poisson: float,
) -> None:
    rng = np.random.default_rng(0)
    traction = rng.normal(size=(2, 6, 9))
    found = raster_displacement(traction[0], traction[1], poisson=poisson)
    rows, columns = np.mgrid[0:6, 0:9]
    expected = np.zeros((2, 6, 9))
    for row, column in np.ndindex(6, 9):
        t_x, t_y = traction[:, row, column]
        xx, yy, xy = square_displacement(columns - column, rows - row, poisson=poisson)
        expected += [xx * t_x + xy * t_y, xy * t_x + yy * t_y]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    tensors = raster_displacement(*torch.from_numpy(traction), poisson=poisson)
    np.testing.assert_allclose(torch.stack(tensors).numpy(), expected, atol=1e-12)


def test_a_large_disc_on_the_raster_is_the_closed_form() -> None:
    nodes = np.arange(64.0)
    centre, radius = np.array([[30.2, 33.7]]), np.array([12.0])
    expected = disc_displacement(nodes, nodes, centre, radius, np.array([[0.3, -0.1]]))
    inside = np.hypot(nodes - 30.2, nodes[:, None] - 33.7) < 12
    found = np.stack(raster_displacement(0.3 * inside, -0.1 * inside), axis=-1)
    assert np.square(found - expected).sum() < 1e-4 * np.square(expected).sum()


def test_small_squares_are_those_of_a_finer_grid() -> None:
    traction = np.random.default_rng(1).normal(size=(2, 3 * 7, 3 * 9))
    fine = np.stack(raster_displacement(*traction)) / 3
    at_nodes = raster_displacement(*traction, oversampling=3)
    np.testing.assert_allclose(at_nodes, fine[:, 1::3, 1::3], atol=1e-12)
    tensors = raster_displacement(
        *torch.from_numpy(traction.astype(np.float32)), oversampling=3
    )
    np.testing.assert_allclose(torch.stack(tensors).numpy(), at_nodes, atol=1e-5)


def test_a_window_averages_the_displacement_around_a_node() -> None:
    traction = np.random.default_rng(1).normal(size=(2, 3 * 8, 3 * 9))
    fine = np.stack(raster_displacement(*traction)) / 3

    def mean(low: int, high: int) -> np.ndarray:
        """Over squares low to high around the nodes that have them all."""
        steps = range(low, high + 1)
        parts = [
            fine[:, 3 + 1 + i : -3 + i : 3, 3 + 1 + j : -3 + j : 3]
            for i in steps
            for j in steps
        ]
        return np.mean(parts, axis=0)

    whole = np.stack(raster_displacement(*traction, oversampling=3, window=1.0))
    np.testing.assert_allclose(whole[:, 1:-1, 1:-1], mean(-1, 1), atol=1e-12)
    # A window of two steps ends in the middle of squares.
    wide = np.stack(raster_displacement(*traction, oversampling=3, window=5 / 3))
    np.testing.assert_allclose(wide[:, 1:-1, 1:-1], mean(-2, 2), atol=1e-12)
    between = np.stack(raster_displacement(*traction, oversampling=3, window=4 / 3))
    assert np.ptp(wide) < np.ptp(between) < np.ptp(whole)


def test_the_node_must_be_the_middle_of_a_square() -> None:
    with pytest.raises(ValueError, match="odd, not 2"):
        raster_displacement(np.zeros((4, 4)), np.zeros((4, 4)), oversampling=2)
