"""A small network that tells how large the errors of tractions are at each node.

It sees only the displacement and the tractions, not the inside of the network that has
computed them. It therefore works with windows, with averages over mirror images, and on
any grid. Like the network, it divides the displacement by its root mean square, so its
half-widths are proportional to the displacement.

Its inputs are the tractions; the displacement that they do not explain, and the
Tikhonov solution of this residual; the difference between the Tikhonov solution and the
tractions; and the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.constraints import Few, check
from napari_vit_tfm.models.physics_vit import Head, ResidualConvolution
from napari_vit_tfm.models.solved import Solved, rms
from napari_vit_tfm.physics.halfspace import FloatArray, scaled_modes
from napari_vit_tfm.physics.tikhonov import smooth_modes, tikhonov_gains

_HALF = 2

_REGULARISATIONS = (0.1, 1.0)
"""Tikhonov parameters for the residual and for the displacement, in squared steps."""

_SCALE = 0.07
"""Typical ratio of traction ``t / E`` to displacement in grid steps."""

_FLOOR = 1e-4
"""Smallest ratio of noise or residual to the displacement that is told from none."""

_LEAST = 1e-3
"""Smallest traction that is told from none, in units of `_SCALE`."""

_N_MAPS = 19
"""Number of input maps."""

_START = (math.log(0.1), 0.5)
"""Outputs before training: logarithm of the 68% half-width, and what is added to it."""


@dataclass(frozen=True)
class ScaleHeadConfig:
    """Size of the head. It is stored with the weights.

    Parameters
    ----------
    channels : int
        Number of feature maps at half resolution.
    layers : int
        Number of residual convolutions.
    """

    channels: Few = 24
    layers: Few = 3

    def __post_init__(self) -> None:
        check(self)


class ScaleHead(nn.Module):
    """Half-widths of the intervals of tractions, before their calibration.

    Parameters
    ----------
    config : ScaleHeadConfig, optional
        Size of the head.
    """

    def __init__(self, config: ScaleHeadConfig | None = None) -> None:
        super().__init__()
        self.config = config or ScaleHeadConfig()
        c = self.config.channels
        self.embed = nn.Sequential(
            nn.PixelUnshuffle(_HALF),
            nn.Conv2d(_N_MAPS * _HALF**2, c, 3, padding=1),
        )
        self.layers = nn.Sequential(
            *(ResidualConvolution(c) for _ in range(self.config.layers))
        )
        self.head = Head(c, 4)
        # The faster order of axes on CPUs.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, solved: Solved) -> Tensor:
        """Half-widths of the central 68% and 95% intervals of each component.

        Parameters
        ----------
        solved : Solved
            N fields with their tractions.

        Returns
        -------
        tensor of shape (N, 2, 2, H, W)
            For each field, the levels 68% and 95%, and the components. They are
            proportional to the displacement; zero for a field without displacement.
        """
        amplitude, maps = inputs_of(solved)
        height, width = solved.traction.shape[-2:]
        logarithms = self.logarithms(maps)[..., :height, :width]
        return amplitude[:, None] * logarithms.exp()

    def logarithms(self, maps: Tensor) -> Tensor:
        """Logarithms of the half-widths, relative to the amplitude of `inputs_of`.

        Parameters
        ----------
        maps : tensor of shape (N, 19, 2 h, 2 w)
            The maps of `inputs_of`.

        Returns
        -------
        tensor of shape (N, 2, 2, 2 h, 2 w)
        """
        narrow, added = self.head(self.layers(self.embed(maps))).split([2, 2], dim=1)
        narrow = narrow + _START[0]
        wide = narrow + functional.softplus(added + _START[1])
        return torch.stack([narrow, wide], dim=1)


def inputs_of(solved: Solved) -> tuple[Tensor, Tensor]:
    """What the head sees of displacements and tractions.

    Parameters
    ----------
    solved : Solved
        N fields with their tractions.

    Returns
    -------
    amplitude : tensor of shape (N, 1, 1, 1)
        Root mean square of the displacement about its mean, in grid steps.
    maps : tensor of shape (N, 19, 2 h, 2 w)
        Padded with zeros to an even number of rows and columns.
    """
    per_side = solved.displacement.shape[-1] - 1
    amplitude = _rms(solved.displacement) * per_side
    safe = torch.where(amplitude > 0, amplitude, 1.0)
    steps, residual = (
        part * (per_side / safe) for part in (solved.displacement, solved.residual)
    )
    scaled = solved.traction / safe
    of_residual, of_steps = _tikhonov(torch.stack([residual, steps])) / _SCALE
    scaled = scaled / _SCALE
    spread = of_steps - scaled
    strength = solved.noise.standard_deviation() * per_side
    left = _rms(residual).clamp_min(_FLOOR)
    constants = torch.cat(
        [
            (strength[:, None, None, None] / safe).clamp_min(_FLOOR).log() / 4,
            solved.noise.length[:, None, None, None],
            left.log() / 4,
            _rms(scaled).clamp_min(_LEAST).log() / 4,
        ],
        dim=1,
    )
    maps = torch.cat(
        [
            _asinh(scaled),
            _asinh(spread),
            _asinh(residual / left),
            _asinh(of_residual / _rms(of_residual).clamp_min(_LEAST)),
            *(
                part.abs().add(_LEAST).log() / 4
                for part in (scaled, spread, of_residual)
            ),
            torch.ones_like(steps[:, :1]),
            constants.expand(-1, -1, *steps.shape[-2:]),
        ],
        dim=1,
    )
    height, width = steps.shape[-2:]
    return amplitude, functional.pad(maps, (0, width % _HALF, 0, height % _HALF))


def _asinh(values: Tensor) -> Tensor:
    """As `torch.asinh`, which takes ten times as long on CPUs."""
    return torch.copysign((values.abs() + (values.square() + 1).sqrt()).log(), values)


def _rms(vectors: Tensor) -> Tensor:
    """Root mean square of the components of each field, ``(N, 1, 1, 1)``."""
    return rms(vectors)[:, None, None, None]


def _tikhonov(both: Tensor) -> Tensor:
    """Tikhonov solutions of the residual and of the displacement.

    Parameters
    ----------
    both : tensor of shape (2, N, 2, H, W)
        Residual and displacement, in grid steps.

    Returns
    -------
    tensor of shape (2, N, 2, H, W)
        With the two `_REGULARISATIONS`.
    """
    shape = (both.shape[-2], both.shape[-1])
    periodic = torch.fft.rfft2(both) - smooth_modes(both)
    hat_x, hat_y = periodic.unbind(dim=2)
    hats = scaled_modes(hat_x, hat_y, shape, lambda _: _gains(shape))
    solutions: Tensor = torch.fft.irfft2(torch.stack(hats, dim=2), s=shape)
    return solutions


@lru_cache(maxsize=16)
def _gains(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Longitudinal and transverse factors of both, ``(2, 1, H, W // 2 + 1)``."""
    k_x, k_y = np.fft.rfftfreq(shape[1]), np.fft.fftfreq(shape[0])
    k = 2 * np.pi * np.hypot(k_x[None, :], k_y[:, None])
    pairs = [tikhonov_gains(parameter)(k) for parameter in _REGULARISATIONS]
    along, across = (np.stack(parts)[:, None] for parts in zip(*pairs, strict=True))
    return along, across
