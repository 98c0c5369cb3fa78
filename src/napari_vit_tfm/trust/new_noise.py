"""New noise like that of a measured displacement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics import estimate_noise

FloatArray = npt.NDArray[np.float64]


def new_noise(
    steps: npt.NDArray[np.floating], n: int, rng: np.random.Generator
) -> FloatArray:
    """Draw noise as strong, and correlated as far, as that of a displacement.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Displacement, in grid steps, finite: a hole that is filled with a constant would
        count as noise.
    n : int
        Number of fields of noise.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of shape (n, H, W, 2)
        In grid steps.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.new_noise import new_noise
    >>> rng = np.random.default_rng(0)
    >>> measured = rng.normal(0, 0.02, (64, 64, 2))
    >>> round(float(new_noise(measured, 4, rng).std()), 2)
    0.02
    """
    noise = estimate_noise(*np.moveaxis(np.asarray(steps, dtype=np.float64), -1, 0))
    white = rng.standard_normal((n, *steps.shape)) * np.sqrt(float(noise.variance))
    length = float(noise.length)
    if length == 0:
        return np.asarray(white)
    # In Fourier space, since sampled Gaussians narrower than a step do not smooth.
    height, width = steps.shape[:2]
    k_y, k_x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    gain = np.exp(-0.5 * (2 * np.pi * length) ** 2 * (k_x**2 + k_y**2))
    hat = np.fft.rfft2(white, axes=(1, 2)) * gain[..., None]
    return np.asarray(np.fft.irfft2(hat, s=(height, width), axes=(1, 2)))


def noise_share(steps: npt.NDArray[np.floating]) -> float:
    """Noise of a displacement, relative to its root mean square about the mean.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Displacement, in grid steps, finite.

    Returns
    -------
    float
        Zero for a displacement of zero.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.new_noise import noise_share
    >>> measured = np.random.default_rng(0).normal(3, 0.02, (64, 64, 2))
    >>> round(noise_share(measured), 1)
    1.0
    """
    x, y = np.moveaxis(np.asarray(steps, dtype=np.float64), -1, 0)
    size = float(np.sqrt((x.var() + y.var()) / 2))
    return float(estimate_noise(x, y).standard_deviation()) / size if size else 0.0
