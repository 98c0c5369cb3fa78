"""Errors on small and large grids, with the field processed whole and in windows.

    python benchmarks/grid_sizes.py --sides 208 312 520 -n 2 -o large.md
    python benchmarks/grid_sizes.py --sides 4 6 8 10 12 16 24 32 -n 48 -o small.md

The fields are held-out fields of several kinds, and on grids of several times 104
vectors also cells of usual size side by side. The errors are relative squared errors,
the median over the fields of a kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS, simulate, with_noise
from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, Traction
from napari_vit_tfm.benchmark.metrics import relative_squared_error
from napari_vit_tfm.config import BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.models.registry import classical_names
from napari_vit_tfm.reconstruction import load_method, reconstruct

Fields = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Displacements ``u / L`` and tractions ``t / E``."""

ONE_CELL = 104
"""Side of the part of a field with many cells that has one cell."""

NOISES = "0", "5%", "20%"
SINGLE_KINDS = "colony", "layer", "pads", "discs", "adhesions", "dipoles"


def fields_of(side: int, n: int, seed: int) -> Iterator[tuple[str, Fields]]:
    """Held-out fields by kind, except those without any traction."""
    for kind in SINGLE_KINDS:
        with np.errstate(invalid="ignore", divide="ignore"):
            displacement, traction = simulate(kind, n, seed=seed, shape=(side, side))
        power = np.square(traction).sum(axis=(1, 2, 3))
        has_traction = np.isfinite(power) & (power > 0)
        yield kind, (displacement[has_traction], traction[has_traction])
    if side > ONE_CELL and side % ONE_CELL == 0:
        for kind in ("colony", "adhesions"):
            both = [
                side_by_side(kind, side, np.random.default_rng([seed, number]))
                for number in range(n)
            ]
            displacement, traction = map(np.stack, zip(*both, strict=True))
            yield f"many of {kind}", (displacement, traction)


def side_by_side(kind: str, side: int, rng: np.random.Generator) -> Fields:
    """One field with cells of usual size; four in ten places are empty."""
    margin = 8
    canvas = Canvas((side, side), margin)
    fine = canvas.empty()
    for row in range(0, side, ONE_CELL):
        for column in range(0, side, ONE_CELL):
            cell = KINDS[kind](rng, (ONE_CELL, ONE_CELL))
            strength = 0.2 * rng.lognormal(0, 0.5) / np.abs(cell.fine).max()
            if rng.random() < 0.4:
                continue
            # Where the canvas of the cell begins on that of the field.
            top, left = (
                FINER * (margin - cell.canvas.margin + start) for start in (row, column)
            )
            height, width = cell.fine.shape[-2:]
            part = fine[:, top : top + height, left : left + width]
            part += strength * cell.fine
    whole = Traction(canvas, fine)
    steps = np.moveaxis(whole.displacement(), 0, -1)
    return steps / np.float32(side - 1), np.moveaxis(whole.at_nodes(), 0, -1)


def methods_for(side: int) -> dict[str, ReconstructionMethod]:
    """The methods by name, the network both whole and in windows."""

    def load(model: str) -> ReconstructionMethod:
        return load_method(ReconstructionConfig(model=model))

    methods = {}
    whole, windowed = load(BUNDLED_MODEL), load(BUNDLED_MODEL)
    if side >= whole.min_side:
        methods["network, whole"] = whole
        whole.max_whole_side = None
    if side > ONE_CELL:
        methods["network, windows"] = windowed
        windowed.max_whole_side = ONE_CELL
    return methods | {name: load(name) for name in classical_names()}


def median_error(
    method: ReconstructionMethod,
    displacement: npt.NDArray[np.float32],
    truth: npt.NDArray[np.float32],
) -> float:
    """Median relative squared error of a method.

    The mean would show only the fields whose forces are almost all outside.
    """
    stack = DisplacementStack(displacement, unit="field")
    config = ReconstructionConfig(device="cpu")
    found = reconstruct(stack, config=config, method=method)
    return float(np.median(relative_squared_error(found.data, truth)))


def geometric_mean(values: list[float]) -> float:
    """Geometric mean."""
    return float(np.exp(np.log(values).mean()))


def write_table(
    rows: dict[tuple[str, ...], dict[str, float]], header: tuple[str, ...]
) -> Iterator[str]:
    """Lines of a Markdown table."""
    names = list(dict.fromkeys(name for errors in rows.values() for name in errors))
    yield "| " + " | ".join([*header, *names]) + " |"
    yield "|" + "---|" * len(header) + "---:|" * len(names)
    for key, errors in rows.items():
        cells = [f"{errors[name]:.3g}" if name in errors else "-" for name in names]
        yield "| " + " | ".join([*key, *cells]) + " |"


def measure(
    sides: list[int], n: int, seed: int, show: Callable[[str], None]
) -> dict[tuple[str, ...], dict[str, float]]:
    """Errors of all methods by side, noise and kind."""
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for side in sides:
        methods = methods_for(side)
        for kind, (displacement, truth) in fields_of(side, n, seed):
            for noise in NOISES:
                noisy = with_noise(displacement, noise, seed=seed)
                rows[str(side), noise, kind] = {
                    name: median_error(method, noisy, truth)
                    for name, method in methods.items()
                }
                show(f"{side} {noise} {kind} {rows[str(side), noise, kind]}")
    return rows


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", required=True)
    parser.add_argument("-n", type=int, default=2, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = measure(
        arguments.sides,
        arguments.n,
        arguments.seed,
        lambda line: print(line, flush=True),
    )
    groups = dict.fromkeys(key[:2] for key in rows)
    means: dict[tuple[str, ...], dict[str, float]] = {
        group: {
            name: geometric_mean([rows[key][name] for key in rows if key[:2] == group])
            for name in next(rows[key] for key in rows if key[:2] == group)
        }
        for group in groups
    }
    lines = [
        "Geometric mean over the kinds:",
        "",
        *write_table(means, ("side", "noise")),
        "",
        "Each kind:",
        "",
        *write_table(rows, ("side", "noise", "kind")),
    ]
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
