"""The patches of a field, from every corner."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.attention.patches import Patch, PatchGrid


def test_the_agreed_indices() -> None:
    grid = PatchGrid((104, 104))
    assert (grid.rows, grid.columns) == (13, 13)
    assert grid.index(2, 11) == 37
    assert grid.index(7, 9) == 100


@pytest.mark.parametrize(
    ("x", "y", "patch"),
    [
        (-0.5, -0.5, (0, 0)),
        (7.49, 7.49, (0, 0)),
        (7.5, 0, (0, 1)),
        (0, 7.5, (1, 0)),
        (103.49, 0, (0, 12)),
        (0, 103.49, (12, 0)),
        (103.49, 103.49, (12, 12)),
        (103.5, 50, None),
        (50, 103.5, None),
        (-0.51, 50, None),
        (50, -0.51, None),
    ],
)
def test_every_corner(x: float, y: float, patch: tuple[int, int] | None) -> None:
    assert PatchGrid((104, 104)).patch_at(x, y) == patch


def test_every_node_lies_in_the_patch_of_its_integer_quotient() -> None:
    grid = PatchGrid((21, 43))
    assert (grid.rows, grid.columns) == (3, 6)
    for y in range(21):
        for x in range(43):
            assert grid.patch_at(x, y) == (y // 8, x // 8)


@pytest.mark.parametrize(
    "grid",
    [
        PatchGrid((104, 104)),
        PatchGrid((21, 43)),
        PatchGrid((160, 160), model_shape=(104, 104)),
        PatchGrid((50, 50), model_shape=(104, 104)),
    ],
)
def test_a_patch_s_middle_lies_in_it_and_patches_tile_the_field(
    grid: PatchGrid,
) -> None:
    area = 0.0
    for row in range(grid.rows):
        for column in range(grid.columns):
            x0, y0, x1, y1 = grid.bounds(row, column)
            assert grid.patch_at((x0 + x1) / 2, (y0 + y1) / 2) == (row, column)
            area += (x1 - x0) * (y1 - y0)
    assert area == pytest.approx(grid.field_shape[0] * grid.field_shape[1])


def test_a_resampled_grid_is_asked_where_the_network_s_patch_lies() -> None:
    grid = PatchGrid((207, 207), model_shape=(104, 104))
    # Node 103 of the field is node 51.5 of the network's: patch (51.5+.5)//8.
    assert grid.patch_at(103, 103) == (6, 6)
    assert grid.patch_at(206, 0) == (0, 12)


def test_the_lines_frame_every_patch() -> None:
    grid = PatchGrid((16, 24))
    lines = grid.lines()
    assert lines.shape == (2 + 3 + 2, 2, 2)
    starts, ends = lines[:, 0], lines.sum(axis=1)
    assert set(starts[:3, 0]) == {-0.5, 7.5, 15.5}
    assert set(starts[3:, 1]) == {-0.5, 7.5, 15.5, 23.5}
    np.testing.assert_array_equal(ends.max(axis=0), [15.5, 23.5])


def test_no_such_patch() -> None:
    grid = PatchGrid((104, 104))
    for row, column in ((13, 0), (0, 13), (-1, 0), (0, -1)):
        with pytest.raises(IndexError, match="no patch"):
            grid.index(row, column)


@pytest.mark.parametrize(
    ("start", "by", "end"),
    [
        (None, (0, 1), (1, 2)),
        ((0, 0), (-1, 0), (0, 0)),
        ((2, 3), (1, 1), (2, 3)),
        ((1, 1), (1, -1), (2, 0)),
    ],
)
def test_neighbours_lie_inside_the_grid(
    start: Patch | None, by: tuple[int, int], end: Patch
) -> None:
    assert PatchGrid((20, 27)).neighbour(start, *by) == end
