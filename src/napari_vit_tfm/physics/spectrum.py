"""Spectra of displacement fields.

The response of a gel depends only on the wave number and on the direction,
longitudinal or transverse. A regularised inversion therefore needs only the power of
a field per wave number and direction, about a hundred pairs of numbers. All functions
take numpy arrays or torch tensors with any number of leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import Array, FloatArray

_BIN_WIDTH = 0.05
"""Relative width of a bin of wave numbers. The longest waves have separate bins."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power spectrum of vector fields, with wave numbers grouped into bins.

    Parameters
    ----------
    k : array of shape (K,)
        Positive wave numbers, in radians per grid step; numpy.
    count : array of shape (K,)
        Number of modes in each bin; numpy.
    power : array of shape (..., 2, K)
        Sum of their squared amplitudes, longitudinal and transverse. White noise of
        variance ``v`` has the power ``v`` per mode and direction.
    """

    k: FloatArray
    count: FloatArray
    power: Array


def spectrum(x: Array, y: Array) -> Spectrum:
    """Power spectrum of periodic vector fields, without the mean.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, components along columns and rows.

    Returns
    -------
    Spectrum
        Power in squared grid steps.
    """
    xp = array_namespace(x, y)
    hat_x, hat_y = (xp.fft.rfftn(part, axes=(-2, -1)) for part in (x, y))
    return spectrum_of_modes(hat_x, hat_y, (x.shape[-2], x.shape[-1]))


def spectrum_of_modes(hat_x: Array, hat_y: Array, shape: tuple[int, int]) -> Spectrum:
    """Power spectrum of vector fields, from their Fourier transforms.

    Parameters
    ----------
    hat_x, hat_y : arrays of shape (..., H, W // 2 + 1)
        Real Fourier transforms of the components.
    shape : tuple of int
        Rows and columns of the fields, ``(H, W)``.

    Returns
    -------
    Spectrum
        As from `spectrum`.
    """
    xp = array_namespace(hat_x, hat_y)
    modes = _modes(*shape)
    real, place = xp.real(hat_x).dtype, device(hat_x)
    n_x, n_y, weight = (
        xp.asarray(part, dtype=real, device=place)
        for part in (modes.n_x, modes.n_y, modes.weight)
    )
    squares = (
        xp.abs(n_x * hat_x + n_y * hat_y) ** 2 * weight,
        xp.abs(n_x * hat_y - n_y * hat_x) ** 2 * weight,
    )
    both = xp.stack(squares, axis=-3)
    rows = xp.reshape(both, (-1, modes.bin.size))
    # One call of bincount for all rows: the bins of each row follow those of the
    # row before it.
    size = modes.k.size + 1
    offset = xp.arange(rows.shape[0], device=place)[:, None] * size
    bins = xp.asarray(modes.bin, device=place) + offset
    sums = xp.bincount(
        xp.reshape(bins, (-1,)),
        xp.reshape(rows, (-1,)),
        minlength=rows.shape[0] * size,
    )
    power = xp.astype(xp.reshape(sums, (*both.shape[:-2], size)), real)
    return Spectrum(modes.k, modes.count, power[..., 1:])


@dataclass(frozen=True, eq=False)
class _Modes:
    """The modes of the real Fourier transform on a grid, and their bins.

    Parameters
    ----------
    k, count : arrays of shape (K,)
        Mean wave number of each bin, and its number of modes in the full plane.
    bin : array of shape (H * (W // 2 + 1),)
        Bin number of each mode, counted from 1; 0 is the mean.
    n_x, n_y : arrays of shape (H, W // 2 + 1)
        Unit vector along the wave vector.
    weight : array of shape (H, W // 2 + 1)
        Number of modes of the full plane that the mode represents, divided by the
        number of nodes.
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
    # smallest wave number.
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
