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
from napari_vit_tfm.trust.twins import allowance_of_twins
from napari_vit_tfm.trust.whitening import (
    chi_squared,
    clear_noise,
    estimated_noise,
    noise_records,
)

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
    if not (config.residual or config.uncertainty):
        return Assessment()
    steps, spacing_um = displacement.in_grid_steps(), displacement.spacing_um
    found = forward_consistency(steps, traction, substrate, spacing_um=spacing_um)
    estimated = estimated_noise(steps)
    companions: dict[str, FloatArray] = {}
    records = {"explained": found.explained, **noise_records(steps, estimated)}
    if judges(method.sha256):
        records |= familiarity_records(
            [
                familiarity(
                    *frame, substrate, spacing_um=spacing_um, noise=estimated[number]
                )
                for number, frame in enumerate(
                    zip(steps, traction, found.model, strict=True)
                )
            ]
        )
    if config.residual:
        noise = clear_noise(estimated, displacement.grid_shape)
        records["chi_squared"] = chi_squared(found.residual, noise)
        records["allowance"] = (
            np.ones(len(steps))
            if method.leaves_known_residual
            else allowance_of_twins(
                displacement, found.model, noise, substrate, reconstruct
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
            noise=estimated,
            model=found.model,
        )
        companions |= {"halfwidth_68": narrow, "halfwidth_95": wide}
    return Assessment(companions, records)
