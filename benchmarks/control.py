"""How often p of the control without force is small where there is no force.

    python benchmarks/control.py -n 40

Fields of noise, with a region in their middle; and fields with another cell outside of
the region, and noise of 5%. Printed is the share of the values of p that are at most
0.05: over all quantities, and of the quantity that has most.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import BAYESIAN_FTTC, BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.quantities import Measurement, cells_of, control_rows, occupied_by
from napari_vit_tfm.reconstruction import load_method, reconstruct

SMALL = 0.05


def noise_alone(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """White noise, in grid steps."""
    return rng.normal(0, 0.05, (32, 32, 2))


def beside_a_cell(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Two adhesions in the upper half, with noise."""
    traction = np.zeros((48, 48, 2))
    row, column = rng.integers(3, 9), rng.integers(6, 14)
    traction[row : row + 5, column : column + 4, 0] = 0.1
    traction[row : row + 5, column + 22 : column + 26, 0] = -0.1
    steps = surface_displacement(traction)
    return np.asarray(steps + rng.normal(0, 0.05 * steps.std(), steps.shape))


FIELDS = {"noise alone": noise_alone, "beside another cell": beside_a_cell}


def p_values(
    steps: npt.NDArray[np.float64], method: ReconstructionMethod, n_runs: int, seed: int
) -> dict[str, float]:
    """P of every quantity in a region in the lower half, without force."""
    height, width = steps.shape[:2]
    labels = np.zeros((height, width), dtype=np.int64)
    top, left = 5 * height // 8, width // 3
    labels[top : top + 6, left : left + 8] = 1
    stack = DisplacementStack(steps[None].astype(np.float32), unit="grid")
    config = ReconstructionConfig(model=method.name, device="cpu")

    def solve(fields: DisplacementStack) -> TractionStack:
        return reconstruct(fields, config=config, method=method)

    found = solve(stack)
    ((cell,),) = cells_of(found, Measurement(labels=labels, measured=stack))
    steps_of = control_rows(
        cell,
        found,
        stack,
        frame=0,
        occupied=occupied_by([cell]),
        reconstruct=solve,
        n_runs=n_runs,
        seed=seed,
    )
    while True:
        try:
            next(steps_of)
        except StopIteration as end:
            return {row.column: row.p for row in end.value}


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=40, help="fields of each kind")
    parser.add_argument("--runs", type=int, default=39)
    parser.add_argument("--methods", nargs="+", default=[BUNDLED_MODEL, BAYESIAN_FTTC])
    given = parser.parse_args()
    for model in given.methods:
        method = load_method(ReconstructionConfig(model=model, device="cpu"))
        for title, draw in FIELDS.items():
            found = defaultdict(list)
            for seed in range(given.n):
                steps = draw(np.random.default_rng(seed))
                for column, p in p_values(steps, method, given.runs, seed).items():
                    found[column].append(p)
            shares = {
                column: float(np.mean(np.array(p) <= SMALL))
                for column, p in found.items()
                if np.isfinite(p).any()
            }
            most = max(shares, key=lambda column: shares[column])
            print(
                f"{model}, {title}: {np.mean(list(shares.values())):.1%} of p are at "
                f"most {SMALL}; most for {most}: {shares[most]:.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
