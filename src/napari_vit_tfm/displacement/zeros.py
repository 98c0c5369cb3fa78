"""Regions in which displacements are exactly zero, as programs leave them in masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.displacement.holes import Mask
from napari_vit_tfm.physics.rounding import rounding_step

_SMALLEST_REGION = 9
"""Fewest connected zeros that are a region."""


def zeros_of(field: npt.NDArray[np.floating]) -> Mask:
    """Where both components are exactly zero.

    Parameters
    ----------
    field : array of shape (..., 2)
        Displacement vectors.

    Returns
    -------
    array of bool, shape (...)
    """
    mask: Mask = (field == 0).all(axis=-1)
    return mask


def zero_regions(field: npt.NDArray[np.floating]) -> Mask:
    """Regions of one frame that are exactly zero although the rest is not.

    Measured displacements are never exactly zero in a whole region, unless they are
    rounded. Such a region was probably masked.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit; NaN is allowed.

    Returns
    -------
    array of bool, shape (H, W)
        Connected zeros, at least nine together. There are none in a frame of zeros
        and in a frame of rounded displacements.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement import zero_regions
    >>> field = np.random.default_rng(0).normal(size=(32, 64, 2))
    >>> field[:, :12] = 0
    >>> int(zero_regions(field).sum())
    384
    """
    zeros = zeros_of(field)
    n_zeros = np.count_nonzero(zeros)
    if n_zeros < _SMALLEST_REGION or n_zeros == zeros.size or rounding_step(field) > 0:
        return np.zeros_like(zeros)
    labels, _ = scipy.ndimage.label(zeros)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    mask: Mask = (sizes >= _SMALLEST_REGION)[labels]
    return mask
