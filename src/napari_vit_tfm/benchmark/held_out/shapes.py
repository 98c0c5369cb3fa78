"""What held-out fields are drawn from: outlines, spots, random fields, balance.

All lengths are steps of the nodes' grid, positions are ``(x, y)``, tractions
are arrays ``(2, h, w)`` on a canvas' points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, FloatArray

Profile = Literal["sharp", "cosine", "gaussian"]
Vectors = npt.NDArray[np.float64]

_SMALLEST = 1e-6


def log_between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between two positive limits."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def direction(angle: npt.ArrayLike) -> Vectors:
    """Unit vectors ``(x, y)`` at angles in radians, ``(..., 2)``."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def vector(x: float, y: float) -> FloatArray:
    """A vector that multiplies a map of strengths, ``(2, 1, 1)``."""
    return np.array([x, y], dtype=np.float32)[:, None, None]


@dataclass(frozen=True, eq=False)
class Wave:
    """A random periodic function of an angle, ``sum_m a_m cos(m angle + b_m)``.

    Parameters
    ----------
    amplitude, phase : arrays of shape (M,)
        Of the orders `first`, `first` + 1 and so on; phases in radians.
    first : int
        Lowest order.
    """

    amplitude: Vectors
    phase: Vectors
    first: int = 1

    @classmethod
    def draw(
        cls, rng: np.random.Generator, size: float, *, first: int = 1, orders: int = 6
    ) -> Wave:
        """Draw a wave of typical size `size`, weaker in higher orders."""
        order = np.arange(first, first + orders)
        amplitude = rng.normal(0, size, orders) * first / order
        return cls(amplitude, rng.uniform(0, 2 * np.pi, orders), first)

    def __call__(self, angle: npt.ArrayLike) -> FloatArray:
        """Values at angles in radians; between points of a table, interpolated."""
        table = np.linspace(-np.pi, np.pi, 721)
        order = np.arange(self.first, self.first + len(self.amplitude))
        values = np.cos(order * table[:, None] + self.phase) @ self.amplitude
        return np.asarray(np.interp(np.asarray(angle), table, values), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Outline:
    """A cell's outline: its distance from a middle as a function of the angle.

    Parameters
    ----------
    middle : array of shape (2,)
        ``(x, y)``.
    radius : float
        Mean distance.
    wave : Wave
        Relative deviation from it.
    """

    middle: Vectors
    radius: float
    wave: Wave

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        shape: tuple[int, int],
        *,
        radius: tuple[float, float] = (0.15, 0.38),
        offset: float = 0.12,
        middle: Vectors | None = None,
    ) -> Outline:
        """Draw a cell in the view.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of nodes.
        radius : tuple of float, keyword-only
            Range of the mean radius over the view's shorter side.
        offset : float, keyword-only
            Largest distance of the middle from the view's along an axis, over
            the view's shorter side.
        middle : array of shape (2,), keyword-only, optional
            The middle itself, in steps.
        """
        if middle is None:
            view = np.array([shape[1] - 1, shape[0] - 1]) / 2
            middle = view + rng.uniform(-offset, offset, 2) * min(shape)
        wave = Wave.draw(rng, rng.uniform(0.03, 0.2), first=2)
        return cls(middle, rng.uniform(*radius) * min(shape), wave)

    def reach(self, angle: npt.ArrayLike) -> FloatArray:
        """Distance of the outline from the middle at angles in radians."""
        return np.asarray(self.radius * np.maximum(1 + self.wave(angle), 0.25))

    def polar(self, canvas: Canvas) -> tuple[FloatArray, FloatArray]:
        """Distance from the middle and angle of each point, both ``(h, w)``."""
        x = canvas.x - np.float32(self.middle[0])
        y = canvas.y - np.float32(self.middle[1])
        return np.hypot(x, y), np.arctan2(y, x)

    def depth(self, canvas: Canvas) -> FloatArray:
        """How deep inside the outline each point is, along its ray, ``(h, w)``."""
        distance, angle = self.polar(canvas)
        return self.reach(angle) - distance

    def outward(self, canvas: Canvas) -> FloatArray:
        """Unit vectors away from the middle, ``(2, h, w)``."""
        distance, _ = self.polar(canvas)
        distance = np.maximum(distance, np.float32(_SMALLEST))
        x = (canvas.x - np.float32(self.middle[0])) / distance
        y = (canvas.y - np.float32(self.middle[1])) / distance
        return np.stack([x, y])


