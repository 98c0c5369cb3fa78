"""Displacement of any traction pattern at the nodes of a grid.

The traction is uniform in small squares. The displacement is its convolution with
the displacement of one square, which is known in closed form. Zero-padded Fourier
transforms compute the convolution exactly, without periodic images. The squares may
be smaller than a grid step. The displacement may be averaged over a window, as in
image correlation. Lengths are in grid steps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from array_api_compat import array_namespace, device

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.physics.halfspace import field_of, modes_of

Array = Any
"""A numpy array or a torch tensor."""

FloatArray = npt.NDArray[np.float64]


def square_displacement(
    x: npt.ArrayLike, y: npt.ArrayLike, *, poisson: float = REFERENCE_POISSON
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Displacement of a unit square of uniform unit traction ``t / E``.

    Parameters
    ----------
    x, y : arrays
        Position relative to the centre of the square, in sides of the square.
    poisson : float, keyword-only
        Poisson ratio of the half-space.

    Returns
    -------
    xx, yy, xy : arrays
        Displacement along x by a traction along x, along y by a traction along y,
        and along one axis by a traction along the other, in sides of the square.

    Notes
    -----
    This is Cerruti's solution for a point force, section 8 of [1]_, integrated over
    the square.

    References
    ----------
    .. [1] L. D. Landau, E. M. Lifshitz, "Theory of Elasticity", 3rd edition,
       Pergamon Press (1986).
    """
    x, y = np.broadcast_arrays(
        np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    )
    # Primitives of x^2/r^3, y^2/r^3 and xy/r^3, between the corners of the square.
    squared_x, squared_y, mixed = (np.zeros(x.shape) for _ in range(3))
    for right in (False, True):
        for below in (False, True):
            a = x + 0.5 if right else x - 0.5
            b = y + 0.5 if below else y - 0.5
            sign = 1.0 if right == below else -1.0
            squared_x += sign * _times_asinh(b, a)
            squared_y += sign * _times_asinh(a, b)
            mixed -= sign * np.hypot(a, b)
    isotropic = (1 - poisson) * (squared_x + squared_y)
    scale = (1 + poisson) / np.pi
    return (
        scale * (isotropic + poisson * squared_x),
        scale * (isotropic + poisson * squared_y),
        scale * poisson * mixed,
    )


def _times_asinh(a: FloatArray, b: FloatArray) -> FloatArray:
    """``a asinh(b / |a|)``, with the limit 0 at ``a = 0``."""
    safe = np.where(a == 0, 1.0, np.abs(a))
    return np.where(a == 0, 0.0, a * np.arcsinh(b / safe))


@lru_cache(maxsize=128)
def _kernels(
    shape: tuple[int, int],
    poisson: float,
    oversampling: int,
    window: float,
    is_single: bool,
) -> npt.NDArray[np.complexfloating[Any, Any]]:
    """Fourier transforms of the displacement of one square, on the doubled grid.

    Returns
    -------
    array of shape (s * s, 3, 2 H, W + 1)
        For each of the squares of one node, row by row: components xx, yy, xy.
    """
    s = oversampling
    # Fine steps around a square, with a margin for the average over the window.
    room = int(np.ceil(s * window / 2)) + s
    y, x = (np.arange(-s * n - room, s * n + room + 1) for n in shape)
    fine = [part / s for part in square_displacement(x, y[:, None], poisson=poisson)]
    weights = _window_weights(s * window)
    for axis in (0, 1):
        fine = [scipy.ndimage.convolve1d(part, weights, axis=axis) for part in fine]
    row, column = (
        np.rint(np.fft.fftfreq(2 * n, 1 / (2 * n))).astype(int) for n in shape
    )
    middle = (s - 1) // 2
    parts = []
    for a in range(s):
        for b in range(s):
            at_row = s * row + middle - a + s * shape[0] + room
            at_column = s * column + middle - b + s * shape[1] + room
            parts.append(
                [np.fft.rfft2(part[np.ix_(at_row, at_column)]) for part in fine]
            )
    return np.array(parts, dtype=np.complex64 if is_single else np.complex128)


def _window_weights(width: float) -> FloatArray:
    """Fractions of an interval that unit cells cover; it is centred on one cell."""
    half = max(width, 1e-9) / 2
    n = int(np.ceil(half - 0.5)) if half > 0.5 else 0
    edges = np.clip(np.arange(-n, n + 2) - 0.5, -half, half)
    shares = np.diff(edges)
    return np.asarray(shares / shares.sum())


def raster_displacement(
    x: Array,
    y: Array,
    *,
    poisson: float = REFERENCE_POISSON,
    oversampling: int = 1,
    window: float = 0.0,
) -> tuple[Array, Array]:
    """Displacement of the surface under a traction given in squares.

    Parameters
    ----------
    x, y : arrays of shape (..., s H, s W)
        Traction ``t / E``, components along columns and rows, uniform in squares of
        side ``1 / s``; numpy or torch.
    poisson : float, keyword-only
        Poisson ratio of the half-space.
    oversampling : int, keyword-only
        Number of squares per grid step, ``s``. It is odd, so that the node is the
        centre of a square.
    window : float, keyword-only
        Side of the square around a node over which the displacement is averaged, in
        grid steps. With 0 it is the displacement at the node.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Displacement at the nodes, in grid steps.

    Raises
    ------
    ValueError
        If the oversampling is even.

    Examples
    --------
    One square pulls to the right. The displacement is largest at the square and equal
    on both sides of it:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import raster_displacement
    >>> t_x, t_y = np.zeros((2, 17, 17))
    >>> t_x[8, 8] = 0.1
    >>> u_x, u_y = raster_displacement(t_x, t_y)
    >>> bool(u_x[8, 8] == u_x.max()), bool(np.isclose(u_x[8, 4], u_x[8, 12]))
    (True, True)

    The average over a window of four steps, as in image correlation, lowers the peak:

    >>> averaged, _ = raster_displacement(t_x, t_y, window=4.0)
    >>> bool(averaged[8, 8] < u_x[8, 8])
    True
    """
    if oversampling % 2 == 0:
        raise ValueError(f"the oversampling must be odd, not {oversampling}")
    xp = array_namespace(x, y)
    s = oversampling
    height, width = x.shape[-2] // s, x.shape[-1] // s
    full = 2 * height, 2 * width
    is_single = x.dtype == xp.float32
    kernels = _kernels((height, width), poisson, s, window, is_single)
    out_x, out_y = None, None
    for number, kernel in enumerate(kernels):
        a, b = divmod(number, s)
        hat_x, hat_y = (modes_of(part[..., a::s, b::s], full) for part in (x, y))
        xx, yy, xy = xp.asarray(kernel, device=device(x))
        made_x, made_y = xx * hat_x + xy * hat_y, xy * hat_x + yy * hat_y
        out_x = made_x if out_x is None else out_x + made_x
        out_y = made_y if out_y is None else out_y + made_y
    out_x, out_y = (field_of(hat, full, (height, width)) for hat in (out_x, out_y))
    return out_x, out_y
