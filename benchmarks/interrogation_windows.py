"""Intervals if displacements are averages over interrogation windows.

    python benchmarks/interrogation_windows.py -n 4 --side 64 -o windows.md
    python benchmarks/interrogation_windows.py -n 3 --fields unseen -o unseen.md

The tables have the share of the true quantities in the 68% and 95% intervals of the
bundled network, and the median of the reconstructed over the true quantity, for the
same fields with displacements at the vectors, and with averages over windows of one to
three grid steps. The smallest windows of unseen fields are half a step wide. The last
table has the share of the true tractions in their intervals, at nodes with traction.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from napari_vit_tfm import DisplacementStack, Gel, ReconstructionConfig, TractionStack
from napari_vit_tfm.benchmark.coverage import Coverage
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
"""Kinds whose energy and moment depend on forces outside. Their tractions do not."""

YOUNG_PA = 5000.0
GEL = Gel(young_pa=YOUNG_PA)
SPACING_UM = 1.0


Found = dict[tuple[str, float], list[tuple[Row, Row, Coverage]]]
"""True and reconstructed quantities, and the coverage, by kind and width."""


def compared(
    kind: str,
    steps: float,
    given: argparse.Namespace,
    method: ReconstructionMethod,
) -> Iterator[tuple[Row, Row, Coverage]]:
    """True and reconstructed quantities of fields of one kind, at each noise.

    The third item tells how many of the true tractions are in their intervals.
    """
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
            config=ReconstructionConfig(device="cpu", residual=True, uncertainty=True),
            method=method,
        )
        widths = [found.companions[f"halfwidth_{level}"] for level in (68, 95)]
        # The truth has fractions of Young's modulus.
        fields = zip(found.data / YOUNG_PA, truth, *widths, strict=True)
        inside = [
            Coverage.of(field, known, np.stack([narrow, wide]) / YOUNG_PA)
            for field, known, narrow, wide in fields
        ]
        rows = measure(found, Measurement(measured=stack))
        yield from zip(measure(true), rows, inside, strict=True)


def words(found_in: Sequence[tuple[Row, Row, Coverage]], column: str) -> str:
    """Shares in the intervals, in percent, and the median ratio."""
    inside, ratio = [], []
    for true, found, _ in found_in:
        value, one = true.values[column], found.intervals[column]
        inside.append(
            [one.low68 <= value <= one.high68, one.low95 <= value <= one.high95]
        )
        ratio.append(found.values[column] / value)
    narrow, wide = 100 * np.mean(inside, axis=0)
    return f"{narrow:.0f} / {wide:.0f} ({np.median(ratio):.2f})"


def words_of_tractions(found_in: Sequence[tuple[Row, Row, Coverage]]) -> str:
    """Shares of the true tractions in the intervals, in percent."""
    mean = Coverage.mean([coverage for _, _, coverage in found_in])
    return f"{100 * mean.held_68:.0f} / {100 * mean.held_95:.0f}"


def table(
    name: str,
    windows: Sequence[float],
    found: Found,
    in_words: Callable[[Sequence[tuple[Row, Row, Coverage]]], str],
) -> str:
    """A table in Markdown, with a row for each kind, and one for all of them."""
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    lines = [
        f"| {name}, by width | {' | '.join(f'{window:g}' for window in windows)} |",
        f"|---|{'---:|' * len(windows)}",
    ]
    for kind in kinds:
        cells = [in_words(found[kind, window]) for window in windows]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    together = [
        in_words([one for kind in kinds for one in found[kind, window]])
        for window in windows
    ]
    return "\n".join([*lines, f"| **all** | {' | '.join(together)} |", ""])


def main() -> None:
    """Write a table of each quantity, and one of the tractions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=4, help="fields of each kind")
    parser.add_argument("--fields", choices=WINDOWS, default=HELD_OUT)
    parser.add_argument("--seed", type=int, default=2027)
    parser.add_argument("--side", type=int, default=64, help="vectors along a side")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    method = load_method(ReconstructionConfig(device="cpu"))
    windows = WINDOWS[given.fields]
    found: Found = {}
    for kind in sorted(FIELD_SETS[given.fields].kinds):
        print(f"\r{kind}".ljust(30), end="", flush=True)
        for window in windows:
            found[kind, window] = list(compared(kind, window, given, method))
    print()
    whole = {cell: of for cell, of in found.items() if cell[0] not in CUT_BY_THE_BORDER}
    tables = [
        table(name, windows, whole, partial(words, column=column))
        for name, column in COLUMNS.items()
    ]
    tables.append(table("tractions", windows, found, words_of_tractions))
    given.output.write_text("\n".join(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
