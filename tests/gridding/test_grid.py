"""Grids of regular positions, in any order and arrangement."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding import FloatArray, PositionedVectors, node_grid

ROWS, COLUMNS, STEP = 12, 15, 8.0


def lattice(x: float = 0.0, y: float = 0.0) -> FloatArray:
    """Positions of a regular grid, row by row."""
    rows, columns = np.indices((ROWS, COLUMNS))
    return np.stack([columns, rows], axis=-1).reshape(-1, 2) * STEP + (x, y)


def linear(points: FloatArray) -> FloatArray:
    """A field that linear interpolation reproduces."""
    return points @ np.array([[0.02, -0.01], [0.005, 0.03]]) + (0.1, 0.2)


def expected(grid_x: float, grid_y: float) -> FloatArray:
    return linear(lattice(grid_x, grid_y)).reshape(1, ROWS, COLUMNS, 2)


@pytest.mark.parametrize("offset", [(0, 0), (-400, -123.25), (1e5, 4)])
@pytest.mark.parametrize("order", ["rows", "upwards", "columns", "mixed"])
def test_any_order_and_sign(order: str, offset: tuple[float, float]) -> None:
    points = lattice(*offset)
    if order == "upwards":
        points = points.reshape(ROWS, COLUMNS, 2)[::-1].reshape(-1, 2)
    elif order == "columns":
        points = points.reshape(ROWS, COLUMNS, 2).swapaxes(0, 1).reshape(-1, 2)
    elif order == "mixed":
        points = np.random.default_rng(0).permutation(points)
    field = PositionedVectors([points], [linear(points)])
    assert (field.grid.x, field.grid.y, field.grid.step) == (*offset, STEP)
    assert not field.grid.is_scattered
    assert field.notes == ()
    np.testing.assert_allclose(field.values(), expected(*offset))


def test_frames_in_different_order() -> None:
    frames = [
        lattice(),
        lattice()[::-1],
        np.random.default_rng(1).permutation(lattice()),
    ]
    field = PositionedVectors(frames, list(map(linear, frames)))
    np.testing.assert_allclose(field.values(), np.repeat(expected(0, 0), 3, axis=0))


def test_whole_numbers() -> None:
    # 2.5 px between vectors, rounded.
    points = np.floor(lattice() * 2.5 / STEP + 0.5)
    grid = node_grid([points])
    assert grid.shape == (ROWS, COLUMNS)
    assert grid.step == pytest.approx(2.5, rel=0.01)


def test_vectors_that_are_missing_at_the_border_are_holes_of_a_regular_grid() -> None:
    values = linear(lattice())
    values[: 2 * COLUMNS] = np.nan
    field = PositionedVectors([lattice()], [values])
    assert field.grid.shape == (ROWS, COLUMNS)
    assert np.isnan(field.values()[0, :2]).all()
    assert np.isfinite(field.values()[0, 2:]).all()


def test_positions_with_nan_are_left_out() -> None:
    points = lattice()
    points[7] = np.nan
    field = PositionedVectors([points], [linear(lattice())])
    holes = np.isnan(field.values()).any(axis=-1).ravel()
    assert np.flatnonzero(holes).tolist() == [7]


@pytest.mark.parametrize("place", [(9000.0, 40.0), (-1.0e12, 3.3e8), (16.0, 8000.0)])
def test_a_stray_position_is_left_out_and_named(place: tuple[float, float]) -> None:
    points = lattice()
    points[20] = place
    field = PositionedVectors([points], [linear(points)])
    assert field.grid.shape == (ROWS, COLUMNS)
    assert field.grid.step == STEP
    assert field.grid.left_out == (place,)
    assert f"left out: 1, at ({place[0]:.6g}, {place[1]:.6g});" in field.notes[0]
    assert field.notes[1] == "nodes of the grid without a vector: 1"
    holes = np.isnan(field.values()).any(axis=-1).ravel()
    assert np.flatnonzero(holes).tolist() == [20]


def test_an_island_on_the_grid_is_not_stray() -> None:
    # Two vectors that are left of a masked region, ten steps from the others.
    points = np.vstack([lattice(), lattice()[[0, COLUMNS]] + (STEP * (COLUMNS + 9), 0)])
    grid = node_grid([points])
    assert grid.left_out == ()
    assert grid.shape == (ROWS, COLUMNS + 10)


def test_one_position_twice() -> None:
    points = np.vstack([lattice(), lattice()[3:5]])
    with pytest.raises(FieldError, match=r"2 nodes have .* at row 0, column 3"):
        PositionedVectors([points], [points]).values()
    with pytest.raises(FieldError, match="frame 1: 2 nodes"):
        PositionedVectors([lattice(), points], [lattice(), points]).values()


@pytest.mark.parametrize(
    "points",
    [
        lattice()[:COLUMNS],
        lattice()[::COLUMNS],
        lattice()[:1],
        np.empty((0, 2)),
        np.full((20, 2), 3.0),
        np.outer(np.linspace(0, 1, 40) ** 2, (30, 17)),
        np.outer(np.arange(40), (1, 1)),
        np.arange(80).reshape(40, 2) + np.random.default_rng(0).normal(0, 0.1, (40, 2)),
    ],
    ids=["row", "column", "one", "none", "same", "oblique", "diagonal", "noisy"],
)
def test_positions_on_a_line(points: FloatArray) -> None:
    with pytest.raises(FieldError, match=r"one line|too few"):
        node_grid([points])


def test_different_steps() -> None:
    with pytest.raises(FieldError, match="16 apart along x and 8 along y"):
        node_grid([lattice() * (2, 1)])


@pytest.mark.parametrize(
    "matrix",
    [
        [[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]],
        [[1.0, 0.0], [0.25, 1.0]],
    ],
    ids=["rotated", "sheared"],
)
def test_a_turned_grid_is_interpolated(matrix: list[list[float]]) -> None:
    points = lattice() @ np.array(matrix)
    field = PositionedVectors([points], [linear(points)])
    assert field.grid.is_scattered
    assert field.grid.step == pytest.approx(STEP, rel=0.15)
    nodes = np.indices(field.grid.shape)[::-1].transpose(1, 2, 0) * field.grid.step
    truth = linear(nodes.reshape(-1, 2) + np.array([field.grid.x, field.grid.y]))
    values = field.values()[0].reshape(-1, 2)
    known = np.isfinite(values).all(axis=1)
    # The nearest vector is taken within one step of the border.
    deviation = np.abs(values - truth)[known].max(axis=1)
    assert np.mean(deviation < 1e-9) > 0.75
    assert deviation.max() < 0.05 * STEP


def test_a_position_that_is_nan_fills_no_node() -> None:
    y, x = np.mgrid[4:52:8, 4:68:8].astype(float)
    positions = np.stack([x.ravel(), y.ravel()], axis=1)
    vectors = np.ones_like(positions)
    assert PositionedVectors([positions], [vectors]).notes == ()
    positions[20] = np.nan
    placed = PositionedVectors([positions], [vectors])
    assert placed.notes == (
        "nodes of the grid without a vector: 1",
        "vectors without a position, which are left out: 1",
    )


def test_columns_without_positions_are_said() -> None:
    points = lattice()
    vectors = linear(points)
    is_last = points[:, 0] == points[:, 0].max()
    points[is_last] = np.nan
    (note,) = PositionedVectors([points], [vectors]).notes
    assert note == f"vectors without a position, which are left out: {is_last.sum()}"
    # Neither is there.
    vectors[is_last] = np.nan
    assert PositionedVectors([points], [vectors]).notes == ()
