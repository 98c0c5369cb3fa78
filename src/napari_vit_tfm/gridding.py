"""Vectors at positions, in any order, on a regular grid of square cells.

Positions on a regular grid, apart from rounding, are put on its nodes; nodes without a
vector are holes. Other positions, such as those of tracked beads, are scattered: their
vectors are interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]

_NODE_TOLERANCE = 0.05
"""Allowed distance of a position from its node, in grid steps."""

_MOST_ROUNDING = 0.3
"""The same for positions that were rounded to whole numbers, at most."""

_STEP_TOLERANCE = 0.01
"""Allowed difference of the steps along x and y, relative to the larger."""

_CLUSTER_RATIO = 5.0
"""Smallest ratio of the distances between clusters and inside of them."""

_MOST_EMPTY = 0.5
"""Largest share of nodes without a vector on a regular grid."""

_FEWEST_BEADS = 10
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

    @property
    def first_position(self) -> tuple[float, float]:
        """The smallest position ``(x, y)``, in grid steps."""
        return self.x / self.step, self.y / self.step

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


def node_grid(positions: Sequence[FloatArray]) -> NodeGrid:
    """Find the grid of the positions of all frames.

    Parameters
    ----------
    positions : sequence of arrays of shape (N, 2)
        Positions ``(x, y)`` of each frame, in any order. The number may differ between
        frames. Positions with NaN are left out.

    Returns
    -------
    NodeGrid
        The regular grid that all positions are on, apart from rounding. If there is
        none, a grid over the region of the positions, with one node per position on
        average.

    Raises
    ------
    FieldError
        If the steps along x and y differ, or there are too few positions for a grid.

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
    points = np.concatenate(positions)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 3 or np.ptp(points, axis=0).min() == 0:
        raise FieldError("the positions lie on one line, expected rows and columns")
    most = max(map(len, positions))
    along = [_fit_axis(points[:, axis]) for axis in (0, 1)]
    x, y = along
    if x is not None and y is not None:
        shape = (y.count, x.count)
        if most >= (1 - _MOST_EMPTY) * shape[0] * shape[1]:
            if abs(x.step - y.step) > _STEP_TOLERANCE * max(x.step, y.step):
                raise FieldError(
                    f"the positions are {x.step:g} apart along x and {y.step:g} along "
                    "y, expected the same distance"
                )
            return NodeGrid(
                x.start, y.start, (x.step + y.step) / 2, shape, is_scattered=False
            )
    return _grid_of_scattered(points, most)


@dataclass(frozen=True)
class _Axis:
    start: float
    step: float
    count: int


def _fit_axis(values: FloatArray) -> _Axis | None:
    """The regular grid that coordinates are on, apart from rounding, or None."""
    values = np.unique(values)
    # Values that differ by rounding form clusters. The distances between clusters are
    # much larger than those inside a cluster.
    jumps = np.diff(values)
    ordered = np.sort(jumps)[::-1]
    ratios = ordered[:-1] / ordered[1:]
    threshold = 0.0
    if ratios.size and ratios.max() > _CLUSTER_RATIO:
        threshold = ordered[int(ratios.argmax()) + 1]
    starts = np.append(0, np.flatnonzero(jumps > threshold) + 1)
    centres = np.add.reduceat(values, starts) / np.diff(np.append(starts, values.size))
    if centres.size < 2:
        return None
    steps = np.diff(centres)
    # Rounded to whole numbers, a step of 2.5 is 2 or 3.
    step = float(steps[steps <= 1.6 * np.median(steps)].mean())
    index = np.append(0, np.cumsum(np.round(steps / step)))
    if np.unique(index).size < index.size:
        return None
    step, start = np.polyfit(index, centres, 1)
    nodes = (values - start) / step
    if np.abs(nodes - np.round(nodes)).max() > _tolerance(values, float(step)):
        return None
    # Rounding errors of the fit are removed.
    step = float(f"{step:.10g}")
    start = round(float(start), 9 - math.floor(math.log10(step)))
    return _Axis(start, step, int(index[-1]) + 1)


def _tolerance(values: FloatArray, step: float) -> float:
    """Allowed distance from a node, in grid steps; more for whole numbers."""
    is_rounded = bool((values == np.round(values)).all())
    rounding = 0.5 / step if is_rounded else 0.0
    return max(_NODE_TOLERANCE, min(1.1 * rounding, _MOST_ROUNDING))


def _grid_of_scattered(points: FloatArray, number: int) -> NodeGrid:
    """A grid over the region of the points, with about `number` nodes."""
    if number < _FEWEST_BEADS:
        raise FieldError(
            f"{number} scattered positions are too few, expected at least "
            f"{_FEWEST_BEADS}"
        )
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    step = float(np.sqrt(extent.prod() / number))
    columns, rows = (int(side / step) + 1 for side in extent)
    # The rest is divided between both sides.
    x, y = low + (extent - step * (np.array([columns, rows]) - 1)) / 2
    return NodeGrid(float(x), float(y), step, (rows, columns), is_scattered=True)


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

    if len(points) < _FEWEST_BEADS:
        raise FieldError(
            f"a frame has {len(points)} vectors, expected at least {_FEWEST_BEADS}"
        )
    rows, columns = np.indices(shape)
    nodes = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(float)
    field = LinearNDInterpolator(points, vectors)(nodes)
    outside = np.flatnonzero(np.isnan(field).any(axis=1))
    distance, nearest = KDTree(points).query(nodes[outside])
    near = np.asarray(distance) <= 1
    field[outside[near]] = vectors[np.asarray(nearest)[near]]
    return np.asarray(field, dtype=np.float64).reshape(*shape, 2)
