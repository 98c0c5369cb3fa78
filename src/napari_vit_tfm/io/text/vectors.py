"""`VectorTable`: the vectors of a text table, and where they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.gridding import FloatArray, NodeGrid, node_grid
from napari_vit_tfm.io.attributes import lengths_of_step
from napari_vit_tfm.io.base import (
    FIRST_POSITION,
    ArrayEntry,
    Attributes,
    Kind,
)


@dataclass(frozen=True, eq=False)
class TableField:
    """One vector field of a table.

    Parameters
    ----------
    name : str
        Name of the field.
    vectors : array of shape (N, 2)
        Its vectors ``(x, y)``; NaN where one is missing.
    unit : str, optional
        Their unit as it is written.
    kind, what, notes
        As for `ArrayEntry`.
    """

    name: str
    vectors: FloatArray
    unit: str | None = None
    kind: Kind | None = None
    what: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class VectorTable:
    """A table whose lines are vectors at positions.

    Parameters
    ----------
    positions : array of shape (N, 2)
        Positions ``(x, y)``.
    fields : tuple of TableField
        The vector fields.
    y : {"down", "up"}, optional
        As for `ArrayEntry`.
    position_unit : str, optional
        Unit of the positions as it is written.
    frame_numbers : array of shape (N,), optional
        Number of the frame of each line; None if there is one frame.
    notes, y_notes, attributes : optional
        As for `ArrayEntry`, of all fields.
    """

    positions: FloatArray
    fields: tuple[TableField, ...]
    y: YDirection | None
    position_unit: str | None = None
    frame_numbers: FloatArray | None = None
    notes: tuple[str, ...] = ()
    y_notes: tuple[str, ...] = ()
    attributes: Attributes = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def grid(self) -> NodeGrid:
        """The grid that the positions of all frames are on."""
        return node_grid([self.positions[lines] for lines in self._lines_of_frames])

    def entries(self) -> tuple[ArrayEntry, ...]:
        """Headers of the fields."""
        one_frame = self.frame_numbers is None
        frames = () if one_frame else (len(self._lines_of_frames),)
        return tuple(
            ArrayEntry(
                name=found.name,
                shape=(*frames, *self.grid.shape, 2),
                dtype="float64",
                layout="(H, W, 2)" if one_frame else "(T, H, W, 2)",
                kind=found.kind,
                what=found.what,
                y=self.y,
                notes=(*self.notes, *found.notes, *self._grid_notes()),
                y_notes=self.y_notes,
                attributes={
                    **self.attributes,
                    **({} if found.unit is None else {"units": found.unit}),
                    **self._lengths(found),
                    FIRST_POSITION: self.grid.first_position,
                },
            )
            for found in self.fields
        )

    def values(self, name: str) -> FloatArray:
        """A field on the grid, ``(T, H, W, 2)``, or ``(H, W, 2)`` of one frame."""
        found = next(item for item in self.fields if item.name == name)
        placed = [
            self.grid.place(self.positions[lines], found.vectors[lines])
            for lines in self._lines_of_frames
        ]
        return placed[0] if self.frame_numbers is None else np.stack(placed)

    @cached_property
    def _lines_of_frames(self) -> tuple[Any, ...]:
        """Indices of the lines of each frame."""
        if self.frame_numbers is None:
            return (slice(None),)
        _, counts = np.unique(self.frame_numbers, return_counts=True)
        order = np.argsort(self.frame_numbers, kind="stable")
        return tuple(np.split(order, np.cumsum(counts)[:-1]))

    def _grid_notes(self) -> tuple[str, ...]:
        """Notes on the grid, also on nodes that are not in the table."""
        nodes = self.grid.shape[0] * self.grid.shape[1] * len(self._lines_of_frames)
        empty = nodes - len(self.positions)
        if self.grid.is_scattered or empty <= 0:
            return self.grid.notes()
        return (f"nodes of the grid without a vector in the table: {empty}",)

    def _lengths(self, found: TableField) -> dict[str, float]:
        """Distance between neighbouring vectors, where the units are known."""
        return lengths_of_step(
            self.grid.step, self.position_unit, found.unit, found.kind
        )
