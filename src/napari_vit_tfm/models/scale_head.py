"""A small network that tells how large the errors of tractions are at each node.

It sees only the displacement and the tractions, not the inside of the network that has
computed them. It therefore works with windows, with averages over mirror images, and on
any grid. Like the network, it divides the displacement by its root mean square, so its
half-widths are proportional to the displacement.

Its maps are the tractions; the displacement that they do not explain, and the Tikhonov
solution of this residual; and the difference between the Tikhonov solution and the
tractions. Of the whole field it knows the noise, and how much of the tractions and of
the displacement is in coarse and in fine waves. Fine waves tell how sharp the tractions
are, and whether the displacement is an average over windows, which hides sharp ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

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

_N_MAPS = 15
"""Number of input maps."""

_BANDS = (0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.5)
"""Limits of bands of wave numbers, relative to that of two steps, the shortest waves
along a row or a column."""

_LEAST_SHARE = 1e-6
"""Smallest share of a band that is told from none."""

_N_CONSTANTS = 4 + 2 * (len(_BANDS) - 1)
"""Number of what is known of a whole field."""

_HIDDEN = 32

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
        self.of_field = nn.Sequential(
            nn.Linear(_N_CONSTANTS, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, c + 4)
        )
        for parameter in self.of_field[2].parameters():
            nn.init.zeros_(parameter)
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
        amplitude, maps, constants = inputs_of(solved)
        height, width = solved.traction.shape[-2:]
        logarithms = self.logarithms(maps, constants)[..., :height, :width]
        return amplitude[:, None] * logarithms.exp()

    def logarithms(self, maps: Tensor, constants: Tensor) -> Tensor:
        """Logarithms of the half-widths, relative to the amplitude of `inputs_of`.

        Parameters
        ----------
        maps : tensor of shape (N, 15, 2 h, 2 w)
            The maps of `inputs_of`.
        constants : tensor of shape (N, 18)
            The constants of `inputs_of`.

        Returns
        -------
        tensor of shape (N, 2, 2, 2 h, 2 w)
        """
        of_field = self.of_field(constants)[..., None, None]
        first, last = of_field.split([self.config.channels, 4], dim=1)
        outputs = self.head(self.layers(self.embed(maps) + first)) + last
        narrow, added = outputs.split([2, 2], dim=1)
        narrow = narrow + _START[0]
        wide = narrow + functional.softplus(added + _START[1])
        return torch.stack([narrow, wide], dim=1)


def inputs_of(solved: Solved) -> tuple[Tensor, Tensor, Tensor]:
    """What the head sees of displacements and tractions.

    Parameters
    ----------
    solved : Solved
        N fields with their tractions.

    Returns
    -------
    amplitude : tensor of shape (N, 1, 1, 1)
        Root mean square of the displacement about its mean, in grid steps.
    maps : tensor of shape (N, 15, 2 h, 2 w)
        Padded with zeros to an even number of rows and columns.
    constants : tensor of shape (N, 18)
        What is known of the whole field.
    """
    per_side = solved.displacement.shape[-1] - 1
    amplitude = _rms(solved.displacement) * per_side
    safe = torch.where(amplitude > 0, amplitude, 1.0)
    steps, residual = (
        part * (per_side / safe) for part in (solved.displacement, solved.residual)
    )
    scaled = solved.traction / safe
    shape = (steps.shape[-2], steps.shape[-1])
    both = torch.stack([residual, steps])
    modes = torch.fft.rfft2(both) - smooth_modes(both)
    of_residual, of_steps = _tikhonov(modes, shape) / _SCALE
    scaled = scaled / _SCALE
    spread = of_steps - scaled
    strength = solved.noise.standard_deviation() * per_side
    left = _rms(residual).clamp_min(_FLOOR)
    known = torch.stack(
        [
            (strength / safe.flatten()).clamp_min(_FLOOR).log() / 4,
            solved.noise.length,
            left.flatten().log() / 4,
            _rms(scaled).clamp_min(_LEAST).flatten().log() / 4,
        ],
        dim=1,
    )
    in_bands = _shares_of_bands(torch.stack([torch.fft.rfft2(scaled), modes[1]]), shape)
    constants = torch.cat([known, *in_bands], dim=1)
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
        ],
        dim=1,
    )
    padded = functional.pad(maps, (0, shape[1] % _HALF, 0, shape[0] % _HALF))
    return amplitude, padded, constants


def _asinh(values: Tensor) -> Tensor:
    """As `torch.asinh`, which takes ten times as long on CPUs."""
    return torch.copysign((values.abs() + (values.square() + 1).sqrt()).log(), values)


def _rms(vectors: Tensor) -> Tensor:
    """Root mean square of the components of each field, ``(N, 1, 1, 1)``."""
    return rms(vectors)[:, None, None, None]


def _tikhonov(modes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Tikhonov solutions of the residual and of the displacement.

    Parameters
    ----------
    modes : tensor of shape (2, N, 2, H, W // 2 + 1)
        Fourier transforms of residual and displacement, in grid steps.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    tensor of shape (2, N, 2, H, W)
        With the two `_REGULARISATIONS`.
    """
    hat_x, hat_y = modes.unbind(dim=2)
    hats = scaled_modes(hat_x, hat_y, shape, lambda _: _gains(shape))
    solutions: Tensor = torch.fft.irfft2(torch.stack(hats, dim=2), s=shape)
    return solutions


