"""What a knock-out changes in one patch, and how long it takes.

    vit-tfm demo -o vit-tfm-demo
    python benchmarks/knockout_of_patch.py vit-tfm-demo/displacement.h5 \
        --frame 1 --patch 9 8

Times are CPU times.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import numpy as np

from napari_vit_tfm.attention.faithfulness import faithfulness
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.knockout import knockout_effects, knockout_map
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.io import read_displacement


def hidden_all(frame: PreparedFrame, patch: Patch) -> float:
    """Relative change of the traction if all other patches are hidden."""
    shape = frame.grid.rows, frame.grid.columns
    curves = faithfulness(
        frame, patch, {"any": np.arange(np.prod(shape)).reshape(shape)}
    )
    return float(curves.changes["any"][-1])


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
    print(
        f"uniform attention in block {effects.strongest_block + 1}: "
        f"{effects.blocks.max():.2%}\n"
        f"no attention to one other patch: up to {others.max():.3%}\n"
        f"all other patches hidden: {hidden_all(frame, patch):.0%}\n"
        f"effects: {between - start:.1f} s, map: {end - between:.1f} s"
    )


if __name__ == "__main__":
    main()
