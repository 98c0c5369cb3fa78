"""Fourier-transform traction cytometry as reconstruction methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_vit_tfm.config import (
    BAYESIAN_FTTC,
    MIN_AUTOMATIC_SIDE,
    MIN_FOURIER_SIDE,
)
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.registry import register
from napari_vit_tfm.options import Number

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_vit_tfm.physics.halfspace import Array, FloatArray

    Solution = Callable[[Array, Array], tuple[Array, Array]]
    """Function from the periodic components of a displacement, in grid steps, to the
    traction ``t / E``."""


class _FourierMethod(ReconstructionMethod):
    """A linear filter in Fourier space whose parameters are chosen for each field.

    It is computed in double precision.
    """

    min_side = MIN_FOURIER_SIDE
    ignores_drift = True
    estimates_noise = True
    balances_forces = True

    def to(self, device: str | torch.device) -> _FourierMethod:
        """Do nothing: the method always runs on the CPU."""
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Compute tractions ``t / E`` from displacements ``u / L``."""
        import torch

        fields = (field.unsqueeze(0) for field in displacement)
        return torch.cat([self.differentiable_at(field)(field) for field in fields])

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The filter with the parameters chosen for one field, ``(1, 2, H, W)``."""
        import torch

        from napari_vit_tfm.physics.tikhonov import periodic_component

        x, y = _in_grid_steps(displacement.detach())[0].numpy()
        solution = self._solution(x, y)

        def traction(displacement: Tensor) -> Tensor:
            components = _in_grid_steps(displacement).unbind(dim=1)
            x, y = (periodic_component(component) for component in components)
            found = torch.stack(solution(x, y), dim=1)
            return found.to(displacement.dtype).to(displacement.device)

        return traction

    @abstractmethod
    def _solution(self, x: FloatArray, y: FloatArray) -> Solution:
        """The filter for one displacement in grid steps, components ``(H, W)``."""


def _in_grid_steps(displacement: Tensor) -> Tensor:
    return displacement.cpu().double() * (displacement.shape[-1] - 1)


@dataclass(frozen=True)
class FTTCOptions:
    """Options of FTTC.

    Parameters
    ----------
    regularisation : float, optional
        Weight of the penalty, in squared grid steps. None chooses it for each
        field with `physics.tikhonov.choose_regularisation`.
    """

    regularisation: Annotated[
        float | None,
        Number(
            label="Regularisation",
            help="Weight of the Tikhonov penalty, in squared grid steps",
            otherwise="chosen for each field",
            maximum=1e6,
        ),
    ] = None


@register(
    "fttc",
    words="FTTC (classical, no network)",
    options=FTTCOptions,
    is_classical=True,
)
class FTTCMethod(_FourierMethod):
    """Tikhonov-regularised FTTC, the classical method of TFM.

    The jumps between opposite borders are removed first; see
    `physics.tikhonov.periodic_component`.

    Parameters
    ----------
    options : FTTCOptions, optional
        The regularisation.
    """

    name = "fttc"

    def __init__(self, options: FTTCOptions | None = None) -> None:
        self.regularisation = (options or FTTCOptions()).regularisation
        self.estimates_noise = self.regularisation is None
        if self.regularisation is None:
            self.reliable_side = MIN_AUTOMATIC_SIDE

    def _solution(self, x: FloatArray, y: FloatArray) -> Solution:
        from napari_vit_tfm.physics.tikhonov import choose_regularisation, fttc

        regularisation = self.regularisation
        if regularisation is None:
            regularisation = choose_regularisation(x, y)
        return partial(fttc, regularisation=regularisation)


@register(BAYESIAN_FTTC, words="Bayesian FTTC (no network)", is_classical=True)
class BayesianFTTCMethod(_FourierMethod):
    """FTTC with the prior that maximises the evidence; see `physics.bayesian`."""

    name = BAYESIAN_FTTC
    reliable_side = MIN_AUTOMATIC_SIDE

    def _solution(self, x: FloatArray, y: FloatArray) -> Solution:
        from napari_vit_tfm.physics.bayesian import bayesian_gains
        from napari_vit_tfm.physics.halfspace import filter_modes

        return partial(filter_modes, gains=bayesian_gains(x, y), pad=False)
