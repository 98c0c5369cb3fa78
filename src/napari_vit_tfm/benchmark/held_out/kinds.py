"""The kinds of held-out fields. Each is a function that draws one traction field.

Lengths are in grid steps. Sizes, numbers, strengths and shapes vary widely between the
fields of a kind. The overall scale varies by two decades.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil

import numpy as np

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, FloatArray, Traction
from napari_vit_tfm.benchmark.held_out.shapes import (
    Outline,
    Profile,
    Vectors,
    Wave,
    add_spot,
    balanced,
    direction,
    log_between,
    ramp,
    random_field,
    vector,
)

Shape = tuple[int, int]
Draw = Callable[[np.random.Generator, Shape], Traction]

_NEAR = 6
"""Margin of a canvas whose tractions lie in the field of view, in grid steps."""

_SCALE = (0.003, 0.3)
"""Range of the typical magnitude of ``t / E``; see `_typical`."""


def colony(rng: np.random.Generator, shape: Shape) -> Traction:
    """Continuous random tractions inside an outline; half of the fields balance."""
    canvas = Canvas(shape, _NEAR)
    traction, inside = _continuous_in_outline(rng, canvas)
    if rng.random() < 0.5:
        traction = balanced(traction, canvas, inside)
    return Traction(canvas, traction)


def band(rng: np.random.Generator, shape: Shape) -> Traction:
    """A continuous band along an outline, with inward tractions of varying strength."""
    canvas = Canvas(shape, _NEAR)
    outline = Outline.draw(rng, shape)
    width = log_between(rng, 1.5, 8)
    _, angle = outline.polar(canvas)
    depth = outline.depth(canvas)
    if rng.random() < 0.5:
        across = np.exp(-0.5 * ((depth - width) / (width / 2)) ** 2)
    else:
        rim = log_between(rng, 0.25, 0.5 * width)
        across = ramp(depth, rim) * ramp(width - depth, rim)
    uneven = np.exp(Wave.draw(rng, rng.uniform(0.1, 0.8))(angle))
    tilt = rng.normal(0, 0.2) + Wave.draw(rng, 0.15)(angle)
    out = outline.outward(canvas)
    inward = -out * np.cos(tilt) + np.stack([out[1], -out[0]]) * np.sin(tilt)
    traction = (inward * (across * uneven)).astype(np.float32)
    if rng.random() < 0.7:
        traction = balanced(traction, canvas)
    return Traction(canvas, traction)


def layer(rng: np.random.Generator, shape: Shape) -> Traction:
    """Continuous random tractions everywhere, also beyond the border."""
    canvas = Canvas(shape, _beyond(shape, 0.75))
    return Traction(canvas, _continuous(rng, canvas))


def pads(rng: np.random.Generator, shape: Shape) -> Traction:
    """Smooth round adhesions anywhere in the field of view."""
    canvas = Canvas(shape, _NEAR)
    traction = canvas.empty()
    radius = (1.5, log_between(rng, 2, 8))
    middle = _middle(shape)
    points_inwards = rng.random() < 0.5
    profile: Profile = "gaussian" if rng.random() < 0.5 else "cosine"
    for _ in range(round(log_between(rng, 5, 40))):
        centre = _in_view(rng, shape, 5)
        angle = rng.uniform(0, 2 * np.pi)
        if points_inwards:
            angle = _angle(middle - centre) + rng.normal(0, 0.5)
        size = rng.uniform(*radius)
        force = rng.lognormal(0, 0.5) * direction(angle)
        add_spot(
            traction, canvas, centre, force, semi_axes=(size, size), profile=profile
        )
    if rng.random() < 0.5:
        traction = balanced(traction, canvas)
    return Traction(canvas, traction)


def neighbour(rng: np.random.Generator, shape: Shape) -> Traction:
    """A cell in the field of view, and a second one that is cut by the border."""
    canvas = Canvas(shape, _beyond(shape, 0.5))
    side = min(shape)
    first = Outline.draw(rng, shape, radius=(0.12, 0.25), offset=0.1)
    # The centre of the second cell is near the border, outside the first outline.
    angle = rng.uniform(0, 2 * np.pi)
    to_border = np.min(
        (np.array([shape[1], shape[0]]) / 2) / np.abs(direction(angle)).clip(1e-6)
    )
    place = _middle(shape) + (to_border + rng.uniform(-0.05, 0.15) * side) * direction(
        angle
    )
    second = Outline.draw(rng, shape, radius=(0.12, 0.25), middle=place)
    smooth = rng.random() < 0.5
    traction = _cell(rng, canvas, first, smooth=smooth)
    other = _cell(rng, canvas, second, smooth=smooth)
    return Traction(
        canvas, np.asarray(traction + np.float32(log_between(rng, 0.3, 3)) * other)
    )


def fibres(rng: np.random.Generator, shape: Shape) -> Traction:
    """Thin fibres: pairs of narrow spots that pull towards each other."""
    canvas = Canvas(shape, _NEAR)
    traction = canvas.empty()
    main, spread = rng.uniform(0, np.pi), rng.uniform(0.1, 1.5)
    length = (4.0, log_between(rng, 8, 50))
    for _ in range(round(log_between(rng, 4, 60))):
        along = direction(rng.normal(main, spread))
        half = along * rng.uniform(*length) / 2
        middle = _in_view(rng, shape, 4)
        strength = rng.lognormal(0, 0.6)
        width = log_between(rng, 0.35, 1.0)
        size = (width * rng.uniform(1, 4), width)
        for end in (half, -half):
            place = np.clip(middle + end, 1, np.array([shape[1], shape[0]]) - 2)
            pull = -np.sign(end @ along) * strength * along
            add_spot(traction, canvas, place, pull, semi_axes=size, along=along)
    return Traction(canvas, traction)


def discs(rng: np.random.Generator, shape: Shape) -> Traction:
    """Discs as in the original work; a node is either inside a disc or not."""
    canvas = Canvas(shape, _NEAR)
    traction = canvas.empty()
    nodes = np.zeros((2, *shape), dtype=np.float32)
    row, column = np.ogrid[: shape[0], : shape[1]]
    width = shape[1] - 1
    top = np.array([width, shape[0] - 1])
    centres = np.empty((0, 2))
    for _ in range(2000):
        if len(centres) >= rng.uniform(10, 50):
            break
        radius = rng.uniform(0.01, 0.05) * width
        centre = rng.uniform(radius + 0.05 * width, top - 0.05 * width - radius)
        gap = np.hypot(*(centres - centre).T)
        if np.all(gap > 2 * radius + 0.001 * width):
            centres = np.concatenate([centres, centre[None]])
            force = rng.uniform(0, 0.5) * direction(rng.uniform(0, 2 * np.pi))
            add_spot(traction, canvas, centre, force, semi_axes=(radius, radius))
            inside = np.hypot(column - centre[0], row - centre[1]) < radius
            nodes += vector(*force) * inside
    return Traction(canvas, traction, nodes)


def adhesions(rng: np.random.Generator, shape: Shape) -> Traction:
    """A cell with many small, sharp adhesions along its outline; forces balance."""
    canvas = Canvas(shape, _NEAR)
    outline = Outline.draw(rng, shape)
    return Traction(canvas, _cell(rng, canvas, outline, smooth=False))


def front(rng: np.random.Generator, shape: Shape) -> Traction:
    """A layer with a free edge; tractions decay with the distance from the edge."""
    canvas = Canvas(shape, _beyond(shape, 0.75))
    turn = rng.uniform(0, 2 * np.pi)
    cosine, sine = (np.float32(part) for part in direction(turn))
    middle = _middle(shape).astype(np.float32)
    x, y = canvas.x - middle[0], canvas.y - middle[1]
    into, along = x * cosine + y * sine, y * cosine - x * sine
    # The period of the wave is longer than the canvas.
    angle = along / np.float32(4 * max(shape)) * (2 * np.pi)
    edge = rng.uniform(-0.3, 0.2) * min(shape) + Wave.draw(
        rng, rng.uniform(0, 0.08) * min(shape), first=2, orders=12
    )(angle)
    depth = into - edge
    decay = log_between(rng, 3, 30)
    strength = ramp(depth, log_between(rng, 0.25, 6)) * np.exp(
        -np.maximum(depth, 0) / np.float32(decay)
    )
    random = random_field(rng, canvas, log_between(rng, 2, 10))
    pull = vector(*direction(turn + rng.normal(0, 0.2))) + random * np.float32(
        rng.uniform(0.2, 1.2)
    )
    floor = np.float32(rng.uniform(0, 0.15)) * ramp(depth, 3)
    return Traction(canvas, np.asarray(pull * strength + random * floor))


def spots_on_layer(rng: np.random.Generator, shape: Shape) -> Traction:
    """Point-like adhesions on a continuous traction inside an outline."""
    canvas = Canvas(shape, _NEAR)
    outline = Outline.draw(rng, shape, radius=(0.2, 0.4))
    smooth, _ = _continuous_in_outline(rng, canvas, outline)
    spots = canvas.empty()
    for _ in range(round(log_between(rng, 5, 60))):
        angle = rng.uniform(-np.pi, np.pi)
        place = outline.middle + outline.reach(angle) * np.sqrt(
            rng.uniform(0.05, 0.95)
        ) * direction(angle)
        force = -rng.lognormal(0, 0.5) * direction(angle + rng.normal(0, 0.5))
        size = log_between(rng, 0.5, 1.2)
        add_spot(spots, canvas, place, force, semi_axes=(size, size))
    smooth *= (
        np.float32(log_between(rng, 0.2, 1.5)) * _typical(spots) / _typical(smooth)
    )
    return Traction(canvas, balanced(spots, canvas) + smooth)


def dipoles(rng: np.random.Generator, shape: Shape) -> Traction:
    """One to four groups of large patches that pull towards each other."""
    canvas = Canvas(shape, _NEAR)
    traction = canvas.empty()
    for _ in range(rng.integers(1, 4, endpoint=True)):
        size = log_between(rng, 2.5, 10)
        middle = _in_view(rng, shape, 16)
        n = rng.integers(2, 4, endpoint=True)
        start, far = rng.uniform(0, 2 * np.pi), size * rng.uniform(1.2, 3)
        angle = start + 2 * np.pi * np.arange(n) / n + rng.normal(0, 0.25, n)
        forces = -direction(angle) * rng.lognormal(0, 0.3, (n, 1))
        forces -= forces.mean(axis=0)
        forces *= log_between(rng, 0.03, 1)
        profile: Profile = rng.choice(["sharp", "cosine", "gaussian"])
        axes = (size, size * rng.uniform(0.5, 1))
        for turn, force in zip(angle, forces, strict=True):
            add_spot(
                traction,
                canvas,
                middle + far * direction(turn),
                force,
                semi_axes=axes,
                along=direction(turn),
                profile=profile,
            )
    return Traction(canvas, traction)


def ring(rng: np.random.Generator, shape: Shape) -> Traction:
    """A spread cell: inward tractions on a smooth ring, weak outward ones inside."""
    canvas = Canvas(shape, _NEAR)
    outline = Outline.draw(rng, shape, radius=(0.15, 0.35))
    distance, angle = outline.polar(canvas)
    width = log_between(rng, 2, 0.4 * outline.radius)
    uneven = np.maximum(1 + Wave.draw(rng, rng.uniform(0, 0.5), orders=5)(angle), 0)
    rim = np.exp(-0.5 * ((distance - outline.reach(angle)) / np.float32(width)) ** 2)
    core = np.float32(outline.radius * rng.uniform(0.2, 0.4))
    centre = distance / core * np.exp(0.5 - 0.5 * (distance / core) ** 2)
    radial = np.float32(rng.uniform(0.05, 0.4)) * centre - uneven * rim
    traction = np.asarray(radial * outline.outward(canvas), dtype=np.float32)
    if rng.random() < 0.7:
        traction = balanced(traction, canvas)
    return Traction(canvas, traction)


def mixture(rng: np.random.Generator, shape: Shape) -> Traction:
    """Two or three of the other kinds, with random weights."""
    names = [name for name in _UNSCALED if name != "mixture"]
    chosen = rng.choice(names, rng.integers(2, 3, endpoint=True), replace=False)
    parts = [_UNSCALED[name](rng, shape) for name in chosen]
    canvas = max((part.canvas for part in parts), key=lambda c: c.margin)
    total = canvas.empty()
    for part in parts:
        off = FINER * (canvas.margin - part.canvas.margin)
        height, width = part.canvas.size
        weight = np.float32(log_between(rng, 0.3, 3) / _power(part))
        total[:, off : off + height, off : off + width] += weight * part.fine
    return Traction(canvas, total)


def _continuous(rng: np.random.Generator, canvas: Canvas) -> FloatArray:
    roughness = rng.uniform(1.6, 3) if rng.random() < 0.3 else 0.0
    return random_field(rng, canvas, log_between(rng, 2, 15), roughness=roughness)


def _continuous_in_outline(
    rng: np.random.Generator, canvas: Canvas, outline: Outline | None = None
) -> tuple[FloatArray, FloatArray]:
    """A random traction, and the mask of the inside, with a soft or sharp rim."""
    outline = outline or Outline.draw(rng, canvas.shape)
    rim = log_between(rng, 2, 12) if rng.random() < 0.6 else 0.0
    inside = ramp(outline.depth(canvas), rim)
    return _continuous(rng, canvas) * inside, inside


def _cell(
    rng: np.random.Generator, canvas: Canvas, outline: Outline, *, smooth: bool
) -> FloatArray:
    """Balanced inward tractions of adhesions along an outline.

    Parameters
    ----------
    rng, canvas, outline
        Source of randomness, canvas, outline of the cell.
    smooth : bool, keyword-only
        Whether the cell has few large smooth adhesions instead of many small sharp
        ones.
    """
    traction = canvas.empty()
    n = round(log_between(rng, 5, 25) if smooth else log_between(rng, 20, 150))
    angle = rng.uniform(-np.pi, np.pi, n)
    uneven = np.exp(Wave.draw(rng, rng.uniform(0, 0.5), first=2, orders=3)(angle))
    strength = rng.lognormal(0, rng.uniform(0.1, 0.7), n) * uneven
    inset = np.abs(rng.normal(0, log_between(rng, 0.5, 8), n))
    for turn, reach, force in zip(
        angle, np.maximum(outline.reach(angle) - inset, 1), strength, strict=True
    ):
        place = outline.middle + reach * direction(turn)
        inward = -direction(turn + rng.normal(0, 0.25))
        if smooth:
            size = log_between(rng, 1.5, 6)
            axes = (size, size)
        else:
            size = log_between(rng, 0.35, 1.3)
            axes = (size * rng.uniform(1.5, 5), size)
        add_spot(
            traction,
            canvas,
            place,
            force * inward,
            semi_axes=axes,
            along=inward,
            profile="gaussian" if smooth else "sharp",
        )
    return balanced(traction, canvas)


def _beyond(shape: Shape, share: float) -> int:
    """Margin in grid steps, from its fraction of the longer side."""
    return ceil(share * max(shape))


def _middle(shape: Shape) -> Vectors:
    return np.array([shape[1] - 1, shape[0] - 1]) / 2


def _in_view(rng: np.random.Generator, shape: Shape, inset: float) -> Vectors:
    """Random position, at least `inset` steps from the border if the field is large."""
    far = np.array([shape[1] - 1, shape[0] - 1])
    low = np.minimum(inset, far / 3)
    return rng.uniform(low, far - low)


def _angle(vector: Vectors) -> float:
    return float(np.arctan2(vector[1], vector[0]))


def _typical(traction: FloatArray) -> np.float32:
    """Typical magnitude: root of the mean square magnitude, weighted with itself."""
    square = np.square(traction, dtype=np.float64).sum(axis=0)
    return np.float32(np.sqrt(np.square(square).sum() / square.sum()))


def _power(traction: Traction) -> float:
    """Root mean square over the nodes."""
    return float(np.sqrt(np.mean(np.square(traction.at_nodes()))))


def _scaled(draw: Draw) -> Draw:
    """Multiply the tractions of a kind by a random scale."""

    def scaled(rng: np.random.Generator, shape: Shape) -> Traction:
        traction = draw(rng, shape)
        scale = np.float32(log_between(rng, *_SCALE)) / _typical(traction.at_nodes())
        return replace(traction, fine=traction.fine * scale)

    scaled.__doc__ = draw.__doc__
    return scaled


_UNSCALED: Mapping[str, Draw] = {
    "colony": colony,
    "band": band,
    "layer": layer,
    "pads": pads,
    "neighbour": neighbour,
    "fibres": fibres,
    "discs": discs,
    "adhesions": adhesions,
    "front": front,
    "spots-on-layer": spots_on_layer,
    "dipoles": dipoles,
    "ring": ring,
    "mixture": mixture,
}

KINDS: Mapping[str, Draw] = {
    name: draw if draw is discs else _scaled(draw) for name, draw in _UNSCALED.items()
}
"""Functions that draw one traction field ``t / E``, by the name of the kind."""
