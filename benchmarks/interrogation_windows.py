"""Intervals of quantities if displacements are averages over interrogation windows.

    python benchmarks/interrogation_windows.py -n 4 --side 64 -o windows.md

The tables have the share of the true numbers in the 68% and 95% intervals of the
bundled network, and the median of the reconstructed over the true number, for the same
held-out fields with displacements at the vectors, and with averages over windows of one
to three grid steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_vit_tfm import DisplacementStack, Gel, ReconstructionConfig, TractionStack
from napari_vit_tfm.benchmark.held_out import KINDS, simulate, with_noise
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.quantities import Measurement, Row, measure
from napari_vit_tfm.reconstruction import load_method, reconstruct

WINDOWS = {
    "at the vectors": 0.0,
    "1 step": 1.0,
    "2 steps": 2.0,
    "3 steps": 3.0,
}
"""Side of the windows in grid steps, by title."""
NOISES = "1%", "5%", "20%"
COLUMNS = {
    "total force": "total_force_nN",
    "strain energy": "strain_energy_fJ",
    "net moment": "net_moment_nN_um",
}
CUT_BY_THE_BORDER = "layer", "front", "neighbour"
"""Kinds whose energy and moment depend on forces outside."""

GEL = Gel(young_pa=5000.0)
SPACING_UM = 1.0


def rows_of(
    kind: str,
    steps: float,
    given: argparse.Namespace,
    method: ReconstructionMethod,
) -> Iterator[tuple[Row, Row]]:
    """True and reconstructed quantities of fields of one kind, at each noise."""
    shape = (given.side, given.side)
    clean, truth = simulate(
        kind, given.n, seed=given.seed, shape=shape, window_steps=steps
    )
    true = TractionStack(truth, gel=GEL, spacing_um=SPACING_UM)
    for noise in NOISES:
        stack = DisplacementStack(
            with_noise(clean, noise, seed=given.seed),
            unit="field",
            spacing_um=SPACING_UM,
            gel=GEL,
        )
        found = reconstruct(
            stack,
            config=ReconstructionConfig(device="cpu", residual=True),
            method=method,
        )
        yield from zip(
            measure(true), measure(found, Measurement(measured=stack)), strict=True
        )


def words(pairs: list[tuple[Row, Row]], column: str) -> str:
    """Shares in the intervals, in percent, and the median ratio."""
    inside, ratio = [], []
    for true, found in pairs:
        value, one = true.values[column], found.intervals[column]
        inside.append(
            [one.low68 <= value <= one.high68, one.low95 <= value <= one.high95]
        )
        ratio.append(found.values[column] / value)
    narrow, wide = 100 * np.mean(inside, axis=0)
    return f"{narrow:.0f} / {wide:.0f} ({np.median(ratio):.2f})"


def main() -> None:
    """Write a table of each quantity."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=4, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--side", type=int, default=64, help="vectors along a side")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    method = load_method(ReconstructionConfig(device="cpu"))
    kinds = sorted(set(KINDS) - set(CUT_BY_THE_BORDER))
    pairs: dict[tuple[str, str], list[tuple[Row, Row]]] = {}
    for kind in kinds:
        print(f"\r{kind}".ljust(30), end="", flush=True)
        for window, steps in WINDOWS.items():
            pairs[kind, window] = list(rows_of(kind, steps, given, method))
    print()
    for window in WINDOWS:
        pairs["**all**", window] = [
            one for kind in kinds for one in pairs[kind, window]
        ]
    lines = []
    for name, column in COLUMNS.items():
        head = f"| {name} | {' | '.join(WINDOWS)} |"
        lines += [head, f"|---|{'---:|' * len(WINDOWS)}"]
        for kind in [*kinds, "**all**"]:
            cells = [words(pairs[kind, window], column) for window in WINDOWS]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines.append("")
    given.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
