"""`node_grid`: the grid of the positions of all frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from napari_vit_tfm.gridding.grid import NodeGrid
from napari_vit_tfm.gridding.interpolation import FloatArray, Mask, unique_points
from napari_vit_tfm.gridding.regular import regular_grid
from napari_vit_tfm.gridding.scattered import (
    are_stray,
    scattered_grid,
    typical_distance,
)


def node_grid(
    positions: Sequence[FloatArray], vectors: Sequence[FloatArray] | None = None
) -> NodeGrid:
    """Find the grid of the positions of all frames.

    Parameters
    ----------
    positions : sequence of arrays of shape (N, 2)
        Positions ``(x, y)`` of each frame, in any order. The number may differ between
        frames. Positions with NaN are left out.
    vectors : sequence of arrays of shape (N, 2), optional
        Their vectors. Scattered positions whose vector has NaN are left out. By
        default, all vectors are known.

    Returns
    -------
    NodeGrid
        The regular grid that all positions are on, apart from rounding. If there is
        none, a grid over the region of the positions, with about one node per position
        where there are positions. A few positions far outside of this region are named
        in the result, and have no influence on the grid.

    Raises
    ------
    FieldError
        If the steps along x and y differ, the positions lie on a line, there are too
        few of them, or most of their region is empty.

    Examples
    --------
    Positions that were rounded, in two rows:

    >>> import numpy as np
    >>> from napari_vit_tfm.gridding import node_grid
    >>> positions = np.array([[0, 0], [2.49, 0], [4.97, 0], [0, 2.48], [4.97, 2.49]])
    >>> grid = node_grid([positions])
    >>> grid.shape, round(grid.step, 1), grid.is_scattered
    ((2, 3), 2.5, False)
    >>> grid.place(positions, np.ones((5, 2)))[1, :, 0]
    array([ 1., nan,  1.])
    """
    every = _Positions([points[are_finite(points)] for points in positions])
    tried = [every]
    if vectors is not None:
        known = [
            points[are_finite(points) & are_finite(values)]
            for points, values in zip(positions, vectors, strict=True)
        ]
        if sum(map(len, known)) < every.number:
            tried.append(_Positions(known))
    for found in tried:
        grid = found.regular_grid()
        if grid is not None:
            return grid
    return tried[-1].scattered_grid()


def are_finite(rows: FloatArray) -> Mask:
    """Which rows have only finite numbers."""
    return np.asarray(np.isfinite(rows).all(axis=1))


class _Positions:
    """Finite positions of all frames, and which are stray."""

    def __init__(self, frames: Sequence[FloatArray]) -> None:
        self._fullest = unique_points(max(frames, key=len))[0]
        self._n_frames = len(frames)
        self._points = np.concatenate(frames)

    @property
    def number(self) -> int:
        """Number of positions of all frames."""
        return len(self._points)

    def regular_grid(self) -> NodeGrid | None:
        """The regular grid of all positions, or of all that are not stray, or None."""
        grid = self._regular(self._points)
        if grid is None and self._stray.any():
            grid = self._regular(self._points[~self._stray])
            return None if grid is None else self._without_stray(grid)
        return grid

    def scattered_grid(self) -> NodeGrid:
        """A grid over the region of all positions that are not stray."""
        return self._without_stray(
            scattered_grid(
                self._points[~self._stray], len(self._fullest), self._distance
            )
        )

    def _regular(self, points: FloatArray) -> NodeGrid | None:
        if len(points) < 3 or np.ptp(points, axis=0).min() == 0:
            return None
        return regular_grid(points, len(self._fullest))

    def _without_stray(self, grid: NodeGrid) -> NodeGrid:
        stray = self._points[self._stray]
        return replace(grid, left_out=tuple((float(x), float(y)) for x, y in stray))

    @cached_property
    def _distance(self) -> float:
        return typical_distance(self._fullest)

    @cached_property
    def _stray(self) -> Mask:
        return are_stray(self._points, self._distance, self._n_frames)
