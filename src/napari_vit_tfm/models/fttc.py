"""Fourier-transform traction cytometry as reconstruction methods."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.physics.bayesian import bayesian_fttc
from napari_vit_tfm.physics.halfspace import FloatArray
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
)


class _FieldByField(ReconstructionMethod):
    """A method in numpy and double precision, for one field after the other."""

    def to(self, device: str | torch.device) -> _FieldByField:
        """There is nothing to move: it computes on the CPU."""
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        steps = displacement.cpu().double() * (displacement.shape[-1] - 1)
        found = np.stack([np.stack(self._solve(x, y)) for x, y in steps.numpy()])
        return torch.from_numpy(found).to(displacement.dtype).to(displacement.device)

    @abstractmethod
    def _solve(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Traction ``t / E`` of one field in grid steps, both ``(H, W)``."""


class FTTCMethod(_FieldByField):
    """Tikhonov-regularised FTTC, the field's classical method.

    The jumps at the field's border are taken away first, see
    `physics.tikhonov.periodic_component`.

    Parameters
    ----------
    regularisation : float, keyword-only, optional
        Weight of the penalty, in squared grid steps; None chooses it for every
        field, see `physics.tikhonov.choose_regularisation`.
    """

    name = "fttc"

    def __init__(self, *, regularisation: float | None = None) -> None:
        self.regularisation = regularisation

    def _solve(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        regularisation = self.regularisation
        if regularisation is None:
            regularisation = choose_regularisation(x, y)
        x, y = periodic_component(x), periodic_component(y)
        return fttc(x, y, regularisation=regularisation)


class BayesianFTTCMethod(_FieldByField):
    """FTTC with the prior of most evidence, see `physics.bayesian`."""

    name = "bayesian-fttc"

    def _solve(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return bayesian_fttc(x, y)
