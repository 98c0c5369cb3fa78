"""Elasticity of the gel: what displacement a traction makes, and back."""

from napari_vit_tfm.physics.disc import disc_displacement
from napari_vit_tfm.physics.halfspace import (
    displacement_of,
    fttc,
    gcv_regularisation,
    half_space_response,
    layer_response,
)
from napari_vit_tfm.physics.substrate import Substrate

__all__ = [
    "Substrate",
    "disc_displacement",
    "displacement_of",
    "fttc",
    "gcv_regularisation",
    "half_space_response",
    "layer_response",
]
