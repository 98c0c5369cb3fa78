"""Spacing and transform of a field's layers, and of the layers over them.

The spacing is the distance between two neighbouring nodes in world coordinates. It is
stored only in the scale and the units of the layers: `spacing_of` reads it, and
`set_spacing` sets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from napari.utils.transforms import Affine

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.layers.metadata import overlay_metadata
from napari_vit_tfm.napari.layers.registry import Grid, entry_of

Matrix = npt.NDArray[np.float64]
WorldUnits = tuple[Any, ...] | None
"""Units (of pint) of a viewer's world axes; None if its layers have no common ones."""

AXIS_LABELS = ("frame", "y", "x")

_TOLERANCE = 1e-3
"""Relative difference of two spacings, or deviation from a right angle, up to which
both are attributed to rounding of positions in single precision."""


def grid_of(layer: Layer) -> Grid:
    """Where the nodes of a field lie in the data coordinates of a layer."""
    entry = entry_of(layer)
    return Grid() if entry is None else entry.grid


def spacing_of(layer: Layer, grid: Grid) -> float | None:
    """Distance between neighbouring vectors, in um.

    Parameters
    ----------
    layer : Layer
        A layer of the field.
    grid : Grid
        Where the field's nodes lie in the layer.

    Returns
    -------
    float or None
        None if the units of the layer are not lengths, such as pixels.

    Raises
    ------
    FieldError
        If rows and columns have different spacings or are not at right angles.
    """
    lengths, angle = _steps_in_world(layer, grid)
    um = [_um_per_unit(layer.units[axis]) for axis in grid.axes[1:]]
    if (um[0] is None) != (um[1] is None):
        raise FieldError(
            f"the axes of the layer “{layer.name}” have the units "
            f"{layer.units[grid.axes[1]]} and {layer.units[grid.axes[2]]}: "
            "set both to the same unit"
        )
    if angle > _TOLERANCE:
        raise FieldError(
            f"the layer “{layer.name}” is sheared or tilted, but tractions can only be "
            "computed if rows and columns are at right angles: reset its transform"
        )
    row, column = (
        length * (factor or 1.0) for length, factor in zip(lengths, um, strict=True)
    )
    if abs(row - column) > _TOLERANCE * max(row, column):
        unit = "pixels" if um[0] is None else "µm"
        raise FieldError(
            f"the layer “{layer.name}” has a spacing of {row:.6g} {unit} between rows "
            f"and of {column:.6g} {unit} between columns, but tractions can only be "
            "computed if both are equal: set both axes to the same scale"
        )
    return None if um[0] is None else column


