"""The grid of patches over a vector field.

Positions are coordinates of the vector grid: node ``k`` lies at ``k``, so a field
of ``W`` columns extends from ``-0.5`` to ``W - 0.5``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import PATCH_SIZE

Patch = tuple[int, int]
"""Row and column of a patch, counted from zero."""


@dataclass(frozen=True)
class PatchGrid:
    """Rows and columns of patches over a vector field.

    Parameters
    ----------
    field_shape : tuple of int
        Rows and columns of the field, ``(H, W)``.
    model_shape : tuple of int, optional
        Rows and columns of the network's grid, if the field is resampled; the
        outermost nodes of both grids coincide.
    patch_size : int
        Side length of a patch, in nodes of the network's grid.

    Examples
    --------
    The bundled network's patches on a field of 104 x 104 vectors:

    >>> from napari_vit_tfm.attention.patches import PatchGrid
    >>> grid = PatchGrid((104, 104))
    >>> grid.rows, grid.columns
    (13, 13)
    >>> grid.patch_at(x=90.0, y=20.0)
    (2, 11)
    >>> grid.index(2, 11)
    37
    >>> grid.bounds(2, 11)
    (87.5, 15.5, 95.5, 23.5)
    """

    field_shape: tuple[int, int]
    model_shape: tuple[int, int] | None = None
    patch_size: int = PATCH_SIZE

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the network's grid, in nodes."""
        return self.model_shape or self.field_shape

    @property
    def rows(self) -> int:
        """Number of rows of patches; the last row may extend beyond the field."""
        return math.ceil(self.shape[0] / self.patch_size)

    @property
    def columns(self) -> int:
        """Number of columns of patches; the last may extend beyond the field."""
        return math.ceil(self.shape[1] / self.patch_size)

    def has(self, row: int, column: int) -> bool:
        """Whether a patch exists."""
        return 0 <= row < self.rows and 0 <= column < self.columns

    def index(self, row: int, column: int) -> int:
        """Number of a patch, counted row by row from zero.

        Raises
        ------
        IndexError
            If the patch does not exist.
        """
        if not self.has(row, column):
            raise IndexError(
                f"no patch ({row}, {column}), counted from 0: the field has "
                f"{self.rows} rows and {self.columns} columns of patches"
            )
        return row * self.columns + column

    def neighbour(self, patch: Patch | None, rows: int, columns: int) -> Patch:
        """The patch some rows down and columns to the right, within the grid.

        Parameters
        ----------
        patch : tuple of int, optional
            Row and column of the patch to start from; without one, the patch in the
            middle is returned.
        rows, columns : int
            Steps downwards and to the right; negative for up and left.

        Returns
        -------
        tuple of int
            Row and column.
        """
        if patch is None:
            return self.rows // 2, self.columns // 2
        return (
            min(max(patch[0] + rows, 0), self.rows - 1),
            min(max(patch[1] + columns, 0), self.columns - 1),
        )

    def patch_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the patch at a point of the vector grid.

        Parameters
        ----------
        x, y : float
            Position in nodes; x runs along columns, y along rows.

        Returns
        -------
        tuple of int, or None outside the field
        """
        height, width = self.field_shape
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            return None
        row = self._patch_along(y, axis=0)
        column = self._patch_along(x, axis=1)
        return row, column

    def bounds(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Edges of a patch, ``(x0, y0, x1, y1)``, clipped to the field.

        Raises
        ------
        IndexError
            If the patch does not exist.
        """
        self.index(row, column)
        y = self._edges(axis=0)
        x = self._edges(axis=1)
        return x[column], y[row], x[column + 1], y[row + 1]

    def nodes(self, row: int, column: int) -> tuple[slice, slice]:
        """Rows and columns of a patch's nodes, on the network's grid.

        Raises
        ------
        IndexError
            If the patch does not exist.
        """
        self.index(row, column)
        starts = row * self.patch_size, column * self.patch_size
        first, second = (
            slice(start, min(start + self.patch_size, end))
            for start, end in zip(starts, self.shape, strict=True)
        )
        return first, second

    def sums(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Sum the values of the nodes of every patch.

        Parameters
        ----------
        values : array of shape (h, w)
            One value per node of the network's grid.

        Returns
        -------
        array of shape (rows, columns)
        """
        size = self.patch_size
        padded = np.zeros((self.rows * size, self.columns * size))
        padded[: values.shape[0], : values.shape[1]] = values
        blocks = padded.reshape(self.rows, size, self.columns, size)
        sums: npt.NDArray[np.float64] = blocks.sum(axis=(1, 3))
        return sums

    def lines(self) -> npt.NDArray[np.float64]:
        """The borders between patches, as lines.

        Returns
        -------
        array of shape (rows + columns + 2, 2, 2)
            For each line its start and the vector to its end, both as
            ``(row, column)``.
        """
        y, x = self._edges(axis=0), self._edges(axis=1)
        horizontal = [[(edge, x[0]), (0.0, x[-1] - x[0])] for edge in y]
        vertical = [[(y[0], edge), (y[-1] - y[0], 0.0)] for edge in x]
        return np.array(horizontal + vertical)

    def _nodes_per_model_node(self, axis: int) -> float:
        if self.model_shape is None:
            return 1.0
        return (self.field_shape[axis] - 1) / (self.model_shape[axis] - 1)

    def _patch_along(self, position: float, axis: int) -> int:
        node = position / self._nodes_per_model_node(axis)
        last = (self.rows, self.columns)[axis] - 1
        return min(max(math.floor((node + 0.5) / self.patch_size), 0), last)

    def _edges(self, axis: int) -> list[float]:
        """Edges of the patches along an axis; the outermost are the field's borders."""
        count = (self.rows, self.columns)[axis]
        step = self._nodes_per_model_node(axis)
        inner = [(k * self.patch_size - 0.5) * step for k in range(1, count)]
        return [-0.5, *inner, self.field_shape[axis] - 0.5]
