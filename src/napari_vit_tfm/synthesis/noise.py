"""Measurement errors: noise, distortion, rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.constraints import (
    NotNegative,
    PositiveRange,
    Share,
    StepsRange,
    check,
)
from napari_vit_tfm.synthesis.fields import Array

FloatArray = npt.NDArray[np.float64]


_UNEVENNESS_LENGTH = 10.0
"""Correlation length of the strength of uneven noise, in grid steps."""


@dataclass(frozen=True, eq=False)
class NoiseParameters:
    """Measurement errors of each of N fields; numpy or torch.

    Strength, distortion and rounding are relative to the root mean square of the
    field about its mean.

    Parameters
    ----------
    strength : array of shape (N,)
        Standard deviation of the noise.
    length : array of shape (N,)
        Correlation length in grid steps; see `correlated`.
    unevenness : array of shape (N,)
        Standard deviation of the logarithm of the strength within the field.
    distortion : array of shape (N, 2, 5)
        Linear and quadratic displacement of the whole field, components ``(x, y)``:
        coefficients of x, y, x^2, xy and y^2, where x and y run from -1 to 1.
    rounding : array of shape (N,)
        Step to which displacements are rounded; 0 is no rounding.
    """

    strength: Array
    length: Array
    unevenness: Array
    distortion: Array
    rounding: Array


@dataclass(frozen=True)
class NoiseDistribution:
    """Distribution of measurement errors.

    Strength, distortion and rounding are relative to the root mean square of the
    field about its mean.

    Parameters
    ----------
    strength : tuple of float
        Range of the standard deviation of the noise, drawn log-uniformly.
    clean_share : float
        Fraction of the fields without noise.
    correlated_share : float
        Fraction of the noisy fields with correlated noise. The others have white
        noise.
    length : tuple of float
        Range of the correlation length in grid steps, drawn log-uniformly; see
        `correlated`. Overlapping interrogation windows cause lengths of one or two
        steps. Longer ones represent distortions such as swelling of the gel.
    uneven_share : float
        Fraction of the noisy fields in which the strength of the noise varies.
    distorted_share : float
        Fraction of the fields with a distortion of the whole field, as caused by a
        lens or a rotation of the stage.
    distortion : float
        Largest scale of the distortion: a coefficient is normal with a third of the
        scale as its standard deviation.
    rounded_share : float
        Fraction of the fields with rounded displacements.
    rounding : tuple of float
        Range of the rounding step, drawn log-uniformly.
    """

    strength: PositiveRange = (0.003, 1.0)
    clean_share: Share = 0.2
    correlated_share: Share = 0.3
    length: StepsRange = (0.4, 16.0)
    uneven_share: Share = 0.15
    distorted_share: Share = 0.1
    distortion: NotNegative = 0.3
    rounded_share: Share = 0.03
    rounding: PositiveRange = (0.02, 0.5)

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, n: int) -> NoiseParameters:
        """Draw the measurement errors of `n` fields."""
        strength = log_uniform(rng, self.strength, n)
        strength[rng.random(n) < self.clean_share] = 0
        length = log_uniform(rng, self.length, n)
        length[rng.random(n) >= self.correlated_share] = 0
        unevenness = rng.uniform(0.2, 1.0, n) * (rng.random(n) < self.uneven_share)
        distortion = rng.normal(0, 1 / 3, (n, 2, 5)) * rng.uniform(
            0, self.distortion, (n, 1, 1)
        )
        distortion[rng.random(n) >= self.distorted_share] = 0
        rounding = log_uniform(rng, self.rounding, n)
        rounding[rng.random(n) >= self.rounded_share] = 0
        return NoiseParameters(strength, length, unevenness, distortion, rounding)


def correlated(white: Array, length: Array) -> Array:
    """Correlate white noise without changing its variance.

    The noise of displacements is correlated if interrogation windows overlap, because
    neighbouring vectors then use the same pixels.

    Parameters
    ----------
    white : array of shape (..., H, W)
        White noise; numpy or torch.
    length : array of shape (...)
        Standard deviation, in grid steps, of the Gaussian with which the noise is
        convolved. With 0 the noise stays white. The correlation of the noise at two
        nodes of distance ``d`` is ``exp(-d^2 / (4 length^2))``.

    Returns
    -------
    array of white's shape
        Periodic noise with the variance of `white`.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.synthesis import correlated
    >>> white = np.random.default_rng(0).normal(size=(256, 256))
    >>> smooth = correlated(white, np.array(1.0))
    >>> float(smooth.std().round(1))
    1.0
    >>> neighbours = np.corrcoef(smooth[:, 1:].ravel(), smooth[:, :-1].ravel())[0, 1]
    >>> bool(abs(neighbours - np.exp(-1 / 4)) < 0.02)
    True
    """
    xp = array_namespace(white)
    height, width = white.shape[-2:]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    k_x = 2 * np.pi * np.fft.fftfreq(width)[None, :]
    k_squared = xp.asarray(k_x**2 + k_y**2, dtype=white.dtype, device=device(white))
    gain = xp.exp(-k_squared * length[..., None, None] ** 2 / 2)
    # Parseval: the mean squared gain is the variance after the convolution.
    power = xp.mean(gain * gain, axis=(-2, -1), keepdims=True)
    half = (gain / xp.sqrt(power))[..., : width // 2 + 1]
    hat = xp.fft.rfftn(white, axes=(-2, -1))
    return xp.fft.irfftn(half * hat, s=(height, width), axes=(-2, -1))


def add_noise(displacement: Array, white: Array, noise: NoiseParameters) -> Array:
    """Add measurement errors to displacement fields.

    Parameters
    ----------
    displacement : array of shape (N, 2, H, W)
        Fields without errors, in any unit; numpy or torch.
    white : array of shape (N, 3, H or more, W or more)
        Independent standard normal numbers for the two components and for the
        unevenness of the noise. The part beyond the field is cut off after the
        correlation, so that the noise is not periodic.
    noise : NoiseParameters
        The errors.

    Returns
    -------
    array of shape (N, 2, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.synthesis import NoiseDistribution, add_noise, synthesise
    >>> clean = np.moveaxis(synthesise(2, seed=0, shape=(64, 64)).displacement, -1, 1)
    >>> rng = np.random.default_rng(0)
    >>> noise = NoiseDistribution(strength=(0.1, 0.1), clean_share=0.0).draw(rng, 2)
    >>> white = rng.normal(size=(2, 3, 64, 64))
    >>> add_noise(clean, white, noise).shape
    (2, 2, 64, 64)
    """
    xp = array_namespace(displacement)
    axes = (1, 2, 3)
    about_mean = displacement - xp.mean(displacement, axis=(2, 3), keepdims=True)
    rms = xp.sqrt(xp.mean(about_mean * about_mean, axis=axes, keepdims=True))
    height, width = displacement.shape[-2:]

    def by_field(values: Array) -> Array:
        return values[:, None, None, None]

    made = correlated(white[:, :2], noise.length[:, None])[..., :height, :width]
    length = xp.full_like(noise.length, _UNEVENNESS_LENGTH)[:, None]
    uneven = correlated(white[:, 2:], length)[..., :height, :width]
    weight = xp.exp(by_field(noise.unevenness) * uneven)
    weight = weight / xp.sqrt(xp.mean(weight * weight, axis=axes, keepdims=True))
    made = by_field(noise.strength) * weight * made + _distortion(displacement, noise)
    noisy = displacement + rms * made
    step = by_field(noise.rounding) * rms
    safe = xp.where(step > 0, step, 1.0)
    return xp.where(step > 0, xp.round(noisy / safe) * step, noisy)


def _distortion(displacement: Array, noise: NoiseParameters) -> Array:
    """Distortion relative to the root mean square of each field, ``(N, 2, H, W)``."""
    xp = array_namespace(displacement)
    height, width = displacement.shape[-2:]
    like = {"dtype": displacement.dtype, "device": device(displacement)}
    y = xp.linspace(-1, 1, height, **like)[:, None]
    x = xp.linspace(-1, 1, width, **like)[None, :]
    flat = 0 * x * y
    terms = xp.stack([x + flat, y + flat, x * x + flat, x * y, y * y + flat])
    factors = noise.distortion[..., None, None]
    return xp.sum(factors * terms, axis=2)


def log_uniform(
    rng: np.random.Generator, limits: tuple[float, float], size: int
) -> npt.NDArray[np.float64]:
    """Random numbers whose logarithms are uniform between two positive limits."""
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, size))
