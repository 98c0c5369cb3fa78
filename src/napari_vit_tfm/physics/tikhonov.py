"""Fourier-transform traction cytometry (FTTC) and the choice of its regularisation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.evidence import noise_for_inversion
from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    FloatArray,
    Gains,
    Response,
    field_of,
    filter_modes,
)
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.physics.spectrum import spectrum


def periodic_component(x: Array) -> Array:
    """Remove the jumps between opposite borders of a field.

    A Fourier transform continues a field periodically. A displacement does not
    vanish at the border of the field of view, so its periodic continuation jumps
    there. An inversion attributes the jumps to tractions along the border, with
    ripples in the whole field. The function subtracts a smooth component that
    contains the jumps and whose discrete Laplacian is zero inside the field [1]_.

    Parameters
    ----------
    x : array of shape (..., H, W)
        One component of a field; numpy or torch, real.

    Returns
    -------
    array of shape (..., H, W)
        The periodic component. Its mean is that of `x`.

    References
    ----------
    .. [1] L. Moisan, "Periodic plus smooth image decomposition", J. Math. Imaging
       Vis. 39, 161-179 (2011).

    Examples
    --------
    The periodic continuation of a ramp jumps at the border. Without the jump the
    field is nearly constant:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import periodic_component
    >>> field = np.tile(np.linspace(0, 1, 64), (64, 1))
    >>> periodic = periodic_component(field)
    >>> bool(np.ptp(periodic) < 0.05 * np.ptp(field))
    True
    >>> bool(np.isclose(periodic.mean(), field.mean()))
    True
    """
    shape = (x.shape[-2], x.shape[-1])
    return x - field_of(smooth_modes(x), shape, shape)


def smooth_modes(x: Array) -> Array:
    """Fourier transform of the smooth component of `periodic_component`.

    Parameters
    ----------
    x : array of shape (..., H, W)
        As for `periodic_component`.

    Returns
    -------
    array of shape (..., H, W // 2 + 1)
        That of `x` minus it is the transform of the periodic component.
    """
    xp = array_namespace(x)
    # The jumps are in the first row and, with the other sign, in the last one; so are
    # those between columns. The sum of all is zero, and so is that of the component.
    of_rows = xp.fft.rfft(x[..., -1, :] - x[..., 0, :], axis=-1)
    of_columns = xp.fft.fft(x[..., :, -1] - x[..., :, 0], axis=-1)
    rows, columns = (
        xp.asarray(part, dtype=of_rows.dtype, device=device(x))
        for part in _of_jumps(x.shape[-2], x.shape[-1])
    )
    return rows * of_rows[..., None, :] + columns * of_columns[..., None]


@lru_cache(maxsize=16)
def _of_jumps(height: int, width: int) -> tuple[npt.NDArray[np.complex128], ...]:
    """Smooth components of jumps of 1 between rows and columns, in Fourier space."""
    k_x = 2 * np.pi * np.fft.rfftfreq(width)[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    laplacian = 2 * np.cos(k_x) + 2 * np.cos(k_y) - 4
    laplacian[0, 0] = np.inf
    return (1 - np.exp(1j * k_y)) / laplacian, (1 - np.exp(1j * k_x)) / laplacian


def fttc(
    x: Array,
    y: Array,
    *,
    regularisation: float,
    response: Response = REFERENCE_RESPONSE,
) -> tuple[Array, Array]:
    """Traction by Fourier-transform traction cytometry with Tikhonov regularisation.

    The traction minimises ``|G t - u|^2 + regularisation |t|^2`` for each mode [1]_
    [2]_.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, components along columns and rows. It is
        continued periodically; see `periodic_component`.
    regularisation : float, keyword-only
        Weight of the penalty, in squared grid steps; not negative.
    response : callable, keyword-only
        The response of the gel, such as `Substrate.response`. The default is the
        reference gel.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``. It is zero for a uniform displacement.

    References
    ----------
    .. [1] J. P. Butler, I. M. Tolić-Nørrelykke, B. Fabry, J. J. Fredberg, "Traction
       fields, moments, and strain energy that cells exert on their surroundings", Am.
       J. Physiol. Cell Physiol. 282, C595-C605 (2002).
    .. [2] B. Sabass, M. L. Gardel, C. M. Waterman, U. S. Schwarz, "High resolution
       traction force microscopy based on experimental and computational advances",
       Biophys. J. 94, 207-220 (2008).

    Examples
    --------
    Two adhesions that pull towards each other, computed from their displacement:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import displacement_of, fttc
    >>> t_x, t_y = np.zeros((2, 32, 32))
    >>> t_x[12:18, 4:10], t_x[12:18, 22:28] = 0.1, -0.1
    >>> u_x, u_y = displacement_of(t_x, t_y, pad=False)
    >>> x, y = fttc(u_x, u_y, regularisation=0.0)
    >>> bool(np.allclose([x, y], [t_x, t_y]))
    True

    Regularisation smooths them:

    >>> x, y = fttc(u_x, u_y, regularisation=1.0)
    >>> bool(np.abs(x).max() < 0.1)
    True
    """
    gains = tikhonov_gains(regularisation, response=response)
    return filter_modes(x, y, gains, pad=False)


def tikhonov_gains(
    regularisation: float, *, response: Response = REFERENCE_RESPONSE
) -> Gains:
    """Filter from displacement to traction that `fttc` applies.

    Parameters
    ----------
    regularisation : float
        Weight of the penalty, in squared grid steps; not negative.
    response : callable, keyword-only
        The response of the gel. The default is the reference gel.

    Returns
    -------
    callable
        The `gains` argument of `halfspace.filter_modes`; zero for the mean.
    """

    def gains(k: Array) -> tuple[Array, Array]:
        responses = response(np.where(k > 0, k, 1.0))
        along, across = (g / (g * g + regularisation) for g in responses)
        return np.where(k > 0, along, 0.0), np.where(k > 0, across, 0.0)

    return gains


def choose_regularisation(
    x: FloatArray,
    y: FloatArray,
    *,
    response: Response = REFERENCE_RESPONSE,
    noise: Noise | None = None,
) -> float:
    """Tikhonov parameter that minimises the expected error of the traction.

    Parameters
    ----------
    x, y : arrays of shape (H, W)
        Measured displacement in grid steps. The function removes the jumps between
        opposite borders.
    response : callable, keyword-only
        The response of the gel, such as `Substrate.response`. The default is the
        reference gel.
    noise : Noise, keyword-only, optional
        The noise of the displacement, if it is known; estimated by default.

    Returns
    -------
    float
        The parameter, in squared grid steps. It lies between a hundredth of the
        smallest squared response on the grid, which is practically no
        regularisation, and a hundred times the largest.

    Notes
    -----
    The squared error of the Tikhonov solution in one mode has two parts:
    ``(1 - f)^2 |t|^2`` due to the regularisation and ``f^2 n / G^2`` due to the
    noise, where ``f = G^2 / (G^2 + regularisation)`` and ``n`` is the power of the
    noise. The expectation of ``(|u|^2 - n) / G^2`` is ``|t|^2``, so the sum over all
    modes can be estimated without bias for every parameter. The noise is estimated
    from the field (`evidence.noise_for_inversion`).

    This is Stein's unbiased risk estimate of the solution of an inverse problem
    [1]_ [2]_. Generalised cross-validation estimates the error of the displacement
    instead, and regularises noisy fields too little.

    References
    ----------
    .. [1] L. Desbat, D. Girard, "The 'minimum reconstruction error' choice of
       regularization parameters: some more efficient methods and their application to
       deconvolution problems", SIAM J. Sci. Comput. 16, 1387-1403 (1995).
    .. [2] Y. C. Eldar, "Generalized SURE for exponential families: applications to
       regularization", IEEE Trans. Signal Process. 57, 471-481 (2009).

    Examples
    --------
    A noisier field needs more regularisation:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import choose_regularisation, displacement_of
    >>> rng = np.random.default_rng(0)
    >>> t_x, t_y = np.zeros((2, 64, 64))
    >>> t_x[20:28, 10:18], t_x[20:28, 46:54] = 0.1, -0.1
    >>> u_x, u_y = displacement_of(t_x, t_y)
    >>> noise_x, noise_y = rng.normal(size=(2, 64, 64))
    >>> weak = choose_regularisation(u_x + 0.01 * noise_x, u_y + 0.01 * noise_y)
    >>> strong = choose_regularisation(u_x + 0.1 * noise_x, u_y + 0.1 * noise_y)
    >>> strong > 10 * weak
    True
    """
    field = spectrum(periodic_component(x), periodic_component(y))
    if noise is None:
        noise = noise_for_inversion(x, y, field, response=response)
    squared = np.square(np.stack(response(field.k)))
    of_noise = field.count * noise.power(field.k)
    # A single mode may be negative; only the sum is an unbiased estimate.
    of_traction = (field.power - of_noise) / squared

    def risk(regularisation: float) -> float:
        kept = squared / (squared + regularisation)
        lost = (1 - kept) ** 2 * of_traction
        return float((lost + kept**2 * of_noise / squared).sum())

    candidates = np.geomspace(squared.min() / 100, squared.max() * 100, 97)
    return float(min(candidates, key=risk))
