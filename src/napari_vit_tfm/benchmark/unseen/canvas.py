"""Tractions on squares that are finer than the grid of the vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.benchmark.unseen.squares import squares_displacement

FloatArray = npt.NDArray[np.float64]
Rng = np.random.Generator

FINER = 4
"""Number of squares per grid step."""


class Canvas:
    """Squares that cover the field, and half a field beyond each border.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of nodes, ``(H, W)``.
    rng : numpy.random.Generator
        Random numbers.

    Attributes
    ----------
    x, y : arrays of shape (2 H FINER, 2 W FINER)
        Centres of the squares in grid steps; the first node is at the origin.
    traction : array of shape (2, 2 H FINER, 2 W FINER)
        Components ``(x, y)`` of ``t / E``.
    """

    def __init__(self, shape: tuple[int, int], rng: Rng) -> None:
        self.shape, self.rng = shape, rng
        y, x = ((np.arange(2 * n * FINER) + 0.5) / FINER - (n + 1) / 2 for n in shape)
        self.x, self.y = np.meshgrid(x, y)
        self.traction = np.zeros((2, *self.x.shape))

    @property
    def side(self) -> int:
        """The shorter side of the field, in grid steps."""
        return min(self.shape)

    @property
    def centre(self) -> tuple[float, float]:
        """Position ``(x, y)`` of the middle of the field."""
        return self.shape[1] / 2, self.shape[0] / 2

    def somewhere(self, margin: float) -> tuple[float, float]:
        """A random position ``(x, y)`` that is no nearer to the border than a margin.

        Parameters
        ----------
        margin : float
            Relative to the sides of the field.
        """
        height, width = self.shape
        share_x, share_y = self.rng.uniform(margin, 1 - margin, 2)
        return float(share_x * width), float(share_y * height)

    def add(self, weight: npt.NDArray[np.floating], x: float, y: float) -> None:
        """Add a traction ``(x, y)`` times a weight for each square."""
        self.traction += weight * np.array([x, y])[:, None, None]

    def balance(self, where: npt.NDArray[np.floating]) -> None:
        """Take away a traction in proportion to weights, so that forces cancel."""
        total = self.traction.sum(axis=(1, 2))
        self.traction -= where / where.sum() * total[:, None, None]

    def ellipse(
        self, centre: tuple[float, float], axes: Sequence[float], angle: float
    ) -> FloatArray:
        """Squared distance from a centre, relative to the edge of an ellipse.

        Parameters
        ----------
        centre : tuple of float
            Position ``(x, y)``.
        axes : sequence of float
            Half lengths of the ellipse along and across the angle, in grid steps.
        angle : float
            Direction in radians.
        """
        x, y = self.x - centre[0], self.y - centre[1]
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        return np.asarray((along / axes[0]) ** 2 + (across / axes[1]) ** 2)

    def disc(
        self, centre: tuple[float, float], axes: Sequence[float], angle: float = 0.0
    ) -> FloatArray:
        """1 inside of an ellipse, and 0 outside."""
        return (self.ellipse(centre, axes, angle) < 1).astype(np.float64)

    def cell(
        self, centre: tuple[float, float], radius: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A cell of an irregular outline.

        Returns
        -------
        depth : array
            Distance from the centre relative to the outline: below 1 inside.
        x, y : arrays
            Direction away from the centre.
        """
        x, y = self.x - centre[0], self.y - centre[1]
        angle = np.arctan2(y, x)
        outline = np.full_like(angle, radius)
        for k in (2, 3, 4):
            size = 0.5 * radius / k**1.3 * self.rng.uniform(-0.6, 0.6)
            outline += size * np.cos(k * angle + self.rng.uniform(0, 2 * np.pi))
        return np.hypot(x, y) / outline, np.cos(angle), np.sin(angle)

    def smooth(self, length: float) -> FloatArray:
        """A random field with unit standard deviation and a correlation length."""
        y, x = (np.fft.fftfreq(n, 1 / FINER) for n in self.x.shape)
        k = 2 * np.pi * np.hypot(x[None], y[:, None])
        white = scipy.fft.fft2(self.rng.normal(size=self.x.shape))
        made = scipy.fft.ifft2(white * np.exp(-0.5 * (k * length) ** 2)).real
        made -= made.mean()
        return np.asarray(made / made.std())

    def at_nodes(self) -> FloatArray:
        """Mean of ``t / E`` over the square of each node, ``(2, H, W)``."""
        (height, width), (first_y, first_x) = self.shape, self._first()
        inner = self.traction[
            :,
            first_y : first_y + height * FINER,
            first_x : first_x + width * FINER,
        ]
        squares = inner.reshape(2, height, FINER, width, FINER)
        return np.asarray(squares.mean(axis=(2, 4)))

    def displacement(self, window_steps: float) -> FloatArray:
        """Displacement in grid steps, averaged over windows, ``(2, H, W)``.

        Parameters
        ----------
        window_steps : float
            Side of the windows, in grid steps: a multiple of ``2 / FINER``.
        """
        half = round(window_steps * FINER / 2)
        if half < 1 or half != window_steps * FINER / 2:
            raise ValueError(f"a window of {window_steps} steps does not fit squares")
        moved = squares_displacement(self.traction) / FINER
        sums = np.pad(moved.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
        rows, columns = (
            first + FINER // 2 + FINER * np.arange(n)
            for first, n in zip(self._first(), self.shape, strict=True)
        )
        top, bottom = sums[:, rows - half], sums[:, rows + half]
        parts = [
            part[:, :, columns + half] - part[:, :, columns - half]
            for part in (bottom, top)
        ]
        return np.asarray((parts[0] - parts[1]) / (2 * half) ** 2)

    def _first(self) -> tuple[int, int]:
        """Row and column of the first square of the first node."""
        return self.shape[0] * FINER // 2, self.shape[1] * FINER // 2
