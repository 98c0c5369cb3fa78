"""Errors of quantities on fields with known tractions.

    python benchmarks/quantity_errors.py -n 38 -o errors.npz

Training and held-out fields of all kinds are reconstructed with noise of many strengths
and lengths, from displacements at the vectors or averages over windows of many widths.
What is measured and what is true is written for the whole field, for a cell, and for a
part of the cell, as if another cell were beside it. Every second field is also
reconstructed by the classical methods, and has a later frame whose forces have changed;
the others only have the bundled network, and there are no others among the training
fields. `quantity_intervals.py` fits the intervals.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import convex_hull_image

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out import draw_window_steps, simulate
from napari_vit_tfm.config import BAYESIAN_FTTC, BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import raster_displacement
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Cell,
    Measurement,
    cells_of,
    default_dilation_steps,
    regions_of,
)
from napari_vit_tfm.quantities.errors import FEATURES, features_of, size_of
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.synthesis import KINDS as TRAINING
from napari_vit_tfm.synthesis import correlated, synthesise

METHODS = BUNDLED_MODEL, BAYESIAN_FTTC, "fttc"
NAMES = tuple(
    name
    for name, one in QUANTITIES.items()
    if not one.is_geometric and one.error != "none"
)
SHAPES = (104, 104), (104, 104), (104, 104), (64, 64), (80, 112), (48, 48), (128, 128)
STRENGTH = 0.008, 0.8
CLEAN_SHARE = 0.17
CORRELATED_SHARE = 0.35

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Field:
    """A field without noise.

    Parameters
    ----------
    steps, at_vectors : arrays of shape (H, W, 2)
        Displacement in grid steps, averaged over the windows and at the vectors.
    traction : array of shape (H, W, 2)
        True ``t / E``.
    window : float
        Side of the windows in grid steps.
    """

    steps: FloatArray
    at_vectors: FloatArray
    traction: FloatArray
    window: float

    @property
    def strength(self) -> float:
        """Root mean square of the displacement about its mean, in grid steps."""
        about_mean = self.steps - self.steps.mean(axis=(0, 1))
        return float(np.sqrt(np.square(about_mean).mean()))


def draw(source: str, kind: str, rng: np.random.Generator) -> Field:
    """One field; discs of the training have no windows."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    seed = int(rng.integers(2**31))
    has_windows = source == "held-out" or kind != "discs"
    window = draw_window_steps(rng) if has_windows else 0.0

    def drawn(window: float) -> tuple[FloatArray, FloatArray]:
        if source == "held-out":
            both = simulate(kind, 1, seed=seed, shape=shape, window_steps=window)
        else:
            distribution = TRAINING[kind]()
            fields = synthesise(
                1, seed=seed, shape=shape, distribution=distribution, window=window
            )
            both = fields.displacement, fields.traction
        displacement, traction = (part[0].astype(np.float64) for part in both)
        return displacement * (shape[1] - 1), traction

    at_vectors, traction = drawn(0.0)
    steps = drawn(window)[0] if window else at_vectors
    return Field(steps, at_vectors, traction, window)


