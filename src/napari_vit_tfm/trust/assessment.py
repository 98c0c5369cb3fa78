"""`assess`: everything about the trust in tractions that is computed with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import Companions, DisplacementStack, Records
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.trust.consistency import forward_consistency
from napari_vit_tfm.trust.gauge import familiarity, familiarity_records, judges
from napari_vit_tfm.trust.intervals import reason_without, traction_intervals
from napari_vit_tfm.trust.noise import FrameNoise, noise_of_residual, noise_records
from napari_vit_tfm.trust.twins import allowance_of_twins
from napari_vit_tfm.trust.whitening import chi_squared

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float32]

Reconstruct = Callable[[DisplacementStack], FloatArray]
"""Function from finite displacements to tractions ``t / E``, ``(T, H, W, 2)``."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """What is known about the trust in tractions.

    Parameters
    ----------
    companions : mapping of str to array of shape (T, H, W, 2)
        As `TractionStack.companions`, but tractions are ``t / E``.
    records : mapping of str to array of shape (T,)
        As `TractionStack.records`.
    """

    companions: Companions = field(default_factory=lambda: MappingProxyType({}))
    records: Records = field(default_factory=lambda: MappingProxyType({}))


def assess(
    displacement: DisplacementStack,
    traction: FloatArray,
    *,
    noise: FrameNoise,
    substrate: Substrate,
    method: ReconstructionMethod,
    config: ReconstructionConfig,
    reconstruct: Reconstruct,
) -> Assessment:
    """Compute what the configuration asks for about the trust in tractions.

    Parameters
    ----------
    displacement : DisplacementStack
        The displacements from which the tractions were computed, without holes.
    traction : array of shape (T, H, W, 2)
        Tractions ``t / E``, without holes.
    noise : FrameNoise, keyword-only
        The noise of the displacements.
    substrate : Substrate, keyword-only
        The gel.
    method : ReconstructionMethod, keyword-only
        The method that computed them.
    config : ReconstructionConfig, keyword-only
        Its options `residual` and `uncertainty` say what is computed.
    reconstruct : callable, keyword-only
        Computes tractions as these were computed.

    Returns
    -------
    Assessment
    """
    steps, spacing_um = displacement.in_grid_steps(), displacement.spacing_um
    of_noise = noise_records(steps, noise.noise)
    if not (config.residual or config.uncertainty):
        # Estimated noise can be estimated again; what is given is nowhere else.
        return Assessment(records=of_noise if noise.is_given else {})
    found = forward_consistency(steps, traction, substrate, spacing_um=spacing_um)
    companions: dict[str, FloatArray] = {}
    records = {"explained": found.explained, **of_noise}
    if judges(method.sha256):
        records |= familiarity_records(
            [
                familiarity(
                    *frame, substrate, spacing_um=spacing_um, noise=noise.noise[number]
                )
                for number, frame in enumerate(
                    zip(steps, traction, found.model, strict=True)
                )
            ]
        )
    if config.residual:
        judged = noise_of_residual(
            noise.noise,
            found.residual,
            tells_noise=method.leaves_known_residual and not noise.is_given,
        )
        records["chi_squared"] = chi_squared(found.residual, judged)
        records["allowance"] = (
            np.ones(len(steps))
            if method.leaves_known_residual
            else allowance_of_twins(
                displacement, found.model, noise.noise, substrate, reconstruct
            )
        )
        own_unit = np.float32(1 / displacement.grid_steps_per_unit())
        companions["displacement_model"] = found.model * own_unit
        companions["residual"] = found.residual * own_unit
    if config.uncertainty and not reason_without(method):
        narrow, wide = traction_intervals(
            steps,
            traction,
            substrate,
            spacing_um=spacing_um,
            method=method,
            noise=noise,
            model=found.model,
        )
        companions |= {"halfwidth_68": narrow, "halfwidth_95": wide}
    return Assessment(companions, records)
