"""Tractions on a fine canvas, and the displacement they make at the nodes.

The gel's response is applied in Fourier space. There the response to a point
force would go round: a canvas is periodic. It is therefore cut off at a
distance that no node and no traction of the canvas exceed, which changes
nothing, and the canvas is padded with zeros until no image is within that
distance of a node. What comes out is the displacement of the unbounded
half-space, its mean included, whether the forces balance or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, hypot

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.special import itj0y0, jv

from napari_vit_tfm.config import REFERENCE_POISSON

FloatArray = npt.NDArray[np.float32]

FINER = 4
"""Points of a canvas along one step of the nodes' grid."""

_CLEARANCE = 4
"""Steps between the largest distance on a canvas and the response's cut-off."""


@dataclass(frozen=True)
class Canvas:
    """A fine grid over the nodes, and beyond them on each side.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of nodes.
    margin : int
        How far the canvas goes beyond the outermost nodes, in steps; at least 1.
    """

    shape: tuple[int, int]
    margin: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of points."""
        height, width = (FINER * (n - 1 + 2 * self.margin) + 1 for n in self.shape)
        return height, width

    @property
    def x(self) -> FloatArray:
        """Columns' positions in steps from the first node, ``(1, w)``."""
        return _positions(self.size[1], self.margin)[None, :]

    @property
    def y(self) -> FloatArray:
        """Rows' positions in steps from the first node, ``(h, 1)``."""
        return _positions(self.size[0], self.margin)[:, None]

    def empty(self) -> FloatArray:
        """No traction anywhere, ``(2, h, w)``."""
        return np.zeros((2, *self.size), dtype=np.float32)


def _positions(n: int, margin: int) -> FloatArray:
    return np.arange(n, dtype=np.float32) / np.float32(FINER) - np.float32(margin)


@dataclass(frozen=True, eq=False)
class Traction:
    """A traction on a canvas.

    Parameters
    ----------
    canvas : Canvas
        Where it is.
    fine : array of shape (2, h, w)
        Components ``(x, y)`` of ``t / E`` at the canvas' points.
    nodes : array of shape (2, H, W), optional
        What counts as the traction of a node; None is the mean over the node's
        square, one step wide, so that forces are kept.
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
        # A square's border runs through points: half of each lies within.
        rows = (near[:, 1:] + near[:, :-1]) / 2
        cells = (rows[:, :, 1:] + rows[:, :, :-1]) / 2
        squares = cells.reshape(2, height, FINER, width, FINER)
        return np.asarray(squares.mean(axis=(2, 4)))

    def displacement(self) -> FloatArray:
        """Displacement of the nodes in steps, ``(2, H, W)``."""
        response = half_space(self.canvas)
        rows, columns = response.padded
        hat = fft.rfft(self.fine, n=columns, axis=2)
        hat = fft.fft(hat, n=rows, axis=1, overwrite_x=True)
        moved = np.stack(
            [
                response.xx * hat[0] + response.xy * hat[1],
                response.xy * hat[0] + response.yy * hat[1],
            ]
        )
        # Only the nodes' rows are asked for: every so many points, the spectrum
        # is periodic with as many periods.
        height, width = self.canvas.shape
        margin = self.canvas.margin
        folded = moved.reshape(2, FINER, rows // FINER, -1).mean(axis=1)
        lines = fft.ifft(folded, axis=1, overwrite_x=True)[:, margin : margin + height]
        points = fft.irfft(lines, n=columns, axis=2)
        first = FINER * margin
        return np.ascontiguousarray(
            points[:, :, first : first + FINER * width : FINER], dtype=np.float32
        )


@dataclass(frozen=True, eq=False)
class Response:
    """Displacement in steps per ``t / E`` in Fourier space.

    Parameters
    ----------
    padded : tuple of int
        Rows and columns of the canvas padded with zeros.
    xx, xy, yy : arrays of shape (rows, columns // 2 + 1)
        In steps.
    """

    padded: tuple[int, int]
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray


@lru_cache(maxsize=4)
def half_space(canvas: Canvas) -> Response:
    """Response of the half-space, cut off beyond a canvas' largest distance.

    Parameters
    ----------
    canvas : Canvas
        Where tractions and nodes are.

    Notes
    -----
    Without the cut-off it is ``2 (1 + nu) / (E k) [I - nu k k^T / k^2]``. In
    space that is a part that is the same in all directions and one that turns
    with twice the polar angle, both over the distance ``r``; cut off at
    ``r = R``, their transforms are multiplied by the integrals of the Bessel
    functions ``J_0`` and ``J_2`` from 0 to ``k R``.
    """
    reach = [n - 1 + canvas.margin for n in canvas.shape]
    cut_off = hypot(*reach) + _CLEARANCE
    padded = [
        FINER * fft.next_fast_len(ceil(cut_off + far + _CLEARANCE)) for far in reach
    ]
    rows, columns = padded
    k_y = 2 * np.pi * fft.fftfreq(rows, 1 / FINER)[:, None]
    k_x = 2 * np.pi * fft.rfftfreq(columns, 1 / FINER)[None, :]
    k = np.hypot(k_x, k_y)
    integral_0 = itj0y0(k * cut_off)[0]
    integral_2 = integral_0 - 2 * jv(1, k * cut_off)
    k[0, 0] = 1.0
    amplitude = 2 * (1 + REFERENCE_POISSON) / k
    same = amplitude * (1 - REFERENCE_POISSON / 2) * integral_0
    same[0, 0] = 2 * (1 + REFERENCE_POISSON) * (1 - REFERENCE_POISSON / 2) * cut_off
    turning = -amplitude * REFERENCE_POISSON / 2 * integral_2
    cosine, sine = (k_x**2 - k_y**2) / k**2, 2 * k_x * k_y / k**2
    return Response(
        padded=(rows, columns),
        xx=(same + turning * cosine).astype(np.float32),
        xy=(turning * sine).astype(np.float32),
        yy=(same - turning * cosine).astype(np.float32),
    )
