"""Residuals relative to the noise: cosine modes and the reduced chi squared."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.physics.noise import Noise

Float64Array = npt.NDArray[np.float64]

_LEAST_NOISE = 0.01
"""Modes with less than this fraction of the variance of the noisiest mode are not used:
in noise that is correlated, they have hardly any noise."""


_CLEAR_LENGTH = 0.8
"""Correlation lengths below this number, divided by the square root of the number of
nodes along a side, are also estimated for white noise."""


def cosine_modes(field: npt.NDArray[np.floating]) -> Float64Array:
    """Amplitudes of the cosine modes of vector fields.

    Mode ``(i, j)`` has the wavelengths ``2 H / i`` and ``2 W / j``, and mode (0, 0) is
    the mean. The modes are orthonormal on the grid, and unlike those of the periodic
    Fourier transform they do not join opposite borders of the field. White noise has
    the same variance in each.

    Parameters
    ----------
    field : array of shape (..., H, W, 2)
        The field.

    Returns
    -------
    array of shape (..., H, W, 2)
        In the unit of the field.
    """
    modes = scipy.fft.dctn(field.astype(np.float64), axes=(-3, -2), norm="ortho")
    return np.asarray(modes)


def from_cosine_modes(modes: Float64Array) -> Float64Array:
    """Vector fields ``(..., H, W, 2)`` from the amplitudes of `cosine_modes`."""
    return np.asarray(scipy.fft.idctn(modes, axes=(-3, -2), norm="ortho"))


def noise_of_modes(
    variance: float, length: float, shape: tuple[int, int]
) -> Float64Array:
    """Variance of the noise in every cosine mode.

    Parameters
    ----------
    variance, length : float
        As for `physics.noise.Noise`, of one field.
    shape : tuple of int
        Rows and columns, ``(H, W)``.

    Returns
    -------
    array of shape (H, W)
        In squared units of the noise, per component.

    Notes
    -----
    It is exact, also at the border, because the covariance of the noise is the product
    of its covariances along the two axes.
    """
    rows, columns = (_along_axis(n, round(length, 3)) for n in shape)
    return variance * rows[:, None] * columns


@lru_cache(maxsize=64)
def _along_axis(n: int, length: float) -> Float64Array:
    """Variance of the cosine modes of one axis, for white noise of variance 1."""
    # Long enough that opposite ends are not correlated.
    size = max(512, 2 * n)
    k = 2 * np.pi * np.fft.rfftfreq(size)
    covariance = np.fft.irfft(np.exp(-np.square(k * length)), size)[:n]
    node = np.arange(n)
    matrix = covariance[abs(node[:, None] - node)]
    for axis in (0, 1):
        matrix = scipy.fft.dct(matrix, axis=axis, norm="ortho")
    return np.asarray(np.maximum(np.diagonal(matrix), 0.0))


def chi_squared(
    residual: npt.NDArray[np.floating], noise: Noise
) -> npt.NDArray[np.float64]:
    """Reduced chi squared of residuals: their size relative to the noise.

    Parameters
    ----------
    residual : array of shape (T, H, W, 2)
        Residuals in grid steps, finite.
    noise : Noise
        The noise of each frame, such as from `clear_noise`.

    Returns
    -------
    array of shape (T,)
        Mean over the modes of their squared amplitudes, each divided by the variance of
        the noise in it, without the mean of the field. It is 1 for noise. NaN where the
        noise is not known or zero.

    Notes
    -----
    Modes that hardly contain noise, such as those of short waves if the noise is
    correlated over more than a grid step, are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.noise import estimated_noise
    >>> from napari_vit_tfm.trust.whitening import chi_squared, clear_noise
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.normal(0, 0.02, (1, 64, 64, 2))
    >>> noise = clear_noise(estimated_noise(noisy), (64, 64))
    >>> float(chi_squared(noisy, noise).round(1)[0])
    1.0
    """
    shape = residual.shape[1:3]
    found = np.full(len(residual), np.nan)
    for frame, field in enumerate(residual):
        variance = float(noise.variance[frame])
        if not noise.is_known[frame] or variance == 0:
            continue
        expected = noise_of_modes(variance, float(noise.length[frame]), shape)
        used = expected >= _LEAST_NOISE * expected.max()
        used[0, 0] = False
        if used.any():
            x, y = np.moveaxis(cosine_modes(field), -1, 0)
            squares = (np.square(x) + np.square(y))[used] / 2
            found[frame] = (squares / expected[used]).mean()
    return found


def clear_noise(noise: Noise, shape: tuple[int, int]) -> Noise:
    """The noise for which chi squared of noise is 1 on average.

    Parameters
    ----------
    noise : Noise
        Estimated noise of each frame, with arrays of shape (T,).
    shape : tuple of int
        Rows and columns, ``(H, W)``.

    Returns
    -------
    Noise
        A correlation length that cannot be told from that of white noise is 0: it would
        be positive on average, and chi squared of white noise too small.
    """
    white = noise.as_white()
    correlated = noise.length > _CLEAR_LENGTH / (shape[0] * shape[1]) ** 0.25
    return Noise(
        np.where(correlated, noise.variance, white.variance),
        np.where(correlated, noise.length, 0.0),
        noise.is_known,
    )
