"""The bundled network: a physics-guided Vision Transformer.

1. The mean displacement is subtracted, and the field is divided by its root mean
   square. The network is therefore independent of drift and exactly linear in
   amplitude.
2. Its input is this field with classical solutions: Tikhonov solutions with several
   regularisations, and the Bayesian solution.
3. A convolutional stem at half resolution keeps details that 8 x 8 patches lose. The
   encoder has one token per patch.
4. The decoder returns the weights of the classical solutions at each node and a
   correction to their weighted mean. This is the first estimate.
5. The residual is the difference between the displacement and that of the estimate,
   computed by the forward model. Refinements correct the estimate with it, as in
   unrolled methods [1]_.

No layer depends on the size of the grid, so each field is processed on its own grid.

References
----------
.. [1] J. Adler, O. Öktem, "Learned primal-dual reconstruction", IEEE Trans. Med.
   Imaging 37, 1322-1332 (2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.config import PATCH_SIZE
from napari_vit_tfm.constraints import Length, Positive, Range, check
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.models.layers import Block, TokenisedField, blocks_of
from napari_vit_tfm.models.precision import without_autocast
from napari_vit_tfm.physics.bayesian import posterior_gains
from napari_vit_tfm.physics.evidence import most_probable_prior
from napari_vit_tfm.physics.halfspace import Gains, scaled_modes
from napari_vit_tfm.physics.noise import estimate_noise
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.spectrum import spectrum
from napari_vit_tfm.physics.tikhonov import periodic_component, tikhonov_gains

_HALF = 2
_TOKEN_STRIDE = PATCH_SIZE // _HALF

# Logits before training
_INSIDE = 2.0
"""That a node is inside an adhesion."""
_MIDDLE = 5.0
"""Weight of the middle Tikhonov solution, relative to the other solutions."""
_SHARE = -3.0
"""Share of the Bayesian solution of the residual that a refinement adds."""

_MIN_NOISE = 1e-4
"""Smallest noise, relative to the displacement, that is distinguished from none."""


_Depth = Annotated[
    int, Range(minimum=1, maximum=64, excludes_minimum=False, is_whole=True)
]
_Layers = Annotated[int, Range(maximum=64, excludes_minimum=False, is_whole=True)]
_Size = Annotated[
    int, Range(minimum=1, maximum=4096, excludes_minimum=False, is_whole=True)
]


@dataclass(frozen=True)
class PhysicsViTConfig:
    """Size of the network. It is stored with the weights.

    Parameters
    ----------
    width, depth, heads : int
        Features per token, number of blocks, attention heads per block.
    mlp_ratio : int
        Width of the hidden layer of an MLP, relative to `width`.
    channels : int
        Number of feature maps at half resolution.
    stem_layers, decoder_layers : int
        Number of residual convolutions before and after the encoder.
    refinements, refinement_layers : int
        Number of refinements, and residual convolutions in each of them.
    regularisations : tuple of float
        Tikhonov parameters of the FTTC solutions, in squared grid steps. At least
        one.
    traction_scale : float
        Typical ratio of traction ``t / E`` to displacement in grid steps.

    Raises
    ------
    ConfigError
        If a value is not in its range, or the heads do not divide the width.
    """

    width: _Size = 128
    depth: _Depth = 6
    heads: _Size = 8
    mlp_ratio: _Depth = 4
    channels: _Size = 48
    stem_layers: _Layers = 2
    decoder_layers: _Layers = 3
    refinements: _Layers = 2
    refinement_layers: _Layers = 3
    regularisations: Annotated[tuple[Positive, ...], Length(1, 64)] = (
        0.01,
        0.1,
        1.0,
        10.0,
    )
    traction_scale: Positive = 0.07

    def __post_init__(self) -> None:
        check(self)
        if self.width % self.heads:
            raise ConfigError(
                f"{self.heads} heads do not divide a width of {self.width}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhysicsViTConfig:
        """Build from the result of `to_dict` after JSON.

        Raises
        ------
        ConfigError
            If a value is not in its range.
        TypeError
            If a name is not known, or the regularisations are no list.
        """
        return cls(**{**values, "regularisations": tuple(values["regularisations"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can store."""
        return asdict(self)