def ramp(depth: FloatArray, width: float) -> FloatArray:
    """From 0 outside to 1 inside, smoothly over `width` steps around depth 0."""
    share = np.clip(depth / np.float32(max(width, 1 / FINER)) + 0.5, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def random_field(
    rng: np.random.Generator, canvas: Canvas, length: float, *, roughness: float = 0.0
) -> FloatArray:
    """A random vector field of unit strength, ``(2, h, w)``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    canvas : Canvas
        Where.
    length : float
        Standard deviation, in steps, of the Gaussian that white noise is
        convolved with.
    roughness : float, keyword-only
        0 for that; otherwise the amplitude's spectrum has a tail that falls
        with this power of the wave number, so the field has no smallest scale
        but a step.
    """
    size = [
        fft.next_fast_len(n + ceil(4 * FINER * length), real=True) for n in canvas.size
    ]
    rows, columns = (ceil(n / FINER) | 1 for n in size)
    k_y = 2 * np.pi * fft.fftfreq(rows)[:, None] * rows * FINER / size[0]
    k_x = 2 * np.pi * fft.rfftfreq(columns)[None, :] * columns * FINER / size[1]
    square = (k_x**2 + k_y**2) * length**2
    gain = (1 + square) ** (-roughness / 2) if roughness else np.exp(-square / 2)
    # Waves longer than a step or two, on the fine points.
    white = rng.standard_normal((2, rows, columns), dtype=np.float32)
    low = fft.rfft2(white, axes=(1, 2)) * gain.astype(np.float32)
    half = rows // 2 + 1
    hat = np.zeros((2, size[0], size[1] // 2 + 1), dtype=np.complex64)
    hat[:, :half, : low.shape[2]] = low[:, :half]
    hat[:, size[0] - (rows - half) :, : low.shape[2]] = low[:, half:]
    field = fft.irfft2(hat, s=size, axes=(1, 2))[:, : canvas.size[0], : canvas.size[1]]
    return np.asarray(field / max(float(field.std()), _SMALLEST), dtype=np.float32)


def add_spot(
    traction: FloatArray,
    canvas: Canvas,
    centre: npt.ArrayLike,
    force: npt.ArrayLike,
    *,
    semi_axes: tuple[float, float],
    along: npt.ArrayLike = (1.0, 0.0),
    profile: Profile = "sharp",
) -> None:
    """Add an elliptic patch of traction, in place.

    Parameters
    ----------
    traction : array of shape (2, h, w)
        What is added to.
    canvas : Canvas
        Where it lives.
    centre : array of shape (2,)
        Middle of the patch.
    force : array of shape (2,)
        Traction ``t / E`` at its middle.
    semi_axes : tuple of float, keyword-only
        The one along `along`, and the one across. A Gaussian's standard
        deviations are half of them.
    along : array of shape (2,), keyword-only
        Unit vector.
    profile : {"sharp", "cosine", "gaussian"}, keyword-only
        How the traction falls off.
    """
    a, b = semi_axes
    reach = max(a, b) * (2 if profile == "gaussian" else 1) + 1
    window, x, y = [], canvas.x[0], canvas.y[:, 0]
    for position, points in zip(np.asarray(centre)[::-1], (y, x), strict=True):
        first = floor((position - reach + canvas.margin) * FINER)
        last = ceil((position + reach + canvas.margin) * FINER) + 1
        window.append(slice(max(first, 0), min(max(last, 0), len(points))))
    dx = x[window[1]][None, :] - np.float32(np.asarray(centre)[0])
    dy = y[window[0]][:, None] - np.float32(np.asarray(centre)[1])
    cosine, sine = np.asarray(along, dtype=np.float32)
    distance = np.hypot((dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b)
    if profile == "sharp":
        # A point whose square the rim crosses is partly covered.
        share = np.clip((1 - distance) * min(a, b) * FINER + 0.5, 0, 1)
    elif profile == "cosine":
        share = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1))
    else:
        share = np.exp(-2 * distance * distance)
    strength = np.asarray(force, dtype=np.float32)[:, None, None]
    traction[:, window[0], window[1]] += strength * share


def balanced(
    traction: FloatArray, canvas: Canvas, weight: FloatArray | None = None
) -> FloatArray:
    """Take net force and net torque off a traction.

    Parameters
    ----------
    traction : array of shape (2, h, w)
        Any traction.
    canvas : Canvas
        Where it lives.
    weight : array of shape (h, w), optional
        What is taken off is a rigid motion times this; None is the traction's
        own magnitude, so that nothing appears where there was nothing.
    """
    x, y = canvas.x.astype(np.float64), canvas.y.astype(np.float64)
    if weight is None:
        weight = np.hypot(traction[0], traction[1])
    share = weight / np.sum(weight, dtype=np.float64)
    x, y = x - (share * x).sum(), y - (share * y).sum()
    force = traction.sum(axis=(1, 2), dtype=np.float64)
    torque = (x * traction[1] - y * traction[0]).sum()
    turn = torque / (share * (x * x + y * y)).sum()
    rigid = np.stack([force[0] - turn * y + 0 * x, force[1] + turn * x + 0 * y])
    return np.asarray(traction - share * rigid, dtype=np.float32)
