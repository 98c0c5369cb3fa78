"""Kinds of tractions of the second set.

Each function draws one traction on a canvas. Lengths are in grid steps, or relative to
the side of the field; only the shape of a traction counts, since it is scaled to a
strain afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from napari_vit_tfm.benchmark.unseen.canvas import Canvas, FloatArray

TAU = 2 * np.pi


def _contracting_spots(
    canvas: Canvas,
    length: tuple[float, float],
    number: int,
    *,
    centre: tuple[float, float] | None = None,
    radius: float | None = None,
) -> None:
    """Elongated spots along the edge of a cell that pull inwards, balanced."""
    rng = canvas.rng
    x, y = centre or canvas.centre
    radius = radius or canvas.side * rng.uniform(0.28, 0.36)
    angles = rng.uniform(0, TAU, number)
    distances = radius * rng.uniform(0.7, 1.0, number)
    long = 0.7 * rng.uniform(*length, number)
    short = long / rng.uniform(1.2, 2.5, number)
    pulls = -rng.uniform(0.3, 1.0, (2, number)) * np.stack(
        [
            np.cos(angles + rng.normal(0, 0.2, number)),
            np.sin(angles + rng.normal(0, 0.2, number)),
        ]
    )
    areas = long * short
    pulls -= (areas * pulls).sum(axis=1, keepdims=True) / areas.sum()
    for i, angle in enumerate(angles):
        place = x + distances[i] * np.cos(angle), y + distances[i] * np.sin(angle)
        spot = canvas.disc(place, (long[i], short[i]), angle)
        canvas.add(spot, *pulls[:, i])


def _small_adhesions(canvas: Canvas) -> None:
    _contracting_spots(canvas, (1.0, 3.0), int(canvas.rng.integers(20, 50)))


def _large_adhesions(canvas: Canvas) -> None:
    _contracting_spots(canvas, (4.0, 9.0), int(canvas.rng.integers(6, 16)))


def _dipoles(canvas: Canvas) -> None:
    """Pairs of discs; one in four pushes apart."""
    rng = canvas.rng
    for _ in range(rng.integers(3, 9)):
        x, y = canvas.somewhere(0.2)
        angle, distance, radius = rng.uniform([0, 3, 1], [TAU, 9, 3])
        pull = rng.uniform(0.3, 1.0) * rng.choice([1, 1, 1, -1])
        for sign in (1, -1):
            place = (
                x + sign * distance * np.cos(angle),
                y + sign * distance * np.sin(angle),
            )
            canvas.add(
                canvas.disc(place, (radius, radius)),
                -sign * pull * np.cos(angle),
                -sign * pull * np.sin(angle),
            )


def _fibres(canvas: Canvas) -> None:
    """Thin lines whose halves pull towards each other."""
    rng = canvas.rng
    for _ in range(rng.integers(4, 12)):
        x, y = canvas.somewhere(0.25)
        angle, length, width, pull = rng.uniform([0, 6, 0.4, 0.3], [TAU, 16, 1.0, 1.0])
        for sign in (1, -1):
            place = (
                x + sign * 0.6 * length * np.cos(angle),
                y + sign * 0.6 * length * np.sin(angle),
            )
            canvas.add(
                canvas.disc(place, (length / 2.5, width), angle),
                -sign * pull * np.cos(angle),
                -sign * pull * np.sin(angle),
            )


def _pads(canvas: Canvas) -> None:
    """A few wide, soft places that pull in any direction, balanced."""
    rng = canvas.rng
    covered = np.zeros_like(canvas.x)
    for _ in range(rng.integers(2, 6)):
        place = canvas.somewhere(0.25)
        radius = rng.uniform(4, 11)
        axes = radius, radius * rng.uniform(0.6, 1.0)
        pad = np.clip(1 - canvas.ellipse(place, axes, rng.uniform(0, TAU)), 0, None)
        canvas.add(pad, *rng.normal(size=2))
        covered += pad > 0
    canvas.balance(np.minimum(covered, 1))


def _centred_cell(
    canvas: Canvas, radius: tuple[float, float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The outline of a cell near the middle; its radius is relative to the field."""
    off_x, off_y = canvas.rng.uniform(-4, 4, 2)
    x, y = canvas.centre
    return canvas.cell(
        (x + off_x, y + off_y), canvas.side * canvas.rng.uniform(*radius)
    )


