"""How sure tractions are, in a picture: what fades, and which directions are possible.

All functions take vectors and the half-widths of the intervals of their components,
from `intervals.traction_intervals`, both in the same unit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

FULLY_VISIBLE = 2.0
"""Magnitude, in standard deviations, from which on a traction is fully visible."""

HARDLY_VISIBLE = 1.0
"""Magnitude, in standard deviations, below which a traction is faded completely."""


def deviation_of_magnitude(
    vectors: FloatArray, halfwidth_68: FloatArray
) -> npt.NDArray[np.float32]:
    """Standard deviation of the magnitude of vectors.

    It is the deviation along the vector: the half-widths of the components are taken
    for independent standard deviations, and errors for small ones. Of a vector of zero,
    it is the root mean square of both half-widths.

    Parameters
    ----------
    vectors : array of shape (..., 2)
        Components ``(x, y)``.
    halfwidth_68 : array of shape (..., 2)
        Half-widths of their 68% intervals.

    Returns
    -------
    array of shape (...)
        In the unit of the vectors; NaN where a vector or a half-width is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.certainty import deviation_of_magnitude
    >>> vectors = np.array([[3.0, 0.0], [0.0, -3.0], [3.0, 4.0]])
    >>> deviation_of_magnitude(vectors, np.array([1.0, 0.5])).round(2)
    array([1.  , 0.5 , 0.72], dtype=float32)
    """
    length = np.hypot(vectors[..., 0], vectors[..., 1])
    # In single precision, since films are large.
    weight = np.full(vectors.shape, np.sqrt(0.5), dtype=np.float32)
    has_direction = np.broadcast_to((length > 0)[..., None], vectors.shape)
    np.divide(
        vectors, length[..., None], out=weight, where=has_direction, casting="same_kind"
    )
    along = weight * halfwidth_68
    found = np.hypot(along[..., 0], along[..., 1])
    return np.where(np.isnan(length), np.nan, found).astype(np.float32)


def visibility(magnitude: FloatArray, deviation: FloatArray) -> npt.NDArray[np.float32]:
    """How visible tractions are if uncertain ones fade.

    Parameters
    ----------
    magnitude : array
        Magnitudes of tractions.
    deviation : array of the same shape
        Their standard deviations, from `deviation_of_magnitude`.

    Returns
    -------
    array of the same shape
        1 from two standard deviations on, 0 below one, and linear in between. 1 where
        the magnitude or its deviation is missing: what is not known is not faded.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.certainty import visibility
    >>> visibility(np.array([0.5, 1.5, 3.0]), np.ones(3)).tolist()
    [0.0, 0.5, 1.0]
    """
    ratio = np.full(magnitude.shape, np.inf, dtype=np.float32)
    is_known = deviation > 0
    np.divide(magnitude, deviation, out=ratio, where=is_known, casting="same_kind")
    ratio = np.nan_to_num(ratio, nan=np.inf)
    share = (ratio - HARDLY_VISIBLE) / (FULLY_VISIBLE - HARDLY_VISIBLE)
    return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float32)


def possible_directions(
    vectors: FloatArray, halfwidth_95: FloatArray
) -> npt.NDArray[np.float64]:
    """Directions that the 95% intervals of both components allow.

    Parameters
    ----------
    vectors : array of shape (..., 2)
        Components ``(x, y)``.
    halfwidth_95 : array of shape (..., 2)
        Half-widths of their 95% intervals.

    Returns
    -------
    array of shape (..., 2)
        The smallest and the largest angle to the vector, in radians, from x towards y.
        NaN where all directions are possible, because both intervals contain zero, and
        where a vector or a half-width is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.certainty import possible_directions
    >>> vectors = np.array([[2.0, 0.0], [0.5, 0.0]])
    >>> np.degrees(possible_directions(vectors, np.ones((2, 2)))).round().tolist()
    [[-45.0, 45.0], [nan, nan]]
    """
    x, y = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    half_x, half_y = np.moveaxis(np.asarray(halfwidth_95, dtype=np.float64), -1, 0)
    corners = [
        (x + right * half_x, y + down * half_y) for right in (-1, 1) for down in (-1, 1)
    ]
    angles = np.stack(
        [np.arctan2(x * b - y * a, x * a + y * b) for a, b in corners], axis=-1
    )
    found = np.stack([angles.min(axis=-1), angles.max(axis=-1)], axis=-1)
    is_known = (np.abs(x) > half_x) | (np.abs(y) > half_y)
    return np.asarray(np.where(is_known[..., None], found, np.nan))
