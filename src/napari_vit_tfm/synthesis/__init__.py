"""Force patterns whose displacement is known in closed form."""

from napari_vit_tfm.synthesis.cells import contracting_cell, disc_timelapse
from napari_vit_tfm.synthesis.discs import (
    DiscDistribution,
    Discs,
    SyntheticStack,
    synthesise_discs,
)

__all__ = [
    "DiscDistribution",
    "Discs",
    "SyntheticStack",
    "contracting_cell",
    "disc_timelapse",
    "synthesise_discs",
]
