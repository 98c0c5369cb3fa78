"""What a knock-out changes in one patch, how much rounding does, and how long it takes.

    vit-tfm demo -o vit-tfm-demo
    python benchmarks/knockout_of_patch.py vit-tfm-demo/displacement.h5 \
        --frame 1 --patch 9 8

Times are CPU times. Rounding is the change that is found where nothing is changed:
without a knock-out, the attention of the patch is computed in another way, too. It is
given for this patch, and for the weakest one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import numpy as np
import torch

from napari_vit_tfm.attention.changes import PatchTraction
from napari_vit_tfm.attention.faithfulness import faithfulness
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.knockout import knockout_effects, knockout_map
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.io import read_displacement
from napari_vit_tfm.models.knockout import Knockout
from napari_vit_tfm.models.precision import full_float32


def hidden_all(frame: PreparedFrame, patch: Patch) -> float:
    """Relative change of the traction if all other patches are hidden."""
    shape = frame.grid.rows, frame.grid.columns
    curves = faithfulness(
        frame, patch, {"any": np.arange(np.prod(shape)).reshape(shape)}
    )
    return float(curves.changes["any"][-1])


def rounding(frame: PreparedFrame, patch: Patch) -> tuple[float, float]:
    """Relative change without a knock-out, and strength of the patch."""
    with torch.inference_mode(), full_float32():
        knockout = Knockout(
            frame.method.tokenised(frame.inputs), frame.grid.index(*patch)
        )
        plain, other = (
            found[0].double().cpu().numpy()
            for found in (
                frame.method.differentiable_at(frame.inputs)(frame.inputs),
                knockout.undisturbed(),
            )
        )
    known = PatchTraction.of(plain, frame.grid, patch)
    return known.relative_change(other), known.strength


def weakest_patch(frame: PreparedFrame) -> Patch:
    """The patch with the weakest traction."""
    patches = np.ndindex(frame.grid.rows, frame.grid.columns)
    return min(patches, key=lambda patch: rounding(frame, patch)[1])


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("displacement", type=Path)
    parser.add_argument("--frame", type=int, default=1)
    parser.add_argument("--patch", type=int, nargs=2, default=(9, 8))
    given = parser.parse_args()
    config = ReconstructionConfig(device="cpu")
    frame = prepare_frame(
        read_displacement(given.displacement), given.frame, config=config
    )
    patch: Patch = (given.patch[0], given.patch[1])
    start = process_time()
    effects = knockout_effects(frame, patch)
    between = process_time()
    map_ = knockout_map(frame, patch)
    end = process_time()
    others = np.delete(map_.ravel(), frame.grid.index(*patch))
    strong, (change, strength) = (
        rounding(frame, patch)[0],
        rounding(frame, weakest_patch(frame)),
    )
    print(
        f"rounding: {strong:.0e}; in a patch of {strength:.1g} of the strongest one: "
        f"{change:.0e}\n"
        f"uniform attention in block {effects.strongest_block}: "
        f"{effects.blocks.max():.2%}\n"
        f"no attention to one other patch: up to {others.max():.3%}\n"
        f"all other patches hidden: {hidden_all(frame, patch):.0%}\n"
        f"effects: {between - start:.1f} s, map: {end - between:.1f} s"
    )


if __name__ == "__main__":
    main()
