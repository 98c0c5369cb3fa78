"""`regular_grid`: the regular grid that positions are on, apart from rounding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.grid import NodeGrid
from napari_vit_tfm.gridding.interpolation import FloatArray

_NODE_TOLERANCE = 0.05
"""Allowed distance of a position from its node, in grid steps."""

_MOST_ROUNDING = 0.3
"""The same for positions that were rounded to whole numbers, at most."""

_STEP_TOLERANCE = 0.01
"""Allowed difference of the steps along x and y, relative to the larger."""

_CLUSTER_RATIO = 5.0
"""Smallest ratio of the distances between clusters and inside of them."""

_MOST_RATIOS = 3
"""Largest number of such ratios that are tried."""

_MOST_EMPTY = 0.5
"""Largest share of nodes without a vector on a regular grid."""

_MOST_ON_NODES = 1.05
"""Largest number of distinct positions per node."""


def regular_grid(points: FloatArray, number: int) -> NodeGrid | None:
    """The regular grid that positions are on, apart from rounding.

    Parameters
    ----------
    points : array of shape (N, 2)
        Finite positions ``(x, y)``, of all frames.
    number : int
        Number of distinct positions in the frame that has most.

    Returns
    -------
    NodeGrid or None
        None if the positions are not on a regular grid, or fill less than half of it.

    Raises
    ------
    FieldError
        If the steps along x and y differ.
    """
    fits = [list(_fit_axis(points[:, axis])) for axis in (0, 1)]
    for x, y in product(*fits):
        shape = (y.count, x.count)
        if not 1 - _MOST_EMPTY <= number / (y.count * x.count) <= _MOST_ON_NODES:
            continue
        if abs(x.step - y.step) > _STEP_TOLERANCE * max(x.step, y.step):
            raise FieldError(
                f"the positions are {x.step:g} apart along x and {y.step:g} along y, "
                "expected the same distance"
            )
        step = (x.step + y.step) / 2
        return NodeGrid(x.start, y.start, step, shape, is_scattered=False)
    return None


@dataclass(frozen=True)
class _Axis:
    start: float
    step: float
    count: int


def _fit_axis(values: FloatArray) -> Iterator[_Axis]:
    """The regular grids that coordinates may be on, apart from rounding."""
    values = np.unique(values)
    for threshold in _thresholds(np.diff(values)):
        axis = _fit_clusters(values, threshold)
        if axis is not None:
            yield axis


def _thresholds(jumps: FloatArray) -> Iterator[float]:
    """Distances up to which coordinates may differ by rounding alone; the likely first.

    Coordinates that differ by rounding form clusters. The distances between clusters
    are much larger than those inside a cluster. But the distance across columns that
    are missing is also larger than others.
    """
    ordered = np.sort(jumps)[::-1]
    ratios = ordered[:-1] / ordered[1:]
    for number in np.argsort(ratios)[::-1][:_MOST_RATIOS]:
        if ratios[number] > _CLUSTER_RATIO:
            yield float(ordered[number + 1])
    yield 0.0


def _fit_clusters(values: FloatArray, threshold: float) -> _Axis | None:
    """The regular grid of clusters of coordinates, or None.

    Parameters
    ----------
    values : array of shape (N,)
        Coordinates in increasing order.
    threshold : float
        Largest distance of neighbouring coordinates inside a cluster.
    """
    starts = np.append(0, np.flatnonzero(np.diff(values) > threshold) + 1)
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
