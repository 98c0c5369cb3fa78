"""Measurement noise, white or correlated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.synthesis.fields import Array
from napari_vit_tfm.synthesis.random import log_uniform

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NoiseDistribution:
    """How measurement noise is drawn.

    Parameters
    ----------
    strength : tuple of float
        Range of the standard deviation over the field's root mean square,
        drawn log-uniformly.
    clean_share : float
        Share of the fields that get no noise.
    correlated_share : float
        Share of the noisy fields whose noise is correlated, the rest is white.
    length : tuple of float
        Range of the correlation length in grid steps, drawn log-uniformly; see
        `correlated`. A step or two is what overlapping interrogation windows
        give; longer ones are distortions such as drift and swelling.
    """

    strength: tuple[float, float] = (0.01, 0.5)
    clean_share: float = 0.2
    correlated_share: float = 0.3
    length: tuple[float, float] = (0.4, 16.0)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
        """Strength and correlation length for each of `n` fields."""
        strength = log_uniform(rng, self.strength, n)
        strength[rng.random(n) < self.clean_share] = 0
        length = log_uniform(rng, self.length, n)
        length[rng.random(n) >= self.correlated_share] = 0
        return strength, length


def correlated(white: Array, length: Array) -> Array:
    """Give white noise a correlation length, and keep its strength.

    Displacements measured in overlapping interrogation windows share image
    points, and with them their noise.

    Parameters
    ----------
    white : array of shape (..., H, W)
        White noise; numpy or torch.
    length : array of shape (...)
        Standard deviation, in grid steps, of the Gaussian that white noise is
        convolved with; 0 leaves it white. The noise of nodes a distance ``d``
        apart is then correlated as ``exp(-d^2 / (4 length^2))``.

    Returns
    -------
    array of white's shape
        Periodic, with the variance of `white`.
    """
    xp = array_namespace(white)
    height, width = white.shape[-2:]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    k_x = 2 * np.pi * np.fft.fftfreq(width)[None, :]
    k_squared = xp.asarray(k_x**2 + k_y**2, dtype=white.dtype, device=device(white))
    gain = xp.exp(-k_squared * length[..., None, None] ** 2 / 2)
    # Parseval: the mean squared gain is the variance that is left.
    power = xp.mean(gain * gain, axis=(-2, -1), keepdims=True)
    half = (gain / xp.sqrt(power))[..., : width // 2 + 1]
    hat = xp.fft.rfftn(white, axes=(-2, -1))
    return xp.fft.irfftn(half * hat, s=(height, width), axes=(-2, -1))


def add_noise(
    displacement: Array, white: Array, *, strength: Array, length: Array
) -> Array:
    """Add noise to fields, relative to their root mean square.

    Parameters
    ----------
    displacement : array of shape (N, 2, H, W)
        Clean fields, in any unit; numpy or torch.
    white : array of shape (N, 2, H or more, W or more)
        Independent standard normal numbers. What is beyond the field is cut
        off once it is correlated, so that the noise is not periodic.
    strength : array of shape (N,), keyword-only
        Standard deviation over the field's root mean square.
    length : array of shape (N,), keyword-only
        Correlation length in grid steps; see `correlated`.

    Returns
    -------
    array of shape (N, 2, H, W)
    """
    xp = array_namespace(displacement)
    power = xp.mean(displacement * displacement, axis=(1, 2, 3), keepdims=True)
    height, width = displacement.shape[-2:]
    noise = correlated(white, length[:, None])[..., :height, :width]
    return displacement + strength[:, None, None, None] * xp.sqrt(power) * noise
