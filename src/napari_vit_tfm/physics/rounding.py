"""Displacements that were rounded, and vectors that were masked."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import Array, FloatArray

_ROUNDED_FRACTION = 0.02
"""Fraction of equal neighbours above which a field is considered rounded."""

_MASKED_FRACTION = 0.02
"""Fraction of equal vectors above which they are considered masked."""


def rounding_step(field: npt.NDArray[np.floating]) -> float:
    """Step to which the displacements of one frame are rounded; 0 if they are not.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit; NaN are holes.

    Returns
    -------
    float
        In the unit of the field.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.physics.rounding import rounding_step
    >>> field = np.linspace(0, 3, 64)[:, None, None] * np.ones((64, 32, 2))
    >>> round(rounding_step(np.round(field, 1)), 6), rounding_step(field[:, :1])
    (0.1, 0.0)
    """
    missing = ~np.isfinite(field).all(axis=-1)
    whole = np.where(missing[..., None], 0.0, field).astype(np.float64)
    components = np.moveaxis(whole, -1, 0)
    return float(rounding_steps(components, masked_vectors(components) | missing))


def masked_vectors(field: Array) -> Array:
    """Masked vectors of displacements ``(..., 2, H, W)``.

    Masked vectors are often zero. After subtraction of a drift they are all equal.

    Returns
    -------
    array of bool, shape (..., H, W)
    """
    xp = array_namespace(field)
    n_nodes = field.shape[-2] * field.shape[-1]
    n_same = max(1, int(_MASKED_FRACTION * n_nodes))
    equal = xp.all(field[..., 1:] == field[..., :-1], axis=-3)
    # Among this many equal vectors some are neighbours, whatever their positions.
    has_equal = xp.sum(xp.astype(equal, xp.int64), axis=(-2, -1)) > 0
    if not bool(xp.any(has_equal)):
        return xp.zeros_like(field[..., 0, :, :], dtype=xp.bool)
    values = xp.sort(xp.reshape(field, (*field.shape[:-2], -1)), axis=-1)
    run = xp.astype(values[..., n_same:] == values[..., :-n_same], xp.int64)
    value = xp.take_along_axis(values, xp.argmax(run, axis=-1)[..., None], axis=-1)
    frequent = (xp.max(run, axis=-1) > 0) & has_equal[..., None]
    same = (field == value[..., None]) & frequent[..., None, None]
    return xp.all(same, axis=-3)


def rounding_steps(field: Array, masked: Array) -> Array:
    """Step to which displacements ``(..., 2, H, W)`` are rounded; 0 if they are not.

    Rounding is detected by exactly equal neighbours, along rows and columns. The step
    is then the smallest difference between any two values.

    Returns
    -------
    array of shape (...)
    """
    xp = array_namespace(field)
    n_equal: Array = 0
    n_pairs: Array = 0
    for first, second in (
        ((..., slice(1, None)), (..., slice(None, -1))),
        ((..., slice(1, None), slice(None)), (..., slice(None, -1), slice(None))),
    ):
        either = masked[first] | masked[second]
        equal = (field[first] == field[second]) & ~either[..., None, :, :]
        n_equal += xp.sum(xp.astype(equal, xp.int64), axis=(-3, -2, -1))
        n_pairs += xp.sum(xp.astype(~either, xp.int64), axis=(-2, -1)) * 2
    rounded: Array = n_equal > _ROUNDED_FRACTION * n_pairs
    step = xp.zeros(rounded.shape, dtype=field.dtype, device=device(field))
    if not bool(xp.any(rounded)):
        return step
    flat = xp.reshape(field, (*rounded.shape, 2, -1))
    largest = xp.max(xp.abs(flat), axis=-1, keepdims=True)
    values = xp.sort(flat, axis=-1)
    gaps = values[..., 1:] - values[..., :-1]
    # In single precision, multiples of the step are inexact by rounding errors.
    gaps = xp.where(gaps > 1e-5 * largest, gaps, xp.inf)
    least = xp.min(xp.min(gaps, axis=-1), axis=-1)
    return xp.where(rounded & xp.isfinite(least), least, step)


def dither(field: Array) -> Array:
    """Fixed random numbers between -1/2 and 1/2, ``(2, H, W)``."""
    xp = array_namespace(field)
    return xp.asarray(
        _uniform_numbers(field.shape[-3:]), dtype=field.dtype, device=device(field)
    )


@lru_cache(maxsize=16)
def _uniform_numbers(shape: tuple[int, ...]) -> FloatArray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape)
