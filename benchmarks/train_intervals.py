"""Train the scale head of the bundled network, and calibrate intervals.

    python benchmarks/train_intervals.py -o intervals.safetensors

The file belongs into `src/napari_vit_tfm/weights`. The head is trained on synthetic
fields (`training/scale_head.py`). The intervals of the network, of FTTC and of Bayesian
FTTC are then calibrated on held-out fields (`benchmark/calibration.py`). With --head,
the head of an existing file is kept, and only the calibrations are measured again.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import cast

from napari_vit_tfm.benchmark.calibration import calibrate, calibration_fields
from napari_vit_tfm.models import load
from napari_vit_tfm.models.intervals import Intervals, load_intervals, save_intervals
from napari_vit_tfm.models.registry import classical_names
from napari_vit_tfm.models.scale_head import ScaleHead
from napari_vit_tfm.models.weights import PhysicsViTMethod
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.scale_head import (
    ScaleHeadTraining,
    error_batches,
    train_scale_head,
)


def trained_head(method: PhysicsViTMethod, training: ScaleHeadTraining) -> ScaleHead:
    """Train a head for the network of a method."""
    resource = files("napari_vit_tfm.training") / "configs" / "scale_head.toml"
    with as_file(resource) as path:
        config = TrainingConfig.from_toml(path)
    batches = []
    made = error_batches(
        config,
        method.traction,
        range(training.batches),
        misfit_share=training.misfit_share,
    )
    for batch in made:
        batches.append(batch)
        print(f"\rbatch {len(batches)} of {training.batches}", end="", flush=True)
    print()
    return train_scale_head(
        batches, training, on_epoch=lambda n, loss: print(f"epoch {n}: loss {loss:.4f}")
    )


def main() -> None:
    """Train and calibrate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--head", type=Path, help="keep the head of this file")
    parser.add_argument("-n", type=int, default=12, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=11, help="of the held-out fields")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    network = cast(PhysicsViTMethod, load("vit"))
    training = ScaleHeadTraining()
    kept = load_intervals(arguments.head) if arguments.head else None
    head = kept.head if kept else trained_head(network, training)
    network.scale_head = head
    calibrations = {}
    fields = list(calibration_fields(arguments.n, seed=arguments.seed))
    for method in (*map(load, classical_names()), network):
        print(f"{method.calibration} is calibrated")
        calibrations[method.calibration] = calibrate(method, fields)
    save_intervals(
        arguments.output,
        Intervals(network.sha256, head, calibrations),
        record={
            "training": asdict(training),
            "fields_of_each_kind": arguments.n,
            "seed": arguments.seed,
        },
    )


if __name__ == "__main__":
    main()
