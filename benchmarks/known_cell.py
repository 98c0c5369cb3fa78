"""How far intervals hold the tractions of a cell that another program has simulated.

    python benchmarks/known_cell.py MLData0018.mat MLData0018_trac.mat --units grid \
        --young 10670 --poisson 0.45

The tractions are known, but the displacement is made with another response than that of
a gel, so that even the true tractions leave a part of it unexplained. The intervals are
counted where the true traction is above a twentieth of the largest one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_vit_tfm.config import BAYESIAN_FTTC, BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.trust.gauge import familiarity_in
from napari_vit_tfm.units import DISPLACEMENT_UNITS

WEAK = 0.05
"""Share of the largest traction below which tractions are not counted."""


def main() -> None:
    """Print the shares of each method."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("displacement", type=Path)
    parser.add_argument("traction", type=Path, help="the true tractions, in Pa")
    parser.add_argument("--units", choices=list(DISPLACEMENT_UNITS), default="grid")
    parser.add_argument("--young", type=float, required=True, help="in Pa")
    parser.add_argument("--poisson", type=float, required=True)
    given = parser.parse_args()
    displacement = read_displacement(given.displacement, unit=given.units)
    truth = read_traction(given.traction).data
    size = np.linalg.norm(truth, axis=-1)
    is_strong = size > WEAK * size.max()
    for model in (BUNDLED_MODEL, BAYESIAN_FTTC):
        found = reconstruct(
            displacement,
            substrate=Substrate(Gel(given.young, given.poisson)),
            config=ReconstructionConfig(
                model=model, device="cpu", residual=True, uncertainty=True
            ),
        )
        error = np.abs(found.data - truth)[is_strong]
        held = [
            np.mean(error <= found.companions[name][is_strong])
            for name in ("halfwidth_68", "halfwidth_95")
        ]
        print(
            f"{model}: explained {found.records['explained'][0]:.0%}; intervals hold "
            f"{held[0]:.0%} and {held[1]:.0%}"
        )
        for judged in familiarity_in(found.records):
            print(f"  unfamiliar: {judged.is_unfamiliar}")


if __name__ == "__main__":
    main()
