"""Displacement of any traction pattern on the nodes of a grid.

A traction that is uniform in the square around every node displaces the
surface by a convolution with the displacement of one such square, which is
known in closed form. By zero-padded Fourier transforms this is exact: no
periodic images, no approximation of the half-space. Lengths are grid steps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from napari_vit_tfm.config import REFERENCE_POISSON

Array = Any
"""A numpy array or a torch tensor."""

FloatArray = npt.NDArray[np.float64]


def square_displacement(
    x: npt.ArrayLike, y: npt.ArrayLike, *, poisson: float = REFERENCE_POISSON
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Displacement by a unit square of uniform unit traction ``t / E``.

    Parameters
    ----------
    x, y : arrays
        Position relative to the square's centre, in sides of the square.
    poisson : float, keyword-only
        Poisson ratio of the half-space.

    Returns
    -------
    xx, yy, xy : arrays
        Displacement along x by a traction along x, along y by y, and across;
        in sides of the square.

    Notes
    -----
    Cerruti's point-force solution (Landau and Lifshitz, Theory of Elasticity,
    section 8) integrated over the square.
    """
    x, y = np.broadcast_arrays(
        np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    )
    # Primitives of x^2/r^3, y^2/r^3 and xy/r^3, between the square's corners.
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
    """``a asinh(b / |a|)``, with its limit 0 at ``a = 0``."""
    safe = np.where(a == 0, 1.0, np.abs(a))
    return np.where(a == 0, 0.0, a * np.arcsinh(b / safe))


def point_displacement(
    x: npt.ArrayLike, y: npt.ArrayLike, *, poisson: float = REFERENCE_POISSON
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Displacement by a point force, unit traction on a unit square.

    Parameters
    ----------
    x, y : arrays
        Position relative to the force, in sides of the square.
    poisson : float, keyword-only
        Poisson ratio of the half-space.

    Returns
    -------
    xx, yy, xy : arrays
        As of `square_displacement`. At the force itself, where a point's
        displacement is infinite, a part of the square's.

    Notes
    -----
    This is how the simulated cells that come with DL-TFM were made: with the
    part below, and a `reach` of half the field less a step, it explains their
    displacement to better than 1e-6.
    """
    x, y = np.broadcast_arrays(
        np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    )
    r = np.hypot(x, y)
    at = r == 0
    r = np.where(at, 1.0, r)
    scale = (1 + poisson) / np.pi
    own = _OWN_SHARE * scale * 2 * np.arcsinh(1.0) * (2 - poisson)
    return (
        np.where(at, own, scale * ((1 - poisson) / r + poisson * x**2 / r**3)),
        np.where(at, own, scale * ((1 - poisson) / r + poisson * y**2 / r**3)),
        scale * poisson * x * y / r**3,
    )


Kernel = Literal["square", "point"]
"""Whether a node's traction is spread over its square, or a point force."""

_OWN_SHARE = 0.928
_DISPLACEMENTS = {"square": square_displacement, "point": point_displacement}


@lru_cache(maxsize=32)
def _kernels(
    shape: tuple[int, int], poisson: float, kernel: Kernel, reach: float
) -> tuple[npt.NDArray[np.complex128], ...]:
    """Transforms of one node's displacement on the doubled grid."""
    height, width = (2 * n for n in shape)
    y = np.fft.fftfreq(height, 1 / height)[:, None]
    x = np.fft.fftfreq(width, 1 / width)[None, :]
    parts = _DISPLACEMENTS[kernel](x, y, poisson=poisson)
    near = np.maximum(np.abs(x), np.abs(y)) <= reach
    return tuple(np.fft.rfft2(part * near) for part in parts)


def raster_displacement(
    x: Array,
    y: Array,
    *,
    poisson: float = REFERENCE_POISSON,
    kernel: Kernel = "square",
    reach: float = np.inf,
) -> tuple[Array, Array]:
    """Displacement of the surface under a traction given at the nodes.

    Parameters
    ----------
    x, y : arrays of shape (..., H, W)
        Traction ``t / E`` along columns and rows; numpy or torch.
    poisson : float, keyword-only
        Poisson ratio of the half-space.
    kernel : {"square", "point"}, keyword-only
        `square_displacement`, a traction uniform around each node, or
        `point_displacement`.
    reach : float, keyword-only
        How far a node displaces others, in steps along either axis. Infinite is
        the half-space; simulations that convolve with a kernel of finite size
        cut the displacement off.

    Returns
    -------
    x, y : arrays of shape (..., H, W)
        Displacement at the nodes, in grid steps.
    """
    xp = array_namespace(x, y)
    height, width = x.shape[-2:]
    full, axes = (2 * height, 2 * width), (-2, -1)
    hat_x, hat_y = (xp.fft.rfftn(part, s=full, axes=axes) for part in (x, y))
    xx, yy, xy = (
        xp.asarray(part, dtype=hat_x.dtype, device=device(x))
        for part in _kernels((height, width), poisson, kernel, reach)
    )
    out_x, out_y = (
        xp.fft.irfftn(hat, s=full, axes=axes)[..., :height, :width]
        for hat in (xx * hat_x + xy * hat_y, xy * hat_x + yy * hat_y)
    )
    return out_x, out_y
