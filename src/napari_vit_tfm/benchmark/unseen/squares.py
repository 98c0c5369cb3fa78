"""Displacement of the half-space under squares of uniform tangential traction.

A force on the surface moves a point at the distance ``(x, y)`` as Boussinesq and
Cerruti found: with ``r = hypot(x, y)``, by ``(1 + nu) / (pi E)`` times
``(1 - nu) / r + nu x x / r^3`` along the force, and ``nu x y / r^3`` across it. The
integrals over a square have the closed form of Love [1]_.

References
----------
.. [1] A. E. H. Love, "The stress produced in a semi-infinite solid by pressure on part
   of the boundary", Phil. Trans. R. Soc. A 228, 377-420 (1929).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import REFERENCE_POISSON

FloatArray = npt.NDArray[np.float64]
Antiderivative = Callable[[FloatArray, FloatArray], FloatArray]


def squares_displacement(traction: FloatArray) -> FloatArray:
    """Displacement at the centres of squares, in sides of a square.

    Parameters
    ----------
    traction : array of shape (2, h, w)
        Components ``(x, y)`` of ``t / E`` on squares.

    Returns
    -------
    array of shape (2, h, w)
        On an infinitely thick gel, and without periodic images.

    Examples
    --------
    A force moves the gel along its direction:

    >>> import numpy as np
    >>> from napari_vit_tfm.benchmark.unseen.squares import squares_displacement
    >>> traction = np.zeros((2, 8, 8))
    >>> traction[0, 4, 4] = 1.0
    >>> u_x, u_y = squares_displacement(traction)
    >>> bool(u_x.min() > 0), bool(abs(u_y[4]).max() < 1e-12)
    (True, True)
    """
    height, width = traction.shape[1:]
    # Twice the size, so that periodic images are out of reach.
    padded = (2 * height, 2 * width)
    along_x, across, along_y = _responses(padded)
    t_x, t_y = scipy.fft.rfft2(traction, s=padded)
    moved = np.stack([along_x * t_x + across * t_y, across * t_x + along_y * t_y])
    return np.asarray(scipy.fft.irfft2(moved, s=padded)[:, :height, :width])


@lru_cache(maxsize=2)
def _responses(size: tuple[int, int]) -> tuple[npt.NDArray[np.complex128], ...]:
    """Transforms of the responses: x to x, between the axes, and y to y."""
    y, x = (np.fft.fftfreq(n, 1 / n).astype(np.float64) for n in size)

    def over_square(antiderivative: Antiderivative) -> FloatArray:
        """Integral over a square about each distance, from the four corners."""
        corners = [
            sign_x
            * sign_y
            * antiderivative(x[None] + sign_x / 2, y[:, None] + sign_y / 2)
            for sign_x in (1, -1)
            for sign_y in (1, -1)
        ]
        return np.asarray(np.sum(corners, axis=0))

    nu = REFERENCE_POISSON
    isotropic = (1 - nu) * over_square(_of_inverse_distance)
    along_x = isotropic + nu * over_square(lambda x, y: y * np.log(x + np.hypot(x, y)))
    along_y = isotropic + nu * over_square(lambda x, y: x * np.log(y + np.hypot(x, y)))
    across = nu * over_square(lambda x, y: -np.hypot(x, y))
    return tuple(
        (1 + nu) / np.pi * scipy.fft.rfft2(part) for part in (along_x, across, along_y)
    )


def _of_inverse_distance(x: FloatArray, y: FloatArray) -> FloatArray:
    r = np.hypot(x, y)
    return np.asarray(x * np.log(y + r) + y * np.log(x + r))
