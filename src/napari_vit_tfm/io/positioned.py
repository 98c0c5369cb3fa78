"""`PositionedField`: a field of a file whose vectors have positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding import FloatArray, NodeGrid, PositionedVectors
from napari_vit_tfm.io.attributes import apart_by_positions, unit_name
from napari_vit_tfm.io.base import (
    FIRST_POSITION,
    MIN_SIDE,
    POSITIONS_PX,
    POSITIONS_UM,
    SPACING_IN_UNIT,
    ArrayEntry,
    Attributes,
    Kind,
)
from napari_vit_tfm.units import (
    DisplacementUnit,
    consistent_lengths,
    displacement_unit,
)

_DISTANCES = 1e-9, 1e9
"""Range of the distances of neighbouring vectors, in any unit."""


@dataclass(frozen=True, eq=False)
class PositionedField:
    """A field whose vectors have positions: its header in a file, and its values.

    Parameters
    ----------
    name : str
        Name of the field in the file.
    content : PositionedVectors
        Positions and vectors of all frames.
    unit, position_unit : str, optional
        Units of the vectors and of the positions as they are written; None if the file
        does not have them.
    kind, what, y, notes, y_notes, attributes : optional
        As for `ArrayEntry`, besides the notes on the grid and the distance between
        neighbouring vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io.positioned import PositionedField
    >>> positions = np.array([[x, y] for x in (4, 12, 20) for y in (4, 12, 20)])
    >>> field = PositionedField.of("u", [positions], [positions], unit="px")
    >>> field.entry.shape, field.values()[0, 1, 2]
    ((1, 3, 3, 2), array([20., 12.]))
    """

    name: str
    content: PositionedVectors
    unit: str | None = None
    position_unit: str | None = None
    kind: Kind | None = None
    what: str = ""
    y: YDirection | None = "down"
    notes: tuple[str, ...] = ()
    y_notes: tuple[str, ...] = ()
    attributes: Attributes = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(
        cls, name: str, positions: Sequence[Any], vectors: Sequence[Any], **header: Any
    ) -> PositionedField:
        """The field of arrays ``(N, 2)``, ``(N, 3)``, or their transposes.

        Parameters
        ----------
        name : str
            Name of the field in the file.
        positions, vectors : sequence
            One value of the file per frame.
        **header
            Other parameters of the class.

        Raises
        ------
        FieldError
            If they are other values, or do not belong together.
        """
        if not positions or len(positions) != len(vectors):
            raise FieldError(
                f"{name} has positions of {len(positions)} frames and vectors of "
                f"{len(vectors)} frames, expected both of every frame"
            )
        frames = [
            _frame(f"frame {number} of {name}", points, values)
            for number, (points, values) in enumerate(
                zip(positions, vectors, strict=True)
            )
        ]
        content = PositionedVectors(
            [points[:, :2] for points, _ in frames],
            [values[:, :2] for _, values in frames],
        )
        found = cls(name, content, **header)
        if all(values.shape[1] == 2 for _, values in frames):
            return found
        return replace(found, notes=(*found.notes, "the third component is left out"))

    @cached_property
    def grid(self) -> NodeGrid:
        """The grid of the positions of all frames.

        Raises
        ------
        FieldError
            If the positions are not those of a field.
        """
        try:
            return self.content.grid
        except FieldError as error:
            raise FieldError(f"{self.name}: {error}") from error

    @cached_property
    def entry(self) -> ArrayEntry:
        """The header of the field."""
        entry = ArrayEntry(
            name=self.name,
            shape=(len(self.content.positions), *self.grid.shape, 2),
            dtype="float64",
            layout="(T, H, W, 2)",
            kind=self.kind,
            what=self.what,
            y=self.y,
            notes=(*self.notes, *self.content.notes),
            y_notes=self.y_notes,
            attributes={
                **({} if self.unit is None else {"units": self.unit}),
                **self.attributes,
            },
        )
        return on_grid(entry, self.grid, self.position_unit)

    def values(self, frames: slice | None = None) -> FloatArray:
        """Frames on the grid, ``(T, H, W, 2)``; NaN where there is no vector.

        Raises
        ------
        FieldError
            If the vectors of a frame cannot be put on the grid.
        """
        try:
            return self.content.values(frames)
        except FieldError as error:
            raise FieldError(f"{self.name}: {error}") from error


def on_grid(entry: ArrayEntry, grid: NodeGrid, position_unit: object) -> ArrayEntry:
    """The entry of a field at positions, with what follows from their grid.

    Parameters
    ----------
    entry : ArrayEntry
        The header of the field, with the unit of its vectors. Its other lengths are
        kept.
    grid : NodeGrid
        The grid of the positions.
    position_unit : object
        Their unit as it is written in the file; None if it is not. Positions of
        tractions are then in pixels. If the displacements do not have a unit either,
        it is the same.
    """
    if min(grid.shape) < MIN_SIDE:
        raise FieldError(
            f"the vectors are in {grid.shape[0]} rows and {grid.shape[1]} columns, "
            f"expected at least {MIN_SIDE} of each"
        )
    if not _DISTANCES[0] <= grid.step <= _DISTANCES[1]:
        raise FieldError(
            f"the positions are {grid.step:.3g} apart, which they are in no unit"
        )
    first = {FIRST_POSITION: grid.first_position}
    entry = replace(entry, attributes={**first, **entry.attributes})
    step = grid.step
    at = displacement_unit(position_unit)
    if position_unit is None and entry.kind == "traction":
        at = ("px", 1.0)
    if at is not None and at[0] == "px":
        name = POSITIONS_PX
    elif at is not None and at[0] == "um":
        name, step = POSITIONS_UM, step * at[1]
    elif position_unit is None and unit_name(entry) is None:
        name = SPACING_IN_UNIT
    else:
        unit = "of unknown unit" if position_unit is None else str(position_unit)
        note = f"the distance of the positions, {step:g} {unit}, is not used"
        return replace(entry, notes=(*entry.notes, note))
    return replace(entry, attributes={name: step, **entry.attributes})


def lengths_by_positions(
    entry: ArrayEntry,
    unit: DisplacementUnit | None,
    given: Mapping[str, float | None],
    lengths: Mapping[str, float | None],
) -> dict[str, float | None]:
    """Lengths of displacements, as far as they follow from positions in px or um.

    Parameters
    ----------
    entry : ArrayEntry
        The header of the field.
    unit : {"um", "grid", "px", "field"}, optional
        Unit of the displacements in memory, which may be another than that of the
        positions.
    given : mapping of str to float or None
        Values of ``spacing_um`` and ``pixel_size_um`` that the user has set.
    lengths : mapping of str to float or None
        These values, or else those of the file, and `SPACING_IN_UNIT`, in `unit`.

    Returns
    -------
    dict of str to float or None
        The same lengths. A spacing in the file belongs to the pixel size in the file:
        it follows from the positions if the user has set another pixel size.

    Raises
    ------
    FieldError
        If the lengths contradict each other by more than 1%.
    """
    spacing, pixel_size = lengths["spacing_um"], lengths["pixel_size_um"]
    in_unit = lengths[SPACING_IN_UNIT]
    px, um = (apart_by_positions(entry, name) for name in (POSITIONS_PX, POSITIONS_UM))
    if px is None and unit == "px":
        px = in_unit
    if px is not None:
        if given["pixel_size_um"] is not None:
            spacing = given["spacing_um"]
        spacing, pixel_size = consistent_lengths("px", px, spacing, pixel_size)
        in_unit = px if unit == "px" else in_unit
    if um is not None:
        spacing, _ = consistent_lengths("um", um, spacing, None)
        if unit == "px" and pixel_size is not None:
            in_unit = um / pixel_size
    if unit == "um" and (px is not None or um is not None):
        in_unit = spacing
    return {
        "spacing_um": spacing,
        "pixel_size_um": pixel_size,
        SPACING_IN_UNIT: in_unit,
    }


def _frame(where: str, positions: Any, vectors: Any) -> tuple[FloatArray, FloatArray]:
    """Positions and vectors of one frame, one row each."""
    points, values = _rows(positions), _rows(vectors)
    if points is None or values is None:
        wrong = positions if points is None else vectors
        found = (
            f"{wrong.dtype} numbers of shape {wrong.shape}"
            if isinstance(wrong, np.ndarray)
            else "no numbers"
        )
        raise FieldError(
            f"{where} has {found} as {'positions' if points is None else 'vectors'}, "
            "expected one row (x, y) for every vector"
        )
    if len(points) != len(values):
        raise FieldError(
            f"{where} has {len(points)} positions and {len(values)} vectors, expected "
            "one position for every vector"
        )
    return points, values


def _rows(array: Any) -> FloatArray | None:
    """One row per vector, as float64; None if it is another array."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return None
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2:
        return None
    if array.shape[1] not in (2, 3) and array.shape[0] in (2, 3):
        array = array.T
    return array.astype(np.float64) if array.shape[1] in (2, 3) else None
