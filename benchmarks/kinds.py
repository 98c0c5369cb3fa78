"""Accuracy over kinds of fields and levels of noise, beside classical methods.

    python benchmarks/kinds.py -n 8 -o DIR

simulates fields of every kind (`napari_vit_tfm.held_out`, which nothing is
trained on), adds noise of every level, and reconstructs them with the bundled
network or given models, with FTTC and with Bayesian FTTC. A method's error is
the mean over fields of ``sum |t - t_true|^2 / sum |t_true|^2``: 0 is perfect,
and finding no traction scores 1. It writes ``kinds.md``, tables to read, and
``kinds.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_vit_tfm.config import BUNDLED_MODEL, N_VIEWS, ReconstructionConfig
from napari_vit_tfm.held_out import KINDS, NOISES, simulate, with_noise
from napari_vit_tfm.metrics import relative_squared_error
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.tensors import to_stack, to_tensor
from napari_vit_tfm.reconstruct import load_method

CLASSICAL = ("fttc", "bayesian-fttc")
SHAPE = (104, 104)
BATCH = 4


@dataclass(frozen=True)
class Cell:
    """Mean relative squared error of each method, for one kind and noise."""

    kind: str
    noise: str
    errors: Mapping[str, float]

    def ratio(self, model: str) -> float:
        """A model's error over that of the better classical method."""
        return self.errors[model] / min(self.errors[name] for name in CLASSICAL)


@dataclass(frozen=True)
class Summary:
    """A model's ratios to the better classical method, over all cells."""

    n_cells: int
    above_1_00: int
    above_1_10: int
    geometric_mean: float
    worst: float
    worst_kind: str
    worst_noise: str

    @classmethod
    def of(cls, cells: Sequence[Cell], model: str) -> Summary:
        """Sum up one model."""
        ratios = np.array([cell.ratio(model) for cell in cells])
        worst = cells[int(ratios.argmax())]
        return cls(
            n_cells=len(cells),
            above_1_00=int((ratios > 1.0).sum()),
            above_1_10=int((ratios > 1.1).sum()),
            geometric_mean=float(np.exp(np.log(ratios).mean())),
            worst=float(ratios.max()),
            worst_kind=worst.kind,
            worst_noise=worst.noise,
        )


def measure(
    methods: Mapping[str, ReconstructionMethod],
    *,
    kinds: Sequence[str],
    n: int,
    seed: int,
    shape: tuple[int, int] = SHAPE,
) -> Iterator[Cell]:
    """Reconstruct `n` fields of each kind at each level of noise.

    Parameters
    ----------
    methods : mapping of str to ReconstructionMethod
        Methods by name.
    kinds : sequence of str, keyword-only
        Names of `KINDS`.
    n, seed : int, keyword-only
        Number of fields of a kind; seed of the random numbers.
    shape : tuple of int, keyword-only
        Rows and columns of nodes.

    Yields
    ------
    Cell
        Kind by kind, and for each kind noise by noise.
    """
    for kind in kinds:
        clean, truth = simulate(kind, n, seed=seed, shape=shape)
        for noise in NOISES:
            displacement = with_noise(clean, noise, seed=seed)
            # Measurements drift, so their mean means nothing.
            displacement = displacement - displacement.mean(axis=(1, 2), keepdims=True)
            errors = {
                name: float(
                    relative_squared_error(solve(method, displacement), truth).mean()
                )
                for name, method in methods.items()
            }
            yield Cell(kind, noise, errors)


