"""Cells at the vectors of a field, from Labels and Shapes layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer, Shapes

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.placing import Matrix, WorldUnits, data_to_data
from napari_vit_tfm.quantities import labels_of_polygons

Numbers = npt.NDArray[np.integer]

_OPEN = ("line", "path")
"""Types of shapes without an inside."""

_N_CORNERS = 64
"""Corners of the polygon that replaces an ellipse."""


def cells_at_vectors(
    cells: Labels | Shapes,
    field: Layer,
    *,
    n_frames: int,
    grid_shape: tuple[int, int],
    world_units: WorldUnits,
) -> Numbers:
    """Number of the cell at every vector of a field.

    A vector belongs to the cell that the viewer shows at its position, so the layer may
    have another grid, another scale and other units.

    Parameters
    ----------
    cells : Labels or Shapes
        Labels with the numbers of the cells, or shapes, each of which is a cell. With
        three axes, the first one has the frames; with two, the cells are the same in
        all frames. Shapes are numbered from 1, in every frame; lines and paths do not
        count.
    field : Layer
        A layer of this plugin that shows the field: its data coordinates are frames,
        rows and columns of the vectors.
    n_frames : int, keyword-only
        Number of frames of the field.
    grid_shape : tuple of int, keyword-only
        Rows and columns of the field.
    world_units : tuple of pint.Unit, optional, keyword-only
        Units of the viewer's world axes, ``viewer.dims.units``.

    Returns
    -------
    array of int, shape (H, W) or (T, H, W)
        0 where there is no cell.

    Raises
    ------
    FieldError
        If the layer has more than three axes, or no cell at any vector.
    """
    if cells.ndim > 3:
        raise FieldError(
            f"the layer “{cells.name}” has {cells.ndim} axes, expected rows and "
            "columns, or frames, rows and columns"
        )
    matrix = data_to_data(field, cells, world_units)
    frames = range(n_frames if cells.ndim == 3 else 1)
    if isinstance(cells, Labels):
        found = [_sampled(cells, matrix, frame, grid_shape) for frame in frames]
    else:
        polygons = _polygons(cells, np.asarray(np.linalg.inv(matrix)))
        found = [
            labels_of_polygons(
                (corners for when, corners in polygons if when in (None, frame)),
                grid_shape,
            )
            for frame in frames
        ]
    numbers = np.stack(found) if cells.ndim == 3 else found[0]
    if not numbers.any():
        raise FieldError(
            f"the layer “{cells.name}” has no cell at any vector of the field: draw "
            "one, or check the scale and the units of the layer"
        )
    return numbers


def _sampled(
    labels: Labels, matrix: Matrix, frame: int, shape: tuple[int, int]
) -> Numbers:
    """Labels ``(H, W)`` at the vectors of a frame; 0 outside of the layer."""
    found = np.zeros(shape, dtype=np.int64)
    rows, columns = np.indices(shape)
    nodes = np.stack(
        [np.full(shape, frame), rows, columns, np.ones(shape, dtype=np.int64)]
    )
    # The pixel i extends from i - 0.5 to i + 0.5.
    places = np.floor(np.tensordot(matrix, nodes, 1)[:3] + 0.5).astype(np.int64)
    data = labels.data[0] if labels.multiscale else labels.data
    if labels.ndim == 3:
        there = int(places[0, 0, 0])
        if not 0 <= there < len(data):
            return found
        data = data[there]
    row, column = places[1:]
    height, width = data.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    found[inside] = np.asarray(data)[row[inside], column[inside]]
    return found


def _polygons(
    shapes: Shapes, to_vectors: Matrix
) -> list[tuple[int | None, npt.NDArray[np.floating]]]:
    """Frame and corners ``(x, y)``, in grid steps, of the shapes with an inside.

    The frame is None for shapes that are in all frames.
    """
    found = []
    for data, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind in _OPEN:
            continue
        corners = _ellipse(data) if kind == "ellipse" else np.asarray(data)
        padded = np.zeros((len(corners), 4))
        padded[:, 3 - shapes.ndim : 3] = corners
        padded[:, 3] = 1
        nodes = padded @ to_vectors.T
        frame = round(float(nodes[0, 0])) if shapes.ndim == 3 else None
        found.append((frame, swap_components(nodes[:, 1:3])))
    return found


def _ellipse(box: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Points on an ellipse, from the four corners of its box."""
    first, second, third, fourth = np.asarray(box, dtype=np.float64)
    centre = (first + third) / 2
    one, other = (second - first) / 2, (fourth - first) / 2
    angle = np.linspace(0, 2 * np.pi, _N_CORNERS, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * one + np.sin(angle) * other)