def _shares_of_bands(modes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Shares of bands of waves in the squared tractions and in those of a displacement.

    Parameters
    ----------
    modes : tensor of shape (2, N, 2, H, W // 2 + 1)
        Fourier transforms of tractions and displacement.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    tensor of shape (2, N, 7)
        Logarithms, about -1 to 1. The displacement is multiplied by the wave number: in
        proportion to the tractions that cause it.
    """
    power = torch.view_as_real(modes).square().sum(dim=(2, -1)).flatten(2)
    in_bands = torch.bmm(power, _bands(shape).to(power))
    total = in_bands.sum(dim=2, keepdim=True)
    shares = in_bands / torch.where(total > 0, total, 1.0)
    logarithms: Tensor = shares.clamp_min(_LEAST_SHARE).log() / 7 + 1
    return logarithms


@lru_cache(maxsize=16)
def _bands(shape: tuple[int, int]) -> Tensor:
    """Weights of modes in bands, of tractions and displacement.

    Returns
    -------
    tensor of shape (2, H * (W // 2 + 1), 7)
    """
    k_x, k_y = np.fft.rfftfreq(shape[1], 0.5), np.fft.fftfreq(shape[0], 0.5)
    k = np.hypot(k_x[None, :], k_y[:, None])
    # Most modes stand for two, at positive and at negative wave numbers of x.
    twice = np.where((k_x == 0) | (k_x == 1), 1, 2)
    limits = pairwise(_BANDS)
    bands = np.stack(
        [(k > 0) & (low <= k) & (k < high) for low, high in limits], axis=-1
    )
    weights = (twice * np.stack([np.ones_like(k), k**2]))[..., None] * bands
    return torch.from_numpy(weights.reshape(2, k.size, -1).astype(np.float32))


@lru_cache(maxsize=16)
def _gains(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Longitudinal and transverse factors of both, ``(2, 1, H, W // 2 + 1)``."""
    k_x, k_y = np.fft.rfftfreq(shape[1]), np.fft.fftfreq(shape[0])
    k = 2 * np.pi * np.hypot(k_x[None, :], k_y[:, None])
    pairs = [tikhonov_gains(parameter)(k) for parameter in _REGULARISATIONS]
    along, across = (np.stack(parts)[:, None] for parts in zip(*pairs, strict=True))
    return along, across
