"""`Solved`: displacements with their tractions, and what is told from both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_vit_tfm.physics.noise import Noise, estimate_noise
from napari_vit_tfm.physics.raster import raster_displacement

_LEAST_NOISE = 1e-4
_LEAST_MISFIT = 1e-3


@dataclass(frozen=True, eq=False)
class Solved:
    """Displacements with their tractions, and what is told from both.

    Parameters
    ----------
    displacement : tensor of shape (N, 2, H, W)
        Displacements ``u / L`` without their means.
    traction : tensor of shape (N, 2, H, W)
        Tractions ``t / E`` that were computed from them.
    residual : tensor of shape (N, 2, H, W)
        Displacement ``u / L`` that the tractions do not explain, without its mean.
    noise : Noise
        Noise of the displacements ``u / L``, of shape (N,).
    noise_is_given : bool
        Whether the noise was known when the tractions were computed; else it is
        estimated.
    """

    displacement: Tensor
    traction: Tensor
    residual: Tensor
    noise: Noise
    noise_is_given: bool = False

    @classmethod
    def of(
        cls,
        displacement: Tensor,
        traction: Tensor,
        *,
        noise: Noise | None = None,
        noise_is_given: bool = False,
        model: Tensor | None = None,
    ) -> Solved:
        """Compute what tractions leave unexplained.

        Parameters
        ----------
        displacement : tensor of shape (N, 2, H, W)
            Displacements ``u / L``.
        traction : tensor of shape (N, 2, H, W)
            Tractions ``t / E``.
        noise : Noise, keyword-only, optional
            Noise of the displacements ``u / L``, of shape (N,); estimated by default.
        noise_is_given : bool, keyword-only
            As for the class.
        model : tensor of shape (N, 2, H, W), keyword-only, optional
            Displacements ``u / L`` that the tractions cause; computed by default.

        Returns
        -------
        Solved
        """
        about_mean = _without_mean(displacement)
        if noise is None:
            noise = estimate_noise(*about_mean.unbind(dim=1))
        if model is None:
            steps = torch.stack(raster_displacement(*traction.unbind(dim=1)), dim=1)
            model = steps / (displacement.shape[-1] - 1)
        residual = _without_mean(about_mean - model)
        return cls(about_mean, traction, residual, noise, noise_is_given)

    def relative_noise(self) -> Tensor:
        """Logarithm of the noise relative to the displacement, ``(N,)``.

        It is at least that of a ten-thousandth.
        """
        relative = self.noise.standard_deviation() / self._size()
        logarithm: Tensor = relative.clamp_min(_LEAST_NOISE).log()
        return logarithm

    def relative_misfit(self) -> Tensor:
        """Logarithm of the residual beyond the noise, relative to the displacement.

        Returns
        -------
        tensor of shape (N,)
            At least the logarithm of a thousandth.
        """
        beyond = rms(self.residual).square() - self.noise.standard_deviation() ** 2
        relative = beyond.clamp_min(0).sqrt() / self._size()
        logarithm: Tensor = relative.clamp_min(_LEAST_MISFIT).log()
        return logarithm

    def _size(self) -> Tensor:
        """Root mean square of the displacements, ``(N,)``; 1 if they are zero."""
        size = rms(self.displacement)
        return torch.where(size > 0, size, 1.0)


def rms(vectors: Tensor) -> Tensor:
    """Root mean square of the components of each field, ``(N,)``."""
    size: Tensor = vectors.square().mean(dim=(1, 2, 3)).sqrt()
    return size


def _without_mean(vectors: Tensor) -> Tensor:
    return vectors - vectors.mean(dim=(2, 3), keepdim=True)
