"""Spectra of displacement fields and of their noise, for methods that weigh them.

A gel answers to the wave number and to the direction, longitudinal or
transverse, alone. What a method needs to know of a field is therefore its
power per wave number and direction, a hundred pairs of numbers. Everything
here takes numpy arrays or torch tensors, and many fields at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device
from scipy.special import ndtri

from napari_vit_tfm.physics.halfspace import Array, FloatArray

_BIN_WIDTH = 0.05
"""Relative width of a bin of wave numbers; the longest waves have bins of their own."""

_LONGEST = 1.5
_QUANTILE = 0.3
_OF_NORMAL = float(ndtri((1 + _QUANTILE) / 2))
_MAX_DETAILS = 8192
_MIN_DETAILS = 64
_TIES = 0.02
"""Share of equal neighbours above which a field counts as rounded."""
_SAME = 0.02
"""Share of equal vectors above which they count as masked."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power of fields; modes of nearly the same wave number are added up.

    Parameters
    ----------
    k : array of shape (K,)
        Wave numbers, rad per step, positive; numpy.
    count : array of shape (K,)
        How many modes have this wave number; numpy.
    power : array of shape (..., 2, K)
        Their squared amplitudes, longitudinal and transverse, added up; white
        noise of variance ``v`` has ``v`` per mode and direction.
    """

    k: FloatArray
    count: FloatArray
    power: Array


def spectrum(x: Array, y: Array) -> Spectrum:
    """Spectrum of fields that continue periodically, without their mean.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, components along columns and rows.
    """
    xp = array_namespace(x, y)
    height, width = x.shape[-2:]
    modes = _modes(height, width)
    n_x, n_y, weight = (
        xp.asarray(part, dtype=x.dtype, device=device(x))
        for part in (modes.n_x, modes.n_y, modes.weight)
    )
    hat_x, hat_y = (xp.fft.rfftn(part, axes=(-2, -1)) for part in (x, y))
    squares = (
        xp.abs(n_x * hat_x + n_y * hat_y) ** 2 * weight,
        xp.abs(n_x * hat_y - n_y * hat_x) ** 2 * weight,
    )
    both = xp.stack(squares, axis=-3)
    rows = xp.reshape(both, (-1, modes.bin.size))
    # Each row's bins lie behind those of the row before it.
    size = modes.k.size + 1
    offset = xp.arange(rows.shape[0], device=device(x))[:, None] * size
    place = xp.asarray(modes.bin, device=device(x)) + offset
    sums = xp.bincount(
        xp.reshape(place, (-1,)),
        xp.reshape(rows, (-1,)),
        minlength=rows.shape[0] * size,
    )
    power = xp.astype(xp.reshape(sums, (*both.shape[:-2], size)), x.dtype)
    return Spectrum(modes.k, modes.count, power[..., 1:])


@dataclass(frozen=True, eq=False)
class _Modes:
    """The modes of a grid's real transform, and the bins they fall into.

    Parameters
    ----------
    k, count : arrays of shape (K,)
        Mean wave number of each bin, and how many modes of the whole plane it has.
    bin : array of shape (H * (W // 2 + 1),)
        Number of the mode's bin, counted from 1; 0 is the mean.
    n_x, n_y : arrays of shape (H, W // 2 + 1)
        Unit vector along the wave vector.
    weight : array of shape (H, W // 2 + 1)
        How many modes of the whole plane the mode stands for, over the nodes.
    """

    k: FloatArray
    count: FloatArray
    bin: npt.NDArray[np.intp]
    n_x: FloatArray
    n_y: FloatArray
    weight: FloatArray


@lru_cache(maxsize=16)
def _modes(height: int, width: int) -> _Modes:
    k_x = 2 * np.pi * np.fft.rfftfreq(width)[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    norm = np.hypot(k_x, k_y)
    safe = np.where(norm > 0, norm, 1.0)
    weight = np.full(norm.shape, 2.0)
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    # Bins of constant relative width, but none narrower than a quarter of the
    # longest wave's number.
    narrowest = norm[norm > 0].min() / 4
    scaled = np.arcsinh(safe * _BIN_WIDTH / narrowest) / _BIN_WIDTH
    number = np.where(norm > 0, np.round(scaled), -1).ravel()
    index = np.unique(number, return_inverse=True)[1]
    flat = weight.ravel()
    count = np.bincount(index, flat).astype(np.float64)
    k = np.bincount(index, flat * norm.ravel()) / count
    n_x, n_y = (np.broadcast_to(part, norm.shape) / safe for part in (k_x, k_y))
    return _Modes(
        k[1:], count[1:], index.astype(np.intp), n_x, n_y, weight / (height * width)
    )


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
        Whether the field shows its noise at all. Where it does not, such as in a
        field with hardly a vector that is not zero, the variance is zero.
    """

    variance: Array
    length: Array
    is_known: Array

    def power(self, k: Array) -> Array:
        """Power per mode and direction at wave numbers ``k`` (numpy), as in `Spectrum`.

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


def estimate_noise(x: Array, y: Array) -> Noise:
    """Estimate the noise of displacement fields from the fields alone.

    Second differences along both axes take away what is smooth, and a low
    quantile of their absolute values hardly sees those that cross an adhesion's
    edge. Differences between neighbours and those between every second node are more
    alike the whiter the noise; their ratio gives its correlation length.

    Where many vectors are exactly the same, such as zero, they are taken for
    masked, and say nothing. In displacements that were rounded most differences
    may be zero; there the rounding counts as noise.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps; 16 nodes or more along either side.

    Returns
    -------
    Noise
        Of fields without noise, one too weak to matter.

    Notes
    -----
    After Donoho and Johnstone, Biometrika 1994, who take the median of the
    finest detail. Lengths up to one and a half grid steps are told apart;
    longer ones look like displacement. Where adhesions leave no room between
    them the noise is overestimated.

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
    masked = _masked(field)
    step = _rounding_step(field, masked)
    field = field + step[..., None, None, None] * _dither(field)
    near, far = (_detail_variance(field, masked, stride) for stride in (1, 2))
    is_known = xp.isfinite(near) & xp.isfinite(far)
    lengths, ratios, passed = (
        xp.asarray(part, dtype=x.dtype, device=device(x))
        for part in _detail_of_correlated_noise()
    )
    ratio = far / xp.where(is_known & (near > 0), near, 1.0)
    length = _interpolated(ratio, ratios, lengths, xp)
    # Smoother than noise is: what was seen is the displacement itself.
    smooth = ratio > ratios[-1]
    length = xp.where(smooth | ~is_known, 0.0, length)
    variance = near / _interpolated(length, lengths, passed, xp)
    # The dither has the variance of the rounding, and came on top of it.
    of_rounding = step * step / 12
    variance = xp.maximum(variance - of_rounding, of_rounding)
    return Noise(xp.where(is_known, variance, 0.0), length, is_known)


def _masked(field: Array) -> Array:
    """Where displacements ``(..., 2, H, W)`` are the vector that many are.

    A masked vector is often zero, or, once a drift is taken off, the same as all
    others that are masked.

    Returns
    -------
    array of bool, shape (..., H, W)
    """
    xp = array_namespace(field)
    n_nodes = field.shape[-2] * field.shape[-1]
    n_same = max(1, int(_SAME * n_nodes))
    equal = xp.all(field[..., 1:] == field[..., :-1], axis=-3)
    # Of so many that are the same some are neighbours, wherever they lie.
    has_equal = xp.sum(xp.astype(equal, xp.int64), axis=(-2, -1)) > 0
    if not bool(xp.any(has_equal)):
        return xp.zeros_like(field[..., 0, :, :], dtype=xp.bool)
    values = xp.sort(xp.reshape(field, (*field.shape[:-2], -1)), axis=-1)
    run = xp.astype(values[..., n_same:] == values[..., :-n_same], xp.int64)
    value = xp.take_along_axis(values, xp.argmax(run, axis=-1)[..., None], axis=-1)
    frequent = (xp.max(run, axis=-1) > 0) & has_equal[..., None]
    same = (field == value[..., None]) & frequent[..., None, None]
    return xp.all(same, axis=-3)


def _rounding_step(field: Array, masked: Array) -> Array:
    """What displacements ``(..., 2, H, W)`` are multiples of, ``(...)``; 0 if nothing.

    Neighbours that are exactly equal give rounding away; then the step is the
    least difference between any two values.
    """
    xp = array_namespace(field)
    either = masked[..., 1:] | masked[..., :-1]
    equal = (field[..., 1:] == field[..., :-1]) & ~either[..., None, :, :]
    n_equal = xp.sum(xp.astype(equal, xp.int64), axis=(-3, -2, -1))
    n_there = xp.sum(xp.astype(~either, xp.int64), axis=(-2, -1)) * 2
    rounded = n_equal > _TIES * n_there
    step = xp.zeros(rounded.shape, dtype=field.dtype, device=device(field))
    if not bool(xp.any(rounded)):
        return step
    flat = xp.reshape(field, (*rounded.shape, 2, -1))
    largest = xp.max(xp.abs(flat), axis=-1, keepdims=True)
    values = xp.sort(flat, axis=-1)
    gaps = values[..., 1:] - values[..., :-1]
    # Arithmetic in single precision leaves some dust on what was a multiple.
    gaps = xp.where(gaps > 1e-5 * largest, gaps, xp.inf)
    least = xp.min(xp.min(gaps, axis=-1), axis=-1)
    return xp.where(rounded & xp.isfinite(least), least, step)


def _dither(field: Array) -> Array:
    """Numbers between -1/2 and 1/2, always the same, ``(2, H, W)``."""
    xp = array_namespace(field)
    return xp.asarray(
        _uniform_numbers(field.shape[-3:]), dtype=field.dtype, device=device(field)
    )


@lru_cache(maxsize=16)
def _uniform_numbers(shape: tuple[int, ...]) -> FloatArray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape)


def _detail_variance(field: Array, masked: Array, stride: int) -> Array:
    """Variance per component that white noise of the same detail has, ``(...)``.

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
    every = -(-sizes.shape[-1] // _MAX_DETAILS)
    # An odd stride meets all rows and columns.
    sizes = xp.sort(sizes[..., :: every + (every % 2 == 0)], axis=-1)
    n_free = xp.sum(xp.astype(xp.isfinite(sizes), xp.int64), axis=-1)
    place = xp.astype(xp.astype(n_free, field.dtype) * _QUANTILE, xp.int64)
    quantile = xp.take_along_axis(sizes, place[..., None], axis=-1)[..., 0]
    quantile = xp.where(n_free < _MIN_DETAILS, xp.inf, quantile)
    # Six is the sum of the squared weights 1, -2, 1, along either axis.
    return (quantile / (6 * _OF_NORMAL)) ** 2


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
    """Lengths; the ratio of both details' variances; the first over the noise's."""
    lengths = np.linspace(0, _LONGEST, 61)
    k = 2 * np.pi * np.fft.fftfreq(256)
    kept = np.exp(-np.square(lengths[:, None] * k))
    near, far = (
        # Along both axes, hence squared.
        ((2 - 2 * np.cos(stride * k)) ** 2 * kept).mean(axis=1) ** 2 / 36
        for stride in (1, 2)
    )
    return lengths, far / near, near