def solve(
    method: ReconstructionMethod, displacement: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Tractions ``t / E``, ``(n, H, W, 2)``, of displacements ``u / L``."""
    with torch.inference_mode():
        batches = torch.split(to_tensor(displacement), BATCH)
        return to_stack(torch.cat([method.traction(batch) for batch in batches]))


def table(cells: Sequence[Cell], models: Sequence[str]) -> str:
    """Every cell's errors and ratios, and each model's summary, in Markdown."""
    names = [*models, *CLASSICAL]
    head = ["kind", "noise", *names, *(f"{model} / best classical" for model in models)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for cell in cells:
        figures = [f"{cell.errors[name]:.4f}" for name in names]
        ratios = [_marked(cell.ratio(model)) for model in models]
        lines.append(f"| {' | '.join([cell.kind, cell.noise, *figures, *ratios])} |")
    for model in models:
        lines += ["", _sentence(model, Summary.of(cells, model))]
    return "\n".join(lines) + "\n"


def grid(cells: Sequence[Cell], model: str) -> str:
    """A model's ratios, kinds downwards and noise to the right, in Markdown."""
    ratios = {(cell.kind, cell.noise): cell.ratio(model) for cell in cells}
    kinds, noises = (
        list(dict.fromkeys(column)) for column in zip(*ratios, strict=True)
    )
    lines = [f"| {model} | {' | '.join(noises)} |", "|---" * (len(noises) + 1) + "|"]
    for kind in kinds:
        row = [_marked(ratios[kind, noise]) for noise in noises]
        lines.append(f"| {kind} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _marked(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio > 1 else f"{ratio:.2f}"


def _sentence(model: str, summary: Summary) -> str:
    return (
        f"{model}: of {summary.n_cells} cells {summary.above_1_00} above 1.00 and "
        f"{summary.above_1_10} above 1.10; geometric mean "
        f"{summary.geometric_mean:.3f}; worst {summary.worst:.2f} "
        f"({summary.worst_kind}, noise {summary.worst_noise})."
    )


def write(
    folder: Path, cells: Sequence[Cell], models: Sequence[str], origin: dict[str, Any]
) -> None:
    """Write ``kinds.md`` and ``kinds.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    grids = [grid(cells, model) for model in models]
    text = (
        "# Mean relative squared error\n\n"
        f"{origin['n']} fields a cell, seed {origin['seed']}, "
        f"views {origin['views']}.\n\n"
        + table(cells, models)
        + "\n# Network over best classical\n\n"
        + "\n".join(grids)
    )
    (folder / "kinds.md").write_text(text)
    facts = {
        **origin,
        "summaries": {model: vars(Summary.of(cells, model)) for model in models},
        "cells": [
            {
                "kind": cell.kind,
                "noise": cell.noise,
                "errors": cell.errors,
                "ratios": {model: cell.ratio(model) for model in models},
            }
            for cell in cells
        ],
    }
    (folder / "kinds.json").write_text(json.dumps(facts, indent=1) + "\n")


def named_models(models: Sequence[str], views: int) -> dict[str, ReconstructionMethod]:
    """Load models; called by their names, or by their files' names."""
    loaded = {}
    for model in models:
        path = Path(model)
        name = path.stem if path.is_file() else model
        # Two files of one name are told apart by their folders.
        name = model if name in loaded else name
        loaded[name] = load_method(ReconstructionConfig(model=model, n_views=views))
    return loaded


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description="Accuracy over kinds and noise.")
    parser.add_argument("-n", type=int, default=8, help="fields of a kind")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--model", nargs="+", default=[BUNDLED_MODEL], metavar="FILE", help="models"
    )
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--views", type=int, choices=N_VIEWS, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    models = named_models(options.model, options.views)
    methods = models | {
        name: load_method(ReconstructionConfig(model=name)) for name in CLASSICAL
    }
    cells = []
    for cell in measure(methods, kinds=options.kinds, n=options.n, seed=options.seed):
        cells.append(cell)
        errors = "  ".join(f"{name} {error:.4f}" for name, error in cell.errors.items())
        print(f"{cell.kind:15} {cell.noise:14} {errors}", flush=True)
    origin = {
        "n": options.n,
        "seed": options.seed,
        "views": options.views,
        "sha256": {name: method.sha256 for name, method in models.items()},
    }
    write(options.output, cells, list(models), origin)
    for name in models:
        print(_sentence(name, Summary.of(cells, name)))


if __name__ == "__main__":
    main()