class ResidualConvolution(nn.Module):
    """Residual block of two 3 x 3 convolutions, each after a GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps ``(N, C, h, w)`` to feature maps."""
        hidden = functional.gelu(self.conv1(functional.gelu(maps)))
        out: Tensor = maps + self.conv2(hidden)
        return out


class Solver:
    """Classical solutions for one batch of displacements.

    Noise and prior are estimated once from the displacements. The solutions for the
    residuals of later estimates use the same filters.

    Parameters
    ----------
    steps : tensor of shape (N, 2, H, W)
        Displacements in grid steps, without their mean.
    regularisations : tuple of float
        Tikhonov parameters, in squared grid steps.

    Attributes
    ----------
    statistics : tensor of shape (N, 2, 1, 1)
        Logarithms of the noise and of the correlation length of the tractions.
    """

    def __init__(self, steps: Tensor, regularisations: tuple[float, ...]) -> None:
        with torch.no_grad():
            x, y = steps.detach().unbind(dim=1)
            noise = estimate_noise(x, y)
            parts = periodic_component(x), periodic_component(y)
            prior = most_probable_prior(spectrum(*parts), noise=noise)
            level = noise.variance.clamp_min(_MIN_NOISE**2).log() / 10  # (N,)
            length = prior.length.add(1).log()  # (N,)
            self.statistics = torch.stack([level, length], dim=1)[..., None, None]
        self._gains: list[Gains] = [
            *map(tikhonov_gains, regularisations),
            posterior_gains(noise, prior),
        ]

    def solutions(self, steps: Tensor) -> list[Tensor]:
        """Classical tractions ``t / E`` of displacements in grid steps.

        Parameters
        ----------
        steps : tensor of shape (N, 2, H, W)
            Displacements in grid steps.

        Returns
        -------
        list of tensors of shape (N, 2, H, W)
            The Tikhonov solutions in the order of the regularisations, and last the
            Bayesian solution.
        """
        hat_x, hat_y = torch.fft.rfft2(periodic_component(steps)).unbind(dim=1)
        shape = (steps.shape[-2], steps.shape[-1])
        return [
            torch.fft.irfft2(
                torch.stack(scaled_modes(hat_x, hat_y, shape, gains), dim=1), s=shape
            )
            for gains in self._gains
        ]


class Head(nn.Sequential):
    """Feature maps ``(N, C, h, w)`` to maps ``(N, n_outputs, 2 h, 2 w)``."""

    def __init__(self, channels: int, n_outputs: int) -> None:
        super().__init__(
            nn.GELU(),
            nn.Conv2d(channels, n_outputs * _HALF**2, 3, padding=1),
            nn.PixelShuffle(_HALF),
        )


