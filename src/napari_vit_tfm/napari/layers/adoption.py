"""Displacements in layers of other programs.

Three forms are supported: a Vectors layer on a regular grid, an Image whose last axis
has the two components, and two Images, one for each component. This module only reads
layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import FloatArray
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.metadata import AdoptedPart
from napari_vit_tfm.napari.layers.registry import Grid

_PAIRS = (("dx", "dy"), ("x", "y"), ("u", "v"))
"""Endings of the names of x and y components."""

_SHORT_STEM = 2
"""Length up to which a common stem is no title, such as *u* of *ux* and *uy*."""

_MIN_SIDE = 3
"""Minimum number of vectors along a side, as in files."""

_ROUNDING_TOLERANCE = 1e-5
"""Difference up to which positions are equal, relative to their extent."""

_FLOAT32_TOLERANCE = 4 * float(np.finfo(np.float32).eps)
"""The same, relative to the largest coordinate."""

_GRID_TOLERANCE = 0.02
"""Allowed deviation of a position from its node, in grid steps."""


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

    Only the types and shapes of the layers are checked. Whether vectors are on a
    regular grid is checked when they are read.
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
        layer.name: layer
        for layer in layers
        if _is_float_image(layer) and layer.data.ndim in (2, 3)
    }
    found: dict[tuple[str, str], Adoptable] = {}
    taken: set[str] = set()
    for end_x, end_y in _PAIRS:
        for name, x in images.items():
            match = re.fullmatch(rf"(.*?){end_x}", name, re.IGNORECASE | re.DOTALL)
            if match is None or name in taken:
                continue
            partner = (match[1] + end_y).casefold()
            for other, y in images.items():
                is_partner = other.casefold() == partner and other not in taken
                if is_partner and x.data.shape == y.data.shape:
                    taken |= {name, other}
                    stem = match[1].rstrip(" _-.:")
                    title = stem if len(stem) > _SHORT_STEM else f"{name}, {other}"
                    found[name, other] = Adoptable({"x": x, "y": y}, title)
                    break
    return list(found.values())


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


def read_adopted(parts: Mapping[AdoptedPart, Layer]) -> tuple[FloatArray, Grid]:
    """Read displacements from layers of another program.

    Parameters
    ----------
    parts : mapping of str to Layer
        The layers, by the part of the field in each.

    Returns
    -------
    array of shape (T, H, W, 2)
        Displacements ``(x, y)``, in the unit of the layer.
    Grid
        Where the nodes lie in the first layer.

    Raises
    ------
    FieldError
        If the layers do not have one vector for every node of a regular grid.
    """
    if "vectors" in parts:
        return _read_vectors(parts["vectors"])
    if "components" in parts:
        return _read_components(parts["components"])
    if set(parts) != {"x", "y"}:
        (part,) = parts
        missing = "y" if part == "x" else "x"
        raise FieldError(
            f"the layer “{parts[part].name}” has the {part} components of a field, but "
            f"the layer with the {missing} components has been removed"
        )
    return _read_pair(parts["x"], parts["y"])


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


def _read_vectors(layer: Layer) -> tuple[FloatArray, Grid]:
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
    if not has_frames:
        positions = np.column_stack([np.zeros(len(data)), positions])
    names = ("frames", "rows", "columns")
    along = [
        _fit_axis(positions[:, axis], names[axis], layer.name) for axis in range(3)
    ]
    index = tuple(one.index for one in along)
    shape = tuple(one.count for one in along)
    _check_complete(index, shape, layer.name)
    stack = np.empty((*shape, 2), dtype=np.float32)
    stack[index] = swap_components(projections[:, -2:])
    axes = (0, 1, 2) if has_frames else (None, 0, 1)
    origin = tuple(one.origin for one in along)
    step = tuple(one.step for one in along)
    return stack, Grid(axes, origin, step)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class _AxisFit:
    """Regular grid along one axis, and the index of each position on it."""

    index: npt.NDArray[np.intp]
    count: int
    origin: float
    step: float


def _fit_axis(
    positions: npt.NDArray[np.float64], name: str, layer_name: str
) -> _AxisFit:
    """Fit a regular grid to positions along one axis."""
    values = np.unique(positions)
    # Positions that differ only by rounding are merged.
    rounding = (
        _ROUNDING_TOLERANCE * np.ptp(values) + _FLOAT32_TOLERANCE * np.abs(values).max()
    )
    starts = np.flatnonzero(np.append(True, np.diff(values) > rounding))
    centres = np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
    if len(centres) == 1:
        if name != "frames":
            raise FieldError(
                f"the vectors of the layer “{layer_name}” lie on one line: expected a "
                "grid of rows and columns"
            )
        return _AxisFit(np.zeros(len(positions), dtype=np.intp), 1, centres[0], 1.0)
    step = float(np.median(np.diff(centres)))
    count = round((centres[-1] - centres[0]) / step) + 1
    step = (centres[-1] - centres[0]) / (count - 1)
    exact = (positions - centres[0]) / step
    index = np.round(exact).astype(np.intp)
    off = np.abs(exact - index) > _GRID_TOLERANCE
    if off.any():
        raise FieldError(
            f"{int(off.sum())} of {len(positions)} vectors of the layer “{layer_name}” "
            f"are not on a regular grid: the distances between {name} range from "
            f"{np.diff(centres).min():.6g} to {np.diff(centres).max():.6g}"
        )
    return _AxisFit(index, count, float(centres[0]), float(step))


def _check_complete(
    index: tuple[npt.NDArray[np.intp], ...], shape: tuple[int, ...], name: str
) -> None:
    """Raise a FieldError unless every node has exactly one vector."""
    # The grid of scattered positions may be huge, so no array of its size is created.
    nodes, vectors = np.unique(np.ravel_multi_index(index, shape), return_counts=True)
    total = int(np.prod(shape, dtype=np.int64))
    expected = np.arange(len(nodes))
    skipped = np.append(nodes != expected, True)
    for n_bad, first, words in (
        (total - len(nodes), int(np.argmax(skipped)), "have no vector"),
        (
            int((vectors > 1).sum()),
            int(nodes[np.argmax(vectors > 1)]),
            "have more than one vector",
        ),
    ):
        if n_bad:
            frame, row, column = np.unravel_index(first, shape)
            raise FieldError(
                f"{n_bad} of {total} nodes of the layer “{name}” {words}, the first "
                f"at frame {frame}, row {row}, column {column}: expected one vector "
                f"for each of {shape[0]} x {shape[1]} x {shape[2]} nodes"
            )
