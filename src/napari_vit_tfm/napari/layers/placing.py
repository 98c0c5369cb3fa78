"""Where a field lies: its spacing, and the place of layers that lie over it.

The spacing is the distance in the world between two neighbouring nodes. It is read
from the layer's scale and units, and `set_spacing` writes it there. It is kept
nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from napari.utils.transforms import Affine

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.layers.metadata import mark_over
from napari_vit_tfm.napari.layers.registry import Grid, held_by

Matrix = npt.NDArray[np.float64]

AXIS_LABELS = ("frame", "y", "x")

_TOLERANCE = 1e-3
"""Difference between two spacings, or a deviation from a right angle, that is
rounding in positions of single precision."""


def grid_of(layer: Layer) -> Grid:
    """Where the nodes of the field lie that a layer shows."""
    held = held_by(layer)
    return Grid() if held is None else held.grid


def spacing_of(layer: Layer, grid: Grid) -> float | None:
    """Distance between neighbouring vectors, in um.

    Parameters
    ----------
    layer : Layer
        A layer of the field.
    grid : Grid
        Where the field's nodes lie in it.

    Returns
    -------
    float or None
        None if the layer's units are pixels, or anything else that is no length.

    Raises
    ------
    FieldError
        If rows and columns have different spacings, or do not stand at right angles.
    """
    lengths, angle = _steps_in_world(layer, grid)
    um = [_um_per_unit(layer.units[axis]) for axis in grid.axes[1:]]
    if (um[0] is None) != (um[1] is None):
        raise FieldError(
            f"the axes of the layer “{layer.name}” have the units "
            f"{layer.units[grid.axes[1]]} and {layer.units[grid.axes[2]]}: "
            "give both the same"
        )
    if angle > _TOLERANCE:
        raise FieldError(
            f"the layer “{layer.name}” is sheared or tilted: tractions are computed "
            "on grids whose rows and columns stand at right angles, so reset its "
            "transform"
        )
    row, column = (
        length * (factor or 1.0) for length, factor in zip(lengths, um, strict=True)
    )
    if abs(row - column) > _TOLERANCE * max(row, column):
        unit = "pixels" if um[0] is None else "µm"
        raise FieldError(
            f"the layer “{layer.name}” has a spacing of {row:.6g} {unit} between rows "
            f"and of {column:.6g} {unit} between columns: tractions are computed on "
            "grids with one spacing only, so give both axes the same scale"
        )
    return None if um[0] is None else column


def _steps_in_world(layer: Layer, grid: Grid) -> tuple[tuple[float, float], float]:
    """Lengths of a step along rows and columns, and how far they are from square.

    In the units of the layer's axes. The second is the cosine of the angle between
    them, or what of them points out of the plane of rows and columns.
    """
    linear = layer.affine.linear_matrix @ _data_to_physical(layer).linear_matrix
    axes = list(grid.axes[1:])
    row, column = (
        linear[:, axis] * step for axis, step in zip(axes, grid.step[1:], strict=True)
    )
    lengths = float(np.hypot(*row[axes])), float(np.hypot(*column[axes]))
    outside = max(np.abs(np.delete(one, axes)).max(initial=0) for one in (row, column))
    cosine = abs(float(row[axes] @ column[axes]))
    return lengths, max(cosine / (lengths[0] * lengths[1]), outside / lengths[0])


def _data_to_physical(layer: Layer) -> Affine:
    return Affine(
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        ndim=layer.ndim,
    )


def _um_per_unit(unit: Any) -> float | None:
    """How many um a unit of pint's is; None for pixels and whatever is no length."""
    is_length = unit.is_compatible_with("um")
    return float((1 * unit).to("um").magnitude) if is_length else None


def set_spacing(layer: Layer, grid: Grid, spacing_um: float | None) -> None:
    """Give a layer the scale and the units of a spacing.

    Parameters
    ----------
    layer : Layer
        A layer of the field, or one that lies over it.
    grid : Grid
        Where the field's nodes lie in it.
    spacing_um : float, optional
        Distance between neighbouring vectors, in um; None if it is not known, then
        the unit of the layer's data coordinates is a pixel.
    """
    scale, units = np.array(layer.scale, dtype=float), list(layer.units)
    lengths, _ = _steps_in_world(layer, grid)
    for axis, step, length in zip(grid.axes[1:], grid.step[1:], lengths, strict=True):
        wanted = step if spacing_um is None else spacing_um
        # What the scale alone gives is taken as it is, so that nothing is rounded.
        elsewhere = length / abs(scale[axis] * step)
        if abs(elsewhere - 1) < 1e-9:
            elsewhere = 1.0
        scale[axis] = np.copysign(wanted / (step * elsewhere), scale[axis])
        units[axis] = "pixel" if spacing_um is None else "um"
    layer.scale = scale
    layer.units = units


