"""Arrays beside a vector field: the positions of its vectors, and marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding import NodeGrid, node_grid
from napari_vit_tfm.io.attributes import unit_name
from napari_vit_tfm.io.base import (
    FIRST_POSITION,
    POSITIONS_PX,
    AnyArray,
    ArrayEntry,
    header_of_rows,
)
from napari_vit_tfm.io.positioned import on_grid
from napari_vit_tfm.io.text.marks import role_of_mark
from napari_vit_tfm.units import displacement_unit


@dataclass(frozen=True, eq=False)
class Placement:
    """The positions of the vectors of a field, and their grid.

    Parameters
    ----------
    points : array of shape (H * W, 2)
        Positions ``(x, y)`` of the vectors, row by row.
    grid : NodeGrid
        The grid of the positions.
    components_second : bool
        Whether the components are the second of four axes; else they are the last.
    """

    points: npt.NDArray[np.float64]
    grid: NodeGrid
    components_second: bool

    def placed(self, field: AnyArray) -> AnyArray:
        """Frames of the field on the grid, in the same order of axes.

        Raises
        ------
        FieldError
            If several vectors have the same position.
        """
        if field.dtype.kind != "f":
            # Complex numbers, unlike in the header: whoever reads them refuses them.
            return field
        vectors = np.moveaxis(field, 1, -1) if self.components_second else field
        *leading, _, _, n_components = vectors.shape
        frames = vectors.reshape(-1, len(self.points), n_components)
        placed = np.stack([self._placed(frame.astype(np.float64)) for frame in frames])
        placed = placed.reshape(*leading, *self.grid.shape, n_components)
        return np.moveaxis(placed, -1, 1) if self.components_second else placed

    def _placed(self, vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """One frame, ``(H, W, 2)`` or ``(H, W, 3)``, of vectors row by row."""
        field = self.grid.place(self.points, vectors[:, :2])
        if vectors.shape[1] == 2:
            return field
        third = self.grid.place(self.points, vectors[:, [2, 2]])[..., :1]
        return np.concatenate([field, third], axis=-1)


def positions_of(
    field: ArrayEntry, name: str, known: Mapping[str, ArrayEntry]
) -> tuple[ArrayEntry, ArrayEntry] | None:
    """The arrays ``x`` and ``y`` with the positions of a field, in the same group.

    Parameters
    ----------
    field : ArrayEntry
        The header of a vector field.
    name : str
        Name of its array, or of that of its first component.
    known : mapping of str to ArrayEntry
        All arrays of the file, by name.

    Returns
    -------
    tuple of ArrayEntry, or None
        Both have the shape ``(H, W)``, or the shapes ``(W,)`` and ``(H,)``. None if
        there are no such arrays, or if the program that wrote the field is known and
        stores positions in its own way.
    """
    if field.layout == "(X, Y, 2)" or FIRST_POSITION in field.attributes:
        return None
    group, slash, _ = name.rpartition("/")
    height, width = field.grid_shape
    shapes = (((height, width), (height, width)), ((width,), (height,)))
    for names in (("x", "y"), ("X", "Y")):
        x, y = (known.get(f"{group}{slash}{one}") for one in names)
        if x is not None and y is not None:
            flat = tuple(
                tuple(side for side in one.shape if side > 1) for one in (x, y)
            )
            if flat in shapes:
                return x, y
    return None


def placed(
    field: ArrayEntry, x: AnyArray, y: AnyArray, unit: object
) -> tuple[ArrayEntry, Placement]:
    """A field whose vectors are put on the grid of their positions.

    Parameters
    ----------
    field : ArrayEntry
        Its header.
    x, y : array of shape (H, W), or (W,) and (H,)
        The positions.
    unit : object
        Their unit as it is written in the file. If there is none, they are in the unit
        of the vectors.

    Returns
    -------
    ArrayEntry
        The header of the field on the grid.
    Placement
        How its values are put there.

    Raises
    ------
    FieldError
        If the positions are not those of a field.
    """
    for axis, positions in (("x", x), ("y", y)):
        if positions.dtype.kind not in "fiu":
            raise FieldError(
                f"the positions {axis} have {positions.dtype} values, expected real "
                "numbers"
            )
    if x.ndim == 1:
        x, y = np.meshgrid(x, y)
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    grid = node_grid([points])
    of_vectors = unit_name(field)
    if unit is None and displacement_unit(of_vectors) is not None:
        unit = of_vectors
    # Where readers know the distance of the positions, they know the program, whose y
    # points down unless its order says otherwise.
    otherwise: YDirection | None = "down" if POSITIONS_PX in field.attributes else None
    described = replace(
        field,
        shape=_with_grid(field, grid.shape),
        notes=(*field.notes, *grid.notes()),
        # The files of the original work have no positions.
        is_original=False,
        **header_of_rows(y, otherwise=otherwise),
    )
    entry = on_grid(described, grid, unit)
    return entry, Placement(points, grid, field.layout == "(T, 2, H, W)")


def _with_grid(field: ArrayEntry, grid: tuple[int, int]) -> tuple[int, ...]:
    """The shape of a field with other numbers of rows and columns."""
    assert field.layout is not None
    sides = dict(zip(field.layout.strip("()").split(", "), field.shape, strict=True))
    sides["H"], sides["W"] = grid
    return tuple(sides.values())


def marks_in(entries: Iterable[ArrayEntry]) -> list[ArrayEntry]:
    """The arrays that may mark vectors, by their names."""
    return [
        entry
        for entry in entries
        if role_of_mark(entry.name.rpartition("/")[2]) is not None
    ]


def unused_marks(field: ArrayEntry, marks: Iterable[ArrayEntry]) -> tuple[str, ...]:
    """A note for every array that may mark vectors of a field, which is not used."""
    return tuple(
        f"the array {entry.name} is not used: set the vectors that it marks to NaN"
        for entry in marks
        if field.grid_shape in (entry.shape[-2:], entry.shape[:2])
    )
