"""Elements of held-out fields: outlines, spots, random fields, balanced forces.

Lengths are in grid steps, positions are ``(x, y)``, and tractions are arrays
``(2, h, w)`` at the points of a canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, FloatArray

Profile = Literal["sharp", "cosine", "gaussian"]
Vectors = npt.NDArray[np.float64]

_SMALLEST = 1e-6


def log_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Random number whose logarithm is uniform between two positive limits."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def direction(angle: npt.ArrayLike) -> Vectors:
    """Unit vectors ``(x, y)`` at angles in radians, ``(..., 2)``."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def vector(x: float, y: float) -> FloatArray:
    """Vector of shape ``(2, 1, 1)``, which multiplies a map of magnitudes."""
    return np.array([x, y], dtype=np.float32)[:, None, None]


@dataclass(frozen=True, eq=False)
class Wave:
    """A random periodic function of an angle, ``sum_m a_m cos(m angle + b_m)``.

    Parameters
    ----------
    amplitude, phase : arrays of shape (M,)
        Amplitudes and phases, in radians, of the orders `first`, `first` + 1, ...
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
        """Draw a wave with amplitudes of about `size` that decrease with the order."""
        order = np.arange(first, first + orders)
        amplitude = rng.normal(0, size, orders) * first / order
        return cls(amplitude, rng.uniform(0, 2 * np.pi, orders), first)

    def __call__(self, angle: npt.ArrayLike) -> FloatArray:
        """Values at angles in radians, interpolated in a table."""
        table = np.linspace(-np.pi, np.pi, 721)
        order = np.arange(self.first, self.first + len(self.amplitude))
        values = np.cos(order * table[:, None] + self.phase) @ self.amplitude
        return np.asarray(np.interp(np.asarray(angle), table, values), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of a cell: distance from a centre as a function of the angle.

    Parameters
    ----------
    middle : array of shape (2,)
        The centre, ``(x, y)``.
    radius : float
        Mean distance.
    wave : Wave
        Relative deviation from the mean distance.
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
        """Draw a cell in the field of view.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and columns of nodes.
        radius : tuple of float, keyword-only
            Range of the mean radius, relative to the shorter side of the field.
        offset : float, keyword-only
            Largest distance between the centres of the cell and of the field along
            each axis, relative to the shorter side of the field.
        middle : array of shape (2,), keyword-only, optional
            The centre in grid steps. None draws it.
        """
        if middle is None:
            view = np.array([shape[1] - 1, shape[0] - 1]) / 2
            middle = view + rng.uniform(-offset, offset, 2) * min(shape)
        wave = Wave.draw(rng, rng.uniform(0.03, 0.2), first=2)
        return cls(middle, rng.uniform(*radius) * min(shape), wave)

    def reach(self, angle: npt.ArrayLike) -> FloatArray:
        """Distance of the outline from the centre at angles in radians."""
        return np.asarray(self.radius * np.maximum(1 + self.wave(angle), 0.25))

    def polar(self, canvas: Canvas) -> tuple[FloatArray, FloatArray]:
        """Distance from the centre and angle of each point, both ``(h, w)``."""
        x = canvas.x - np.float32(self.middle[0])
        y = canvas.y - np.float32(self.middle[1])
        return np.hypot(x, y), np.arctan2(y, x)

    def depth(self, canvas: Canvas) -> FloatArray:
        """Radial distance of each point to the outline, positive inside, ``(h, w)``."""
        distance, angle = self.polar(canvas)
        return self.reach(angle) - distance

    def outward(self, canvas: Canvas) -> FloatArray:
        """Unit vectors that point away from the centre, ``(2, h, w)``."""
        distance, _ = self.polar(canvas)
        distance = np.maximum(distance, np.float32(_SMALLEST))
        x = (canvas.x - np.float32(self.middle[0])) / distance
        y = (canvas.y - np.float32(self.middle[1])) / distance
        return np.stack([x, y])


def ramp(depth: FloatArray, width: float) -> FloatArray:
    """Smooth step from 0 outside to 1 inside, `width` grid steps wide."""
    share = np.clip(depth / np.float32(max(width, 1 / FINER)) + 0.5, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def random_field(
    rng: np.random.Generator, canvas: Canvas, length: float, *, roughness: float = 0.0
) -> FloatArray:
    """Random vector field of unit variance, ``(2, h, w)``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    canvas : Canvas
        The canvas.
    length : float
        Correlation length: standard deviation, in grid steps, of the Gaussian with
        which white noise is convolved.
    roughness : float, keyword-only
        If not 0, the amplitude spectrum is a power law with this exponent instead of
        a Gaussian. The field then varies on all scales down to a grid step.
    """
    size = [
        scipy.fft.next_fast_len(n + ceil(4 * FINER * length), real=True)
        for n in canvas.size
    ]
    rows, columns = (ceil(n / FINER) | 1 for n in size)
    k_y = 2 * np.pi * scipy.fft.fftfreq(rows)[:, None] * rows * FINER / size[0]
    k_x = 2 * np.pi * scipy.fft.rfftfreq(columns)[None, :] * columns * FINER / size[1]
    square = (k_x**2 + k_y**2) * length**2
    gain = (1 + square) ** (-roughness / 2) if roughness else np.exp(-square / 2)
    # Noise with wavelengths down to about two grid steps, interpolated to the canvas.
    white = rng.standard_normal((2, rows, columns), dtype=np.float32)
    low = scipy.fft.rfft2(white, axes=(1, 2)) * gain.astype(np.float32)
    half = rows // 2 + 1
    hat = np.zeros((2, size[0], size[1] // 2 + 1), dtype=np.complex64)
    hat[:, :half, : low.shape[2]] = low[:, :half]
    hat[:, size[0] - (rows - half) :, : low.shape[2]] = low[:, half:]
    field = scipy.fft.irfft2(hat, s=size, axes=(1, 2))[
        :, : canvas.size[0], : canvas.size[1]
    ]
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
        The traction, which is modified.
    canvas : Canvas
        Canvas of the traction.
    centre : array of shape (2,)
        Centre of the patch.
    force : array of shape (2,)
        Traction ``t / E`` at the centre.
    semi_axes : tuple of float, keyword-only
        Semi-axes along `along` and perpendicular to it. The standard deviations of a
        Gaussian are half of them.
    along : array of shape (2,), keyword-only
        Unit vector of the first semi-axis.
    profile : {"sharp", "cosine", "gaussian"}, keyword-only
        Profile of the traction.
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
        # The rim covers a part of the square of a canvas point.
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
    """Make net force and net torque of a traction zero.

    Parameters
    ----------
    traction : array of shape (2, h, w)
        Any traction.
    canvas : Canvas
        Canvas of the traction.
    weight : array of shape (h, w), optional
        The tractions of a rigid motion, times this weight, are subtracted. None uses
        the magnitude of the traction, so that zero tractions stay zero.
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
