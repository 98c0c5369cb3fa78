"""Noise of displacement fields, and its estimate from the fields alone.

All functions take numpy arrays or torch tensors with any number of leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import Array, FloatArray
from napari_vit_tfm.physics.rounding import dither, masked_vectors, rounding_steps

_MAX_LENGTH = 1.5
"""Longest correlation length of noise that can be estimated, in grid steps."""

_FREQUENCIES = 256
"""Number of frequencies for means over the spectrum of noise along one axis."""

_QUANTILE = 0.3
"""Quantile of the absolute values of differences that measures their spread."""

_MAX_DIFFERENCES = 8192
_MIN_DIFFERENCES = 64
"""Most second differences that are used, and fewest that are sufficient. Fields of
fewer than 10 x 10 nodes have not so many; there half of them are sufficient."""

_FAR_NODES = 5
"""Number of nodes along a side above which every second node is also compared."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of displacement fields: white noise convolved with a Gaussian.

    Parameters
    ----------
    variance : array of shape (...)
        Variance of the white noise, per component, in squared grid steps.
    length : array of shape (...)
        Standard deviation of the Gaussian, in grid steps; 0 is white noise.
    is_known : array of bool, shape (...)
        Whether the noise could be estimated. If not, for example in a field where
        nearly all vectors are zero, the variance is zero.
    """

    variance: Array
    length: Array
    is_known: Array

    def power(self, k: Array) -> Array:
        """Power per mode and direction, as in `Spectrum`.

        Parameters
        ----------
        k : numpy array
            Wave numbers, in radians per grid step.

        Returns
        -------
        array of shape (..., *k.shape)
        """
        xp = array_namespace(self.variance)
        squared = xp.asarray(
            np.square(k), dtype=self.variance.dtype, device=device(self.variance)
        )
        field = (..., *[None] * squared.ndim)
        return self.variance[field] * xp.exp(-squared * self.length[field] ** 2)

    def standard_deviation(self) -> Array:
        """Standard deviation of the noise per component, ``(...)``, in grid steps.

        That of the white noise, reduced by the Gaussian.
        """
        xp = array_namespace(self.variance)
        k = xp.asarray(
            2 * np.pi * np.fft.fftfreq(_FREQUENCIES),
            dtype=self.variance.dtype,
            device=device(self.variance),
        )
        kept = xp.mean(xp.exp(-k * k * self.length[..., None] ** 2), axis=-1)
        # Squared, because the Gaussian acts along both axes.
        return xp.sqrt(self.variance) * kept

    def __getitem__(self, place: Any) -> Noise:
        """The noise of some of the fields."""
        return Noise(self.variance[place], self.length[place], self.is_known[place])

    def scaled(self, factor: float) -> Noise:
        """Noise that is this many times as strong."""
        return Noise(self.variance * factor**2, self.length, self.is_known)

    def as_white(self) -> Noise:
        """White noise whose second differences are as large as those of this noise."""
        xp = array_namespace(self.variance)
        lengths, _, passed = (
            xp.asarray(part, dtype=self.variance.dtype, device=device(self.variance))
            for part in _detail_of_correlated_noise()
        )
        kept = _interpolated(self.length, lengths, passed, xp)
        zero = xp.zeros_like(self.length)
        return Noise(self.variance * kept, zero, self.is_known)


def estimate_noise(x: Array, y: Array, *, known: Array | None = None) -> Noise:
    """Estimate the noise of displacement fields from the fields alone.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps; at least 4 nodes along each side.
    known : array of bool, shape (..., H, W), keyword-only, optional
        Vectors that are used; the others are finite, but were not measured. By
        default all.

    Returns
    -------
    Noise
        The noise of each field. For a field without noise it is negligibly small.

    Notes
    -----
    Second differences along both axes remove the smooth part of a field. A low
    quantile of their absolute values is robust against the large differences at the
    edges of adhesions; [1]_ uses the median of the finest wavelet coefficients in the
    same way. The ratio of the differences between nearest nodes to those between
    every second node gives the correlation length of the noise.

    Vectors of which many are exactly equal, such as zeros, are considered masked and
    are not used. In rounded displacements most differences may be zero; there the
    rounding error is counted as noise.

    Correlation lengths of up to 1.5 grid steps can be estimated. Noise of a longer
    correlation length cannot be distinguished from displacement. Where adhesions are
    too dense, the noise is overestimated.

    Below 10 x 10 nodes the estimate is coarse. Below 6 nodes along a side, there are no
    differences between every second node, and the noise is considered white.

    References
    ----------
    .. [1] D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet
       shrinkage", Biometrika 81, 425-455 (1994).

    Examples
    --------
    White noise of 0.02 grid steps on top of a larger displacement:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import estimate_noise
    >>> rng = np.random.default_rng(0)
    >>> smooth = np.sin(np.linspace(0, np.pi, 64)) * np.ones((64, 1))
    >>> x, y = smooth + rng.normal(0, 0.02, (2, 64, 64))
    >>> noise = estimate_noise(x, y)
    >>> bool(noise.is_known), round(float(noise.variance) ** 0.5, 2)
    (True, 0.02)

    Noise with a correlation length of one grid step:

    >>> from scipy.ndimage import gaussian_filter
    >>> white = rng.normal(0, 0.1, (2, 64, 64))
    >>> x, y = smooth + gaussian_filter(white, (0, 1, 1), mode="wrap")
    >>> round(float(estimate_noise(x, y).length))
    1
    """
    xp = array_namespace(x, y)
    field = xp.stack([x, y], axis=-3)
    masked = masked_vectors(field)
    if known is not None:
        masked = masked | ~known
    step = rounding_steps(field, masked)
    field = field + step[..., None, None, None] * dither(field)
    near = _detail_variance(field, masked, 1)
    is_wide = min(x.shape[-2:]) > _FAR_NODES
    far = _detail_variance(field, masked, 2) if is_wide else near
    is_known = xp.isfinite(near) & xp.isfinite(far)
    lengths, ratios, passed = (
        xp.asarray(part, dtype=x.dtype, device=device(x))
        for part in _detail_of_correlated_noise()
    )
    ratio = far / xp.where(is_known & (near > 0), near, 1.0)
    length = _interpolated(ratio, ratios, lengths, xp)
    # Smoother than noise of the longest length: it is the displacement itself.
    smooth = ratio > ratios[-1]
    length = xp.where(smooth | ~is_known, 0.0, length)
    variance = near / _interpolated(length, lengths, passed, xp)
    # The dither has the variance of the rounding error and was added to it.
    of_rounding = step * step / 12
    variance = xp.maximum(variance - of_rounding, of_rounding)
    return Noise(xp.where(is_known, variance, 0.0), length, is_known)


def _detail_variance(field: Array, masked: Array, stride: int) -> Array:
    """Variance per component of white noise with the same second differences.

    Returns
    -------
    array of shape (...)
        Infinite where too few differences are free of masked vectors.
    """
    xp = array_namespace(field)
    s = 2 * stride
    detail = _second_difference(_second_difference(field, stride, -1), stride, -2)
    free = ~masked
    free = free[..., s:] & free[..., stride:-stride] & free[..., :-s]
    free = free[..., s:, :] & free[..., stride:-stride, :] & free[..., :-s, :]
    free = xp.broadcast_to(free[..., None, :, :], detail.shape)
    sizes = xp.where(free, xp.abs(detail), xp.inf)
    sizes = xp.reshape(sizes, (*sizes.shape[:-3], -1))
    every = -(-sizes.shape[-1] // _MAX_DIFFERENCES)
    # An odd stride visits all rows and columns.
    sizes = sizes[..., :: every + (every % 2 == 0)]
    n_free = xp.sum(xp.astype(xp.isfinite(sizes), xp.int64), axis=-1)
    place = xp.astype(xp.astype(n_free, field.dtype) * _QUANTILE, xp.int64)
    quantile = xp.take_along_axis(_ordered(sizes, place), place[..., None], axis=-1)[
        ..., 0
    ]
    sufficient = min(_MIN_DIFFERENCES, sizes.shape[-1] // 2)
    quantile = xp.where(n_free < sufficient, xp.inf, quantile)
    # Six is the sum of the squared weights 1, -2, 1, along either axis.
    # This quantile of the absolute value of a standard normal variable.
    normal_quantile = float(scipy.special.ndtri((1 + _QUANTILE) / 2))
    return (quantile / (6 * normal_quantile)) ** 2


def _ordered(values: Array, place: Array) -> Array:
    """Values ``(..., N)`` of which those at some places are as if all were sorted."""
    if isinstance(values, np.ndarray):
        return np.partition(values, np.unique(place), axis=-1)
    return array_namespace(values).sort(values, axis=-1)


def _second_difference(values: Array, stride: int, axis: int) -> Array:
    n = values.shape[axis]

    def part(start: int, stop: int) -> Any:
        piece = slice(start, stop)
        return values[..., piece] if axis == -1 else values[..., piece, :]

    middle = part(stride, n - stride)
    return part(2 * stride, n) - 2 * middle + part(0, n - 2 * stride)


def _interpolated(x: Array, nodes: Array, values: Array, xp: Any) -> Array:
    """Linear interpolation at increasing nodes, constant beyond them."""
    right = xp.clip(xp.searchsorted(nodes, x), 1, nodes.shape[0] - 1)
    low, high = nodes[right - 1], nodes[right]
    share = xp.clip((x - low) / (high - low), 0.0, 1.0)
    return values[right - 1] + share * (values[right] - values[right - 1])


@cache
def _detail_of_correlated_noise() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Second differences of correlated noise, for a table of correlation lengths.

    Returns
    -------
    lengths : array of shape (61,)
        Correlation lengths, in grid steps.
    ratio : array of shape (61,)
        Variance of the differences at stride 2 over that at stride 1.
    passed : array of shape (61,)
        Variance of the differences at stride 1 over the variance of the white noise.
    """
    lengths = np.linspace(0, _MAX_LENGTH, 61)
    k = 2 * np.pi * np.fft.fftfreq(_FREQUENCIES)
    kept = np.exp(-np.square(lengths[:, None] * k))
    near, far = (
        # Squared, because the differences are taken along both axes.
        ((2 - 2 * np.cos(stride * k)) ** 2 * kept).mean(axis=1) ** 2 / 36
        for stride in (1, 2)
    )
    return lengths, far / near, near
