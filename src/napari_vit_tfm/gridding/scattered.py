"""`scattered_grid`: a grid over the region of positions in any arrangement."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding.grid import FEWEST_BEADS, FloatArray, NodeGrid


def scattered_grid(points: FloatArray, number: int) -> NodeGrid:
    """A grid over the region of the points, with about `number` nodes."""
    if number < FEWEST_BEADS:
        raise FieldError(
            f"{number} scattered positions are too few, expected at least "
            f"{FEWEST_BEADS}"
        )
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    step = float(np.sqrt(extent.prod() / number))
    columns, rows = (int(side / step) + 1 for side in extent)
    # The rest is divided between both sides.
    x, y = low + (extent - step * (np.array([columns, rows]) - 1)) / 2
    return NodeGrid(float(x), float(y), step, (rows, columns), is_scattered=True)
