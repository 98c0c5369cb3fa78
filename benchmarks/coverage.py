"""Measure whether the intervals of tractions hold the stated share of the truths.

    python benchmarks/coverage.py -n 6 --seed 2026 -o coverage.md

The tables are those of `docs/trust-figures.md`. For held-out fields of every kind and
noise level, they have the share of the true tractions in the 68% and 95% intervals
where there is traction; the share of the nodes without traction whose magnitude is
above the 95% half-width; and for each method, the means over the kinds and the interval
score at adhesions. The last tables are for displacements that are averages over
windows, and for fields that do not fit the model of the gel, a third as many. See
`benchmark/coverage.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from napari_vit_tfm.benchmark.coverage import Cell, Coverage, coverage_of_kinds
from napari_vit_tfm.benchmark.field_sets import FIELD_SETS
from napari_vit_tfm.benchmark.held_out import KINDS, MISFITS, NOISES, simulate
from napari_vit_tfm.config import HELD_OUT, ReconstructionConfig
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.reconstruction import load_method

Found = Mapping[Cell, Coverage]

_WINDOWS = (0.0, 1.0, 2.0, 3.0)
"""Sides of windows in grid steps."""

_NOISES_OF_MISFITS = ("0", "5%")


def held(found: Coverage) -> str:
    """Shares of the truths in the 68% and the 95% intervals, in percent."""
    return f"{100 * found.held_68:.0f} / {100 * found.held_95:.0f}"


def above(found: Coverage) -> str:
    """Share of the nodes without traction above the half-width, in percent."""
    return "-" if found.above != found.above else f"{100 * found.above:.1f}"


def score(found: Coverage) -> str:
    """Interval score at adhesions, in percent of the traction."""
    return f"{100 * found.score:.0f}"


def mean(found: Found, noise: str) -> Coverage:
    """Mean over the kinds."""
    return Coverage.mean([one for (_, of), one in found.items() if of == noise])


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def of_kinds(found: Found, words: Callable[[Coverage], str]) -> str:
    """One score of a method, with a row for each kind, and the mean over kinds."""
    kinds = dict.fromkeys(kind for kind, _ in found)
    rows = [[kind, *(words(found[kind, noise]) for noise in NOISES)] for kind in kinds]
    means = ["*mean*", *(words(mean(found, noise)) for noise in NOISES)]
    return table(["noise", *NOISES], [*rows, means])


def of_methods(measured: Mapping[str, Found]) -> str:
    """Means over the kinds, with two rows for each method."""
    rows = [
        [f"{name}: {title}", *(words(mean(found, noise)) for noise in NOISES)]
        for title, words in (
            ("68% / 95% intervals hold", held),
            ("interval score", score),
        )
        for name, found in measured.items()
    ]
    return table(["noise", *NOISES], rows)


def of_windows(
    methods: Mapping[str, ReconstructionMethod], *, n: int, seed: int, side: int
) -> str:
    """Means over the kinds for displacements that are averages over windows."""
    rows: dict[tuple[str, float], list[str]] = {}
    for window in _WINDOWS:
        print(f"\rwindows of {window:g} steps".ljust(60), end="", flush=True)
        measured = coverage_of_kinds(
            methods,
            partial(simulate, n=n, seed=seed, shape=(side, side), window_steps=window),
            kinds=tuple(KINDS),
            seed=seed,
        )
        for name, found in measured.items():
            all_noises = Coverage.mean([mean(found, noise) for noise in NOISES])
            rows[name, window] = [
                *(held(mean(found, noise)) for noise in NOISES),
                held(all_noises),
                score(all_noises),
            ]
    print()
    return table(
        ["windows, steps", *NOISES, "all", "interval score"],
        [
            [f"{name}, {window:g}", *rows[name, window]]
            for name in methods
            for window in _WINDOWS
        ],
    )


def of_misfits(
    methods: Mapping[str, ReconstructionMethod], *, n: int, seed: int, side: int
) -> str:
    """Means over the kinds for fields that do not fit the model of the gel."""
    titles = [f"{name}, {noise}" for name in methods for noise in _NOISES_OF_MISFITS]
    rows = []
    for misfit in MISFITS:
        print(f"\r{misfit}".ljust(60), end="", flush=True)
        measured = coverage_of_kinds(
            methods,
            partial(simulate, n=n, seed=seed, shape=(side, side), misfit=misfit),
            kinds=tuple(KINDS),
            noises=_NOISES_OF_MISFITS,
            seed=seed,
        )
        means = [
            held(mean(found, noise))
            for found in measured.values()
            for noise in _NOISES_OF_MISFITS
        ]
        rows.append([misfit, *means])
    print()
    return table(["misfit", *titles], rows)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--fields", choices=FIELD_SETS, default=HELD_OUT, help="set of fields"
    )
    parser.add_argument("-n", type=int, default=6, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--side", type=int, default=104, help="vectors along a side")
    parser.add_argument(
        "--methods", nargs="+", default=["vit", "bayesian-fttc", "fttc"]
    )
    parser.add_argument(
        "--views", type=int, default=1, help="mirror images over which vit averages"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    methods = {
        name: load_method(ReconstructionConfig(model=name, n_views=arguments.views))
        for name in arguments.methods
    }
    fields = FIELD_SETS[arguments.fields]
    measured = coverage_of_kinds(
        methods,
        partial(
            fields.simulate,
            n=arguments.n,
            seed=arguments.seed,
            shape=(arguments.side, arguments.side),
        ),
        kinds=fields.kinds,
        seed=arguments.seed,
        on_result=lambda kind, noise: print(f"\r{kind}, {noise}".ljust(40), end=""),
    )
    print()
    parts = {"Means over the kinds": of_methods(measured)}
    for name, found in measured.items():
        parts[f"{name}: truths in the 68% / 95% intervals, %"] = of_kinds(found, held)
        parts[f"{name}: nodes without traction above, %"] = of_kinds(found, above)
    if arguments.fields == HELD_OUT:
        parts |= of_held_out(methods, arguments)
    text = "\n".join(f"## {title}\n\n{made}\n" for title, made in parts.items())
    arguments.output.write_text(text, encoding="utf-8")


def of_held_out(
    methods: Mapping[str, ReconstructionMethod], arguments: argparse.Namespace
) -> dict[str, str]:
    """Tables of held-out fields with other displacements, a third as many."""
    few = {
        "n": max(1, arguments.n // 3),
        "seed": arguments.seed,
        "side": arguments.side,
    }
    title = "truths in the 68% / 95% intervals, %"
    return {
        f"Averages over windows: {title}": of_windows(methods, **few),
        f"Fields that do not fit: {title}": of_misfits(methods, **few),
    }


if __name__ == "__main__":
    main()
