"""Holes in displacements: missing vectors, and a smooth bridge over them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.fields import FloatArray

Mask = npt.NDArray[np.bool_]

_TENSION = 0.1
"""Weight of the slope relative to the curvature, per grid step.

Within ten steps of known vectors the bridge continues their slope; farther away it
levels off, so that a broad hole at the border does not get large values.
"""

_FEWEST_KNOWN = 3
"""Fewest known vectors from which others can be bridged."""


def holes_of(data: npt.NDArray[np.floating]) -> Mask:
    """Where vectors are missing: a component is NaN or infinite.

    Parameters
    ----------
    data : array of shape (..., 2)
        Displacement vectors.

    Returns
    -------
    array of bool, shape (...)
    """
    mask: Mask = ~np.isfinite(data).all(axis=-1)
    return mask


def bridge(field: npt.NDArray[np.floating]) -> FloatArray:
    """Fill the holes of one frame smoothly.

    The filled values have the smallest curvature that continues the known vectors, as
    an elastic plate under slight tension. Known vectors are not changed.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit. Vectors that are NaN or infinite are holes.

    Returns
    -------
    array of shape (H, W, 2)
        Finite, float32. It is zero everywhere if fewer than three vectors are known.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement import bridge
    >>> slope = np.linspace(0, 1, 32)[:, None] * np.ones((32, 32, 2))
    >>> field = slope.copy()
    >>> field[10:14, 10:14] = np.nan
    >>> bool(np.allclose(bridge(field), slope, atol=0.002))
    True
    """
    missing = holes_of(field)
    if not missing.any():
        return np.asarray(field, dtype=np.float32)
    if np.count_nonzero(~missing) < _FEWEST_KNOWN:
        return np.zeros(field.shape, dtype=np.float32)
    from scipy.sparse.linalg import spsolve

    known = ~missing.ravel()
    vectors = np.where(missing[..., None], 0.0, field).reshape(-1, 2).astype(np.float64)
    middle = np.median(vectors[known], axis=0)
    vectors[known] -= middle
    differences = _differences(*missing.shape)
    # Only differences that have a missing vector matter.
    rows = np.flatnonzero(abs(differences) @ (~known).astype(np.float64))
    of_missing = differences[rows][:, ~known]
    of_known = differences[rows][:, known] @ vectors[known]
    solved = spsolve((of_missing.T @ of_missing).tocsc(), -of_missing.T @ of_known)
    vectors[~known] = solved
    filled = (vectors + middle).astype(np.float32).reshape(field.shape)
    return np.where(missing[..., None], filled, np.asarray(field, dtype=np.float32))


@lru_cache(maxsize=4)
def _differences(height: int, width: int) -> Any:
    """Second differences along both axes, mixed ones, and weak first ones; sparse."""

    def first(n: int) -> Any:
        return scipy.sparse.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n))

    def second(n: int) -> Any:
        return scipy.sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))

    rows, columns = scipy.sparse.identity(height), scipy.sparse.identity(width)
    parts = [
        scipy.sparse.kron(rows, second(width)),
        scipy.sparse.kron(second(height), columns),
        np.sqrt(2) * scipy.sparse.kron(first(height), first(width)),
        _TENSION * scipy.sparse.kron(rows, first(width)),
        _TENSION * scipy.sparse.kron(first(height), columns),
    ]
    return scipy.sparse.vstack(parts).tocsr()
