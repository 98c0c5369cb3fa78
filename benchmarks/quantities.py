"""Errors of total force, strain energy and contractile moment, by kind of field.

    python benchmarks/quantities.py -n 12 -o quantities.md

The fields are held-out fields of all kinds. The mask of a cell is where it exerts
tractions, with the gaps between them. A number is the median over the fields of a kind
of the absolute relative error, in the region of the default dilation.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage.morphology import convex_hull_image

from napari_vit_tfm.benchmark.held_out import KINDS, simulate, with_noise
from napari_vit_tfm.config import BAYESIAN_FTTC, BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.quantities import (
    Measurement,
    default_dilation_steps,
    force_free_magnitude,
    measure,
    regions_of,
)
from napari_vit_tfm.reconstruction import load_method, reconstruct

NOISES = "0", "5%", "20%"
METHODS = BUNDLED_MODEL, BAYESIAN_FTTC
SHOWN = {
    "total_force_E_steps2": "total force",
    "total_force_corrected_E_steps2": "corrected",
    "strain_energy_E_steps3": "strain energy",
    "net_moment_E_steps3": "net moment",
}
WEAK = 0.02
"""Tractions below this share of the largest one do not belong to a cell."""

Values = Mapping[str, float]
Labels = npt.NDArray[np.int64]


def mask_of(truth: npt.NDArray[np.floating]) -> Labels:
    """The convex hull of the tractions of each field, as one cell, ``(T, H, W)``."""
    magnitude = np.hypot(truth[..., 0], truth[..., 1])
    strong = magnitude > WEAK * magnitude.max(axis=(1, 2), keepdims=True)
    hulls = [convex_hull_image(frame) for frame in strong]  # type: ignore[no-untyped-call]
    return np.array(hulls, dtype=np.int64)


def known_values(
    truth: TractionStack, displacement: DisplacementStack, labels: Labels
) -> list[Values]:
    """True quantities of every field; the energy is that of the true displacement."""
    rows = measure(truth, Measurement(labels=labels))
    steps = displacement.in_grid_steps().astype(np.float64)
    found: list[Values] = []
    for row, u, t, mask in zip(rows, steps, truth.data, labels, strict=True):
        (region,) = regions_of(mask, dilation_steps=default_dilation_steps(None))
        energy = float((t * u).sum(axis=-1)[region.dilated].sum()) / 2
        values = dict(row.values)
        values["strain_energy_E_steps3"] = energy
        values["total_force_corrected_E_steps2"] = values["total_force_E_steps2"]
        found.append(values)
    return found


def errors_of(
    kind: str, n: int, seed: int, n_controls: int
) -> dict[tuple[str, str], dict[str, float]]:
    """Median errors by method and noise level."""
    clean, traction = simulate(kind, n, seed=seed)
    truth = TractionStack(traction)
    labels = mask_of(traction)
    known = known_values(truth, DisplacementStack(clean, unit="field"), labels)
    config = ReconstructionConfig(device="cpu")
    out = {}
    for name in METHODS:
        method = load_method(ReconstructionConfig(model=name, device="cpu"))

        def solve(stack: DisplacementStack) -> TractionStack:
            return reconstruct(stack, config=config, method=method)  # noqa: B023

        for noise in NOISES:
            stack = DisplacementStack(with_noise(clean, noise, seed=seed), unit="field")
            found = solve(stack)
            idle = force_free_magnitude(
                found,
                stack,
                reconstruct=solve,
                labels=labels,
                dilation_steps=default_dilation_steps(None),
                n_controls=n_controls,
            )
            rows = list(measure(found, Measurement(labels=labels, idle=idle)))
            out[name, noise] = {
                column: float(
                    np.median(
                        [
                            abs(row.values[column] / true[column] - 1)
                            for row, true in zip(rows, known, strict=True)
                        ]
                    )
                )
                for column in SHOWN
            }
    return out


def table(n: int, seed: int, n_controls: int) -> str:
    """The errors of all kinds as a Markdown table, in percent."""
    heads = [f"{noise} {words}" for noise in NOISES for words in SHOWN.values()]
    lines = ["| kind | method | " + " | ".join(heads) + " |"]
    lines.append("|---" * (2 + len(heads)) + "|")
    everything: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for kind in KINDS:
        found = errors_of(kind, n, seed, n_controls)
        for name in METHODS:
            values = [found[name, noise][c] for noise in NOISES for c in SHOWN]
            everything[name].append(values)
            lines.append(_line(kind, name, values))
            print(lines[-1], flush=True)
    for name in METHODS:
        medians = np.median(np.array(everything[name]), axis=0)
        lines.append(_line("median", name, list(medians)))
    return "\n".join(lines) + "\n"


def _line(kind: str, name: str, values: list[float]) -> str:
    shown = " | ".join(f"{100 * value:.1f}" for value in values)
    return f"| {kind} | {name} | {shown} |"


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=12, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--controls", type=int, default=4)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    text = table(arguments.n, arguments.seed, arguments.controls)
    arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
