"""Resampling of fields to grids with another number of nodes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy


def resample_nodes(
    field: npt.NDArray[np.floating], shape: tuple[int, int]
) -> npt.NDArray[np.floating]:
    """Resample a field to another number of nodes on the same area.

    The values are interpolated linearly. The outermost nodes of both grids coincide.

    Parameters
    ----------
    field : array of shape (H, W, ...)
        Values at the nodes.
    shape : tuple of int
        Rows and columns of the new grid, at least 2 each.

    Returns
    -------
    array of shape (*shape, ...)
    """
    factors = [new / old for new, old in zip(shape, field.shape, strict=False)]
    factors += [1.0] * (field.ndim - 2)
    resampled: npt.NDArray[np.floating] = scipy.ndimage.zoom(
        field, factors, order=1, mode="nearest"
    )
    return resampled
