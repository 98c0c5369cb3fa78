"""Measure what the residual and the intervals of tractions cost.

    python benchmarks/trust_cost.py

One noisy field is reconstructed with the bundled network, with and without the options
*residual* and *uncertainty*, in turn. The times are CPU times of one thread, the
medians of all repetitions; other programs on the machine change them little.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.synthesis import synthesise


def noisy_field(side: int) -> DisplacementStack:
    """A synthetic field with noise of 5%."""
    made, _ = synthesise(1, seed=0, shape=(side, side)).on_gel(
        young_pa=10_000, spacing_um=0.8
    )
    noise = np.random.default_rng(0).standard_normal(made.data.shape)
    noisy = made.data + 0.05 * made.data.std() * noise
    return made.with_data(noisy.astype(np.float32))


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=104, help="vectors along a side")
    parser.add_argument("-n", type=int, default=25, help="repetitions")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    field = noisy_field(arguments.side)
    plain = ReconstructionConfig(device="cpu")
    method = load_method(plain)
    configs = {
        "neither": plain,
        "residual": replace(plain, residual=True),
        "residual and uncertainty": replace(plain, residual=True, uncertainty=True),
        "uncertainty": replace(plain, uncertainty=True),
    }
    times: dict[str, list[float]] = {name: [] for name in configs}
    for _ in range(arguments.n + 1):
        for name, config in configs.items():
            start = time.process_time()
            reconstruct(field, config=config, method=method)
            times[name].append(time.process_time() - start)
    # The first repetition fills caches.
    median = {name: float(np.median(found[1:])) for name, found in times.items()}
    print("| options | ms | relative to neither |\n|---|---:|---:|")
    for name, found in median.items():
        print(f"| {name} | {1e3 * found:.0f} | {found / median['neither']:.2f} |")


if __name__ == "__main__":
    main()
