"""`NodeGrid`: a grid of square cells, and how vectors are put on its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]

FEWEST_BEADS = 10
"""Smallest number of scattered positions that are interpolated."""


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
    """

    x: float
    y: float
    step: float
    shape: tuple[int, int]
    is_scattered: bool

    def notes(self) -> tuple[str, ...]:
        """What a user must know about the grid: that vectors were interpolated."""
        if not self.is_scattered:
            return ()
        rows, columns = self.shape
        return (
            "the positions are not on a regular grid: the vectors were interpolated "
            f"linearly at {rows} x {columns} nodes, {self.step:.4g} apart in the unit "
            "of the positions",
        )

    def place(self, positions: FloatArray, vectors: FloatArray) -> FloatArray:
        """Vectors at the nodes.

        Parameters
        ----------
        positions : array of shape (N, 2)
            Positions ``(x, y)``.
        vectors : array of shape (N, 2)
            Vectors. Those with NaN are left out.

        Returns
        -------
        array of shape (H, W, 2)
            NaN at nodes without a vector, and further than one step from the region
            of scattered positions.

        Raises
        ------
        FieldError
            If a node of a regular grid has more than one vector, or there are too few
            scattered vectors.
        """
        known = np.isfinite(vectors).all(axis=1) & np.isfinite(positions).all(axis=1)
        nodes = (positions[known] - (self.x, self.y)) / self.step
        if self.is_scattered:
            return _interpolated(nodes, vectors[known], self.shape)
        column, row = np.round(nodes).astype(int).T
        number = np.bincount(row * self.shape[1] + column)
        if number.max(initial=0) > 1:
            first_row, first_column = divmod(int(number.argmax()), self.shape[1])
            raise FieldError(
                f"{np.count_nonzero(number > 1)} nodes have more than one vector, the "
                f"first at row {first_row}, column {first_column}"
            )
        field = np.full((*self.shape, 2), np.nan)
        field[row, column] = vectors[known]
        return field


def _interpolated(
    points: FloatArray, vectors: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """Linear interpolation; up to one step outside, the nearest vector.

    Parameters
    ----------
    points : array of shape (N, 2)
        Columns and rows of the vectors, in grid steps.
    vectors : array of shape (N, 2)
        Finite vectors.
    shape : tuple of int
        Number of rows and columns.
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import KDTree

    if len(points) < FEWEST_BEADS:
        raise FieldError(
            f"a frame has {len(points)} vectors, expected at least {FEWEST_BEADS}"
        )
    rows, columns = np.indices(shape)
    nodes = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(float)
    field = LinearNDInterpolator(points, vectors)(nodes)
    outside = np.flatnonzero(np.isnan(field).any(axis=1))
    distance, nearest = KDTree(points).query(nodes[outside])
    near = np.asarray(distance) <= 1
    field[outside[near]] = vectors[np.asarray(nearest)[near]]
    return np.asarray(field, dtype=np.float64).reshape(*shape, 2)