def _ring(canvas: Canvas) -> None:
    """A cell that pulls inwards all along its edge."""
    depth, x, y = _centred_cell(canvas, (0.2, 0.32))
    width = canvas.rng.uniform(0.1, 0.3)
    edge = ((depth < 1) & (depth > 1 - width)).astype(np.float64)
    strength = edge * (1 + 0.4 * canvas.smooth(6.0))
    canvas.traction[:] = -strength * x, -strength * y
    canvas.balance(edge)


def _cell(canvas: Canvas) -> None:
    """Continuous tractions, stronger towards the edge, and uneven."""
    depth, x, y = _centred_cell(canvas, (0.25, 0.38))
    inside = np.clip(4 * (1 - depth), 0, 1)
    length = canvas.rng.uniform(3, 8)
    for component, outwards in zip(canvas.traction, (x, y), strict=True):
        component += inside * (0.6 * canvas.smooth(length) - 1.5 * depth * outwards)
    canvas.balance(inside)


def _colony(canvas: Canvas) -> None:
    """Strong tractions along the edge of a colony, and weak ones inside."""
    depth, x, y = _centred_cell(canvas, (0.3, 0.4))
    inside = depth < 1
    edge = 1.5 * inside * np.exp(-0.5 * ((depth - 0.9) / 0.08) ** 2)
    length = canvas.rng.uniform(2, 5)
    for component, outwards in zip(canvas.traction, (x, y), strict=True):
        component += 0.4 * inside * canvas.smooth(length) - edge * outwards
    canvas.balance(inside.astype(np.float64))


def _layer(canvas: Canvas) -> None:
    """A confluent layer: tractions everywhere, also beyond the border."""
    length = canvas.rng.uniform(3, 9)
    for component in canvas.traction:
        component += canvas.smooth(length)


def _front(canvas: Canvas) -> None:
    """A layer that ends at a front within the field, and pulls there."""
    rng, (x, y) = canvas.rng, canvas.centre
    angle = rng.uniform(0, TAU)
    normal = np.cos(angle), np.sin(angle)
    ahead = (canvas.x - x) * normal[0] + (canvas.y - y) * normal[1]
    ahead += 3 * canvas.smooth(8.0)
    covered = ahead < 0
    edge = 1.2 * np.exp(np.minimum(ahead, 0) / rng.uniform(4, 10))
    length = rng.uniform(3, 7)
    for component, outwards in zip(canvas.traction, normal, strict=True):
        component += covered * (0.5 * canvas.smooth(length) - edge * outwards)


def _neighbour(canvas: Canvas) -> None:
    """A cell, and another one that is cut by the border."""
    rng, (height, width) = canvas.rng, canvas.shape
    places = (
        (0.38 * width, 0.5 * height),
        (rng.uniform(0.95, 1.05) * width, rng.uniform(0.3, 0.7) * height),
    )
    for place in places:
        number = int(rng.integers(8, 16))
        radius = 0.25 * canvas.side
        _contracting_spots(canvas, (2.0, 5.0), number, centre=place, radius=radius)


def _mixture(canvas: Canvas) -> None:
    """Adhesions on top of much weaker continuous tractions."""
    _cell(canvas)
    canvas.traction *= canvas.rng.uniform(0.1, 0.3)
    _contracting_spots(canvas, (1.5, 5.0), int(canvas.rng.integers(6, 20)))


KINDS: Mapping[str, Callable[[Canvas], None]] = {
    "small adhesions": _small_adhesions,
    "large adhesions": _large_adhesions,
    "dipoles": _dipoles,
    "fibres": _fibres,
    "pads": _pads,
    "ring": _ring,
    "cell": _cell,
    "colony": _colony,
    "layer": _layer,
    "front": _front,
    "neighbour": _neighbour,
    "mixture": _mixture,
}
"""Functions that draw a traction on a canvas, by name."""
