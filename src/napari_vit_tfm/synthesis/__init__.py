"""Synthetic traction fields and their displacements."""

from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution
from napari_vit_tfm.synthesis.canvas import FineTractions
from napari_vit_tfm.synthesis.cells import CellDistribution
from napari_vit_tfm.synthesis.continuous import (
    BandDistribution,
    ColonyDistribution,
    FrontDistribution,
    LayerDistribution,
    MixtureDistribution,
    SpotDistribution,
)
from napari_vit_tfm.synthesis.discs import DiscDistribution, Discs
from napari_vit_tfm.synthesis.fibres import FibreDistribution
from napari_vit_tfm.synthesis.fields import Distribution, ForcePattern, SyntheticStack
from napari_vit_tfm.synthesis.force_patches import ForcePatches
from napari_vit_tfm.synthesis.misfit import MisfitDistribution, add_misfit
from napari_vit_tfm.synthesis.noise import (
    NoiseDistribution,
    NoiseParameters,
    add_noise,
    correlated,
)
from napari_vit_tfm.synthesis.pads import PadDistribution
from napari_vit_tfm.synthesis.stacks import KINDS, synthesise
from napari_vit_tfm.synthesis.timelapse import contracting_cell, disc_timelapse

__all__ = [
    "KINDS",
    "AdhesionDistribution",
    "BandDistribution",
    "CellDistribution",
    "ColonyDistribution",
    "DiscDistribution",
    "Discs",
    "Distribution",
    "FibreDistribution",
    "FineTractions",
    "ForcePatches",
    "ForcePattern",
    "FrontDistribution",
    "LayerDistribution",
    "MisfitDistribution",
    "MixtureDistribution",
    "NoiseDistribution",
    "NoiseParameters",
    "PadDistribution",
    "SpotDistribution",
    "SyntheticStack",
    "add_misfit",
    "add_noise",
    "contracting_cell",
    "correlated",
    "disc_timelapse",
    "synthesise",
]
