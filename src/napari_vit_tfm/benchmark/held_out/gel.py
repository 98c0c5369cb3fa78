"""Tractions on a fine canvas, and their displacement at the nodes.

The response of the gel is applied in Fourier space, where the canvas is periodic. To
exclude periodic images, the response is cut off at a distance that is larger than any
between a node and a traction, and the canvas is padded with zeros by this distance.
The result is the exact displacement of the unbounded half-space, including its mean,
also for forces that do not balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, hypot

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import REFERENCE_POISSON

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

FINER = 4
"""Number of canvas points per grid step."""

_CLEARANCE = 4
"""Grid steps between the largest distance on a canvas and the cut-off distance."""


@dataclass(frozen=True)
class Canvas:
    """A fine grid that covers the nodes and a margin around them.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of nodes.
    margin : int
        Width of the margin beyond the outermost nodes, in grid steps; at least 1.
    """

    shape: tuple[int, int]
    margin: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of canvas points."""
        height, width = (FINER * (n - 1 + 2 * self.margin) + 1 for n in self.shape)
        return height, width

    @property
    def x(self) -> FloatArray:
        """Positions of the columns, in grid steps from the first node, ``(1, w)``."""
        return _positions(self.size[1], self.margin)[None, :]

    @property
    def y(self) -> FloatArray:
        """Positions of the rows, in grid steps from the first node, ``(h, 1)``."""
        return _positions(self.size[0], self.margin)[:, None]

    def empty(self) -> FloatArray:
        """Traction of zero, ``(2, h, w)``."""
        return np.zeros((2, *self.size), dtype=np.float32)


def _positions(n: int, margin: int) -> FloatArray:
    return np.arange(n, dtype=np.float32) / np.float32(FINER) - np.float32(margin)


