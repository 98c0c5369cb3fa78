"""Measure whether the intervals of tractions hold the stated share of the truths.

    python benchmarks/coverage.py -n 8 --seed 2026 -o coverage.md

For held-out fields of every kind and noise level, the tables have the share of the true
tractions in the 68% and 95% intervals where there is traction; the share of the nodes
without traction whose magnitude is above the 95% half-width; and the interval score at
adhesions. The last table has the means over the kinds for fields that do not fit the
model of the gel, for a third as many fields. See `benchmark/coverage.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from napari_vit_tfm.benchmark.coverage import Cell, Coverage, coverage_of_kinds
from napari_vit_tfm.benchmark.held_out import KINDS, MISFITS, NOISES
from napari_vit_tfm.models import load

_SCORES = {
    "held_68": "truths in the 68% intervals, %",
    "held_95": "truths in the 95% intervals, %",
    "above": "nodes without traction above the 95% half-width, %",
    "score": "interval score at adhesions, % of the traction",
}


def table(found: Mapping[Cell, Coverage], score: str) -> str:
    """One score of a method, with a row for each kind, and the mean over kinds."""
    lines = [f"| {' | '.join(['kind', *NOISES])} |", f"|---|{'---:|' * len(NOISES)}"]
    rows = {
        kind: [getattr(found[kind, noise], score) for noise in NOISES] for kind in KINDS
    }
    rows["mean"] = [
        getattr(Coverage.mean([found[kind, noise] for kind in KINDS]), score)
        for noise in NOISES
    ]
    for name, values in rows.items():
        shown = ["-" if value != value else f"{100 * value:.1f}" for value in values]
        lines.append(f"| {' | '.join([name, *shown])} |")
    return "\n".join(lines)


_NOISES_OF_MISFITS = ("0", "5%")


def misfit_table(arguments: argparse.Namespace) -> str:
    """Shares of the truths for fields that do not fit the model of the gel."""
    titles = [
        f"{name}, {noise}" for name in arguments.methods for noise in _NOISES_OF_MISFITS
    ]
    lines = [f"| {' | '.join(['misfit', *titles])} |", f"|---|{'---:|' * len(titles)}"]
    for misfit in MISFITS:
        print(f"\r{misfit}".ljust(60), end="", flush=True)
        found = coverage_of_kinds(
            {name: load(name) for name in arguments.methods},
            noises=_NOISES_OF_MISFITS,
            n_fields=max(1, arguments.n // 3),
            seed=arguments.seed,
            shape=(arguments.side, arguments.side),
            misfit=misfit,
        )
        means = [
            Coverage.mean([of_method[kind, noise] for kind in KINDS])
            for of_method in found.values()
            for noise in _NOISES_OF_MISFITS
        ]
        cells = [f"{100 * one.held_68:.0f} / {100 * one.held_95:.0f}" for one in means]
        lines.append(f"| {' | '.join([misfit, *cells])} |")
    print()
    return "\n".join(lines)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=8, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--side", type=int, default=104, help="vectors along a side")
    parser.add_argument(
        "--methods", nargs="+", default=["vit", "bayesian-fttc", "fttc"]
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    measured = coverage_of_kinds(
        {name: load(name) for name in arguments.methods},
        n_fields=arguments.n,
        seed=arguments.seed,
        shape=(arguments.side, arguments.side),
        on_result=lambda kind, noise: print(f"\r{kind}, {noise}".ljust(40), end=""),
    )
    print()
    parts = [
        f"## {name}: {words}\n\n{table(found, score)}\n"
        for name, found in measured.items()
        for score, words in _SCORES.items()
    ]
    parts.append(
        "## fields that do not fit: truths in the 68% / 95% intervals, %\n\n"
        f"{misfit_table(arguments)}\n"
    )
    arguments.output.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
