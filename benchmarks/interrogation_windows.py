"""Intervals of quantities if displacements are averages over interrogation windows.

    python benchmarks/interrogation_windows.py -n 4 --side 64 -o windows.md
    python benchmarks/interrogation_windows.py -n 3 --fields unseen -o unseen.md

The tables have the share of the true numbers in the 68% and 95% intervals of the
bundled network, and the median of the reconstructed over the true number, for the same
fields with displacements at the vectors, and with averages over windows of one to three
grid steps. The smallest windows of unseen fields are half a step wide.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_vit_tfm import DisplacementStack, Gel, ReconstructionConfig, TractionStack
from napari_vit_tfm.benchmark.field_sets import FIELD_SETS
from napari_vit_tfm.benchmark.held_out import with_noise
from napari_vit_tfm.config import HELD_OUT, UNSEEN
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.quantities import Measurement, Row, measure
from napari_vit_tfm.reconstruction import load_method, reconstruct

WINDOWS = {HELD_OUT: (0.0, 1.0, 2.0, 3.0), UNSEEN: (0.5, 1.0, 2.0, 3.0)}
"""Sides of the windows in grid steps, by set of fields; 0 is at the vectors."""
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
    clean, truth = FIELD_SETS[given.fields].simulate(
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
    parser.add_argument("--fields", choices=WINDOWS, default=HELD_OUT)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--side", type=int, default=64, help="vectors along a side")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    method = load_method(ReconstructionConfig(device="cpu"))
    kinds = sorted(set(FIELD_SETS[given.fields].kinds) - set(CUT_BY_THE_BORDER))
    windows = WINDOWS[given.fields]
    pairs: dict[tuple[str, float], list[tuple[Row, Row]]] = {}
    for kind in kinds:
        print(f"\r{kind}".ljust(30), end="", flush=True)
        for window in windows:
            pairs[kind, window] = list(rows_of(kind, window, given, method))
    print()
    for window in windows:
        pairs["**all**", window] = [
            one for kind in kinds for one in pairs[kind, window]
        ]
    lines = []
    for name, column in COLUMNS.items():
        widths = " | ".join(f"{window:g}" for window in windows)
        head = f"| {name}, by width | {widths} |"
        lines += [head, f"|---|{'---:|' * len(windows)}"]
        for kind in [*kinds, "**all**"]:
            cells = [words(pairs[kind, window], column) for window in windows]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines.append("")
    given.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
