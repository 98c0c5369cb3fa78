"""Fourier-transform traction cytometry and the choice of its regularisation."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, device

from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    FloatArray,
    Gains,
    Response,
    filter_modes,
)
from napari_vit_tfm.physics.spectrum import estimate_noise, spectrum


def periodic_component(x: Array) -> Array:
    """A field less the jumps between its opposite borders.

    Fourier transforms continue a field periodically. A displacement does not
    fade out within the field of view, so it jumps from one border to the
    other, and any inversion takes the jump for traction, along the border and
    as ripples everywhere. The smooth component that is taken away here holds
    the jumps; inside the field its discrete Laplacian is zero.

    Parameters
    ----------
    x : array of shape (..., H, W)
        One component of a field; numpy or torch, real.

    Returns
    -------
    array of shape (..., H, W)
        With the mean of `x`.

    Notes
    -----
    Moisan, Periodic plus smooth image decomposition, J. Math. Imaging Vis.
    2011.

    Examples
    --------
    A field that grows from left to right jumps back at the border. Without the
    jump it is nearly flat, at its mean:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import periodic_component
    >>> field = np.tile(np.linspace(0, 1, 64), (64, 1))
    >>> periodic = periodic_component(field)
    >>> bool(np.ptp(periodic) < 0.05 * np.ptp(field))
    True
    >>> bool(np.isclose(periodic.mean(), field.mean()))
    True
    """
    xp = array_namespace(x)
    height, width = x.shape[-2:]
    jumps = xp.zeros_like(x)
    jumps[..., 0, :] += x[..., -1, :] - x[..., 0, :]
    jumps[..., -1, :] += x[..., 0, :] - x[..., -1, :]
    jumps[..., :, 0] += x[..., :, -1] - x[..., :, 0]
    jumps[..., :, -1] += x[..., :, 0] - x[..., :, -1]
    k_x = 2 * np.pi * np.fft.rfftfreq(width)[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    laplacian = 2 * np.cos(k_x) + 2 * np.cos(k_y) - 4
    # The jumps add up to zero, and so does the smooth component.
    laplacian[0, 0] = 1.0
    axes = (-2, -1)
    hat = xp.fft.rfftn(jumps, axes=axes)
    hat = hat / xp.asarray(laplacian, dtype=x.dtype, device=device(x))
    return x - xp.fft.irfftn(hat, s=(height, width), axes=axes)


def fttc(
    x: Array,
    y: Array,
    *,
    regularisation: float,
    response: Response = REFERENCE_RESPONSE,
) -> tuple[Array, Array]:
    """Traction by Fourier-transform traction cytometry with Tikhonov's term.

    Minimises ``|G t - u|^2 + regularisation |t|^2`` mode by mode.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, components along columns and rows; it is
        continued periodically, see `periodic_component`.
    regularisation : float, keyword-only
        Weight of the penalty, in squared grid steps; not negative.
    response : callable, keyword-only
        The gel, such as `Substrate.response`; without it the reference gel.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``. A uniform displacement makes none.

    Notes
    -----
    Butler et al., Am. J. Physiol. Cell Physiol. 2002; Sabass et al., Biophys.
    J. 2008.

    Examples
    --------
    Two adhesions that pull towards each other, from the displacement they make:

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
    """The filter from displacement to traction that `fttc` applies.

    Parameters
    ----------
    regularisation : float
        Weight of the penalty, in squared grid steps; not negative.
    response : callable, keyword-only
        The gel; without it the reference gel.

    Returns
    -------
    callable
        For `halfspace.filter_modes`; zero for the mean.
    """

    def gains(k: Array) -> tuple[Array, Array]:
        responses = response(np.where(k > 0, k, 1.0))
        along, across = (g / (g * g + regularisation) for g in responses)
        return np.where(k > 0, along, 0.0), np.where(k > 0, across, 0.0)

    return gains


def choose_regularisation(
    x: FloatArray, y: FloatArray, *, response: Response = REFERENCE_RESPONSE
) -> float:
    """Tikhonov parameter with the least expected error of the traction.

    Of the error that Tikhonov's solution makes in a mode, regularisation's
    share is ``(1 - f)^2 |t|^2`` and noise's ``f^2 n / G^2``, where ``f = G^2 /
    (G^2 + regularisation)`` and ``n`` is the noise's power. As ``(|u|^2 - n) /
    G^2`` is on average ``|t|^2``, the sum over all modes can be estimated
    without bias for every parameter; the least one is taken. The noise is
    estimated from the field, see `estimate_noise`.

    Parameters
    ----------
    x, y : arrays of shape (H, W)
        Displacement in grid steps, as measured: the jumps at its border are
        taken away in here.
    response : callable, keyword-only
        The gel, such as `Substrate.response`; without it the reference gel.

    Returns
    -------
    float
        In squared grid steps, from a hundredth of the smallest squared
        response on the grid, which regularises nothing, to a hundred times
        the largest.

    Notes
    -----
    Stein's unbiased risk estimate, for the solution of an inverse problem
    rather than for the fit: Desbat and Girard, SIAM J. Sci. Comput. 1995;
    Eldar, IEEE Trans. Signal Process. 2009. It is not generalised
    cross-validation, which estimates the error of the displacement and
    regularises noisy fields too little.

    Examples
    --------
    The noisier the field, the more regularisation:

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
    noise = estimate_noise(x, y)
    field = spectrum(periodic_component(x), periodic_component(y))
    squared = np.square(np.stack(response(field.k)))
    of_noise = field.count * noise.power(field.k)
    # May be negative, mode by mode; the sum is what is right.
    of_traction = (field.power - of_noise) / squared

    def risk(regularisation: float) -> float:
        kept = squared / (squared + regularisation)
        lost = (1 - kept) ** 2 * of_traction
        return float((lost + kept**2 * of_noise / squared).sum())

    candidates = np.geomspace(squared.min() / 100, squared.max() * 100, 97)
    return float(min(candidates, key=risk))
