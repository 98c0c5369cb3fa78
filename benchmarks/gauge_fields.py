"""Fields for the gauge of unfamiliar fields: good ones, and ones with a known fault.

`gauge.py` uses them to calibrate the gauge and to measure its errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, Traction
from napari_vit_tfm.benchmark.held_out.shapes import (
    Outline,
    Profile,
    Wave,
    add_spot,
    balanced,
    direction,
    log_between,
    ramp,
    random_field,
    vector,
)
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.synthesis import KINDS as TRAINING
from napari_vit_tfm.synthesis import correlated, synthesise

FloatArray = npt.NDArray[np.float64]
Rng = np.random.Generator

STRAIN = (0.02, 0.45)
"""Range of the largest gradient of a good field. Fields of discs as in the original
work are not scaled; their largest gradients are 0.5 to 1.3."""

GOOD_NOISES = (
    (0.0, 0.0),
    (0.02, 0.0),
    (0.05, 0.0),
    (0.05, 1.0),
    (0.1, 1.0),
    (0.2, 0.0),
    (0.2, 1.0),
    (0.6, 0.0),
    (0.6, 1.0),
)
"""Standard deviations of the noise, relative to the root mean square of the field, and
correlation lengths in grid steps."""

FAULT_NOISES = ((0.0, 0.0), (0.02, 0.0), (0.05, 1.0), (0.2, 0.0))
"""Noise of the fields with other faults than noise."""

LEVELS, FAULTS_OF_A_FIELD = 3, 8
"""Number of noise levels, and of faults, that are drawn for each field."""


@dataclass(frozen=True, eq=False)
class Case:
    """A field as it is measured, and what is wrong with it.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Displacement in grid steps.
    kind : str
        Kind of the tractions.
    fault : str
        Name of the fault; empty for a good field.
    noise : tuple of float
        Relative standard deviation of the noise, and its correlation length.
    thickness_steps : float
        Thickness of the gel as it is stated.
    """

    steps: FloatArray
    kind: str
    fault: str
    noise: tuple[float, float]
    thickness_steps: float = np.inf


@dataclass(frozen=True, eq=False)
class Base:
    """A field without noise.

    Parameters
    ----------
    kind : str
        Kind of the tractions.
    steps : array of shape (H, W, 2)
        Displacement in grid steps.
    traction : array of shape (H + 2 m, W + 2 m, 2), optional
        Tractions ``t / E`` of the nodes in the field and a margin around it.
    """

    kind: str
    steps: FloatArray
    traction: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.steps.shape[0], self.steps.shape[1]

    def on_layer(self, thickness_steps: float) -> FloatArray:
        """Displacement of the same tractions on a layer."""
        assert self.traction is not None
        gel = Gel(thickness_um=thickness_steps)
        made = surface_displacement(self.traction, Substrate(gel), spacing_um=1.0)
        m = (made.shape[0] - self.shape[0]) // 2
        return made[m : m + self.shape[0], m : m + self.shape[1]]


def held_out(kind: str, number: int, *, seed: int, side: int) -> Base:
    """Draw a held-out field, with its tractions beyond the border."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), number])
    drawn = HELD_OUT[kind](rng, (side, side))
    base = _base(f"held out: {kind}", drawn)
    return base if kind == "discs" else _strained(rng, base)


def _base(kind: str, drawn: Traction) -> Base:
    # Squares of the nodes of the whole canvas, as `Traction.at_nodes`.
    n = drawn.canvas.shape[0] + 2 * (drawn.canvas.margin - 1)
    first = FINER - FINER // 2
    near = drawn.fine[:, first : first + FINER * n + 1, first : first + FINER * n + 1]
    rows = (near[:, 1:] + near[:, :-1]) / 2
    cells = (rows[:, :, 1:] + rows[:, :, :-1]) / 2
    traction = cells.reshape(2, n, FINER, n, FINER).mean(axis=(2, 4))
    parts = drawn.displacement(), traction
    return Base(kind, *(np.moveaxis(p, 0, -1).astype(np.float64) for p in parts))


def training(kind: str, number: int, *, seed: int, side: int) -> Base:
    """Draw a field of a kind that the network was trained on."""
    # A node is either inside a disc or not; other displacements are averages, too.
    window = 2.0 * (number % 2) if kind != "discs" else 0.0
    made = synthesise(
        1,
        seed=10_000 * seed + number,
        shape=(side, side),
        distribution=TRAINING[kind](),
        window=window,
    )
    rng = np.random.default_rng([seed, crc32(kind.encode()), number, 1])
    steps = made.displacement[0].astype(np.float64) * (side - 1)
    base = Base(f"training: {kind}", steps)
    return base if kind == "discs" else _strained(rng, base)


