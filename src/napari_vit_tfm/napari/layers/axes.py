"""Conversion between ``(x, y)`` of fields and ``(row, column)`` of napari."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt


def swap_components(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert vectors or points from ``(x, y)`` to ``(row, column)``, or back.

    Only the order differs: in both, rows are counted downwards. No other function
    converts between them.

    Parameters
    ----------
    vectors : array of shape (..., 2)
        Components in either order.

    Examples
    --------
    >>> import numpy as np
    >>> swap_components(np.array([[3.0, -1.0]])).tolist()
    [[-1.0, 3.0]]
    """
    return vectors[..., ::-1]
