"""`regular_grid`: the regular grid that positions are on, apart from rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.grid import FloatArray, NodeGrid

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

_STEP_TOLERANCE = 0.01
"""Allowed difference of the steps along x and y, relative to the larger."""

_CLUSTER_RATIO = 5.0
"""Smallest ratio of the distances between clusters and inside of them."""

_MOST_EMPTY = 0.5
"""Largest share of nodes without a vector on a regular grid."""

_FEWEST_BEADS = 10
"""Smallest number of scattered positions that are interpolated."""

_CLUSTER_RATIO = 5.0
"""Smallest ratio of the distances between clusters and inside of them."""

_MOST_EMPTY = 0.5
"""Largest share of nodes without a vector on a regular grid."""

_FEWEST_BEADS = 10
"""Smallest number of scattered positions that are interpolated."""

_MOST_EMPTY = 0.5
"""Largest share of nodes without a vector on a regular grid."""

_FEWEST_BEADS = 10
"""Smallest number of scattered positions that are interpolated."""


def regular_grid(points: FloatArray, number: int) -> NodeGrid | None:
    """The regular grid that positions are on, apart from rounding.

    Parameters
    ----------
    points : array of shape (N, 2)
        Finite positions ``(x, y)``, of all frames.
    number : int
        Number of vectors in the frame that has most.

    Returns
    -------
    NodeGrid or None
        None if the positions are not on a regular grid, or fill less than half of it.

    Raises
    ------
    FieldError
        If the steps along x and y differ.
    """
    x, y = (_fit_axis(points[:, axis]) for axis in (0, 1))
    if x is None or y is None:
        return None
    shape = (y.count, x.count)
    if number < (1 - _MOST_EMPTY) * shape[0] * shape[1]:
        return None
    if abs(x.step - y.step) > _STEP_TOLERANCE * max(x.step, y.step):
        raise FieldError(
            f"the positions are {x.step:g} apart along x and {y.step:g} along y, "
            "expected the same distance"
        )
    return NodeGrid(x.start, y.start, (x.step + y.step) / 2, shape, is_scattered=False)


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