def mask_of(traction: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A cell around the tractions: their places, closed and filled, or their hull."""
    magnitude = np.hypot(traction[..., 0], traction[..., 1])
    strong = magnitude > rng.choice([0.005, 0.02, 0.05]) * magnitude.max()
    if rng.random() < 0.25:
        hull = convex_hull_image(strong)  # type: ignore[no-untyped-call]
        return np.asarray(hull, dtype=np.int64)
    steps = int(rng.choice([1, 3, 6, 12]))
    padded = np.pad(strong, steps)
    disc = np.hypot(*np.mgrid[-steps : steps + 1, -steps : steps + 1]) <= steps
    closed = ndimage.binary_closing(padded, disc)[steps:-steps, steps:-steps]
    return ndimage.binary_fill_holes(closed).astype(np.int64)


def part_of(
    labels: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The cell on one side of a line, as if there were another cell on the other."""
    nodes = np.argwhere(labels > 0)
    angle = rng.uniform(0, 2 * np.pi)
    across = nodes @ [np.sin(angle), np.cos(angle)]
    kept = nodes[across >= np.quantile(across, rng.uniform(0.2, 0.7))]
    part = np.zeros_like(labels)
    part[tuple(kept.T)] = 1
    return part


def changed(field: Field, rng: np.random.Generator) -> Field:
    """The same cell later: stronger or weaker, and in places by different factors."""
    white = rng.normal(size=(1, *field.traction.shape[:2]))
    length = np.array([np.exp(rng.uniform(np.log(2), np.log(20)))])
    uneven = np.exp(rng.uniform(0, 0.4) * correlated(white, length)[0])[..., None]
    extra = np.moveaxis((uneven - 1) * field.traction, -1, 0)
    averaged, at_vectors = (
        np.stack(raster_displacement(*extra, window=window), axis=-1)
        for window in (field.window, 0.0)
    )
    factor = np.exp(rng.uniform(-0.7, 0.7))
    return Field(
        factor * (field.steps + averaged),
        factor * (field.at_vectors + at_vectors),
        factor * uneven * field.traction,
        field.window,
    )


def noise_of(field: Field, rng: np.random.Generator) -> tuple[float, float]:
    """Standard deviation and correlation length of the noise, both in grid steps."""
    if rng.random() < CLEAN_SHARE:
        return 0.0, 0.0
    strength = np.exp(rng.uniform(*np.log(STRENGTH)))
    length = rng.uniform(0.4, 1.4) if rng.random() < CORRELATED_SHARE else 0.0
    return float(strength * field.strength), float(length)


def noisy(
    steps: FloatArray, noise: tuple[float, float], rng: np.random.Generator
) -> FloatArray:
    """The field with new noise, which is not periodic."""
    height, width = steps.shape[:2]
    white = rng.normal(size=(2, height + 8, width + 8))
    made = correlated(white, np.full(2, noise[1]))[:, :height, :width]
    return np.asarray(steps + noise[0] * np.moveaxis(made, 0, -1))


def values_of(cell: Cell) -> list[float]:
    """All quantities, in units of Young's modulus and grid steps."""
    return [QUANTITIES[name].value(cell) for name in NAMES]


def cells(
    traction: FloatArray, measured: FloatArray, masks: list[npt.NDArray[np.int64]]
) -> list[Cell]:
    """The whole field, and the cells of the masks."""
    stack = TractionStack(traction.astype(np.float32))
    displacement = DisplacementStack(measured.astype(np.float32), unit="grid")
    ((field,),) = cells_of(stack, Measurement(measured=displacement))
    found = [field]
    for labels in masks:
        (region,) = regions_of(labels, dilation_steps=default_dilation_steps(None))
        cell = replace(
            field,
            core=region.core,
            region=region.dilated,
            ring=region.ring,
            is_field=False,
        )
        found.append(cell)
    return found


def rows_of(
    source: str, kind: str, number: int, seed: int, methods: list[ReconstructionMethod]
) -> Iterator[dict[str, Any]]:
    """All that is measured in one drawn field: two draws of noise, and a later frame.

    The later frame and all but the first of the methods are those of even numbers.
    """
    rng = np.random.default_rng([seed, crc32(f"{source}:{kind}".encode()), number])
    field = draw(source, kind, rng)
    labels = mask_of(field.traction, rng)
    masks = [labels, part_of(labels, rng)]
    noise, other_noise = noise_of(field, rng), noise_of(field, rng)
    frames = [(field, noise), (field, other_noise), (changed(field, rng), noise)]
    if number % 2:
        frames, methods = frames[:2], methods[:1]
    # The true numbers are those of the displacement at the vectors.
    truth, *later = [
        [values_of(cell) for cell in cells(one.traction, one.at_vectors, masks)]
        for one, _ in (frames[0], *frames[2:])
    ]
    truths = [truth, truth, *later]
    fields = np.array([noisy(one.steps, level, rng) for one, level in frames])
    for method in methods:
        found = reconstruct(
            DisplacementStack(fields, unit="grid"),
            config=ReconstructionConfig(model=method.name, device="cpu", batch_size=3),
            method=method,
        ).data.astype(np.float64)
        measured = [cells(t, u, masks) for t, u in zip(found, fields, strict=True)]
        for frame, (one, level) in enumerate(frames):
            for region, cell in enumerate(measured[frame]):
                features = features_of(cell)
                if features is None:
                    continue
                yield {
                    "source": source,
                    "kind": kind,
                    "number": number,
                    "method": method.name,
                    "frame": frame,
                    "region": ("field", "cell", "part")[region],
                    "noise": level[0] / one.strength,
                    "length": level[1],
                    "window": one.window,
                    "side": one.steps.shape[0],
                    "features": features,
                    "distance": difference_of(measured[0][region], cell),
                    "truth": truths[frame][region],
                    "value": values_of(cell),
                    "size": [size_of(QUANTITIES[name], cell) for name in NAMES],
                }


def difference_of(one: Cell, other: Cell) -> float:
    """How much tractions differ, 0 to 1 for equal ones and those of other places."""
    both = one.nodes & other.nodes
    a, b = one.traction[both], other.traction[both]
    power = np.square(a).sum() + np.square(b).sum()
    return float(np.sqrt(np.square(a - b).sum() / power)) if power > 0 else 0.0


def measure_all(numbers: Sequence[int], seed: int, path: Path) -> None:
    """Measure held-out fields, and half as many training fields, of each kind."""
    methods = [
        load_method(ReconstructionConfig(model=name, device="cpu")) for name in METHODS
    ]
    rows: list[dict[str, Any]] = []
    start = time.monotonic()
    for number in numbers:
        for source, kinds in (("held-out", HELD_OUT), ("training", TRAINING)):
            if source == "training" and number % 2:
                continue
            for kind in kinds:
                rows += rows_of(source, kind, number, seed, methods)
        columns: dict[str, Any] = {
            name: np.array([row[name] for row in rows]) for name in rows[0]
        }
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, names=NAMES, feature_names=FEATURES, **columns)
        print(number, len(rows), f"{time.monotonic() - start:.0f} s", flush=True)


def main() -> None:
    """Measure, and write the errors after every number."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=38, help="held-out fields of each kind")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    numbers = range(given.start, given.start + given.n)
    measure_all(numbers, given.seed, given.output)


if __name__ == "__main__":
    main()
