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
from napari_vit_tfm.benchmark.unseen import KINDS as UNSEEN
from napari_vit_tfm.benchmark.unseen import WINDOWS_STEPS
from napari_vit_tfm.benchmark.unseen.canvas import FINER as UNSEEN_FINER
from napari_vit_tfm.benchmark.unseen.canvas import Canvas as UnseenCanvas
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

MEASURED = 4
"""Number of fields as measured that are drawn for each field."""

WINDOWS = (0.0, 3.0)
"""Range of the sides of interrogation windows, in grid steps."""

EVERYWHERE = ("layer", "front", "sheet")
"""Kinds with tractions everywhere and beyond the border. More of them are drawn with
windows, because they are most like smooth errors."""

LEVELS, LAYERS = 3, 2
"""Number of noise levels, and of thicknesses of the gel, drawn for each field."""

HARD_FAULTS = (
    "half as thick",
    "layer as half-space",
    "normal force",
    "points of divergence",
    "correlation over 8 steps",
)
"""Faults that each field is drawn with: they are most like good fields."""

OTHER_FAULTS = 4
"""Number of other faults that are drawn for each field."""


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
    without : array of shape (H, W, 2), optional
        Displacement of the same tractions with the same noise, but without the fault;
        None for noise, and for tractions that are unlike those of the training.
    """

    steps: FloatArray
    kind: str
    fault: str
    noise: tuple[float, float]
    thickness_steps: float = np.inf
    without: FloatArray | None = None


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


def held_out(
    kind: str, number: int, *, seed: int, side: int, window_steps: float = 0.0
) -> Base:
    """Draw a held-out field, with its tractions beyond the border."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), number])
    drawn = HELD_OUT[kind](rng, (side, side)).averaged(window_steps)
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


def other(
    kind: str, number: int, *, seed: int, side: int, window_steps: float = 0.0
) -> Base:
    """Draw a field of another kind, of `OTHERS`."""
    rng = np.random.default_rng([seed, crc32(kind.encode()), number, 4])
    drawn = OTHERS[kind](rng, (side, side)).averaged(window_steps)
    return _strained(rng, _base(f"other: {kind}", drawn))


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


def _adherent(rng: Rng, shape: tuple[int, int]) -> Traction:
    """A cell with adhesions along its outline, and others around it, some cut."""
    canvas = Canvas(shape, round(0.6 * max(shape)))
    traction = canvas.empty()
    profile: Profile = rng.choice(["sharp", "cosine", "gaussian"])
    smallest = log_between(rng, 0.4, 4)
    far = (rng.uniform(0, 0.3), *rng.uniform(0.4, 0.8, rng.integers(0, 3)))
    for distance in far:
        middle = np.array(shape[::-1]) / 2 + distance * min(shape) * direction(
            _angle(rng)
        )
        outline = Outline.draw(rng, shape, radius=(0.07, 0.35), middle=middle)
        part, strength = canvas.empty(), rng.lognormal(0, 0.6)
        spread = log_between(rng, 0.02, 0.5)
        for turn in rng.uniform(-np.pi, np.pi, round(log_between(rng, 5, 120))):
            inset = 1 - min(abs(rng.normal(0, spread)), 0.95)
            force = -direction(turn + rng.normal(0, 0.35))
            size = log_between(rng, smallest, 3 * smallest)
            add_spot(
                part,
                canvas,
                outline.middle + inset * float(outline.reach(turn)) * direction(turn),
                strength * rng.lognormal(0, 0.5) * force,
                semi_axes=(size * rng.uniform(1, 4), size),
                along=force,
                profile=profile,
            )
        traction += balanced(part, canvas) if rng.random() < 0.8 else part
    return Traction(canvas, traction)


