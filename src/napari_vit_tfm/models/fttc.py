"""Fourier-transform traction cytometry as a reconstruction method."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.physics.halfspace import fttc, gcv_regularisation


class FTTCMethod(ReconstructionMethod):
    """Tikhonov-regularised FTTC, the field's classical method.

    Parameters
    ----------
    regularisation : float, keyword-only, optional
        Weight of the penalty, in squared grid steps; None chooses it for every
        field by generalised cross-validation.
    """

    name = "fttc"

    def __init__(self, *, regularisation: float | None = None) -> None:
        self.regularisation = regularisation

    def to(self, device: str | torch.device) -> FTTCMethod:
        """There is nothing to move: tensors are computed where they are."""
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        steps = displacement * (displacement.shape[-1] - 1)
        return torch.stack([self._solve(x, y) for x, y in steps])

    def _solve(self, x: Tensor, y: Tensor) -> Tensor:
        regularisation = self.regularisation
        if regularisation is None:
            field = x.double().cpu().numpy(), y.double().cpu().numpy()
            regularisation = gcv_regularisation(*field, poisson=REFERENCE_POISSON)
        solution = fttc(
            x,
            y,
            regularisation=regularisation,
            poisson=REFERENCE_POISSON,
            pad=False,
        )
        return torch.stack(solution)
