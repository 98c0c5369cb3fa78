"""Force patterns, and the displacements they make."""

from napari_vit_tfm.synthesis.cells import CellDistribution
from napari_vit_tfm.synthesis.discs import DiscDistribution, Discs
from napari_vit_tfm.synthesis.draw import KINDS, synthesise
from napari_vit_tfm.synthesis.fields import Distribution, SyntheticStack
from napari_vit_tfm.synthesis.timelapse import contracting_cell, disc_timelapse

__all__ = [
    "KINDS",
    "CellDistribution",
    "DiscDistribution",
    "Discs",
    "Distribution",
    "SyntheticStack",
    "contracting_cell",
    "disc_timelapse",
    "synthesise",
]