def _steps_in_world(layer: Layer, grid: Grid) -> tuple[tuple[float, float], float]:
    """Lengths of the steps between rows and columns, and their deviation from square.

    The lengths are in the units of the layer's axes. The deviation is the cosine of the
    angle between the steps, or the part of a step out of the plane of rows and columns,
    whichever is larger.
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


@cache
def _um_per_unit(unit: Any) -> float | None:
    """Length of a unit of pint in um; None if it is not a length, such as pixels."""
    is_length = unit.is_compatible_with("um")
    return float((1 * unit).to("um").magnitude) if is_length else None


def set_spacing(layer: Layer, grid: Grid, spacing_um: float | None) -> None:
    """Set the scale and the units of a layer from a spacing.

    If the layer was in another unit of length, it stays where it is.

    Parameters
    ----------
    layer : Layer
        A layer of the field, or a layer over it.
    grid : Grid
        Where the field's nodes lie in the layer.
    spacing_um : float, optional
        Distance between neighbouring vectors, in um. None if it is not known; then
        the data coordinates of the layer are in pixels.
    """
    scale, units = np.array(layer.scale, dtype=float), list(layer.units)
    translate = np.array(layer.translate, dtype=float)
    affine = np.array(layer.affine.affine_matrix)
    lengths, _ = _steps_in_world(layer, grid)
    for axis, step, length in zip(grid.axes[1:], grid.step[1:], lengths, strict=True):
        wanted = step if spacing_um is None else spacing_um
        # The other transforms may also change the length.
        other_factor = length / abs(scale[axis] * step)
        if abs(other_factor - 1) < 1e-9:
            # Without them, the spacing must not be rounded.
            other_factor = 1.0
        scale[axis] = np.copysign(wanted / (step * other_factor), scale[axis])
        um = _um_per_unit(units[axis])
        if um is not None and spacing_um is not None:
            translate[axis] *= um
            affine[axis, -1] *= um
        units[axis] = "pixel" if spacing_um is None else "um"
    layer.scale = scale
    if not np.array_equal(translate, layer.translate):
        layer.translate = translate
    if not np.array_equal(affine, layer.affine.affine_matrix):
        layer.affine = affine
    layer.units = units


def geometry(spacing_um: float | None) -> dict[str, Any]:
    """Scale, units and axis labels of the new layers of a field.

    The layers are in micrometres if the vector spacing is known, otherwise in steps of
    the vector grid, whose unit in napari is the pixel.
    """
    step = spacing_um or 1.0
    unit = "um" if spacing_um else "pixel"
    return {
        "scale": (1.0, step, step),
        "units": ("pixel", unit, unit),
        "axis_labels": AXIS_LABELS,
    }


def geometry_of(layer: Layer, grid: Grid | None = None) -> dict[str, Any]:
    """Transform of a field, for a layer ``(T, H, W)`` with one value per node.

    Parameters
    ----------
    layer : Layer
        A layer of the field, with any axes.
    grid : Grid, optional
        Where the nodes lie in the layer, if it is another layer.

    Returns
    -------
    dict
        Scale, translation, rotation, shear, affine transform, units and labels of
        the three axes. If the layer has no axis of frames, it is added.
    """
    grid = grid or grid_of(layer)
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


def for_data_of(layer: Layer, place: Mapping[str, Any]) -> dict[str, Any]:
    """The transform with three axes that a layer needs to be at a place.

    Parameters
    ----------
    layer : Layer
        A layer with an axis of frames or without.
    place : mapping
        From `geometry_of`: where the nodes have to lie.
    """
    grid = grid_of(layer)
    scale = np.asarray(place["scale"]) / grid.step
    linear = Affine(
        scale=scale, rotate=place["rotate"], shear=place["shear"], ndim=3
    ).linear_matrix
    translate = np.asarray(place["translate"]) - linear @ np.array(grid.origin)
    return {**place, "scale": scale, "translate": translate}


def _along(grid: Grid, values: Any, missing: Any) -> tuple[Any, ...]:
    """Values of a layer for the axes of frames, rows and columns."""
    return tuple(missing if axis is None else values[axis] for axis in grid.axes)


def _block(grid: Grid, matrix: Matrix) -> Matrix:
    """The block of a matrix for the axes of frames, rows and columns."""
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


def without_frames(place: Mapping[str, Any]) -> dict[str, Any]:
    """The rows and columns of a transform, for layers without an axis of frames.

    Parameters
    ----------
    place : mapping
        From `geometry` or `geometry_of`. Other options of a layer are not changed.

    Examples
    --------
    >>> from napari_vit_tfm.napari.layers.placing import geometry, without_frames
    >>> without_frames(geometry(0.5))
    {'scale': (0.5, 0.5), 'units': ('um', 'um'), 'axis_labels': ('y', 'x')}
    """
    cut = dict(place)
    for name, value in place.items():
        if name in ("scale", "translate", "units", "axis_labels"):
            cut[name] = value[1:]
        elif name in ("rotate", "shear", "affine"):
            cut[name] = np.asarray(value)[1:, 1:]
    return cut


def nodes_to_world(layer: Layer, grid: Grid | None = None) -> Matrix:
    """Matrix from nodes ``(frame, row, column, 1)`` to world coordinates.

    The world coordinates are in the units of the layer, not in those of a viewer.
    `grid` is that of `geometry_of`.
    """
    place = geometry_of(layer, grid)
    physical = Affine(
        **{name: place[name] for name in ("scale", "translate", "rotate", "shear")},
        ndim=3,
    )
    matrix: Matrix = place["affine"] @ physical.affine_matrix
    return matrix


def node_at(
    layer: Layer, point: Iterable[float], world_units: WorldUnits
) -> tuple[float, float, float]:
    """Frame, row and column of a field at a point in world coordinates.

    Parameters
    ----------
    layer : Layer
        A layer of the field.
    point : iterable of float
        World coordinates; the last two are those of rows and columns.
    world_units : tuple of pint.Unit, optional
        Units of the viewer's world axes, ``viewer.dims.units``; None if the units of
        its layers are inconsistent.
    """
    last = list(point)[-3:]
    world = np.array([*[0.0] * (3 - len(last)), *last])
    in_layer_units = world * _layer_units_per_world_unit(layer, world_units)
    node = np.linalg.solve(nodes_to_world(layer), [*in_layer_units, 1.0])
    # A layer without frames is shown at all positions along the other axes.
    has_frames = grid_of(layer).axes[0] is not None
    return float(node[0]) if has_frames else 0.0, float(node[1]), float(node[2])


def bin_of(node: float, bin_size: int) -> float:
    """Row or column of a binned field at a row or column of the measured field.

    Parameters
    ----------
    node : float
        Position in measured vectors.
    bin_size : int
        Measured vectors along a side of a bin.

    Examples
    --------
    Bins of two vectors; the centre of the first is between vectors 0 and 1:

    >>> from napari_vit_tfm.napari.layers.placing import bin_of
    >>> bin_of(0.5, 2), bin_of(3.5, 2)
    (0.0, 1.5)
    """
    return (node - (bin_size - 1) / 2) / bin_size


def frame_at(
    layer: Layer, point: Iterable[float], n_frames: int, world_units: WorldUnits
) -> int | None:
    """The frame of a field that a viewer shows at a point in world coordinates.

    None if the field does not have it, because another layer has more frames.
    """
    frame = round(node_at(layer, point, world_units)[0])
    return frame if 0 <= frame < n_frames else None


def world_at(
    layer: Layer, node: Iterable[float], world_units: WorldUnits
) -> tuple[float, float, float]:
    """World coordinates of a field's node ``(frame, row, column)``."""
    place = (nodes_to_world(layer) @ [*node, 1.0])[:3]
    frame, row, column = place / _layer_units_per_world_unit(layer, world_units)
    return float(frame), float(row), float(column)


