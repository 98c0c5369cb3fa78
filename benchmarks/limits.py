"""Whether the limits of detection are right.

For each kind of held-out field and noise level, the limits are computed at places of a
field. Then an adhesion that pulls with just this force is added at each place, with the
noise of another seed, and reconstructed: of 100 such adhesions, 90 should be found. At
the same places without an adhesion, 5 of 100 should be.

    python benchmarks/limits.py --side 64 --kinds ring pads -o limits.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.benchmark.held_out import KINDS, simulate
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.trust.limits import detection_limits, grid_of_places

FloatArray = npt.NDArray[np.float64]

NOISES = (0.02, 0.1, 0.3)
"""Standard deviations of the noise, relative to the root mean square of the field."""

SIZE_STEPS = 4.0


def tractions(model: str) -> Callable[[FloatArray], FloatArray]:
    """Function from displacements in grid steps to tractions, ``(n, H, W, 2)``."""
    config = ReconstructionConfig(model=model, device="cpu")
    method = load_method(config)

    def compute(steps: FloatArray) -> FloatArray:
        stack = DisplacementStack(steps.astype(np.float32), unit="grid")
        found = reconstruct(stack, config=config, method=method)
        return found.data.astype(np.float64)

    return compute


def disc(place: npt.NDArray[np.int_], shape: tuple[int, int]) -> FloatArray:
    """Shares of the force of an adhesion at the nodes, ``(H, W)``."""
    finer = 16
    y, x = (
        (np.arange(n * finer) + 0.5) / finer - 0.5 - centre
        for n, centre in zip(shape, place, strict=True)
    )
    inside = np.hypot(y[:, None], x) < SIZE_STEPS / 2
    share = inside.reshape(shape[0], finer, shape[1], finer).mean(axis=(1, 3))
    return np.asarray(share / share.sum())


def measure(
    kind: str,
    number: int,
    noise: float,
    *,
    compute: Callable[[FloatArray], FloatArray],
    seed: int,
    n_trials: int,
    side: int,
) -> tuple[int, int, int, float]:
    """Number of trials, of adhesions found, of false alarms; median force."""
    displacement, _ = simulate(kind, number + 1, seed=seed, shape=(side, side))
    clean = displacement[number].astype(np.float64) * (side - 1)
    sd = noise * float(clean.std(axis=(0, 1)).mean())
    rng = np.random.default_rng([seed, number, round(1000 * noise)])
    measured = clean + sd * rng.standard_normal(clean.shape)
    traction = compute(measured[None])[0]
    row, column = grid_of_places((side, side), 32)
    place = np.stack(np.meshgrid(row, column, indexing="ij"), axis=-1).reshape(-1, 2)
    limits = detection_limits(
        measured, traction, place, reconstruct=compute, size_steps=SIZE_STEPS
    )
    still = surface_displacement(traction)
    found = alarms = 0
    chosen = rng.integers(len(place), size=n_trials)
    for one in chosen:
        turn = rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(turn), np.sin(turn)])
        force = limits.smallest_force[one] * along
        caused = surface_displacement(disc(place[one], (side, side))[..., None] * force)
        new, again = sd * rng.standard_normal((2, *clean.shape))
        both = compute(np.stack([still + caused + new, still + again]))
        found += int(limits.found(both[0], along)[one])
        alarms += int(limits.found(both[1], along)[one])
    return n_trials, found, alarms, float(np.median(limits.smallest_force))


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1, help="fields of each kind")
    parser.add_argument("--trials", type=int, default=25, help="trials of each field")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--model", default=ReconstructionConfig.model)
    parser.add_argument("--side", type=int, default=104)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    compute = tractions(given.model)
    lines = [
        "| noise | adhesions at the limit | found | places without | false alarms |",
        "|---|---|---|---|---|",
    ]
    print(*lines, sep="\n", flush=True)
    for noise in NOISES:
        results = [
            measure(
                kind,
                number,
                noise,
                compute=compute,
                seed=given.seed,
                n_trials=given.trials,
                side=given.side,
            )
            for kind in given.kinds
            for number in range(given.n)
        ]
        n, found, alarms = (sum(r[i] for r in results) for i in range(3))
        lines.append(
            f"| {noise:.0%} | {n} | {found / n:.0%} | {n} | {alarms / n:.0%} |"
        )
        print(lines[-1], flush=True)
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