def other(kind: str, number: int, *, seed: int, side: int) -> Base:
    """Draw a field of another kind, of `OTHERS`."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), number, 4])
    return _strained(rng, _base(f"other: {kind}", OTHERS[kind](rng, (side, side))))


def _random(rng: Rng, shape: tuple[int, int]) -> Traction:
    """One to three regions of random tractions, anywhere in and around the field."""
    canvas = Canvas(shape, round(rng.uniform(0.1, 0.75) * max(shape)))
    traction = canvas.empty()
    for _ in range(rng.integers(1, 3, endpoint=True)):
        roughness = rng.uniform(1.6, 3) if rng.random() < 0.3 else 0.0
        part = random_field(rng, canvas, log_between(rng, 1.5, 20), roughness=roughness)
        part += np.float32(rng.uniform(0, 1.5)) * vector(*direction(_angle(rng)))
        traction += np.float32(rng.lognormal(0, 0.5)) * part * _region(rng, canvas)
    return Traction(canvas, traction)


def _region(rng: Rng, canvas: Canvas) -> npt.NDArray[np.float32]:
    """A cell, its rim, one side of the field, or everything, with a soft edge."""
    side = min(canvas.shape)
    edge = log_between(rng, 0.3, 12)
    which = rng.integers(4)
    if which == 0:
        return np.ones(canvas.size, dtype=np.float32)
    if which == 1:
        x, y = direction(_angle(rng))
        middle = side / 2 * (1 + rng.uniform(-0.5, 0.5))
        along = (canvas.x - side / 2) * x + (canvas.y - side / 2) * y + side / 2
        return ramp(np.asarray(along - middle, dtype=np.float32), edge)
    outline = Outline.draw(rng, canvas.shape, radius=(0.1, 0.45), offset=0.5)
    depth = outline.depth(canvas)
    if which == 2:
        return ramp(depth, edge)
    return np.asarray(np.exp(-0.5 * (depth / log_between(rng, 1, 10)) ** 2))


def _cells(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Cells with tractions towards their middles, in the field, cut, and beyond it."""
    canvas = Canvas(shape, round(0.6 * max(shape)))
    traction = canvas.empty()
    for offset in rng.uniform(0.1, 0.8, rng.integers(1, 4, endpoint=True)):
        outline = Outline.draw(rng, shape, radius=(0.08, 0.35), offset=offset)
        distance, angle = outline.polar(canvas)
        width = log_between(rng, 0.7, 0.5 * outline.radius)
        depth = np.abs(distance - outline.reach(angle)) / np.float32(width)
        rim = np.exp(-0.5 * depth**2) if rng.random() < 0.5 else ramp(1 - depth, 0.5)
        uneven = np.exp(Wave.draw(rng, rng.uniform(0.1, 0.8), orders=12)(angle))
        pull = -outline.outward(canvas) * (rim * uneven)
        core = distance / np.float32(outline.radius * rng.uniform(0.2, 0.6))
        inner = outline.outward(canvas) * (core * np.exp(-0.5 * core**2))
        pull += np.float32(rng.uniform(0, 0.4)) * inner
        if rng.random() < 0.7:
            pull = balanced(pull, canvas)
        traction += np.float32(rng.lognormal(0, 0.6)) * pull
    return Traction(canvas, traction)


