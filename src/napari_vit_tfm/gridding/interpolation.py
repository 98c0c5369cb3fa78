"""Linear interpolation of scattered vectors, only where there are vectors nearby."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST_BEADS = 10
"""Smallest number of scattered vectors in a frame."""

GAP = 3.0
"""Nodes further from every vector than this are holes, in grid steps.

Of beads at random positions, one per square step, fewer than one node in 10^12 is so
far from all of them.
"""

_MOST_REPEATED = 0.05
"""Largest share of scattered vectors whose position occurs more than once."""


def is_enough(points: FloatArray) -> bool:
    """Whether vectors can be interpolated: there are enough, and not on a line.

    Parameters
    ----------
    points : array of shape (N, 2)
        Columns and rows of the vectors of a frame, in grid steps.
    """
    return len(points) >= FEWEST_BEADS and is_wide(points)


def is_wide(points: FloatArray) -> bool:
    """Whether positions, in grid steps, are not within one step of a line."""
    # Positions across a band of width w have the variance w^2 / 12.
    return bool(np.linalg.eigvalsh(np.cov(points.T))[0] * 12 > 1)


def unique_points(
    points: FloatArray,
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """The positions without repetition, and the number of each among them."""
    # Complex numbers are sorted ten times as fast as rows.
    unique, number = np.unique(points @ np.array([1, 1j]), return_inverse=True)
    return np.stack([unique.real, unique.imag], axis=1), number


def count_repeated(points: FloatArray) -> int:
    """Number of vectors whose position is also that of another vector before it."""
    return len(points) - len(unique_points(points)[0])


def are_in_gaps(points: FloatArray, shape: tuple[int, int]) -> Mask:
    """Which nodes ``(H, W)`` are far from every vector.

    Parameters
    ----------
    points : array of shape (N, 2)
        Columns and rows of the vectors, in grid steps.
    shape : tuple of int
        Number of rows and columns.
    """
    distance, _ = _nearest(points, _nodes(shape))
    far: Mask = distance > GAP
    return far.reshape(shape)


def interpolated(
    points: FloatArray, vectors: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """Vectors at the nodes: linear interpolation; at the border the nearest vector.

    Parameters
    ----------
    points : array of shape (N, 2)
        Columns and rows of the vectors, in grid steps. If several vectors have the same
        position, their mean is taken.
    vectors : array of shape (N, 2)
        Finite vectors.
    shape : tuple of int
        Number of rows and columns.

    Returns
    -------
    array of shape (H, W, 2)
        NaN at nodes in gaps, and more than one step outside of the region of the
        vectors; everywhere, if there are too few vectors.

    Raises
    ------
    FieldError
        If many vectors have the same position.
    """
    from scipy.interpolate import LinearNDInterpolator

    if not is_enough(points):
        return np.full((*shape, 2), np.nan)
    points, vectors = _without_repetition(points, vectors)
    nodes = _nodes(shape)
    field = LinearNDInterpolator(points, vectors)(nodes)
    distance, nearest = _nearest(points, nodes)
    at_border = np.isnan(field).any(axis=1) & (distance <= 1)
    field[at_border] = vectors[nearest[at_border]]
    field[distance > GAP] = np.nan
    return np.asarray(field, dtype=np.float64).reshape(*shape, 2)


def _without_repetition(
    points: FloatArray, vectors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    unique, number = unique_points(points)
    repeated = len(points) - len(unique)
    if repeated > max(2, _MOST_REPEATED * len(points)):
        raise FieldError(
            f"{repeated} of {len(points)} vectors have the position of another vector: "
            "expected each position once in a frame"
        )
    sums = [np.bincount(number, weights=part) for part in vectors.T]
    return unique, np.stack(sums, axis=1) / np.bincount(number)[:, np.newaxis]


def _nodes(shape: tuple[int, int]) -> FloatArray:
    """Columns and rows of all nodes, ``(H * W, 2)``."""
    rows, columns = np.indices(shape)
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(float)


def _nearest(
    points: FloatArray, nodes: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Distance and number of the vector that is nearest to each node."""
    from scipy.spatial import KDTree

    distance, number = KDTree(points).query(nodes)
    return np.asarray(distance), np.asarray(number)
