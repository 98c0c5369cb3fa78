"""Displacements in layers of other programs.

Three forms are supported: a Vectors layer, an Image whose last axis has the two
components, and two Images, one for each component. This module only reads layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.gridding import PositionedVectors
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.metadata import AdoptedPart
from napari_vit_tfm.napari.layers.registry import Grid

_SHORT_STEM = 2
"""Length up to which a common stem is no title, such as *u* of *ux* and *uy*."""

_MIN_SIDE = 3
"""Minimum number of vectors along a side, as in files."""


@dataclass(frozen=True)
class Adoptable:
    """Layers of another program that together show displacements.

    Parameters
    ----------
    parts : mapping of str to Layer
        The layers, by the part of the field in each.
    title : str
        Title of the field.
    """

    parts: Mapping[AdoptedPart, Layer]
    title: str


def adoptable(layers: Iterable[Layer]) -> list[Adoptable]:
    """Find displacement fields in layers of other programs.

    Only the types, shapes and names of the layers are checked.
    """
    layers = list(layers)
    found = [_single_layer(layer) for layer in layers]
    return [one for one in found if one is not None] + _component_pairs(layers)


def _single_layer(layer: Layer) -> Adoptable | None:
    if isinstance(layer, Vectors) and len(layer.data):
        return Adoptable({"vectors": layer}, layer.name)
    if _is_float_image(layer):
        shape = layer.data.shape
        if len(shape) in (3, 4) and shape[-1] == 2 and min(shape[-3:-1]) >= _MIN_SIDE:
            return Adoptable({"components": layer}, layer.name)
    return None


def _component_pairs(layers: Sequence[Layer]) -> list[Adoptable]:
    images = {
        layer.name.casefold(): layer
        for layer in layers
        if _is_float_image(layer) and layer.data.ndim in (2, 3)
    }
    found: list[Adoptable] = []
    for x in images.values():
        component = component_of(x.name)
        if component is None or component.axis != 0 or component.kind == "traction":
            continue
        y = images.get(component.partner.casefold())
        if y is not None and x.data.shape == y.data.shape:
            stem = component.stem
            title = stem if len(stem) > _SHORT_STEM else f"{x.name}, {y.name}"
            found.append(Adoptable({"x": x, "y": y}, title))
    return found


def are_swapped(parts: Mapping[AdoptedPart, Layer]) -> bool:
    """Whether two components have been renamed, so that each has the other's name."""
    if set(parts) != {"x", "y"}:
        return False
    pairs = _component_pairs([parts["x"], parts["y"]])
    return bool(pairs) and pairs[0].parts["x"] == parts["y"]


def _is_float_image(layer: Layer) -> bool:
    return (
        isinstance(layer, Image)
        and not layer.rgb
        and not layer.multiscale
        and np.dtype(layer.dtype).kind == "f"
    )


def read_adopted(
    parts: Mapping[AdoptedPart, Layer],
) -> tuple[FloatArray, Grid, tuple[str, ...]]:
    """Read displacements from layers of another program.

    Parameters
    ----------
    parts : mapping of str to Layer
        The layers, by the part of the field in each.

    Returns
    -------
    array of shape (T, H, W, 2)
        Displacements ``(x, y)``, in the unit of the layer; NaN at nodes without a
        vector. Vectors at scattered positions are interpolated.
    Grid
        Where the nodes lie in the first layer.
    tuple of str
        What a user must know about how the vectors were read, one sentence each.

    Raises
    ------
    FieldError
        If vectors have no grid, or components do not fit together.
    """
    if "vectors" in parts:
        return _read_vectors(parts["vectors"])
    if "components" in parts:
        return *_read_components(parts["components"]), ()
    if set(parts) != {"x", "y"}:
        (part,) = parts
        missing = "y" if part == "x" else "x"
        raise FieldError(
            f"the layer “{parts[part].name}” has the {part} components of a field, but "
            f"the layer with the {missing} components has been removed"
        )
    return *_read_pair(parts["x"], parts["y"]), ()


def _read_components(layer: Layer) -> tuple[FloatArray, Grid]:
    data = np.asarray(layer.data, dtype=np.float32)
    if data.ndim == 3:
        return data[np.newaxis].copy(), Grid((None, 0, 1))
    return data.copy(), Grid((0, 1, 2))


def _read_pair(x: Layer, y: Layer) -> tuple[FloatArray, Grid]:
    if x.data.shape != y.data.shape:
        raise FieldError(
            f"the components “{x.name}” and “{y.name}” have different shapes: "
            f"{x.data.shape} and {y.data.shape}"
        )
    both = [np.asarray(layer.data, dtype=np.float32) for layer in (x, y)]
    data = np.stack(both, axis=-1)
    if data.ndim == 3:
        return data[np.newaxis], Grid((None, 0, 1))
    return data, Grid((0, 1, 2))


def check_same_place(parts: Mapping[AdoptedPart, Layer]) -> None:
    """Raise a FieldError if two components have different transforms."""
    if set(parts) != {"x", "y"}:
        return
    x, y = parts["x"], parts["y"]
    corners = np.vstack([np.zeros(x.ndim), np.eye(x.ndim)])
    place_x, place_y = (
        np.array([layer.data_to_world(corner) for corner in corners])
        for layer in (x, y)
    )
    if not np.allclose(place_x, place_y) or x.units != y.units:
        raise FieldError(
            f"the components “{x.name}” and “{y.name}” have different transforms: set "
            "both layers to the same scale, units and translation"
        )


def _read_vectors(layer: Layer) -> tuple[FloatArray, Grid, tuple[str, ...]]:
    data = np.asarray(layer.data, dtype=np.float64)
    if data.shape[-1] not in (2, 3):
        raise FieldError(
            f"the vectors of the layer “{layer.name}” have {data.shape[-1]} axes: "
            "expected rows and columns, or frames, rows and columns"
        )
    positions, projections = data[:, 0], data[:, 1]
    if not np.isfinite(positions).all():
        bad = int((~np.isfinite(positions).all(axis=-1)).sum())
        raise FieldError(
            f"{bad} of {len(data)} vectors of the layer “{layer.name}” have no finite "
            "position"
        )
    has_frames = data.shape[-1] == 3
    if has_frames and np.abs(projections[:, 0]).max(initial=0) > 0:
        raise FieldError(
            f"vectors of the layer “{layer.name}” point from one frame to another: "
            "expected displacements along rows and columns"
        )
    times = positions[:, 0] if has_frames else np.zeros(len(data))
    if (times != np.round(times)).any():
        raise FieldError(
            f"the frames of the layer “{layer.name}” are not whole numbers, such as "
            f"{times[times != np.round(times)][0]:g}"
        )
    first = int(times.min())
    numbers = [times == time for time in range(first, int(times.max()) + 1)]
    points = swap_components(positions[:, -2:])
    values = swap_components(projections[:, -2:])
    vectors = PositionedVectors(
        [points[number] for number in numbers], [values[number] for number in numbers]
    )
    try:
        grid, placed = vectors.grid, vectors.values()
    except FieldError as error:
        raise FieldError(f"the layer “{layer.name}”: {error}") from error
    nodes = Grid(
        (0, 1, 2) if has_frames else (None, 0, 1),
        (float(first), grid.y, grid.x),
        (1.0, grid.step, grid.step),
    )
    return placed.astype(np.float32), nodes, vectors.notes