def _sheet(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Tractions everywhere and beyond the border, stronger on one side or in places."""
    canvas = Canvas(shape, round(rng.uniform(0.3, 0.9) * max(shape)))
    roughness = rng.uniform(1.3, 3) if rng.random() < 0.4 else 0.0
    traction = random_field(rng, canvas, log_between(rng, 1.5, 16), roughness=roughness)
    if rng.random() < 0.5:
        traction += np.float32(rng.uniform(0, 1.5)) * vector(*direction(_angle(rng)))
    which = rng.integers(3)
    if which == 1:
        x, y = direction(_angle(rng)) * rng.uniform(0, 3) / max(shape)
        traction *= np.exp(np.clip(canvas.x * x + canvas.y * y, -4, 4))
    elif which == 2:
        places = random_field(rng, canvas, log_between(rng, 5, 40))[:1]
        traction *= np.exp(np.float32(rng.uniform(0.3, 1)) * places)
    return Traction(canvas, np.asarray(traction, dtype=np.float32))


def _pairs(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Pairs and groups of spots that pull together: fibres, and small cells."""
    canvas = Canvas(shape, round(0.3 * max(shape)))
    traction = canvas.empty()
    smallest, longest = log_between(rng, 0.4, 6), log_between(rng, 8, 60)
    main, spread = rng.uniform(0, np.pi), rng.uniform(0.1, 2)
    profile: Profile = rng.choice(["sharp", "cosine", "gaussian"])
    out = rng.choice([0.0, 0.2], p=[0.6, 0.4]) * min(shape)
    for _ in range(round(log_between(rng, 1, 40))):
        middle = rng.uniform(4 - out, np.array(shape[::-1]) - 5 + out)
        size = log_between(rng, smallest, 2 * smallest)
        reach = max(rng.uniform(0.3, 1) * longest / 2, size)
        n = rng.choice([2, 2, 2, 3, 4])
        angles = rng.normal(main, spread) + 2 * np.pi * np.arange(n) / n
        angles += rng.normal(0, 0.15, n)
        forces = -direction(angles) * rng.lognormal(0, 0.4, (n, 1))
        if rng.random() < 0.7:
            forces -= forces.mean(axis=0)
        forces *= rng.lognormal(0, 0.6)
        for turn, force in zip(angles, forces, strict=True):
            add_spot(
                traction,
                canvas,
                middle + reach * direction(turn),
                force,
                semi_axes=(size * rng.uniform(1, 4), size),
                along=direction(turn),
                profile=profile,
            )
    return Traction(canvas, traction)


def _sum_of_two(rng: Rng, shape: tuple[int, int]) -> Traction:
    """Two of the other kinds together."""
    draws = (_random, _cells, _spots_beyond, _adherent, _sheet, _pairs)
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
    "adherent": _adherent,
    "sheet": _sheet,
    "pairs": _pairs,
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


def unseen(kind: str, number: int, *, seed: int, side: int) -> Base:
    """Draw an unseen field, with its tractions beyond the border.

    Its windows are those of `WINDOWS_STEPS` in turn.
    """
    rng = np.random.default_rng([seed, crc32(kind.encode()), number, 8])
    canvas = UnseenCanvas((side, side), rng)
    UNSEEN[kind](canvas)
    window = WINDOWS_STEPS[number % len(WINDOWS_STEPS)]
    squares = canvas.traction.reshape(2, 2 * side, UNSEEN_FINER, 2 * side, UNSEEN_FINER)
    parts = canvas.displacement(window), squares.mean(axis=(2, 4))
    return _strained(
        rng, Base(f"unseen: {kind}", *(np.moveaxis(p, 0, -1) for p in parts))
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
        steps = with_noise(rng, _as_measured(rng, base.steps), noise)
        yield Case(steps, base.kind, "", noise)
    for _ in range(LAYERS if base.traction is not None else 0):
        thickness, noise = _thickness(rng), _fault_noise(rng)
        steps = _as_measured(rng, base.on_layer(thickness), is_layer=True)
        yield Case(with_noise(rng, steps, noise), base.kind, "", noise, thickness)


def _as_measured(rng: Rng, steps: FloatArray, *, is_layer: bool = False) -> FloatArray:
    """Add to half of the fields what measured ones of good quality have.

    That is a smooth error of at most 3%, or of at most 15% of the displacement at each
    place; a rotation of at most 5%; or forces beyond the border, with at most 8% of the
    squared displacement.
    """
    which = rng.integers(3 if is_layer else 4)
    if rng.random() < 0.5:
        return steps
    if which == 2:
        size = rng.uniform(0.02, 0.15)
        error = noise_like(rng, steps.shape, rng.uniform(2, 8))
        return steps * (1 + size * error)
    if which == 0:
        added = rng.uniform(0, 0.03) * noise_like(rng, steps.shape, rng.uniform(2, 8))
    elif which == 1:
        turn = _affine(rng, steps.shape, rotation=True)
        size = min(rng.uniform(0, 0.05), 0.005 * rms(turn) / rms(steps))
        added = size / rms(turn) * turn
    else:
        made = _from_beyond(rng, steps.shape)
        added = rng.uniform(0.02, 0.28) / rms(made) * made
    return steps + rms(steps) * added


def measured(base: Base, *, seed: int) -> Iterator[Case]:
    """The field with several errors at once that measured ones of good quality have.

    The gel is thick, but not infinite; the errors grow with the displacement, and there
    may be forces beyond the border. Together they are up to 8% of the squared
    displacement.
    """
    rng = np.random.default_rng([seed, crc32(base.kind.encode()), 6])
    shape, clean = base.steps.shape, base.steps
    for _ in range(MEASURED):
        steps = base.on_layer(log_between(rng, 30, 150))
        error = noise_like(rng, shape, rng.uniform(2, 8))
        steps = steps * (1 + rng.uniform(0.03, 0.2) * error)
        if rng.random() < 0.5:
            made = _from_beyond(rng, shape)
            steps = steps + rng.uniform(0.02, 0.28) * rms(clean) / rms(made) * made
        size = rms(steps - clean) / rms(clean)
        steps = clean + min(1, 0.28 / size) * (steps - clean)
        noise = (float(rng.uniform(0.01, 0.06)), float(rng.uniform(0, 2)))
        yield Case(with_noise(rng, steps, noise), base.kind, "", noise)


def _from_beyond(rng: Rng, shape: tuple[int, ...]) -> FloatArray:
    """Displacement of one to four forces beyond the border, on a half-space."""
    made = np.zeros(shape)
    for _ in range(rng.integers(1, 4, endpoint=True)):
        out = direction(_angle(rng))
        edge = 0.5 / np.abs(out).max()
        place = (0.5 + out * (edge + log_between(rng, 0.03, 0.6))) * shape[1::-1]
        made += _of_force(shape, place, direction(_angle(rng)) * rng.lognormal(0, 0.5))
    return made


def _of_force(
    shape: tuple[int, ...], place: FloatArray, force: FloatArray
) -> FloatArray:
    """Displacement of a force on a tenth of a grid step, ``(H, W, 2)``."""
    y, x = np.indices(shape[:2])
    away = np.stack([x, y], axis=-1) - place
    r = np.maximum(np.hypot(away[..., 0], away[..., 1]), 0.1)[..., None]
    along = (away @ force)[..., None] * away / r**2
    return np.asarray((0.51 * force + 0.49 * along) / r)


def faulty(base: Base, *, seed: int) -> Iterator[Case]:
    """The field with the hard faults, and with some of the others."""
    chooses = np.random.default_rng([seed, crc32(base.kind.encode()), 5])
    others = [fault for fault in FAULTS if fault not in HARD_FAULTS]
    chosen = chooses.choice(others, OTHER_FAULTS, replace=False)
    for fault in (*HARD_FAULTS, *map(str, chosen)):
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
        wrong = make(rng, base)
        steps = with_noise(rng, wrong, level)
        without = base.steps + (steps - wrong) if fault in ADDED else None
        return Case(steps, base.kind, fault, level, without=without)

    return case


def _half_as_thin(rng: Rng, base: Base) -> Case:
    thickness, noise = _thickness(rng), _fault_noise(rng)
    wrong = base.on_layer(thickness / 2)
    steps = with_noise(rng, wrong, noise)
    without = base.on_layer(thickness) + (steps - wrong)
    return Case(steps, base.kind, "half as thick", noise, thickness, without)


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


def _affine(rng: Rng, shape: tuple[int, ...], *, rotation: bool) -> FloatArray:
    """Shear or rotation with gradients of 1, ``(H, W, 2)``."""
    y, x = (part - part.mean() for part in np.indices(shape[:2]).astype(np.float64))
    if rotation:
        return float(rng.choice([-1, 1])) * np.stack([-y, x], axis=-1)
    zero = np.zeros_like(x)
    shears = ((y, zero), (zero, x), (x, -y), (y, x))
    return np.stack(shears[rng.integers(len(shears))], axis=-1)


def _shear(rng: Rng, base: Base) -> FloatArray:
    return base.steps + 0.05 * _affine(rng, base.shape, rotation=False)


def _rotation(rng: Rng, base: Base) -> FloatArray:
    return base.steps + 0.05 * _affine(rng, base.shape, rotation=True)


def _weak_rotation(rng: Rng, base: Base) -> FloatArray:
    turn = _affine(rng, base.shape, rotation=True)
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
    made = np.zeros_like(base.steps)
    for _ in range(round(np.exp(rng.uniform(np.log(30), np.log(300))))):
        place = rng.uniform(4, np.array(base.shape)[::-1] - 5)
        force = rng.lognormal(0, 0.5) * direction(rng.uniform(0, 2 * np.pi))
        made += _of_force(base.shape, place, force)
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


ADDED = (
    "layer as half-space",
    "normal force",
    "points of divergence",
    "shear of 5%",
    "rotation of 5%",
    "rotation of 5% of the field",
    "correlation over 8 steps",
)
"""Faults with the tractions, and the noise, of a good field. "Half as thick", too."""

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


def all_cases(n: int, *, seed: int, side: int = 104) -> Iterator[Case]:
    """Good and faulty fields of every kind.

    Parameters
    ----------
    n : int
        Number of fields of each kind.
    seed, side : int, keyword-only
        Seed, and vectors along a side.
    """
    for number in range(n):
        for family, draw in ((HELD_OUT, held_out), (OTHERS, other)):
            for kind in family:
                base = draw(kind, number, seed=seed, side=side)
                yield from good(base, seed=seed + number)
                yield from faulty(base, seed=seed + number)
        for kind in TRAINING:
            yield from good(
                training(kind, number, seed=seed, side=side), seed=seed + number
            )


def measured_cases(n: int, *, seed: int, side: int = 104) -> Iterator[Case]:
    """Good fields with the errors of measured ones, as `all_cases`."""
    for number in range(n):
        for family, draw in ((HELD_OUT, held_out), (OTHERS, other)):
            for kind in family:
                base = draw(kind, number, seed=seed, side=side)
                yield from measured(base, seed=seed + number)


def windowed_cases(n: int, *, seed: int, side: int = 104) -> Iterator[Case]:
    """Good and faulty fields of displacements that are averages over windows.

    As `all_cases`, without the kinds of the training. Of the kinds `EVERYWHERE`, three
    times as many are drawn.
    """
    for number in range(3 * n):
        kinds = (*HELD_OUT, *OTHERS) if number < n else EVERYWHERE
        for base in _windowed(number, seed=seed, side=side, kinds=kinds):
            yield from good(base, seed=seed + number)
            yield from faulty(base, seed=seed + number)


def everywhere_cases(n: int, *, seed: int, side: int = 104) -> Iterator[Case]:
    """Good fields of the kinds `EVERYWHERE`, of averages over windows."""
    for number in range(n):
        for base in _windowed(number, seed=seed, side=side, kinds=EVERYWHERE):
            yield from good(base, seed=seed + number)


def unseen_cases(n: int, *, seed: int, side: int = 104) -> Iterator[Case]:
    """Good and faulty fields of every kind of the second set, as `all_cases`."""
    for number in range(n):
        for kind in UNSEEN:
            base = unseen(kind, number, seed=seed, side=side)
            yield from good(base, seed=seed + number)
            yield from faulty(base, seed=seed + number)


def _windowed(
    number: int, *, seed: int, side: int, kinds: Sequence[str]
) -> Iterator[Base]:
    """One field of each kind, averaged over windows of a random width."""
    for family, draw in ((HELD_OUT, held_out), (OTHERS, other)):
        for kind in family:
            if kind not in kinds:
                continue
            rng = np.random.default_rng([seed, crc32(kind.encode()), number, 7])
            window = float(rng.uniform(*WINDOWS))
            yield draw(kind, number, seed=seed, side=side, window_steps=window)


CASES: Mapping[str, Callable[..., Iterator[Case]]] = {
    "all": all_cases,
    "measured": measured_cases,
    "windows": windowed_cases,
    "everywhere": everywhere_cases,
    "unseen": unseen_cases,
}
"""Functions that draw good and faulty fields, by name."""
