"""Measurement noise for held-out fields: white, or correlated between neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
import scipy

FloatArray = npt.NDArray[np.float32]

_REACH = 5
"""Grid steps at which a Gaussian of one step is truncated."""


@dataclass(frozen=True)
class Noise:
    """A noise level.

    Parameters
    ----------
    strength : float
        Standard deviation of each component, relative to the root mean square of the
        field about its mean.
    is_correlated : bool
        Whether the noise is convolved with a Gaussian of standard deviation one step.
    """

    strength: float
    is_correlated: bool = False


NOISES: Mapping[str, Noise] = {
    "0": Noise(0.0),
    "1%": Noise(0.01),
    "5%": Noise(0.05),
    "20%": Noise(0.2),
    "60%": Noise(0.6),
    "5% correlated": Noise(0.05, is_correlated=True),
}
"""Noise levels by name."""


def with_noise(displacement: FloatArray, level: str, *, seed: int) -> FloatArray:
    """Add noise to displacements.

    Parameters
    ----------
    displacement : array of shape (n, H, W, 2)
        Displacements without noise, in any unit.
    level : str
        Name of a level in `NOISES`.
    seed : int, keyword-only
        Random seed.

    Returns
    -------
    array of shape (n, H, W, 2)
        Displacements with noise, in the same unit.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.benchmark.held_out import simulate, with_noise
    >>> displacement, _ = simulate("ring", 1, seed=0)
    >>> noisy = with_noise(displacement, "5%", seed=0)
    >>> about_mean = displacement - displacement.mean(axis=(1, 2))
    >>> round(float(np.std(noisy - displacement) / np.std(about_mean)), 2)
    0.05
    """
    noise = NOISES[level]
    if noise.strength == 0:
        return displacement
    rng = np.random.default_rng([seed, crc32(level.encode())])
    n, height, width, _ = displacement.shape
    if noise.is_correlated:
        # Wider than the field, so that opposite borders are not correlated.
        size = (n, height + 2 * _REACH, width + 2 * _REACH, 2)
        drawn = _correlated(rng.standard_normal(size))
    else:
        drawn = rng.standard_normal(displacement.shape)
    about_mean = displacement - displacement.mean(axis=(1, 2), keepdims=True)
    power = np.square(about_mean, dtype=np.float64).mean(axis=(1, 2, 3), keepdims=True)
    noisy = displacement + noise.strength * np.sqrt(power) * drawn
    return np.asarray(noisy, dtype=np.float32)


def _correlated(white: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Convolve white noise with a Gaussian, keep its variance, and crop the border."""
    weights = np.exp(-0.5 * np.arange(-_REACH, _REACH + 1) ** 2)
    weights /= np.sqrt(np.square(weights).sum())
    inner = slice(_REACH, -_REACH)
    smooth = scipy.ndimage.convolve1d(
        scipy.ndimage.convolve1d(white, weights, axis=1), weights, axis=2
    )
    return np.asarray(smooth[:, inner, inner])
