"""Spectra of a displacement field and of its noise, for methods that weigh them.

A gel answers to the wave number and to the direction, longitudinal or
transverse, alone. What a method needs to know of a field is therefore its
power per wave number and direction, a thousand pairs of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from napari_vit_tfm.physics.halfspace import Array, FloatArray

_LONGEST = 1.5
_QUANTILE = 0.3
_OF_NORMAL = float(ndtri((1 + _QUANTILE) / 2))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power of a field, mode by mode; modes of one wave number are added up.

    Parameters
    ----------
    k : array of shape (K,)
        Wave numbers, rad per step, positive.
    count : array of shape (K,)
        How many modes have this wave number.
    power : array of shape (2, K)
        Their squared amplitudes, longitudinal and transverse, added up; white
        noise of variance ``v`` has ``v`` per mode and direction.
    """

    k: FloatArray
    count: FloatArray
    power: FloatArray


def spectrum(x: FloatArray, y: FloatArray) -> Spectrum:
    """Spectrum of a field that continues periodically, without its mean.

    Parameters
    ----------
    x, y : arrays of shape (H, W)
        Displacement in grid steps, components along columns and rows.
    """
    height, width = x.shape
    k, index, n_x, n_y = _wave_numbers(height, width)
    hat_x, hat_y = (np.fft.fft2(part, norm="ortho").ravel()[1:] for part in (x, y))
    squares = (
        np.abs(n_x * hat_x + n_y * hat_y) ** 2,
        np.abs(n_x * hat_y - n_y * hat_x) ** 2,
    )
    sums = [np.bincount(index, square) for square in squares]
    power = np.stack(sums, dtype=np.float64)
    return Spectrum(k, np.bincount(index).astype(np.float64), power)


@lru_cache(maxsize=8)
def _wave_numbers(
    height: int, width: int
) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Different wave numbers; of every mode its place among them, its direction."""
    k_x = 2 * np.pi * np.fft.fftfreq(width)[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    norm = np.hypot(k_x, k_y).ravel()[1:]
    n_x, n_y = (part.ravel()[1:] / norm for part in np.broadcast_arrays(k_x, k_y))
    # Rounded, so that the modes of one wave number are seen to be of one.
    k, index = np.unique(norm.round(9), return_inverse=True)
    return k, index, n_x, n_y


@dataclass(frozen=True)
class Noise:
    """Noise of a displacement field: white noise convolved with a Gaussian.

    Parameters
    ----------
    variance : float
        Variance of the white noise, per component, in squared grid steps.
    length : float
        Standard deviation of the Gaussian, in grid steps; 0 is white noise.
    """

    variance: float
    length: float

    def power(self, k: Array) -> Array:
        """Power per mode and direction at wave numbers ``k``, as in `Spectrum`."""
        return self.variance * np.exp(-np.square(k * self.length))


def estimate_noise(x: FloatArray, y: FloatArray) -> Noise:
    """Estimate the noise of a displacement field from the field alone.

    Second differences along both axes take away what is smooth, and a low
    quantile of their absolute values hardly sees those that cross an adhesion's
    edge. Differences between neighbours and those between every second node are more
    alike the whiter the noise; their ratio gives its correlation length.

    Parameters
    ----------
    x, y : arrays of shape (H, W)
        Displacement in grid steps; 16 nodes or more along either side.

    Returns
    -------
    Noise
        Of fields without noise, one too weak to matter. Of a field of zeros,
        zero.

    Notes
    -----
    After Donoho and Johnstone, Biometrika 1994, who take the median of the
    finest detail. Lengths up to one and a half grid steps are told apart;
    longer ones look like displacement. Where adhesions leave no room between
    them the noise is overestimated.
    """
    near, far = (_detail_variance(x, y, stride) for stride in (1, 2))
    if near == 0:
        return Noise(0.0, 0.0)
    lengths, ratios, passed = _detail_of_correlated_noise()
    if far / near > ratios[-1]:
        # Smoother than noise is: what was seen is the displacement itself.
        return Noise(near, 0.0)
    length = float(np.interp(far / near, ratios, lengths))
    return Noise(near / float(np.interp(length, lengths, passed)), length)


def _detail_variance(x: FloatArray, y: FloatArray, stride: int) -> float:
    """Variance per component that white noise of the same detail has."""
    details = [
        _second_difference(_second_difference(part, stride).T, stride).ravel()
        for part in (x, y)
    ]
    quantile = float(np.quantile(np.abs(np.concatenate(details)), _QUANTILE))
    # Six is the sum of the squared weights 1, -2, 1, along either axis.
    return (quantile / (6 * _OF_NORMAL)) ** 2


def _second_difference(values: FloatArray, stride: int) -> FloatArray:
    middle = values[stride:-stride]
    return values[2 * stride :] - 2 * middle + values[: -2 * stride]


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
