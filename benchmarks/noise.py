"""How far the estimated noise is the true one, and chi squared with it.

    python benchmarks/noise.py -n 3 --side 48 -o noise.md

For held-out fields of every kind and noise level: the standard deviation of the noise
that is estimated from the displacement, relative to the true one; and chi squared of
the bundled network's residual, relative to this noise, and relative to the smaller one
of two estimates, from displacement and residual. Medians over the fields.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_vit_tfm.benchmark.held_out import KINDS, NOISES, simulate, with_noise
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.trust.noise import estimated_noise, noise_of_residual
from napari_vit_tfm.trust.whitening import chi_squared, clear_noise

LEVELS = [level for level in NOISES if level != "0"]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=3, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--side", type=int, default=48)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    shape = (given.side, given.side)
    config = ReconstructionConfig(device="cpu", residual=True)
    method = load_method(config)
    lines = [f"| kind | {' | '.join(LEVELS)} |", f"|---|{'---|' * len(LEVELS)}"]
    for kind in KINDS:
        clean, _ = simulate(kind, given.n, seed=given.seed, shape=shape)
        cells = []
        for level in LEVELS:
            noisy = with_noise(clean, level, seed=given.seed)
            true = ((noisy - clean) * (given.side - 1)).std(axis=(1, 2, 3))
            steps = (noisy * (given.side - 1)).astype(np.float32)
            stack = DisplacementStack(steps, unit="grid")
            residual = reconstruct(stack, config=config, method=method).companions[
                "residual"
            ]
            estimated = estimated_noise(steps)
            ratio = clear_noise(estimated, shape).standard_deviation() / true
            before, after = (
                np.median(chi_squared(residual, noise))
                for noise in (
                    clear_noise(estimated, shape),
                    noise_of_residual(estimated, residual, tells_noise=True),
                )
            )
            values = ", ".join(f"{float(f'{x:.2g}'):g}" for x in (before, after))
            cells.append(f"{np.median(ratio):.2f}: {values}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        print(kind, flush=True)
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
