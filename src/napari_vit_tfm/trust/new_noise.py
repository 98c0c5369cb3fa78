"""New noise like that of a measured displacement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics.noise import Noise

FloatArray = npt.NDArray[np.float64]


def new_noise(
    noise: Noise, shape: tuple[int, int], n: int, rng: np.random.Generator
) -> FloatArray:
    """Draw noise of a given strength and correlation length.

    Parameters
    ----------
    noise : Noise
        The noise of one field, with arrays of one element, such as from
        `noise.noise_of_field`.
    shape : tuple of int
        Rows and columns.
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
    >>> from napari_vit_tfm.trust.noise import estimated_noise
    >>> rng = np.random.default_rng(0)
    >>> measured = rng.normal(0, 0.02, (1, 64, 64, 2))
    >>> noise = estimated_noise(measured)
    >>> round(float(new_noise(noise, (64, 64), 4, rng).std()), 2)
    0.02
    """
    variance, length = noise.variance.item(), noise.length.item()
    white = rng.standard_normal((n, *shape, 2)) * np.sqrt(variance)
    if length == 0:
        return np.asarray(white)
    # In Fourier space, since sampled Gaussians narrower than a step do not smooth.
    height, width = shape
    k_y, k_x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    gain = np.exp(-0.5 * (2 * np.pi * length) ** 2 * (k_x**2 + k_y**2))
    hat = np.fft.rfft2(white, axes=(1, 2)) * gain[..., None]
    return np.asarray(np.fft.irfft2(hat, s=(height, width), axes=(1, 2)))