class Refinement(nn.Module):
    """Corrects an estimate of the traction by its residual displacement.

    The correction adds a summand and a share of the Bayesian solution of the residual.
    It then multiplies the traction at each node by a factor. The factor represents
    the sharp edges of adhesions: whether a node is inside is independent of how strong
    the traction is. Before training, the refinement hardly changes the estimate.

    Parameters
    ----------
    channels : int
        Number of feature maps at half resolution.
    n_inputs : int
        Number of input maps at full resolution.
    layers : int
        Number of residual convolutions.
    """

    def __init__(self, channels: int, n_inputs: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.PixelUnshuffle(_HALF),
            nn.Conv2d(n_inputs * _HALF**2, channels, 3, padding=1),
        )
        self.layers = nn.Sequential(
            *(ResidualConvolution(channels) for _ in range(layers))
        )
        self.head = Head(channels, 4)
        self.reset_head()

    def reset_head(self) -> None:
        """Set the head to zero, its state before training."""
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, hidden: Tensor, residual: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute a correction.

        Parameters
        ----------
        hidden : tensor of shape (N, C, h, w)
            Feature maps at half resolution.
        residual : tensor of shape (N, n_inputs, 2 h, 2 w)
            Residual displacement, its classical solutions and the present traction.

        Returns
        -------
        hidden : tensor of shape (N, C, h, w)
            New feature maps.
        summand : tensor of shape (N, 2, 2 h, 2 w)
            Correction of the traction, in units of `traction_scale`.
        factor : tensor of shape (N, 1, 2 h, 2 w)
            Between 0 and 1.14; 1 where the head is zero.
        share : tensor of shape (N, 1, 2 h, 2 w)
            Share of the Bayesian solution, between 0 and 1.
        """
        hidden = self.layers(hidden + self.embed(residual))
        summand, inside, share = self.head(hidden).split([2, 1, 1], dim=1)
        factor = torch.sigmoid(inside + _INSIDE) * (1 + math.exp(-_INSIDE))
        return hidden, summand, factor, torch.sigmoid(share + _SHARE)


class PhysicsViT(nn.Module):
    """Network from displacements to tractions, on any grid.

    Parameters
    ----------
    config : PhysicsViTConfig
        Size of the network.
    """

    def __init__(self, config: PhysicsViTConfig) -> None:
        super().__init__()
        self.config = config
        n_solutions = len(config.regularisations) + 1
        n_inputs = 2 + 2 * n_solutions + 3
        c, width = config.channels, config.width
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(_HALF),
            nn.Conv2d(n_inputs * _HALF**2, c, 3, padding=1),
            *(ResidualConvolution(c) for _ in range(config.stem_layers)),
        )
        self.patch_embed = nn.Conv2d(c, width, _TOKEN_STRIDE, _TOKEN_STRIDE)
        # Positional encoding by a depthwise convolution. It detects the border of
        # the field and, unlike an embedding table, works for any grid.
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, hidden=config.mlp_ratio * width)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        c_tokens = c // 2
        self.unembed = nn.Linear(width, c_tokens * _TOKEN_STRIDE**2)
        self.decoder = nn.Sequential(
            nn.Conv2d(c + c_tokens, c, 3, padding=1),
            *(ResidualConvolution(c) for _ in range(config.decoder_layers)),
        )
        self.head = Head(c, 2 + n_solutions)
        self.refinements = nn.ModuleList(
            Refinement(c, 2 + 2 * n_solutions + 2 + 3, config.refinement_layers)
            for _ in range(config.refinements)
        )

    def forward(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E`` of displacements in the reference form.

        Parameters
        ----------
        displacement : tensor of shape (N, 2, H, W)
            ``u / L``, components ``(x, y)``.

        Returns
        -------
        tensor of shape (N, 2, H, W)
        """
        return self.tokenised(displacement).traction()

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of each block, for one field ``(1, 2, H, W)``.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            One per block, for the ``P`` patches in row-major order of the field padded
            to whole patches.
        """
        return self.tokenised(displacement).attention()

    def tokenised(self, displacement: Tensor) -> TokenisedField:
        """Displacements ``(N, 2, H, W)`` as tokens, with what follows them.

        Everything that does not depend on the encoder is computed once, here.
        """
        with without_autocast(displacement):
            amplitude, steps = self._normalised(displacement)
            solver = Solver(steps, self.config.regularisations)
            solutions = self._solutions(solver, steps)
            maps = self.stem(self._inputs(steps, solutions, solver))  # (N, C, h, w)
            embedded = self._embed(maps)  # (N, D, rows, columns)
        tokens = embedded.flatten(2).transpose(1, 2)  # (N, P, D)

        def decode(tokens: Tensor) -> Tensor:
            with without_autocast(displacement):
                hidden = self._decoded(tokens, maps, embedded.shape[-2:])
                return amplitude * self._traction(hidden, steps, solutions, solver)

        return TokenisedField(tokens, blocks_of(self.blocks), decode)

    def _traction(
        self, hidden: Tensor, steps: Tensor, solutions: list[Tensor], solver: Solver
    ) -> Tensor:
        """First estimate and refinements, from feature maps ``(N, C, h, w)``.

        The field is one of the batch, or the only one for all feature maps.
        """
        height, width = steps.shape[-2:]
        correction, logits = self.head(hidden).split([2, len(solutions)], dim=1)
        traction = self._corrected(self._mixture(solutions, logits), correction)
        for refinement in self.refinements:
            residual = self._residual(steps, traction)
            solutions = self._solutions(solver, residual)
            inputs = self._inputs(residual, [*solutions, traction], solver)
            hidden, summand, factor, share = refinement(hidden, inputs)
            traction = self._corrected(traction, summand)
            traction = traction + share[..., :height, :width] * solutions[-1]
            traction = traction * factor[..., :height, :width]
        return traction

    def _embed(self, maps: Tensor) -> Tensor:
        embedded: Tensor = self.patch_embed(maps)
        out: Tensor = embedded + self.position(embedded)
        return out

    def _decoded(self, tokens: Tensor, maps: Tensor, grid: torch.Size) -> Tensor:
        """Tokens ``(N, P, D)`` and stem maps to feature maps, ``(N, C, h, w)``."""
        features = self.unembed(self.norm(tokens)).transpose(1, 2).unflatten(2, grid)
        features = functional.pixel_shuffle(features, _TOKEN_STRIDE)  # (N, C / 2, h, w)
        maps = maps.expand(len(tokens), -1, -1, -1)
        hidden: Tensor = self.decoder(torch.cat([maps, features], dim=1))
        return hidden

    def _mixture(self, solutions: list[Tensor], logits: Tensor) -> Tensor:
        """Weighted mean of the classical solutions at each node, ``(N, 2, H, W)``."""
        height, width = solutions[0].shape[-2:]
        middle = len(self.config.regularisations) // 2
        start = torch.zeros_like(logits[:1, :, :1, :1])
        start[:, middle] = _MIDDLE
        weights = torch.softmax(logits[..., :height, :width] + start, dim=1)
        mixed = weights.unsqueeze(2) * torch.stack(solutions, dim=1)  # (N, S, 2, H, W)
        return mixed.sum(dim=1)

    def _corrected(self, traction: Tensor, correction: Tensor) -> Tensor:
        height, width = traction.shape[-2:]
        scaled = correction[..., :height, :width] * self.config.traction_scale
        return traction + scaled

    @staticmethod
    def _normalised(displacement: Tensor) -> tuple[Tensor, Tensor]:
        """Subtract the mean, and divide by the root mean square.

        Returns
        -------
        amplitude : tensor of shape (N, 1, 1, 1)
            Root mean square in grid steps.
        steps : tensor of shape (N, 2, H, W)
            The normalised displacement.
        """
        steps = displacement * (displacement.shape[-1] - 1)
        steps = steps - steps.mean(dim=(2, 3), keepdim=True)
        amplitude = steps.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return amplitude, steps / torch.where(amplitude > 0, amplitude, 1.0)

    def _solutions(self, solver: Solver, steps: Tensor) -> list[Tensor]:
        return solver.solutions(steps)

    @staticmethod
    def _residual(steps: Tensor, traction: Tensor) -> Tensor:
        """Displacement that an estimate does not explain, without its mean."""
        explained = torch.stack(raster_displacement(*traction.unbind(dim=1)), dim=1)
        residual = steps - explained
        return residual - residual.mean(dim=(2, 3), keepdim=True)

    def _inputs(self, steps: Tensor, tractions: list[Tensor], solver: Solver) -> Tensor:
        """Displacement, tractions, a mask of the field and the statistics, as maps.

        The maps are padded with zeros to whole patches.
        """
        height, width = steps.shape[-2:]
        scaled = [traction / self.config.traction_scale for traction in tractions]
        inside = torch.ones_like(steps[:, :1])
        statistics = solver.statistics.expand(len(steps), -1, height, width)
        padding = (0, -width % PATCH_SIZE, 0, -height % PATCH_SIZE)
        maps = torch.cat([steps, *scaled, inside, statistics], dim=1)
        return functional.pad(maps, padding)
