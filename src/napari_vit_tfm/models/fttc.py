"""Fourier-transform traction cytometry as a reconstruction method."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.physics.halfspace import fttc


class FTTCMethod(ReconstructionMethod):
    """Tikhonov-regularised FTTC, the field's classical method.

    Parameters
    ----------
    regularisation : float, keyword-only
        Weight of the penalty, in squared grid steps. The default suits fields
        with a few percent of noise.
    """

    name = "fttc"

    def __init__(self, *, regularisation: float = 1.0) -> None:
        self.regularisation = regularisation

    def to(self, device: str | torch.device) -> FTTCMethod:
        """There is nothing to move: tensors are computed where they are."""
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        steps = displacement * (displacement.shape[-1] - 1)
        solution = fttc(
            steps[:, 0],
            steps[:, 1],
            regularisation=self.regularisation,
            poisson=REFERENCE_POISSON,
            pad=False,
        )
        return torch.stack(solution, dim=1)
