"""Scattered positions, as of tracked beads: distances, stray ones, and their grid.

All limits are multiples of the typical distance of neighbouring beads. It is estimated
from the beads' neighbours, not from the area around all of them, so that neither a few
beads far away nor a region without beads changes it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.grid import NodeGrid
from napari_vit_tfm.gridding.interpolation import (
    FEWEST_BEADS,
    FloatArray,
    Mask,
    is_wide,
    unique_points,
)

_NEIGHBOURS = 7
"""Number of neighbours from which the density of beads is estimated."""

_MOST_SAMPLED = 20_000
"""Largest number of beads whose neighbours are looked for."""

_FAR = 5.0
"""Size of the cells that separate stray beads from the others, in typical distances."""

_MOST_STRAY = 0.02
"""Largest share of positions that are stray; two in a frame may always be."""

_LEAST_OF_ALL = 0.1
"""A group of beads with this share of all of them is not stray."""

_FEWEST_OF_GROUP = 3
"""Smallest number of distinct positions of a group that is not stray."""

_MOST_NODES = 20
"""Largest number of nodes per bead."""

_ON_A_LINE = "the positions lie on one line, expected rows and columns"


def typical_distance(points: FloatArray) -> float:
    """Distance of neighbours, if beads of the same density were on a square grid.

    Parameters
    ----------
    points : array of shape (N, 2)
        Distinct positions of one frame.

    Returns
    -------
    float
        The distance in the unit of the positions; 0 if there are too few positions.

    Notes
    -----
    Of beads with the density ``d`` at random positions, the number within a distance
    ``r`` of a bead is Poisson distributed with the mean ``pi d r^2``. The median
    distance of the neighbour ``k`` follows from ``pi d r^2 = k - 1/3``.
    """
    from scipy.spatial import KDTree

    k = min(_NEIGHBOURS, len(points) - 1)
    if k < 1:
        return 0.0
    sample = points[:: math.ceil(len(points) / _MOST_SAMPLED)]
    distances, _ = KDTree(points).query(sample, k=[k + 1])
    return float(np.median(distances) * np.sqrt(np.pi / (k - 1 / 3)))


def are_stray(points: FloatArray, distance: float, n_frames: int) -> Mask:
    """Which positions are so far from the others that they are probably wrong.

    Parameters
    ----------
    points : array of shape (N, 2)
        Positions of all frames.
    distance : float
        Typical distance of neighbouring beads.
    n_frames : int
        Number of frames.

    Returns
    -------
    array of bool, shape (N,)
        True for small groups of beads that are far outside of the region of all
        others. None are, if there are many of them.
    """
    if distance == 0:
        return np.zeros(len(points), dtype=bool)
    # Vectors that failed may all have one position, such as (0, 0).
    unique, number = unique_points(points)
    group = _groups(np.floor(unique / (_FAR * distance)))
    n_positions, n_vectors = np.bincount(group), np.bincount(group[number])
    is_main = (n_positions >= _FEWEST_OF_GROUP) & (
        (n_vectors >= FEWEST_BEADS * n_frames)
        | (n_vectors >= _LEAST_OF_ALL * len(points))
    )
    if not is_main.any():
        return np.zeros(len(points), dtype=bool)
    main = unique[is_main[group]]
    inside = (unique >= main.min(axis=0)) & (unique <= main.max(axis=0))
    stray: Mask = ~inside.all(axis=1)
    if np.count_nonzero(stray) > max(2 * n_frames, _MOST_STRAY * len(unique)):
        return np.zeros(len(points), dtype=bool)
    return stray[number]


def _groups(cells: FloatArray) -> npt.NDArray[np.intp]:
    """Number of the group of each cell; cells that touch are in the same group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    unique, number = unique_points(cells)
    pairs = KDTree(unique).query_pairs(1.5, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(unique),) * 2)
    _, group = connected_components(links, directed=False)
    return np.asarray(group, dtype=np.intp)[number]


def scattered_grid(points: FloatArray, number: int, distance: float) -> NodeGrid:
    """A grid over the region of the points, with one node per bead.

    Parameters
    ----------
    points : array of shape (N, 2)
        Positions of all frames.
    number : int
        Number of distinct positions in the frame that has most.
    distance : float
        Typical distance of neighbouring beads.

    Raises
    ------
    FieldError
        If there are too few positions, they are on a line, or most of the region has
        none.
    """
    if len(points) > 1 and np.ptp(points, axis=0).min() == 0:
        raise FieldError(_ON_A_LINE)
    if number < FEWEST_BEADS:
        raise FieldError(
            f"{number} vectors at scattered positions are too few, expected at least "
            f"{FEWEST_BEADS}"
        )
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    step = min(distance, float(np.sqrt(extent.prod() / number)))
    if not step or not is_wide(points / step):
        raise FieldError(_ON_A_LINE)
    if extent.prod() > _MOST_NODES * number * step**2:
        high = low + extent
        raise FieldError(
            f"the {number} scattered positions are {step:.3g} apart as a rule, but "
            f"reach from ({low[0]:.6g}, {low[1]:.6g}) to ({high[0]:.6g}, "
            f"{high[1]:.6g}), most of which is empty: remove wrong positions, or put "
            "separate regions into separate files"
        )
    columns, rows = (int(side / step) + 1 for side in extent)
    # The rest is divided between both sides.
    x, y = low + (extent - step * (np.array([columns, rows]) - 1)) / 2
    return NodeGrid(float(x), float(y), step, (rows, columns), is_scattered=True)