@dataclass(frozen=True, eq=False)
class Traction:
    """A traction on a canvas.

    Parameters
    ----------
    canvas : Canvas
        The canvas.
    fine : array of shape (2, h, w)
        Components ``(x, y)`` of ``t / E`` at the canvas points.
    nodes : array of shape (2, H, W), optional
        True traction at the nodes. None uses the mean over the square of each node,
        one step wide, which conserves forces.
    """

    canvas: Canvas
    fine: FloatArray
    nodes: FloatArray | None = None

    def at_nodes(self) -> FloatArray:
        """Traction ``t / E`` of each node, ``(2, H, W)``."""
        if self.nodes is not None:
            return self.nodes
        first = FINER * self.canvas.margin - FINER // 2
        height, width = self.canvas.shape
        near = self.fine[
            :,
            first : first + FINER * height + 1,
            first : first + FINER * width + 1,
        ]
        # The border of a square passes through canvas points, which count half.
        rows = (near[:, 1:] + near[:, :-1]) / 2
        cells = (rows[:, :, 1:] + rows[:, :, :-1]) / 2
        squares = cells.reshape(2, height, FINER, width, FINER)
        return np.asarray(squares.mean(axis=(2, 4)))

    def averaged(self, window_steps: float) -> Traction:
        """Tractions whose displacement is that of these, averaged over windows.

        The average of a displacement is the displacement of the averaged tractions.
        The true tractions at the nodes stay what they are.

        Parameters
        ----------
        window_steps : float
            Side of the square windows, in grid steps. Those of up to a canvas point,
            `1 / FINER`, average nothing.
        """
        half = (FINER * window_steps - 1) / 2
        if half <= 0:
            return self
        points = np.arange(-ceil(half), ceil(half) + 1)
        # The outermost points are only partly in the window.
        weights = np.clip(half + 1 - abs(points), 0, 1)
        fine = self.fine
        for axis in (1, 2):
            fine = scipy.ndimage.correlate1d(
                fine, weights / weights.sum(), axis=axis, mode="nearest"
            )
        return Traction(self.canvas, fine, self.at_nodes())

    def displacement(self, response: Response | None = None) -> FloatArray:
        """Displacement at the nodes in grid steps, ``(2, H, W)``.

        Parameters
        ----------
        response : Response, optional
            Response of the gel on this canvas; by default that of the half-space.
        """
        response = response or half_space(self.canvas)
        rows, columns = response.padded
        hat = scipy.fft.rfft(self.fine, n=columns, axis=2)
        hat = scipy.fft.fft(hat, n=rows, axis=1, overwrite_x=True)
        spectrum = np.stack(
            [
                response.xx * hat[0] + response.xy * hat[1],
                response.xy * hat[0] + response.yy * hat[1],
            ]
        )
        # Only the rows of the nodes are needed, every FINER-th row. Subsampling in
        # space is folding of the spectrum.
        height, width = self.canvas.shape
        margin = self.canvas.margin
        folded = spectrum.reshape(2, FINER, rows // FINER, -1).mean(axis=1)
        lines = scipy.fft.ifft(folded, axis=1, overwrite_x=True)[
            :, margin : margin + height
        ]
        points = scipy.fft.irfft(lines, n=columns, axis=2)
        first = FINER * margin
        return np.ascontiguousarray(
            points[:, :, first : first + FINER * width : FINER], dtype=np.float32
        )


@dataclass(frozen=True, eq=False)
class Response:
    """Response of the gel in Fourier space.

    Parameters
    ----------
    padded : tuple of int
        Rows and columns of the canvas padded with zeros.
    xx, xy, yy : arrays of shape (rows, columns // 2 + 1)
        Displacement in grid steps per ``t / E``.
    """

    padded: tuple[int, int]
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray


@lru_cache(maxsize=4)
def half_space(canvas: Canvas, reach: float = np.inf) -> Response:
    """Response of the half-space, cut off beyond the largest distance on a canvas.

    Parameters
    ----------
    canvas : Canvas
        Canvas of the tractions and nodes.
    reach : float, optional
        Shorter distance at which the response is cut off, in grid steps.

    Notes
    -----
    Without the cut-off, the response is ``2 (1 + nu) / (E k) [I - nu k k^T / k^2]``.
    In real space it has an isotropic part and a part that varies with twice the polar
    angle; both are proportional to ``1 / r``. A cut-off at ``r = R`` multiplies their
    Fourier transforms by the integrals of the Bessel functions ``J_0`` and ``J_2``
    from 0 to ``k R``.
    """
    largest, padded = _room(canvas)
    cut_off = min(largest, reach)
    k_x, k_y, k = _wave_numbers(padded)
    integral_0 = integral_of_j0(k * cut_off)
    integral_2 = integral_0 - 2 * scipy.special.j1(k * cut_off)
    k[0, 0] = 1.0
    amplitude = 2 * (1 + REFERENCE_POISSON) / k
    isotropic = amplitude * (1 - REFERENCE_POISSON / 2) * integral_0
    isotropic[0, 0] = (
        2 * (1 + REFERENCE_POISSON) * (1 - REFERENCE_POISSON / 2) * cut_off
    )
    directional = -amplitude * REFERENCE_POISSON / 2 * integral_2
    cosine, sine = (k_x**2 - k_y**2) / k**2, 2 * k_x * k_y / k**2
    return Response(
        padded=padded,
        xx=(isotropic + directional * cosine).astype(np.float32),
        xy=(directional * sine).astype(np.float32),
        yy=(isotropic - directional * cosine).astype(np.float32),
    )


def integral_of_j0(x: Float64Array) -> Float64Array:
    """Integral of the Bessel function ``J_0`` from 0 to `x`.

    `scipy.special.itj0y0` is wrong by orders of magnitude beyond 20 in scipy 1.14 to
    1.16; this is 11.1.7 of Abramowitz and Stegun, Handbook of Mathematical Functions.

    Parameters
    ----------
    x : array
        Not negative.

    Returns
    -------
    array
        Of the shape of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> integral_of_j0(np.array([0.0, 1.0, 50.0])).round(6).tolist()
    [0.0, 0.91973, 0.901412]
    """
    j_0, j_1 = scipy.special.j0(x), scipy.special.j1(x)
    of_h = j_1 * scipy.special.struve(0, x) - j_0 * scipy.special.struve(1, x)
    return np.asarray(x * j_0 + np.pi * x / 2 * of_h)


@lru_cache(maxsize=4)
def layer(canvas: Canvas, thickness: float) -> Response:
    """Response of a gel on a rigid base.

    Parameters
    ----------
    canvas : Canvas
        Canvas of the tractions and nodes.
    thickness : float
        Thickness in grid steps. It is much smaller than the canvas, so that the layer
        does not move at the distance of the periodic images.

    Notes
    -----
    The closed form of Merkel et al., Biophys. J. 93, 3314 (2007), for the tangential
    displacement of the surface by tangential tractions.
    """
    _, padded = _room(canvas)
    k_x, k_y, k = _wave_numbers(padded)
    k[0, 0] = 1e-6
    nu, q = REFERENCE_POISSON, np.minimum(k * thickness, 50.0)
    across = 2 * (1 + nu) / k * np.tanh(q)
    numerator = (3 - 4 * nu) * np.sinh(2 * q) + 2 * q
    denominator = (3 - 4 * nu) * np.cosh(2 * q) + 2 * q**2 + 5 - 12 * nu + 8 * nu**2
    along = 2 * (1 - nu**2) / k * numerator / denominator
    difference = (along - across) / k**2
    return Response(
        padded=padded,
        xx=(across + difference * k_x**2).astype(np.float32),
        xy=(difference * k_x * k_y).astype(np.float32),
        yy=(across + difference * k_y**2).astype(np.float32),
    )


def _room(canvas: Canvas) -> tuple[float, tuple[int, int]]:
    """Largest distance on a canvas, and the rows and columns of the padded canvas."""
    far = [n - 1 + canvas.margin for n in canvas.shape]
    largest = hypot(*far) + _CLEARANCE
    rows, columns = (
        FINER * scipy.fft.next_fast_len(ceil(largest + n + _CLEARANCE)) for n in far
    )
    return largest, (rows, columns)


def _wave_numbers(padded: tuple[int, int]) -> tuple[Float64Array, ...]:
    """Components of the wave vectors, and their norms, in radians per grid step."""
    k_y = 2 * np.pi * scipy.fft.fftfreq(padded[0], 1 / FINER)[:, None]
    k_x = 2 * np.pi * scipy.fft.rfftfreq(padded[1], 1 / FINER)[None, :]
    return k_x, k_y, np.hypot(k_x, k_y)