def data_to_data(layer: Layer, other: Layer, world_units: WorldUnits) -> Matrix:
    """Matrix from data coordinates of a layer to those of another at the same place.

    Parameters
    ----------
    layer, other : Layer
        Layers of any kind. Their last axes are frames, rows and columns; a layer of two
        axes has no frames, and is at every frame.
    world_units : tuple of pint.Unit, optional
        As for `node_at`.

    Returns
    -------
    array of shape (4, 4)
        From ``(frame, row, column, 1)`` to ``(frame, row, column, 1)``.
    """
    to_world, to_other_world = (
        data_to_world(one, world_units) for one in (layer, other)
    )
    return np.asarray(np.linalg.solve(to_other_world, to_world))


def data_to_world(layer: Layer, world_units: WorldUnits) -> Matrix:
    """Matrix from data coordinates to the viewer's world coordinates."""
    n = layer.ndim
    grid = Grid((n - 3 if n > 2 else None, n - 2, n - 1))
    matrix = nodes_to_world(layer, grid)
    factors = _layer_units_per_world_unit(layer, world_units, grid)
    return np.asarray(matrix / np.append(factors, 1.0)[:, None])


def _layer_units_per_world_unit(
    layer: Layer, world_units: WorldUnits, grid: Grid | None = None
) -> npt.NDArray[np.float64]:
    """Factors from world coordinates to a layer's own units, for the last three axes.

    A viewer converts all layers to common units. As in napari, nothing is converted if
    it has no common units, or fewer axes than the layer.
    """
    factors = np.ones(3)
    if world_units is None or len(world_units) < layer.ndim:
        return factors
    grid = grid or grid_of(layer)
    own_units = _along(grid, layer.units, "pixel")
    for axis in range(-min(len(world_units), 3), 0):
        world, own = world_units[axis], own_units[axis]
        # An axis that the layer does not have has no units.
        if grid.axes[axis] is not None:
            factors[axis] = _own_per_world_unit(world, own)
    return factors


@cache
def _own_per_world_unit(world: Any, own: Any) -> float:
    """Factor from one unit of pint to another; 1 if they are not compatible."""
    if not world.is_compatible_with(own):
        return 1.0
    return float((1 * world).to(own).magnitude)


def plane_geometry_of(layer: Layer, bin_size: int = 1) -> dict[str, Any]:
    """Transform of a field's frame, for layers of rows and columns over it.

    It includes the metadata that identify them as layers over a field.

    Parameters
    ----------
    layer : Layer
        A layer of the field.
    bin_size : int
        Vectors of the field along a side of one node of the layers over it.
    """
    place, matrix = geometry_of(layer), nodes_to_world(layer)
    affine = np.eye(3)
    affine[:2, :2] = matrix[1:3, 1:3]
    affine[:2, 2] = matrix[1:3, 3]
    # The first bin has its centre between its first and its last vector.
    of_bins = np.diag([bin_size, bin_size, 1.0])
    of_bins[:2, 2] = (bin_size - 1) / 2
    entry = entry_of(layer)
    field_id = "" if entry is None else entry.description.field_id
    return {
        "affine": affine @ of_bins,
        "units": place["units"][-2:],
        "axis_labels": place["axis_labels"][-2:],
        "metadata": overlay_metadata(field_id, "overlay"),
    }
