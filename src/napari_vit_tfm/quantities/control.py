"""What is reconstructed where there is no force: the control of a total force."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import QuantitiesConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.quantities.regions import Labels, regions_of
from napari_vit_tfm.trust.new_noise import new_noise

FloatArray = npt.NDArray[np.float64]


def force_free_magnitude(
    traction: TractionStack,
    displacement: DisplacementStack,
    *,
    reconstruct: Callable[[DisplacementStack], TractionStack],
    labels: Labels | None = None,
    dilation_steps: float = 0.0,
    n_controls: int = QuantitiesConfig.n_controls,
    seed: int = 0,
    first: int = 0,
) -> FloatArray:
    """Mean magnitude of the tractions that noise alone makes, at every node.

    The displacement that the tractions outside of the cells cause, with new noise as
    strong as that of the measured displacement, is reconstructed several times. The
    tractions that are found in the cells belong to no force.

    Parameters
    ----------
    traction : TractionStack
        Tractions ``(T, H, W, 2)``.
    displacement : DisplacementStack
        The measured displacements, whose noise is estimated.
    reconstruct : callable, keyword-only
        Computes tractions as those in `traction` were computed, in the same unit.
    labels : array of int, shape (H, W) or (T, H, W), keyword-only, optional
        Numbers of the cells. None takes the whole field as one cell.
    dilation_steps : float, keyword-only
        Width of the surroundings of a cell, in grid steps.
    n_controls, seed : int, keyword-only
        Number of reconstructions of each frame, seed of the noise.
    first : int, keyword-only
        Number of the first frame. The noise of a frame depends on its number, so that
        it is the same for the frame alone and as a part of a stack.

    Returns
    -------
    array of shape (T, H, W)
        In the unit of the tractions.
    """
    young = traction.gel.young_pa if traction.unit == "Pa" else 1.0
    assert young is not None
    substrate = Substrate(traction.gel)
    idle = np.empty(traction.data.shape[:3])
    for frame in range(traction.n_frames):
        cells = _inside(labels, frame, traction.grid_shape, dilation_steps)
        rest = np.where(cells[..., None], 0.0, traction.data[frame])
        rest = np.nan_to_num(rest) / young
        still = surface_displacement(rest, substrate, spacing_um=traction.spacing_um)
        steps = displacement.part(frame, frame + 1).in_grid_steps()[0]
        rng = np.random.default_rng((seed, first + frame))
        noisy = still + new_noise(steps, n_controls, rng)
        found = reconstruct(
            displacement.with_data(noisy / displacement.grid_steps_per_unit())
        )
        idle[frame] = found.magnitude().mean(axis=0)
    return idle


def _inside(
    labels: Labels | None, frame: int, shape: tuple[int, int], dilation_steps: float
) -> npt.NDArray[np.bool_]:
    if labels is None:
        return np.ones(shape, dtype=np.bool_)
    of_frame = labels if labels.ndim == 2 else labels[frame]
    inside = np.zeros(shape, dtype=np.bool_)
    for region in regions_of(of_frame, dilation_steps=dilation_steps):
        inside |= region.dilated
    return inside
