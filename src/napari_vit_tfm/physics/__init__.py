"""Linear elasticity of the gel: tractions to displacements and back."""

from napari_vit_tfm.physics.bayesian import bayesian_fttc
from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.physics.halfspace import (
    displacement_of,
    half_space_response,
    layer_response,
)
from napari_vit_tfm.physics.noise import estimate_noise
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.physics.surface import surface_displacement
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
)

__all__ = [
    "Substrate",
    "bayesian_fttc",
    "choose_regularisation",
    "disc_displacement",
    "displacement_of",
    "estimate_noise",
    "fttc",
    "half_space_response",
    "layer_response",
    "periodic_component",
    "raster_displacement",
    "surface_displacement",
]
