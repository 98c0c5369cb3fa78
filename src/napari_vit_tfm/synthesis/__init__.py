"""Force patterns, and the displacements they make."""

from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution
from napari_vit_tfm.synthesis.cells import CellDistribution
from napari_vit_tfm.synthesis.discs import DiscDistribution, Discs
from napari_vit_tfm.synthesis.draw import KINDS, synthesise
from napari_vit_tfm.synthesis.fields import Distribution, ForcePattern, SyntheticStack
from napari_vit_tfm.synthesis.noise import NoiseDistribution, add_noise, correlated
from napari_vit_tfm.synthesis.patches import ForcePatches
from napari_vit_tfm.synthesis.timelapse import contracting_cell, disc_timelapse

__all__ = [
    "KINDS",
    "AdhesionDistribution",
    "CellDistribution",
    "DiscDistribution",
    "Discs",
    "Distribution",
    "ForcePatches",
    "ForcePattern",
    "NoiseDistribution",
    "SyntheticStack",
    "add_noise",
    "contracting_cell",
    "correlated",
    "disc_timelapse",
    "synthesise",
]
