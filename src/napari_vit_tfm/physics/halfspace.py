"""Half-space and layer in Fourier space: filters on vector fields.

In Fourier space the response of a gel's surface to tangential traction is
diagonal in two directions, along the wave vector (longitudinal) and across it
(transverse), whatever the Poisson ratio and the thickness. Everything here is
therefore a pair of factors per wave vector, applied by one function. Lengths
are grid steps, wave numbers radians per grid step, tractions ``t / E``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.config import REFERENCE_POISSON

Array = Any
"""A numpy array or a torch tensor."""

FloatArray = npt.NDArray[np.float64]

Gains = Callable[[Array], tuple[Array, Array]]
"""Wave number -> longitudinal and transverse factor."""

Response = Gains
"""Positive wave number -> displacement, in grid steps, per ``t / E``: the gel."""


def filter_modes(x: Array, y: Array, gains: Gains, *, pad: bool) -> tuple[Array, Array]:
    """Scale a vector field's longitudinal and transverse parts.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Components along columns and rows; numpy or torch, real.
    gains : callable
        Maps wave numbers (rad per step, numpy, zero included) to the
        longitudinal and the transverse factor, the same for all fields or each
        field's own, ``(..., H, W // 2 + 1)``; at zero, the mean, the two should
        agree.
    pad : bool, keyword-only
        Whether the field is surrounded by zeros, half a field on each side,
        or continues periodically.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        The filtered components.
    """
    xp = array_namespace(x, y)
    height, width = x.shape[-2:]
    full = (2 * height, 2 * width) if pad else (height, width)
    axes = (-2, -1)
    hat_x, hat_y = (
        xp.fft.rfftn(x, s=full, axes=axes),
        xp.fft.rfftn(y, s=full, axes=axes),
    )
    hats = scaled_modes(hat_x, hat_y, full, gains)
    out_x, out_y = (
        xp.fft.irfftn(hat, s=full, axes=axes)[..., :height, :width] for hat in hats
    )
    return out_x, out_y


def scaled_modes(
    hat_x: Array, hat_y: Array, shape: tuple[int, int], gains: Gains
) -> tuple[Array, Array]:
    """Scale the longitudinal and transverse parts of a field that is transformed.

    Parameters
    ----------
    hat_x, hat_y : arrays of shape (..., H, W // 2 + 1)
        Real transforms of the components.
    shape : tuple of int
        Rows and columns of the field, ``(H, W)``.
    gains : callable
        As for `filter_modes`.

    Returns
    -------
    hat_x, hat_y : arrays of shape (..., H, W // 2 + 1)
    """
    xp = array_namespace(hat_x, hat_y)
    real = xp.real(hat_x).dtype
    k, *constants = _directions(shape)
    n_x, n_y, coupled = (
        xp.asarray(part, dtype=real, device=device(hat_x)) for part in constants
    )
    longitudinal, transverse = (
        xp.asarray(gain, dtype=real, device=device(hat_x)) for gain in gains(k)
    )
    difference = longitudinal - transverse
    mixed = difference * n_x * n_y * coupled
    return (
        (transverse + difference * n_x**2) * hat_x + mixed * hat_y,
        mixed * hat_x + (transverse + difference * n_y**2) * hat_y,
    )


@lru_cache(maxsize=32)
def _directions(shape: tuple[int, int]) -> tuple[FloatArray, ...]:
    """Wave numbers, unit wave vectors, and where the components may mix."""
    k_x = 2 * np.pi * np.fft.rfftfreq(shape[1])[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    k = np.hypot(k_x, k_y)
    safe = np.where(k > 0, k, 1.0)
    # The folding frequency stands for both signs of a component: what the two
    # mix into each other cancels.
    coupled = np.ones(k.shape)
    if shape[1] % 2 == 0:
        coupled[:, -1] = 0
    if shape[0] % 2 == 0:
        coupled[shape[0] // 2, :] = 0
    return k, k_x / safe, k_y / safe, coupled


def half_space_response(k: Array, *, poisson: float) -> tuple[Array, Array]:
    """Displacement per traction of a half-space.

    Parameters
    ----------
    k : array
        Wave numbers, rad per step, positive.
    poisson : float, keyword-only
        Poisson ratio.

    Returns
    -------
    longitudinal, transverse : arrays of k's shape
        In grid steps per ``t / E``.

    Examples
    --------
    A gel of Poisson ratio 0.5 is half as soft along the wave vector as across it:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import half_space_response
    >>> along, across = half_space_response(np.array([0.1, 1.0]), poisson=0.5)
    >>> along.tolist(), across.tolist()
    ([15.0, 1.5], [30.0, 3.0])
    """
    transverse = 2 * (1 + poisson) / k
    return (1 - poisson) * transverse, transverse


def layer_response(
    k: Array, *, poisson: float, thickness_steps: float
) -> tuple[Array, Array]:
    """Displacement per traction of a gel layer on a rigid base.

    Parameters
    ----------
    k : array
        Wave numbers, rad per step, positive.
    poisson : float, keyword-only
        Poisson ratio.
    thickness_steps : float, keyword-only
        Thickness of the layer, in grid steps.

    Returns
    -------
    longitudinal, transverse : arrays of k's shape
        In grid steps per ``t / E``.

    Notes
    -----
    Compare Merkel et al., Biophys. J. 2007, and Trepat et al., Nat. Phys.
    2009. For a thick layer it is the half-space, for a thin one simple shear,
    ``2 (1 + nu) h`` in both directions.

    Examples
    --------
    The rigid base holds back long waves; short ones do not reach it:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import half_space_response, layer_response
    >>> k = np.array([0.01, 3.0])
    >>> layer = layer_response(k, poisson=0.5, thickness_steps=10.0)
    >>> half_space = half_space_response(k, poisson=0.5)
    >>> (layer[1] / half_space[1]).round(2).tolist()
    [0.1, 1.0]
    """
    # cosh overflows; past q = 30 the layer is a half-space to machine precision.
    q = np.minimum(k * thickness_steps, 30.0)
    transverse = 2 * (1 + poisson) / k * np.tanh(q)
    sinh, cosh = np.sinh(2 * q), np.cosh(2 * q)
    a = 3 - 4 * poisson
    numerator = a * sinh + 2 * q
    denominator = a * cosh + 2 * q**2 + 5 - 12 * poisson + 8 * poisson**2
    longitudinal = 2 * (1 - poisson**2) / k * numerator / denominator
    return longitudinal, transverse


REFERENCE_RESPONSE: Response = partial(half_space_response, poisson=REFERENCE_POISSON)
"""The gel of the reference form."""


def displacement_of(
    x: Array, y: Array, *, response: Response = REFERENCE_RESPONSE, pad: bool = True
) -> tuple[Array, Array]:
    """Displacement of a gel's surface under a traction field.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``, components along columns and rows.
    response : callable, keyword-only
        The gel, such as `Substrate.response`; without it the reference gel.
    pad : bool, keyword-only
        Whether the traction is surrounded by zeros or periodic.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, up to a constant: its mean over the padded
        field is zero.

    Examples
    --------
    Balanced tractions hardly move the surface far away from them:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import displacement_of
    >>> t_x, t_y = np.zeros((2, 32, 32))
    >>> t_x[14:18, 12:16], t_x[14:18, 16:20] = 0.1, -0.1
    >>> u_x, u_y = displacement_of(t_x, t_y)
    >>> u_x.shape
    (32, 32)
    >>> bool(np.abs(u_x[0]).max() < 0.1 * np.abs(u_x).max())
    True
    """

    def gains(k: Array) -> tuple[Array, Array]:
        along, across = response(np.where(k > 0, k, 1.0))
        return np.where(k > 0, along, 0.0), np.where(k > 0, across, 0.0)

    return filter_modes(x, y, gains, pad=pad)
