"""Displacements in layers of other programs."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Vectors

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.layers.adoption import adoptable, read_adopted

SHAPE = (5, 7)


def grid_vectors(*, step=(8.0, 8.0), offset=(3.0, -5.0), frame=None) -> np.ndarray:
    """Vectors ``(row, column)`` = (row number, 100 + column number) at every node."""
    made = []
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            place = [offset[0] + step[0] * row, offset[1] + step[1] * column]
            vector = [float(row), 100.0 + column]
            if frame is not None:
                place, vector = [frame, *place], [0.0, *vector]
            made.append([place, vector])
    return np.array(made)


def read(data):
    return read_adopted({"vectors": Vectors(data, name="PIV")})


def assert_right(stack) -> None:
    # Component x is along the columns.
    rows, columns = np.indices(SHAPE)
    np.testing.assert_array_equal(
        stack[..., 0], np.broadcast_to(100 + columns, stack.shape[:-1])
    )
    np.testing.assert_array_equal(
        stack[..., 1], np.broadcast_to(rows, stack.shape[:-1])
    )


@pytest.mark.parametrize("noise", [0.0, 2e-4])
def test_vectors_are_sorted_by_position(noise):
    rng = np.random.default_rng(0)
    data = rng.permutation(grid_vectors())
    data[:, 0] += noise * rng.uniform(-1, 1, data[:, 0].shape)
    stack, grid, _ = read(data)
    assert_right(stack)
    assert grid.axes == (None, 0, 1)
    np.testing.assert_allclose(grid.origin[1:], (3, -5), atol=2 * noise)
    np.testing.assert_allclose(grid.step[1:], (8, 8), atol=2 * noise)


def test_frames_are_the_first_axis():
    data = np.vstack([grid_vectors(frame=frame) for frame in (4.0, 2.0, 3.0)])
    stack, grid, _ = read(data)
    assert stack.shape == (3, *SHAPE, 2)
    assert_right(stack)
    assert (grid.axes, grid.origin[0], grid.step[0]) == ((0, 1, 2), 2, 1)


def test_nodes_without_a_vector_are_holes():
    data = np.vstack([grid_vectors(frame=frame) for frame in (0.0, 1.0)])
    left_out = [3, 5, 40]
    stack, grid, notes = read(np.delete(data, left_out, axis=0))
    holes = np.zeros(stack.shape[:3], bool)
    holes.ravel()[left_out] = True
    np.testing.assert_array_equal(np.isnan(stack).any(axis=-1), holes)
    assert grid.origin == pytest.approx((0, 3, -5))
    assert notes == ("nodes of the grid without a vector: 3",)
    stack[holes] = read(data)[0][holes]
    assert_right(stack)


def twice(data):
    return np.vstack([data, data[:2]])


def on_a_line(data):
    return data[: SHAPE[1]]


def between_frames(data):
    return np.insert(data, 0, np.array([0.5, 0.0]), axis=2)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (twice, "“PIV”: 2 nodes have more than one vector, the first at row 0"),
        (on_a_line, "“PIV”: the positions lie on one line"),
        (lambda data: data * ((2, 1), (1, 1)), "apart along x and .* along y"),
        (between_frames, "“PIV” are not whole numbers, such as 0.5"),
    ],
)
def test_positions_without_a_grid_are_refused(spoil, words):
    with pytest.raises(FieldError, match=words):
        read(spoil(grid_vectors()))


def test_positions_that_are_nan_are_refused():
    layer = Vectors(grid_vectors())
    layer.data[3, 0, 0] = np.nan
    with pytest.raises(FieldError, match=r"1 of 35 vectors .* no finite position"):
        read_adopted({"vectors": layer})


def test_scattered_vectors_are_interpolated():
    places = np.random.default_rng(0).uniform(0, 100, (500, 2))
    stack, grid, notes = read(np.stack([places, places * (1, 2)], axis=1))
    rows, columns = np.indices(stack.shape[1:3])
    y, x = (grid.origin[i] + grid.step[i] * n for i, n in ((1, rows), (2, columns)))
    inner = np.s_[0, 2:-2, 2:-2]
    np.testing.assert_allclose(stack[inner][..., 0], 2 * x[2:-2, 2:-2], atol=0.5)
    np.testing.assert_allclose(stack[inner][..., 1], y[2:-2, 2:-2], atol=0.5)
    assert "interpolated" in notes[0]


def test_vectors_between_frames_are_refused():
    data = grid_vectors(frame=0.0)
    data[0, 1, 0] = 1
    with pytest.raises(FieldError, match="from one frame to another"):
        read(data)


def listed(*layers) -> list[dict[str, str]]:
    return [
        {part: layer.name for part, layer in one.parts.items()}
        for one in adoptable(layers)
    ]


@pytest.mark.parametrize(
    ("x", "y", "title"),
    [
        ("ux", "uy", "ux, uy"),
        ("u", "v", "u, v"),
        ("dx", "dy", "dx, dy"),
        ("cell_07 DX", "cell_07 dy", "cell_07"),
        ("displacement_x", "displacement_y", "displacement"),
    ],
)
def test_components_are_recognised_by_the_endings_of_their_names(x, y, title):
    images = [Image(np.zeros((5, 6)), name=name) for name in (y, x)]
    assert listed(*images) == [{"x": x, "y": y}]
    assert adoptable(images)[0].title == title


def test_images_that_are_not_a_pair_are_ignored():
    assert not listed(
        Image(np.zeros((5, 6)), name="ux"),
        Image(np.zeros((5, 7)), name="uy"),
        Image(np.zeros((5, 6), dtype=np.uint8), name="vx"),
        Image(np.zeros((5, 6), dtype=np.uint8), name="vy"),
        Image(np.zeros((5, 6)), name="nuclei"),
        Image(np.zeros((5, 6, 3)), rgb=True, name="colours"),
    )


def test_components_keep_their_order():
    x, y = np.full((2, 5, 6), 1.0), np.full((2, 5, 6), 2.0)
    stack, _, _ = read_adopted({"x": Image(x), "y": Image(y)})
    np.testing.assert_array_equal(stack[0, 0, 0], (1, 2))
    stack, _, _ = read_adopted({"components": Image(np.stack([x, y], axis=-1))})
    np.testing.assert_array_equal(stack[1, 4, 5], (1, 2))


def test_the_data_are_copied():
    data = np.zeros((16, 16, 2), dtype=np.float32)
    stack, _, _ = read_adopted({"components": Image(data)})
    data[:] = 1
    assert not stack.any()
