"""What is reconstructed where there is no force: the control of all quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.config import QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.displacement.preparation import bridged
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.quantities.cell import FloatArray, Mask
from napari_vit_tfm.quantities.regions import Labels, regions_of
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.trust.new_noise import new_noise
from napari_vit_tfm.trust.noise import noise_of_field

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

Reconstruct = Callable[[DisplacementStack], TractionStack]
"""Computes tractions from displacements, always by the same method."""

PART = 10
"""Number of reconstructions between two calls of `is_cancelled`."""


def reconstruction_of(
    traction: TractionStack,
    config: ReconstructionConfig,
    *,
    load: Callable[[ReconstructionConfig], ReconstructionMethod] = load_method,
) -> partial[TractionStack]:
    """The method that computed tractions, on their gel, to use it again.

    Parameters
    ----------
    traction : TractionStack
        The tractions.
    config : ReconstructionConfig
        Their method and its options, from their `Provenance`. Residual and
        uncertainty are not computed again.
    load : callable, keyword-only
        Loads the method.

    Returns
    -------
    callable
        `reconstruct` with this method, which takes displacements.

    Raises
    ------
    ModelError
        If the method cannot be loaded, or has other weights now.
    ConfigError
        If an option of the method is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack, Gel, ReconstructionConfig
    >>> from napari_vit_tfm import TractionStack
    >>> from napari_vit_tfm.quantities.control import reconstruction_of
    >>> known = TractionStack(np.zeros((1, 16, 16, 2)), gel=Gel(), model="fttc")
    >>> config = ReconstructionConfig(model="fttc", device="cpu")
    >>> again = reconstruction_of(known, config)
    >>> again(DisplacementStack(np.zeros((3, 16, 16, 2)), unit="grid")).n_frames
    3
    """
    method = load(config)
    if method.sha256 != traction.model_sha256:
        raise ModelError(
            f"{config.model} has other weights than those that computed the tractions"
        )
    return partial(
        reconstruct,
        substrate=Substrate(traction.gel),
        config=config.of_tractions_alone(),
        method=method,
    )


def force_free_fields(
    traction: TractionStack,
    displacement: DisplacementStack,
    *,
    frame: int,
    emptied: Mask,
    n: int,
    seed: tuple[int, ...] = (0,),
) -> DisplacementStack:
    """Displacements without the forces of a region, each with new noise.

    Parameters
    ----------
    traction : TractionStack
        Tractions ``(T, H, W, 2)``.
    displacement : DisplacementStack
        The measured displacements, whose noise is estimated.
    frame : int, keyword-only
        The frame.
    emptied : array of bool, shape (H, W), keyword-only
        Where the tractions are left out.
    n : int, keyword-only
        Number of fields.
    seed : tuple of int, keyword-only
        Seed of the noise.

    Returns
    -------
    DisplacementStack
        The displacement that the other tractions cause, `n` times, with noise as strong
        as that of the measured displacement, ``(n, H, W, 2)``.
    """
    young = traction.gel.young_pa if traction.unit == "Pa" else 1.0
    assert young is not None
    rest = np.nan_to_num(np.where(emptied[..., None], 0.0, traction.data[frame]))
    still = surface_displacement(
        rest / young, Substrate(traction.gel), spacing_um=traction.spacing_um
    )
    measured, _ = bridged(displacement.part(frame, frame + 1))
    noise = noise_of_field(measured.in_grid_steps()[0], traction.records, frame)
    rng = np.random.default_rng(seed)
    noisy = still + new_noise(noise, traction.grid_shape, n, rng)
    return displacement.with_data(noisy / displacement.grid_steps_per_unit())


def force_free_magnitude(
    traction: TractionStack,
    displacement: DisplacementStack,
    *,
    reconstruct: Reconstruct,
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
    idle = np.empty(traction.data.shape[:3])
    for frame in range(traction.n_frames):
        fields = force_free_fields(
            traction,
            displacement,
            frame=frame,
            emptied=_inside(labels, frame, traction.grid_shape, dilation_steps),
            n=n_controls,
            seed=(seed, first + frame),
        )
        idle[frame] = reconstruct(fields).magnitude().mean(axis=0)
    return idle


def in_parts(
    fields: DisplacementStack, reconstruct: Reconstruct
) -> Iterator[tuple[DisplacementStack, TractionStack]]:
    """Reconstruct fields in parts of `PART`, between which it can be stopped."""
    for start in range(0, fields.n_frames, PART):
        part = fields.part(start, min(start + PART, fields.n_frames))
        yield part, reconstruct(part)


def _inside(
    labels: Labels | None, frame: int, shape: tuple[int, int], dilation_steps: float
) -> Mask:
    if labels is None:
        return np.ones(shape, dtype=np.bool_)
    of_frame = labels if labels.ndim == 2 else labels[frame]
    inside = np.zeros(shape, dtype=np.bool_)
    for region in regions_of(of_frame, dilation_steps=dilation_steps):
        inside |= region.dilated
    return inside
