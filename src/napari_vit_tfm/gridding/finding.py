"""`node_grid`: the grid of the positions of all frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.grid import FloatArray, NodeGrid
from napari_vit_tfm.gridding.regular import regular_grid
from napari_vit_tfm.gridding.scattered import scattered_grid


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
    return regular_grid(points, most) or scattered_grid(points, most)
