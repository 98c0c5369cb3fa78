"""Simulated twins: how large a residual a method leaves if nothing is unexplained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.consistency import forward_consistency
from napari_vit_tfm.trust.new_noise import new_noise
from napari_vit_tfm.trust.remainder import needed_allowance
from napari_vit_tfm.trust.whitening import clear_noise

FloatArray = npt.NDArray[np.float32]

_MARGIN = 2.5
"""A residual may be this many times larger than that of the twin."""


def allowance_of_twins(
    displacement: DisplacementStack,
    model: FloatArray,
    noise: Noise,
    substrate: Substrate,
    reconstruct: Callable[[DisplacementStack], FloatArray],
) -> npt.NDArray[np.float64]:
    """Residual that a method leaves in twins of frames, relative to the network.

    A twin is the displacement that the tractions cause, with new noise. Its tractions
    are reconstructed in the same way; whatever they do not explain is left by the
    method.

    Parameters
    ----------
    displacement : DisplacementStack
        The measured displacements, with unit, spacing and gel.
    model : array of shape (T, H, W, 2)
        Displacement that their tractions cause, in grid steps.
    noise : Noise
        Noise of each frame, in grid steps.
    substrate : Substrate
        The gel.
    reconstruct : callable
        Computes tractions ``t / E``, ``(T, H, W, 2)``.

    Returns
    -------
    array of shape (T,)
        At least 1, see `remainder.needed_allowance`.
    """
    shape = displacement.grid_shape
    # The twins of a field are the same in every run.
    twins = model + np.concatenate(
        [
            new_noise(noise[frame], shape, 1, np.random.default_rng(0))
            for frame in range(len(model))
        ]
    )
    per_unit = displacement.grid_steps_per_unit()
    traction = reconstruct(displacement.with_data(twins / per_unit))
    found = forward_consistency(
        twins.astype(np.float32),
        traction,
        substrate,
        spacing_um=displacement.spacing_um,
    )
    clear = clear_noise(noise, shape)
    allowances = [
        needed_allowance(
            found.model[frame],
            found.residual[frame],
            variance=float(clear.variance[frame]),
            length=float(clear.length[frame]),
        )
        for frame in range(len(twins))
    ]
    return np.maximum(1.0, _MARGIN * np.array(allowances))