def _spots_beyond(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Adhesions of all sizes and profiles in the field, and some beyond the border."""
    canvas = Canvas(shape, round(0.5 * max(shape)))
    traction = canvas.empty()
    far = rng.choice([-4.0, canvas.margin - 2.0], p=[0.3, 0.7])
    profile: Profile = rng.choice(["sharp", "cosine", "gaussian"])
    smallest = log_between(rng, 0.5, 5)
    middle = np.array(shape[::-1]) * rng.uniform(0.3, 0.7, 2)
    inwards = rng.random() < 0.6
    for _ in range(round(log_between(rng, 4, 100))):
        place = rng.uniform(-far, np.array(shape[::-1]) - 1 + far, 2)
        angle = _angle(rng)
        if inwards:
            angle = np.arctan2(*(middle - place)[::-1]) + rng.normal(0, 0.5)
        size = log_between(rng, smallest, 3 * smallest)
        add_spot(
            traction,
            canvas,
            place,
            rng.lognormal(0, 0.6) * direction(angle),
            semi_axes=(size * rng.uniform(1, 4), size),
            along=direction(angle),
            profile=profile,
        )
    return Traction(canvas, traction)


def _sum_of_two(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Two of the other kinds together."""
    draws = (_random, _cells, _spots_beyond)
    parts = [draws[chosen](rng, shape) for chosen in rng.choice(len(draws), 2)]
    canvas = max((part.canvas for part in parts), key=lambda c: c.margin)
    total = canvas.empty()
    for part in parts:
        off = FINER * (canvas.margin - part.canvas.margin)
        inner = part.canvas.size
        size = np.float32(log_between(rng, 0.3, 3) / part.at_nodes().std())
        total[:, off : off + inner[0], off : off + inner[1]] += size * part.fine
    return Traction(canvas, total)


def _angle(rng: Rng) -> float:
    return float(rng.uniform(0, 2 * np.pi))


OTHERS: Mapping[str, Callable[[Rng, tuple[int, int]], Traction]] = {
    "random": _random,
    "cells": _cells,
    "spots": _spots_beyond,
    "two": _sum_of_two,
}
"""Kinds that are drawn for the gauge alone: wide families of regions, sizes and
profiles, most of them with forces beyond the border."""


def strain_of(steps: FloatArray) -> float:
    """Largest central difference of a component."""
    return max(
        float(np.abs(np.gradient(steps, axis=axis)[2:-2, 2:-2]).max())
        for axis in (0, 1)
    )


def _strained(rng: Rng, base: Base) -> Base:
    """The field, scaled to a random largest strain."""
    low, high = np.log(STRAIN)
    return _scaled(base, np.exp(rng.uniform(low, high)) / strain_of(base.steps))


def _scaled(base: Base, factor: float) -> Base:
    traction = None if base.traction is None else base.traction * factor
    return replace(base, steps=base.steps * factor, traction=traction)


def rms(steps: FloatArray) -> float:
    """Root mean square of a component about its mean."""
    return float(steps.std(axis=(0, 1)).mean())


def with_noise(rng: Rng, steps: FloatArray, noise: tuple[float, float]) -> FloatArray:
    """Add noise of a relative strength and correlation length."""
    return steps + noise[0] * rms(steps) * noise_like(rng, steps.shape, noise[1])


def noise_like(rng: Rng, shape: tuple[int, ...], length: float) -> FloatArray:
    """Noise of standard deviation 1, ``(H, W, 2)``."""
    margin = int(4 * length) + 1
    white = rng.standard_normal((2, shape[0] + margin, shape[1] + margin))
    made = correlated(white, np.full(2, length))[:, : shape[0], : shape[1]]
    return np.moveaxis(np.asarray(made), 0, -1)


def good(base: Base, *, seed: int) -> Iterator[Case]:
    """The field with some of the noises, and on a layer whose thickness is known."""
    rng = np.random.default_rng([seed, crc32(base.kind.encode()), 2])
    for chosen in rng.choice(len(GOOD_NOISES), LEVELS, replace=False):
        noise = GOOD_NOISES[chosen]
        steps = with_noise(rng, _slightly_wrong(rng, base.steps), noise)
        yield Case(steps, base.kind, "", noise)
    if base.traction is not None:
        thickness, noise = _thickness(rng), _fault_noise(rng)
        steps = with_noise(rng, base.on_layer(thickness), noise)
        yield Case(steps, base.kind, "", noise, thickness)


def _slightly_wrong(rng: Rng, steps: FloatArray) -> FloatArray:
    """Add a smooth error of at most 3% to a third of the fields, as measured ones."""
    if rng.random() > 1 / 3:
        return steps
    size = rng.uniform(0, 0.03) * rms(steps)
    return steps + size * noise_like(rng, steps.shape, rng.uniform(2, 8))


def faulty(base: Base, *, seed: int, faults: Sequence[str] = ()) -> Iterator[Case]:
    """The field with some faults, or with those that are named."""
    if not faults:
        chooses = np.random.default_rng([seed, crc32(base.kind.encode()), 5])
        faults = chooses.choice(list(FAULTS), FAULTS_OF_A_FIELD, replace=False).tolist()
    for fault in faults:
        make, name = FAULTS[fault], f"{base.kind} {fault}"
        if fault == "strain of 0.6" and base.kind == "held out: discs":
            continue  # Discs have such strains anyway.
        yield make(np.random.default_rng([seed, crc32(name.encode()), 3]), base)


def _fault_noise(rng: Rng) -> tuple[float, float]:
    return FAULT_NOISES[rng.integers(len(FAULT_NOISES))]


def _thickness(rng: Rng) -> float:
    return float(np.exp(rng.uniform(np.log(4), np.log(25))))


def _with_fault(
    fault: str,
    make: Callable[[Rng, Base], FloatArray],
    noise: tuple[float, float] | None = None,
) -> Callable[[Rng, Base], Case]:
    """A fault of the displacement on a half-space."""

    def case(rng: Rng, base: Base) -> Case:
        level = _fault_noise(rng) if noise is None else noise
        steps = with_noise(rng, make(rng, base), level)
        return Case(steps, base.kind, fault, level)

    return case


def _half_as_thin(rng: Rng, base: Base) -> Case:
    thickness, noise = _thickness(rng), _fault_noise(rng)
    steps = with_noise(rng, base.on_layer(thickness / 2), noise)
    return Case(steps, base.kind, "half as thick", noise, thickness)


def _layer_as_half_space(rng: Rng, base: Base) -> FloatArray:
    return base.on_layer(_thickness(rng) / 2)


def _places(rng: Rng, base: Base, n: int) -> FloatArray:
    return rng.uniform(8, np.array(base.shape)[::-1] - 9, (n, 2))


def _from(base: Base, place: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Vectors ``(H, W, 2)`` from a place to the nodes, and their lengths."""
    y, x = np.indices(base.shape)
    away = np.stack([x - place[0], y - place[1]], axis=-1)
    return away, np.hypot(away[..., 0], away[..., 1])[..., None]


def _normal_force(rng: Rng, base: Base) -> FloatArray:
    """Discs of normal stress on a compressible half-space."""
    added = np.zeros_like(base.steps)
    for place in _places(rng, base, int(rng.integers(1, 6, endpoint=True))):
        away, r = _from(base, place)
        radius = rng.uniform(1.5, 8)
        sign = rng.choice([-1, 1])
        added += sign * rng.lognormal(0, 0.4) * away / np.maximum(r, radius) ** 2
    return base.steps + added * rms(base.steps) * rng.uniform(0.5, 2) / rms(added)


def _divergence(rng: Rng, base: Base) -> FloatArray:
    """Places from which the displacement points away, as by a change of focus."""
    added = np.zeros_like(base.steps)
    for place in _places(rng, base, int(rng.integers(1, 6, endpoint=True))):
        away, r = _from(base, place)
        size = rng.uniform(4, 12)
        sign = rng.choice([-1, 1])
        added += sign * rng.lognormal(0, 0.4) * away * np.exp(-0.5 * (r / size) ** 2)
    return base.steps + added * rms(base.steps) * rng.uniform(0.5, 2) / rms(added)


def _strain(rng: Rng, base: Base) -> FloatArray:
    return base.steps * 0.6 / strain_of(base.steps)


def _affine(rng: Rng, base: Base, *, rotation: bool) -> FloatArray:
    """Shear or rotation with gradients of 1, ``(H, W, 2)``."""
    y, x = (part - part.mean() for part in np.indices(base.shape).astype(np.float64))
    if rotation:
        return float(rng.choice([-1, 1])) * np.stack([-y, x], axis=-1)
    zero = np.zeros_like(x)
    shears = ((y, zero), (zero, x), (x, -y), (y, x))
    return np.stack(shears[rng.integers(len(shears))], axis=-1)


def _shear(rng: Rng, base: Base) -> FloatArray:
    return base.steps + 0.05 * _affine(rng, base, rotation=False)


def _rotation(rng: Rng, base: Base) -> FloatArray:
    return base.steps + 0.05 * _affine(rng, base, rotation=True)


def _weak_rotation(rng: Rng, base: Base) -> FloatArray:
    turn = _affine(rng, base, rotation=True)
    return base.steps + 0.05 * rms(base.steps) / rms(turn) * turn


def _smooth_noise(rng: Rng, base: Base) -> FloatArray:
    size = rms(base.steps) * float(np.exp(rng.uniform(np.log(0.1), np.log(0.6))))
    return base.steps + size * noise_like(rng, base.steps.shape, 8.0)


def _noise_alone(length: float) -> Callable[[Rng, Base], FloatArray]:
    def make(rng: Rng, base: Base) -> FloatArray:
        return rms(base.steps) * noise_like(rng, base.steps.shape, length)

    return make


def _small(rng: Rng, base: Base) -> FloatArray:
    """Point-like forces of a tenth of a grid step."""
    y, x = np.indices(base.shape)
    made = np.zeros_like(base.steps)
    for _ in range(round(np.exp(rng.uniform(np.log(30), np.log(300))))):
        place = rng.uniform(4, np.array(base.shape)[::-1] - 5)
        away = np.stack([x, y], axis=-1) - place
        r = np.maximum(np.hypot(away[..., 0], away[..., 1]), 0.1)[..., None]
        force = rng.lognormal(0, 0.5) * direction(rng.uniform(0, 2 * np.pi))
        along = (away @ force)[..., None] * away / r**2
        made += (0.51 * force + 0.49 * along) / r
    return np.asarray(made * rms(base.steps) / rms(made))


def _large(rng: Rng, base: Base) -> FloatArray:
    """One to three smooth pads as large as the field."""
    canvas = Canvas(base.shape, base.shape[0] // 2)
    traction = canvas.empty()
    for _ in range(rng.integers(1, 3, endpoint=True)):
        size = rng.uniform(0.4, 1.0) * base.shape[0]
        place = rng.uniform(0, base.shape[0], 2)
        force = direction(rng.uniform(0, 2 * np.pi))
        add_spot(
            traction, canvas, place, force, semi_axes=(size, size), profile="cosine"
        )
    made = np.moveaxis(Traction(canvas, traction).displacement(), 0, -1)
    steps = made.astype(np.float64)
    return np.asarray(steps * rms(base.steps) / rms(steps))


def _turned(_rng: Rng, base: Base) -> FloatArray:
    """Rows upside down, without reversal of the y components."""
    return base.steps[::-1]


FAULTS: Mapping[str, Callable[[Rng, Base], Case]] = {
    "half as thick": _half_as_thin,
    **{
        name: _with_fault(name, make)
        for name, make in {
            "layer as half-space": _layer_as_half_space,
            "normal force": _normal_force,
            "points of divergence": _divergence,
            "strain of 0.6": _strain,
            "shear of 5%": _shear,
            "rotation of 5%": _rotation,
            "rotation of 5% of the field": _weak_rotation,
            "correlation over 8 steps": _smooth_noise,
            "points of force": _small,
            "pads as large as the field": _large,
            "axes turned": _turned,
        }.items()
    },
    "noise of 150%": _with_fault("noise of 150%", lambda _, b: b.steps, (1.5, 0.0)),
    "noise of 150%, correlated": _with_fault(
        "noise of 150%, correlated", lambda _, b: b.steps, (1.5, 1.0)
    ),
    **{
        name: _with_fault(name, _noise_alone(length), (0.0, 0.0))
        for name, length in {
            "noise alone": 0.0,
            "correlated noise alone": 1.0,
            "smooth noise alone": 8.0,
        }.items()
    },
}
"""Functions that make a field with a fault, by name."""


def all_cases(
    n: int,
    *,
    seed: int,
    side: int = 104,
    kinds: Sequence[str] = (),
    faults: Sequence[str] = (),
) -> Iterator[Case]:
    """Good and faulty fields of every kind.

    Parameters
    ----------
    n : int
        Number of fields of each kind.
    seed, side : int, keyword-only
        Seed, and vectors along a side.
    kinds : sequence of str, keyword-only
        Names of the kinds; all if empty.
    faults : sequence of str, keyword-only
        Names of the faults of each field; a random choice if empty.
    """
    families = [
        [kind for kind in family if not kinds or kind in kinds]
        for family in (HELD_OUT, OTHERS, TRAINING)
    ]
    for number in range(n):
        for kind in families[0]:
            base = held_out(kind, number, seed=seed, side=side)
            yield from good(base, seed=seed + number)
            yield from faulty(base, seed=seed + number, faults=faults)
        for kind in families[1]:
            base = other(kind, number, seed=seed, side=side)
            yield from good(base, seed=seed + number)
            yield from faulty(base, seed=seed + number, faults=faults)
        for kind in families[2]:
            yield from good(
                training(kind, number, seed=seed, side=side), seed=seed + number
            )
