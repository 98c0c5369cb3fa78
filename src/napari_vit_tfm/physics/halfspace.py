"""Half-space and layer in Fourier space: filters on vector fields.

In Fourier space the response of a gel's surface to tangential traction is
diagonal in two directions: along the wave vector (longitudinal) and across it
(transverse). This holds for any Poisson ratio and thickness. A response is
therefore a pair of factors per wave number. Lengths are in grid steps, wave
numbers in radians per grid step, tractions are ``t / E``.
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
"""Function from wave numbers to longitudinal and transverse factors."""

Response = Gains
"""Response of a gel: function from positive wave numbers to the longitudinal and
transverse displacement, in grid steps, per ``t / E``."""


def filter_modes(x: Array, y: Array, gains: Gains, *, pad: bool) -> tuple[Array, Array]:
    """Scale the longitudinal and transverse parts of a vector field.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Components along columns and rows; numpy or torch, real.
    gains : callable
        Function from wave numbers (numpy, in radians per grid step, zero included)
        to the longitudinal and the transverse factor. They have the shape
        ``(H, W // 2 + 1)``, or ``(..., H, W // 2 + 1)`` if they differ between
        fields. At wave number zero, the mean, the two should be equal.
    pad : bool, keyword-only
        Whether to surround the field with zeros, half a field on each side. If
        False, the field is continued periodically.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        The filtered components.
    """
    height, width = x.shape[-2:]
    full = (2 * height, 2 * width) if pad else (height, width)
    hats = scaled_modes(modes_of(x, full), modes_of(y, full), full, gains)
    out_x, out_y = (field_of(hat, full, (height, width)) for hat in hats)
    return out_x, out_y


def modes_of(field: Array, full: tuple[int, int]) -> Array:
    """Real Fourier transform of a field that is surrounded with zeros.

    Parameters
    ----------
    field : array of shape (..., H, W)
        The field; numpy or torch, real.
    full : tuple of int
        Rows and columns with the zeros, which follow the field.

    Returns
    -------
    array of shape (..., full[0], full[1] // 2 + 1)
        As from `rfftn`, but the rows of zeros are not transformed.
    """
    fft = array_namespace(field).fft
    return fft.fft(fft.rfft(field, n=full[1], axis=-1), n=full[0], axis=-2)


def field_of(hat: Array, full: tuple[int, int], shape: tuple[int, int]) -> Array:
    """The first rows and columns of a field, from its `modes_of`.

    Parameters
    ----------
    hat : array of shape (..., full[0], full[1] // 2 + 1)
        Real Fourier transform.
    full, shape : tuple of int
        Rows and columns of the whole field, and those that are needed.

    Returns
    -------
    array of shape (..., *shape)
    """
    fft, (height, width) = array_namespace(hat).fft, shape
    rows = fft.ifft(hat, axis=-2)[..., :height, :]
    return fft.irfft(rows, n=full[1], axis=-1)[..., :width]


def scaled_modes(
    hat_x: Array, hat_y: Array, shape: tuple[int, int], gains: Gains
) -> tuple[Array, Array]:
    """Scale the longitudinal and transverse parts of a field in Fourier space.

    Parameters
    ----------
    hat_x, hat_y : arrays of shape (..., H, W // 2 + 1)
        Real Fourier transforms of the components.
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


def mean_squares(gains: Gains, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Variance of white noise of variance 1 after a filter.

    Parameters
    ----------
    gains : callable
        As for `filter_modes`.
    shape : tuple of int
        Rows and columns of the field, ``(H, W)``.

    Returns
    -------
    x, y : arrays of shape (...)
        Variance of each component.
    """
    k, n_x, n_y, _ = _directions(shape)
    height, width = shape
    # Modes that stand for themselves and for the opposite wave vector.
    weight = np.full(k.shape, 2.0)
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    along, across = gains(k)
    xp = array_namespace(along)
    weight, squared_x, squared_y = (
        xp.asarray(part, dtype=along.dtype, device=device(along))
        for part in (weight / (height * width), n_x**2, n_y**2)
    )
    of_x = weight * (squared_x * along**2 + squared_y * across**2)
    of_y = weight * (squared_y * along**2 + squared_x * across**2)
    return xp.sum(of_x, axis=(-2, -1)), xp.sum(of_y, axis=(-2, -1))


@lru_cache(maxsize=32)
def _directions(shape: tuple[int, int]) -> tuple[FloatArray, ...]:
    """Wave numbers, unit wave vectors, and where the components are coupled."""
    k_x = 2 * np.pi * np.fft.rfftfreq(shape[1])[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    k = np.hypot(k_x, k_y)
    safe = np.where(k > 0, k, 1.0)
    # The Nyquist frequency stands for both signs of a wave vector component, and
    # the coupling between x and y has opposite signs for the two: it cancels.
    coupled = np.ones(k.shape)
    if shape[1] % 2 == 0:
        coupled[:, -1] = 0
    if shape[0] % 2 == 0:
        coupled[shape[0] // 2, :] = 0
    return k, k_x / safe, k_y / safe, coupled


def half_space_response(k: Array, *, poisson: float) -> tuple[Array, Array]:
    """Displacement per traction of an elastic half-space.

    Parameters
    ----------
    k : array
        Positive wave numbers, in radians per grid step.
    poisson : float, keyword-only
        Poisson ratio.

    Returns
    -------
    longitudinal, transverse : arrays of k's shape
        In grid steps per ``t / E``.

    Examples
    --------
    A gel of Poisson ratio 0.5 is twice as stiff along the wave vector as across it:

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
        Positive wave numbers, in radians per grid step.
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
    Layers of finite thickness are treated in [1]_ and [2]_. A thick layer responds
    like a half-space. A thin layer is in simple shear, with the response
    ``2 (1 + nu) h`` in both directions.

    References
    ----------
    .. [1] R. Merkel, N. Kirchgessner, C. M. Cesa, B. Hoffmann, "Cell force microscopy
       on elastic layers of finite thickness", Biophys. J. 93, 3314-3323 (2007).
    .. [2] X. Trepat et al., "Physical forces during collective cell migration", Nat.
       Phys. 5, 426-430 (2009).

    Examples
    --------
    The rigid base reduces displacements of long wavelength and leaves those of short
    wavelength unchanged:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import half_space_response, layer_response
    >>> k = np.array([0.01, 3.0])
    >>> layer = layer_response(k, poisson=0.5, thickness_steps=10.0)
    >>> half_space = half_space_response(k, poisson=0.5)
    >>> (layer[1] / half_space[1]).round(2).tolist()
    [0.1, 1.0]
    """
    # Prevent an overflow of cosh: above q = 30 the layer equals a half-space to
    # machine precision.
    q = np.minimum(k * thickness_steps, 30.0)
    transverse = 2 * (1 + poisson) / k * np.tanh(q)
    sinh, cosh = np.sinh(2 * q), np.cosh(2 * q)
    a = 3 - 4 * poisson
    numerator = a * sinh + 2 * q
    denominator = a * cosh + 2 * q**2 + 5 - 12 * poisson + 8 * poisson**2
    longitudinal = 2 * (1 - poisson**2) / k * numerator / denominator
    return longitudinal, transverse


REFERENCE_RESPONSE: Response = partial(half_space_response, poisson=REFERENCE_POISSON)
"""Response of the reference gel."""


def displacement_of(
    x: Array, y: Array, *, response: Response = REFERENCE_RESPONSE, pad: bool = True
) -> tuple[Array, Array]:
    """Displacement of the gel's surface under a traction field.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E``, components along columns and rows.
    response : callable, keyword-only
        The response of the gel, such as `Substrate.response`. The default is the
        reference gel.
    pad : bool, keyword-only
        Whether to surround the traction with zeros, half a field on each side. If
        False, the traction is continued periodically.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Displacement in grid steps, up to a constant: its mean over the padded
        field is zero.

    Examples
    --------
    Balanced tractions displace the surface little at a distance:

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
