"""Fourier-transform traction cytometry as reconstruction methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_vit_tfm.config import BAYESIAN_FTTC
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.registry import register
from napari_vit_tfm.options import Number

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_vit_tfm.physics.halfspace import Array, FloatArray

    Solution = Callable[[Array, Array], tuple[Array, Array]]
    """Periodic components of a displacement in grid steps -> traction ``t / E``."""


class _FieldByField(ReconstructionMethod):
    """A method in double precision that makes its choices for every field anew.

    With the choices made it is linear.
    """

    ignores_drift = True
    estimates_noise = True

    def to(self, device: str | torch.device) -> _FieldByField:
        """There is nothing to move: it computes on the CPU."""
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        import torch

        fields = (field.unsqueeze(0) for field in displacement)
        return torch.cat([self.differentiable_at(field)(field) for field in fields])

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The method with its choices made for one field, ``(1, 2, H, W)``."""
        import torch

        from napari_vit_tfm.physics.tikhonov import periodic_component

        x, y = _in_steps(displacement.detach())[0].numpy()
        solution = self._choose(x, y)

        def traction(displacement: Tensor) -> Tensor:
            x, y = (periodic_component(part) for part in _parts(displacement))
            found = torch.stack(solution(x, y), dim=1)
            return found.to(displacement.dtype).to(displacement.device)

        return traction

    @abstractmethod
    def _choose(self, x: FloatArray, y: FloatArray) -> Solution:
        """The solution for one field in grid steps, both ``(H, W)``."""


def _in_steps(displacement: Tensor) -> Tensor:
    return displacement.cpu().double() * (displacement.shape[-1] - 1)


def _parts(displacement: Tensor) -> tuple[Tensor, ...]:
    return _in_steps(displacement).unbind(dim=1)


@dataclass(frozen=True)
class FTTCOptions:
    """What can be chosen about FTTC.

    Parameters
    ----------
    regularisation : float, optional
        Weight of the penalty, in squared grid steps; None chooses it for every
        field, see `physics.tikhonov.choose_regularisation`.
    """

    regularisation: Annotated[
        float | None,
        Number(
            label="Regularisation",
            help="Weight of Tikhonov's penalty, in squared grid steps",
            otherwise="chosen for every field",
            maximum=1e6,
        ),
    ] = None


@register(
    "fttc",
    words="FTTC (classical, no network)",
    options=FTTCOptions,
    is_classical=True,
)
class FTTCMethod(_FieldByField):
    """Tikhonov-regularised FTTC, the field's classical method.

    The jumps at the field's border are taken away first, see
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

    def _choose(self, x: FloatArray, y: FloatArray) -> Solution:
        from napari_vit_tfm.physics.tikhonov import choose_regularisation, fttc

        regularisation = self.regularisation
        if regularisation is None:
            regularisation = choose_regularisation(x, y)
        return partial(fttc, regularisation=regularisation)


@register(BAYESIAN_FTTC, words="Bayesian FTTC (no network)", is_classical=True)
class BayesianFTTCMethod(_FieldByField):
    """FTTC with the prior of most evidence, see `physics.bayesian`."""

    name = BAYESIAN_FTTC

    def _choose(self, x: FloatArray, y: FloatArray) -> Solution:
        from napari_vit_tfm.physics.bayesian import bayesian_gains
        from napari_vit_tfm.physics.halfspace import filter_modes

        return partial(filter_modes, gains=bayesian_gains(x, y), pad=False)
