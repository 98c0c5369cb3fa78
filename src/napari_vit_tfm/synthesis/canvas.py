"""Drawing of continuous tractions, on squares of a third of a grid step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.synthesis.fields import Array
from napari_vit_tfm.synthesis.noise import log_uniform
from napari_vit_tfm.synthesis.squares import OVERSAMPLING, measured

FloatArray = npt.NDArray[np.float32]

_REGION_THRESHOLD = 0.1
"""Smallest magnitude of a region of traction, relative to the largest of the field."""


@dataclass(frozen=True)
class FineTractions:
    """Tractions on squares of a third of a grid step.

    Parameters
    ----------
    x, y : arrays of shape (N, 3 (H + 2 margin), 3 (W + 2 margin))
        Traction ``t / E`` in each square.
    margin : int
        Width of the border around the field that also has traction, in nodes.
    """

    x: Array
    y: Array
    margin: int = 0

    def on_grid(
        self, shape: tuple[int, int], *, window: float = 0.0
    ) -> tuple[Array, Array]:
        """Displacement and traction at the nodes, ``(N, H, W, 2)``.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns of the grid that the tractions were drawn for.
        window : float, keyword-only
            Side of the square over which the displacement is averaged, in grid
            steps.
        """
        return measured(self.x, self.y, shape, margin=self.margin, window=window)

    def fine_traction(self, _shape: tuple[int, int]) -> tuple[Array, Array]:
        """Traction on squares of a third of a grid step, as in `ForcePatches`."""
        return self.x, self.y

    def segmentation(self, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """Number of the region of traction at each node, ``(N, H, W)``.

        A region consists of connected nodes with more than a tenth of the largest
        traction. 0 is background.
        """
        _, traction = self.on_grid(shape)
        numbers = np.zeros(traction.shape[:-1], dtype=np.uint16)
        for one, regions in zip(traction, numbers, strict=True):
            magnitude = np.hypot(one[..., 0], one[..., 1])
            is_region = magnitude > _REGION_THRESHOLD * magnitude.max()
            scipy.ndimage.label(is_region, output=regions)
        return numbers

    @classmethod
    def join(cls, patterns: Sequence[Self]) -> Self:
        """Concatenate the fields of several patterns."""
        x, y = (np.concatenate([getattr(p, name) for p in patterns]) for name in "xy")
        return cls(x, y, patterns[0].margin)


class Canvas:
    """The squares of a field and its margin, with their positions in grid steps."""

    def __init__(self, shape: tuple[int, int], margin: int) -> None:
        self.view = shape
        self.margin = margin
        y, x = (
            (np.arange(OVERSAMPLING * (n + 2 * margin)) - 1) / OVERSAMPLING - margin
            for n in shape
        )
        self.x = x.astype(np.float32)[None, :]
        self.y = y.astype(np.float32)[:, None]
        self.shape = (y.size, x.size)
        k_y = 2 * np.pi * OVERSAMPLING * np.fft.fftfreq(y.size)[:, None]
        k_x = 2 * np.pi * OVERSAMPLING * np.fft.rfftfreq(x.size)[None, :]
        self.k_squared = (k_x**2 + k_y**2).astype(np.float32)

    def random(
        self, rng: np.random.Generator, n: int, length: float, tail: float
    ) -> FloatArray:
        """Random fields of mean square one, ``(n, *shape)``.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        n : int
            Number of fields.
        length : float
            Correlation length in grid steps.
        tail : float
            Exponent of the power spectrum ``(1 + k^2 length^2 / tail)^-tail``. With
            infinity the spectrum is Gaussian; small exponents give rough fields.
        """
        scaled = self.k_squared * np.float32(length**2)
        if np.isinf(tail):
            amplitude = np.exp(-scaled / 2)
        else:
            amplitude = (1 + scaled / tail) ** (-tail / 2)
        shape = (n, *amplitude.shape)
        white = rng.standard_normal((2, *shape), dtype=np.float32)
        made = scipy.fft.irfft2((white[0] + 1j * white[1]) * amplitude, s=self.shape)
        scale = np.sqrt(np.square(made).mean(axis=(-2, -1), keepdims=True))
        return np.asarray(made / scale, dtype=np.float32)

    def position(self, rng: np.random.Generator, spread: float) -> tuple[float, float]:
        """Random position ``(x, y)`` in a rectangle around the centre of the field.

        The rectangle has `spread` times the size of the field.
        """
        height, width = self.view
        return (
            width * (0.5 + spread * rng.uniform(-0.5, 0.5)),
            height * (0.5 + spread * rng.uniform(-0.5, 0.5)),
        )

    def pattern(self, x: FloatArray, y: FloatArray, strength: float) -> FineTractions:
        """Tractions whose root mean square is `strength` where they are not zero."""
        square = x * x + y * y
        largest = float(square.max())
        has_traction = square > 1e-4 * largest
        mean_square = float(square[has_traction].mean()) if largest else 1.0
        scale = strength / np.sqrt(mean_square)
        x, y = (np.asarray(part * scale, dtype=np.float32)[None] for part in (x, y))
        return FineTractions(x, y, self.margin)


@dataclass(frozen=True)
class Outline:
    """Closed outline of a cell, as maps on the squares of a canvas.

    Parameters
    ----------
    depth : array of shape (h, w)
        Distance to the rim along the radius, in grid steps; negative outside.
    inward_x, inward_y : arrays of shape (h, w)
        Unit vector that points to the centre.
    angle : array of shape (h, w)
        Polar angle around the centre, in radians.
    radius : float
        Mean radius, in grid steps.
    """

    depth: FloatArray
    inward_x: FloatArray
    inward_y: FloatArray
    angle: FloatArray
    radius: float


def draw_outline(
    rng: np.random.Generator,
    canvas: Canvas,
    extent: tuple[float, float],
    spread: float,
) -> Outline:
    """Draw the outline of a cell of any shape.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    canvas : Canvas
        Where it is drawn.
    extent : tuple of float
        Least and largest mean radius, relative to the shorter side of the field.
    spread : float
        As for `Canvas.position`, for its centre.
    """
    radius = float(log_uniform(rng, extent, 1)[0]) * min(canvas.view)
    x0, y0 = canvas.position(rng, spread)
    stretch = np.exp(rng.uniform(0, 0.6))
    tilt = rng.uniform(0, np.pi)
    dx, dy = canvas.x - np.float32(x0), canvas.y - np.float32(y0)
    along = np.cos(tilt) * dx + np.sin(tilt) * dy
    across = np.cos(tilt) * dy - np.sin(tilt) * dx
    distance = np.hypot(along / np.float32(stretch), across * np.float32(stretch))
    angle = np.arctan2(across, along).astype(np.float32)
    rim = np.ones(canvas.shape, dtype=np.float32)
    roughness = rng.uniform(0, 0.5)
    for order in range(2, 8):
        share = roughness * rng.normal() / order
        rim += np.float32(share) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    rim = np.maximum(rim, 0.2)
    far = np.maximum(np.hypot(dx, dy), 1e-3)
    return Outline(
        np.float32(radius) * rim - distance, -dx / far, -dy / far, angle, radius
    )


def soft_mask(depth: FloatArray, softness: float) -> FloatArray:
    """Smooth step from 0 outside to 1 inside; `softness` is its width in grid steps."""
    inside = np.clip(depth / max(softness, 1e-3) + 0.5, 0.0, 1.0)
    return np.asarray(inside * inside * (3 - 2 * inside), dtype=np.float32)


def balanced(
    x: FloatArray, y: FloatArray, weight: FloatArray, canvas: Canvas
) -> tuple[FloatArray, FloatArray]:
    """Make net force and torque zero.

    The tractions of a rigid translation and rotation, times `weight`, are subtracted.
    """
    total = float(weight.sum())
    if total <= 0:
        return x, y
    px = canvas.x - float((weight * canvas.x).sum()) / total
    py = canvas.y - float((weight * canvas.y).sum()) / total
    x = x - weight * (float(x.sum()) / total)
    y = y - weight * (float(y.sum()) / total)
    lever = float((weight * (px * px + py * py)).sum())
    if lever <= 0:
        # All the weight is in one node, which has no torque.
        return x, y
    turn = float((px * y - py * x).sum()) / lever
    return x + weight * turn * py, y - weight * turn * px