def geometry(spacing_um: float | None) -> dict[str, Any]:
    """Scale, units and axis labels of a field's layers that are not anywhere yet.

    In micrometres where the spacing of the vectors is known, else in steps of
    the vector grid, which napari calls pixels.
    """
    step = spacing_um or 1.0
    unit = "um" if spacing_um else "pixel"
    return {
        "scale": (1.0, step, step),
        "units": ("pixel", unit, unit),
        "axis_labels": AXIS_LABELS,
    }


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Where a field lies, for a layer ``(T, H, W)`` of its nodes to lie there, too.

    Parameters
    ----------
    layer : Layer
        A layer of the field, with any axes.

    Returns
    -------
    dict
        Scale, translation, rotation, shear, affine transform, units and labels of
        the three axes. An axis of frames that the layer lacks is made.
    """
    grid = grid_of(layer)
    origin = np.zeros(layer.ndim)
    for axis, start in zip(grid.axes, grid.origin, strict=True):
        if axis is not None:
            origin[axis] = start
    place = _data_to_physical(layer)(origin)
    has_three_axes = layer.ndim == 3 and grid.axes == (0, 1, 2)
    step = np.array(_along(grid, layer.scale, 1.0)) * np.array(grid.step)
    return {
        "scale": step,
        "translate": np.array(_along(grid, place, 0.0)),
        "rotate": _block(grid, np.asarray(layer.rotate)),
        "shear": _block(grid, Affine(shear=layer.shear, ndim=layer.ndim).linear_matrix),
        "affine": _affine_block(grid, layer.affine),
        "units": _along(grid, layer.units, "pixel"),
        "axis_labels": layer.axis_labels if has_three_axes else AXIS_LABELS,
    }


def _along(grid: Grid, values: Any, missing: Any) -> tuple[Any, ...]:
    """A layer's values along the axes of frames, rows and columns."""
    return tuple(missing if axis is None else values[axis] for axis in grid.axes)


def _block(grid: Grid, matrix: Matrix) -> Matrix:
    """The part of a matrix that belongs to frames, rows and columns."""
    block = np.eye(3)
    for i, row in enumerate(grid.axes):
        for j, column in enumerate(grid.axes):
            if row is not None and column is not None:
                block[i, j] = matrix[row, column]
    return block


def _affine_block(grid: Grid, affine: Affine) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = _block(grid, affine.linear_matrix)
    matrix[:3, 3] = _along(grid, affine.translate, 0.0)
    return matrix


def nodes_to_world(layer: Layer) -> Matrix:
    """The matrix from nodes ``(frame, row, column, 1)`` of a field to the world."""
    place = geometry_of(layer)
    physical = Affine(
        **{name: place[name] for name in ("scale", "translate", "rotate", "shear")},
        ndim=3,
    )
    matrix: Matrix = place["affine"] @ physical.affine_matrix
    return matrix


def node_at(layer: Layer, point: Iterable[float]) -> tuple[float, float, float]:
    """Frame, row and column of a field at a point in the world.

    Parameters
    ----------
    layer : Layer
        A layer of the field.
    point : iterable of float
        Coordinates in the world; the last two are those of rows and columns.
    """
    last = list(point)[-3:]
    world = [*[0.0] * (3 - len(last)), *last, 1.0]
    frame, row, column, _ = np.linalg.solve(nodes_to_world(layer), world)
    # Without frames, the layer is the same everywhere along the world's other axes.
    has_frames = grid_of(layer).axes[0] is not None
    return float(frame) if has_frames else 0.0, float(row), float(column)


def frame_at(layer: Layer, point: Iterable[float], n_frames: int) -> int | None:
    """The frame of a field that a viewer at a point in the world shows.

    None where the field has none: another one may be longer.
    """
    frame = round(node_at(layer, point)[0])
    return frame if 0 <= frame < n_frames else None


def world_at(layer: Layer, node: Iterable[float]) -> tuple[float, float, float]:
    """The point in the world of a field's node ``(frame, row, column)``."""
    frame, row, column, _ = nodes_to_world(layer) @ [*node, 1.0]
    return float(frame), float(row), float(column)


def plane_geometry_of(layer: Layer) -> dict[str, Any]:
    """Where one frame of a field lies, for layers of rows and columns over it.

    With what marks these layers as no fields of their own.
    """
    place, matrix = geometry_of(layer), nodes_to_world(layer)
    affine = np.eye(3)
    affine[:2, :2] = matrix[1:3, 1:3]
    affine[:2, 2] = matrix[1:3, 3]
    held = held_by(layer)
    field_id = "" if held is None else held.description.field_id
    return {
        "affine": affine,
        "units": place["units"][-2:],
        "axis_labels": place["axis_labels"][-2:],
        "metadata": mark_over(field_id, "overlay"),
    }
