"""Node-wise uniform tractions against the disc's closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.physics.raster import (
    point_displacement,
    raster_displacement,
    square_displacement,
)


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


def test_the_field_is_the_sum_over_squares_without_periodic_images() -> None:
    rng = np.random.default_rng(0)
    traction = rng.normal(size=(2, 6, 9))
    found = raster_displacement(traction[0], traction[1])
    rows, columns = np.mgrid[0:6, 0:9]
    expected = np.zeros((2, 6, 9))
    for row, column in np.ndindex(6, 9):
        t_x, t_y = traction[:, row, column]
        xx, yy, xy = square_displacement(columns - column, rows - row)
        expected += [xx * t_x + xy * t_y, xy * t_x + yy * t_y]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    tensors = raster_displacement(*torch.from_numpy(traction))
    np.testing.assert_allclose(torch.stack(tensors).numpy(), expected, atol=1e-12)


def test_a_large_disc_on_the_raster_is_the_closed_form() -> None:
    nodes = np.arange(64.0)
    centre, radius = np.array([[30.2, 33.7]]), np.array([12.0])
    expected = disc_displacement(nodes, nodes, centre, radius, np.array([[0.3, -0.1]]))
    inside = np.hypot(nodes - 30.2, nodes[:, None] - 33.7) < 12
    found = np.stack(raster_displacement(0.3 * inside, -0.1 * inside), axis=-1)
    assert np.square(found - expected).sum() < 1e-4 * np.square(expected).sum()


def test_a_reach_cuts_the_displacement_off() -> None:
    traction = np.zeros((2, 33, 41))
    traction[0, 16, 20] = 1.0
    whole = np.stack(raster_displacement(*traction))
    near = np.stack(raster_displacement(*traction, reach=5))
    inside = np.zeros((33, 41), dtype=bool)
    inside[11:22, 15:26] = True
    np.testing.assert_allclose(near[:, inside], whole[:, inside], atol=1e-12)
    np.testing.assert_allclose(near[:, ~inside], 0, atol=1e-12)
    assert np.abs(whole[0, ~inside]).min() > 1e-3


def test_from_afar_a_square_is_a_point() -> None:
    x, y = np.array([0.0, 1.0, 9.0]), np.array([0.0, 1.0, -7.0])
    square, point = square_displacement(x, y), point_displacement(x, y)
    for i, (a, b) in enumerate(zip(square, point, strict=True)):
        assert b[2] == pytest.approx(a[2], rel=2e-3)
        assert b[1] == pytest.approx(a[1], rel=0.1)
        assert b[0] == pytest.approx(0.928 * a[0], abs=1e-12), i


@pytest.mark.parametrize("cell", ["generic/MLData0018", "neuron/MLData0001"])
def test_the_cells_of_dl_tfm_are_cut_off_point_forces(
    cell: str, reference: Path
) -> None:
    stem = reference / "fields" / cell
    displacement = read_displacement(f"{stem}.mat", unit="grid").data[0]
    traction = read_traction(f"{stem}_trac.mat").data[0] / 10_670
    made = raster_displacement(
        traction[..., 0].astype(float),
        traction[..., 1].astype(float),
        poisson=0.45,
        kernel="point",
        reach=len(traction) // 2 - 1,
    )
    error = np.square(np.stack(made, axis=-1) - displacement).sum()
    assert error < 1e-8 * np.square(displacement).sum()
