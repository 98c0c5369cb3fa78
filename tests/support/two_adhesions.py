"""A field of two adhesions, and a method that reconstructs them."""

import numpy as np

from napari_vit_tfm.physics import fttc, surface_displacement

SIDE = 40
"""Rows and columns of the field."""


def inverted(steps: np.ndarray) -> np.ndarray:
    """Tractions by FTTC of fixed regularisation: a linear method."""
    found = fttc(steps[..., 0], steps[..., 1], regularisation=0.1)
    return np.stack(found, axis=-1)


def measured(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of two adhesions with noise, and its tractions."""
    traction = np.zeros((SIDE, SIDE, 2))
    traction[8:14, 4:10, 0], traction[8:14, 30:36, 0] = 0.05, -0.05
    rng = np.random.default_rng(1)
    steps = surface_displacement(traction) + rng.normal(0, noise, traction.shape)
    return steps, inverted(steps[None])[0]
