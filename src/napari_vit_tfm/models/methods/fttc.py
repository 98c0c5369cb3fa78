"""Fourier-transform traction cytometry as reconstruction methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

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

    from napari_vit_tfm.models.solved import Solved
    from napari_vit_tfm.physics.halfspace import FloatArray, Gains
    from napari_vit_tfm.physics.noise import Noise

_NORMAL = (0.994458, 1.959964)
"""Half-widths of the central 68% and 95% intervals of a standard normal variable."""


_LEAST_NOISE = 1e-3
"""Smallest noise that the posterior assumes, relative to the displacement: no model of
a field on a grid is more exact."""


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

    def traction_at_noise(self, displacement: Tensor, noise: Noise) -> Tensor:
        """Compute tractions; the parameters are chosen for the given noise."""
        import torch

        fields = enumerate(displacement.unsqueeze(1))
        return torch.cat([self._filter(field, noise[n])(field) for n, field in fields])

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The filter with the parameters chosen for one field, ``(1, 2, H, W)``."""
        return self._filter(displacement, None)

    def _filter(
        self, displacement: Tensor, noise: Noise | None
    ) -> Callable[[Tensor], Tensor]:
        import torch

        from napari_vit_tfm.physics.halfspace import filter_modes
        from napari_vit_tfm.physics.tikhonov import periodic_component

        x, y = _in_grid_steps(displacement.detach())[0].numpy()
        gains = self._gains(x, y, noise)

        def traction(displacement: Tensor) -> Tensor:
            components = _in_grid_steps(displacement).unbind(dim=1)
            x, y = (periodic_component(component) for component in components)
            found = torch.stack(filter_modes(x, y, gains, pad=False), dim=1)
            return found.to(displacement.dtype).to(displacement.device)

        return traction

    @property
    def calibration(self) -> str:
        """Name of the calibration; empty if a user has chosen the regularisation."""
        return type(self).name if self.estimates_noise else ""

    def halfwidths(self, solved: Solved) -> Tensor:
        """Half-widths of the posterior that the filter implies; equal at all nodes."""
        import torch

        from napari_vit_tfm.physics.noise import Noise

        fields = _in_grid_steps(solved.displacement).numpy()
        in_steps = (fields.shape[-1] - 1) ** 2
        variances = solved.noise.variance.double().cpu().numpy() * in_steps
        lengths = solved.noise.length.double().cpu().numpy()
        noise = Noise(variances, lengths, variances > 0)
        deviations = np.array(
            [
                self._deviation(field, noise[n], is_given=solved.noise_is_given)
                for n, field in enumerate(fields)
            ]
        )  # (N, 2)
        both = np.multiply.outer(_NORMAL, deviations).swapaxes(0, 1)  # (N, 2, 2)
        maps = torch.from_numpy(both).to(solved.traction)[..., None, None]
        return maps.expand(-1, -1, -1, *solved.traction.shape[-2:])

    def _deviation(
        self, field: FloatArray, noise: Noise, *, is_given: bool
    ) -> FloatArray:
        """Posterior standard deviation of each component, ``(2,)``.

        Parameters
        ----------
        field : array of shape (2, H, W)
            Displacement in grid steps.
        noise : Noise
            Its noise, in grid steps, with arrays of shape ().
        is_given : bool
            Whether the filter was chosen for this noise.
        """
        from napari_vit_tfm.physics.bayesian import posterior_variance
        from napari_vit_tfm.physics.noise import Noise

        least = (_LEAST_NOISE**2) * field.var(axis=(1, 2)).mean()
        more = Noise(np.maximum(noise.variance, least), noise.length, np.array(True))
        gains = self._gains(field[0], field[1], noise if is_given else None)
        shape = (field.shape[1], field.shape[2])
        return np.sqrt(posterior_variance(more, gains, shape))

    @abstractmethod
    def _gains(self, x: FloatArray, y: FloatArray, noise: Noise | None) -> Gains:
        """The filter for one displacement in grid steps, components ``(H, W)``.

        Its noise is estimated if it is not given.
        """


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

    def _gains(self, x: FloatArray, y: FloatArray, noise: Noise | None) -> Gains:
        from napari_vit_tfm.physics.tikhonov import (
            choose_regularisation,
            tikhonov_gains,
        )

        regularisation = self.regularisation
        if regularisation is None:
            regularisation = choose_regularisation(x, y, noise=noise)
        return tikhonov_gains(regularisation)


@register(BAYESIAN_FTTC, words="Bayesian FTTC (no network)", is_classical=True)
class BayesianFTTCMethod(_FourierMethod):
    """FTTC with the prior that maximises the evidence; see `physics.bayesian`."""

    name = BAYESIAN_FTTC
    reliable_side = MIN_AUTOMATIC_SIDE

    def _gains(self, x: FloatArray, y: FloatArray, noise: Noise | None) -> Gains:
        from napari_vit_tfm.physics.bayesian import bayesian_gains

        return bayesian_gains(x, y, noise=noise)
