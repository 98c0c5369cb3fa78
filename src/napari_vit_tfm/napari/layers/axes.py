"""The one place where a field's ``(x, y)`` becomes napari's ``(row, column)``."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt


def swap_components(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Bring vectors or points from ``(x, y)`` to ``(row, column)``, or back.

    Both count rows downwards, so only the order differs.

    Parameters
    ----------
    vectors : array of shape (..., 2)
        In either order.

    Examples
    --------
    >>> import numpy as np
    >>> swap_components(np.array([[3.0, -1.0]])).tolist()
    [[-1.0, 3.0]]
    """
    return vectors[..., ::-1]
