"""`NodeGrid`: a grid of square cells, and how vectors are put on its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.interpolation import FloatArray, interpolated

_MOST_NAMED = 3
"""Largest number of positions that are named in a note."""


@dataclass(frozen=True)
class NodeGrid:
    """Nodes of a grid with square cells.

    Parameters
    ----------
    x, y : float
        Position of the node in the first row and column, in the unit of the positions.
    step : float
        Distance between neighbouring nodes, in the same unit.
    shape : tuple of int
        Number of rows and columns; y increases with the row.
    is_scattered : bool
        Whether the positions are not on the nodes, so that vectors are interpolated.
    left_out : tuple of (float, float)
        Positions ``(x, y)`` far outside of the grid, whose vectors are left out.
    """

    x: float
    y: float
    step: float
    shape: tuple[int, int]
    is_scattered: bool
    left_out: tuple[tuple[float, float], ...] = ()

    @property
    def first_position(self) -> tuple[float, float]:
        """The smallest position ``(x, y)``, in grid steps."""
        return self.x / self.step, self.y / self.step

    def notes(self) -> tuple[str, ...]:
        """What a user must know about the grid, one sentence each."""
        notes = []
        if self.is_scattered:
            rows, columns = self.shape
            notes.append(
                "the positions are not on a regular grid: the vectors were "
                f"interpolated linearly at {rows} x {columns} nodes, {self.step:.4g} "
                "apart in the unit of the positions"
            )
        if self.left_out:
            every = (f"({x:.6g}, {y:.6g})" for x, y in self.left_out)
            places = list(dict.fromkeys(every))
            named = ", ".join(places[:_MOST_NAMED])
            more = ", …" if len(places) > _MOST_NAMED else ""
            notes.append(
                "vectors far outside of the region of all others, which are left out: "
                f"{len(self.left_out)}, at {named}{more}; correct their positions in "
                "the file"
            )
        return tuple(notes)

    def nodes_of(
        self, positions: FloatArray, vectors: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Known vectors of a frame, and where they are on the grid.

        Parameters
        ----------
        positions, vectors : array of shape (N, 2)
            Positions and vectors ``(x, y)``. Those with NaN, and those far outside of
            the grid, are left out.

        Returns
        -------
        array of shape (M, 2)
            Columns and rows, in grid steps.
        array of shape (M, 2)
            The vectors.
        """
        nodes = (positions - (self.x, self.y)) / self.step
        margin = 1.0 if self.is_scattered else 0.5
        last = np.array(self.shape[::-1]) - 1
        is_near = ((nodes > -margin) & (nodes < last + margin)).all(axis=1)
        known = is_near & np.isfinite(vectors).all(axis=1)
        return nodes[known], vectors[known]

    def place(self, positions: FloatArray, vectors: FloatArray) -> FloatArray:
        """Vectors at the nodes.

        Parameters
        ----------
        positions, vectors : array of shape (N, 2)
            Positions and vectors ``(x, y)`` of one frame, as for `nodes_of`.

        Returns
        -------
        array of shape (H, W, 2)
            NaN at nodes without a vector. If the positions are scattered, also at nodes
            further than three steps from every vector or more than one step outside of
            their region, and at all nodes if there are fewer than ten vectors or they
            are on a line.

        Raises
        ------
        FieldError
            If several vectors have the same position.
        """
        nodes, vectors = self.nodes_of(positions, vectors)
        if self.is_scattered:
            return interpolated(nodes, vectors, self.shape)
        column, row = np.round(nodes).astype(int).T
        number = np.bincount(row * self.shape[1] + column)
        if number.max(initial=0) > 1:
            first_row, first_column = divmod(int(number.argmax()), self.shape[1])
            raise FieldError(
                f"{np.count_nonzero(number > 1)} nodes have more than one vector, the "
                f"first at row {first_row}, column {first_column}"
            )
        field = np.full((*self.shape, 2), np.nan)
        field[row, column] = vectors
        return field
