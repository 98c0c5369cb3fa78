"""The bundled network: a Vision Transformer guided by the physics.

The displacement's mean is taken off, and the field is divided by its root mean
square, so the network ignores drift and is exactly linear in amplitude. Tikhonov
solutions at several regularisations and the Bayesian one stand beside it as
input; a convolutional stem at half resolution keeps the detail that 8 x 8
patches lose; and the output is a correction to a mixture of these solutions, whose
weights it chooses node by node.
What this estimate leaves of the displacement unexplained is computed from the
physics and leads to a further correction, as in unrolled methods (Adler and
Oektem, Learned primal-dual reconstruction, IEEE Trans. Med. Imaging 2018). The
encoder sees one token per patch and has no length of its own, so any grid goes
through at its own resolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.config import PATCH_SIZE
from napari_vit_tfm.models.layers import Block, attention_of
from napari_vit_tfm.models.precision import without_autocast
from napari_vit_tfm.physics.bayesian import most_probable_prior, posterior_gains
from napari_vit_tfm.physics.halfspace import Gains, scaled_modes
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.spectrum import estimate_noise, spectrum
from napari_vit_tfm.physics.tikhonov import periodic_component, tikhonov_gains

_HALF = 2
_TOKEN_STRIDE = PATCH_SIZE // _HALF
_INSIDE = 2.0
"""Logit with which a node counts as inside an adhesion before anything is learnt."""
_MIDDLE = 5.0
"""Logit of the Tikhonov solution in the middle in the mixture that is corrected,
over those of the others, before anything is learnt."""
_TRUST = -3.0
"""Logit of the share of the Bayesian solution of what is left unexplained that is
added before anything is learnt."""
_LEAST_NOISE = 1e-4
"""Least noise that is told apart from none, over the displacement."""


@dataclass(frozen=True)
class PhysicsViTConfig:
    """Size of the network; stored beside the weights.

    Parameters
    ----------
    width, depth, heads : int
        Features per token, number of blocks, attention heads per block.
    mlp_ratio : int
        Hidden over outer width of the blocks' MLPs.
    channels : int
        Feature maps of the convolutions at half resolution.
    stem_layers, decoder_layers : int
        Residual convolutions before and after the encoder.
    refinements, refinement_layers : int
        How often the estimate is corrected by what it leaves unexplained, and
        the residual convolutions of each correction.
    regularisations : tuple of float
        Tikhonov parameters of the FTTC solutions, in squared grid steps, at
        least one.
    traction_scale : float
        Typical traction ``t / E`` over typical displacement in grid steps.
    """

    width: int = 128
    depth: int = 6
    heads: int = 8
    mlp_ratio: int = 4
    channels: int = 48
    stem_layers: int = 2
    decoder_layers: int = 3
    refinements: int = 1
    refinement_layers: int = 3
    regularisations: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)
    traction_scale: float = 0.07

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhysicsViTConfig:
        """Rebuild from `to_dict`'s result, as JSON returns it."""
        return cls(**{**values, "regularisations": tuple(values["regularisations"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class ResidualConvolution(nn.Module):
    """Two 3 x 3 convolutions around a GELU, added to their input."""

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
    """Classical solutions of displacements, with choices made for one batch.

    Noise and prior are estimated from the displacements once; the solutions of
    what an estimate leaves unexplained are by the same filters.

    Parameters
    ----------
    steps : tensor of shape (N, 2, H, W)
        Displacements in grid steps, without their mean.
    regularisations : tuple of float
        Of the Tikhonov solutions, in squared grid steps.

    Attributes
    ----------
    knowledge : tensor of shape (N, 2, 1, 1)
        Logarithms of the noise and of the tractions' correlation length.
    """

    def __init__(self, steps: Tensor, regularisations: tuple[float, ...]) -> None:
        with torch.no_grad():
            x, y = steps.detach().unbind(dim=1)
            noise = estimate_noise(x, y)
            parts = periodic_component(x), periodic_component(y)
            prior = most_probable_prior(spectrum(*parts), noise=noise)
            level = noise.variance.clamp_min(_LEAST_NOISE**2).log() / 10
            length = prior.length.add(1).log()
            self.knowledge = torch.stack([level, length], dim=1)[..., None, None]
        self._gains: list[Gains] = [
            *map(tikhonov_gains, regularisations),
            posterior_gains(noise, prior),
        ]

    def solutions(self, steps: Tensor) -> list[Tensor]:
        """Tractions ``t / E``, each ``(N, 2, H, W)``.

        From little Tikhonov regularisation to much; last the Bayesian one.
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
    """Feature maps at half resolution to maps at full resolution."""

    def __init__(self, channels: int, n_outputs: int) -> None:
        super().__init__(
            nn.GELU(),
            nn.Conv2d(channels, n_outputs * _HALF**2, 3, padding=1),
            nn.PixelShuffle(_HALF),
        )


class Refinement(nn.Module):
    """A correction by what an estimate leaves unexplained.

    It adds to the traction, also a share of the Bayesian solution of what is left
    unexplained, and then multiplies it node by node: an adhesion has an edge, and
    whether a node is inside is another question than how strong the traction is.
    At first it does next to nothing.

    Parameters
    ----------
    channels : int
        Feature maps at half resolution.
    n_inputs : int
        Maps of the residual at full resolution.
    layers : int
        Residual convolutions.
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
        self.correct_nothing()

    def correct_nothing(self) -> None:
        """Let the head begin anew."""
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, hidden: Tensor, residual: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Feature maps and maps of the residual to what corrects the traction.

        Returns
        -------
        hidden : tensor of shape (N, C, h, w)
            Feature maps.
        summand : tensor of shape (N, 2, 2 h, 2 w)
        factor : tensor of shape (N, 1, 2 h, 2 w)
            Between 0 and 1.14; 1 where the head is zero.
        share : tensor of shape (N, 1, 2 h, 2 w)
            Between 0 and 1.
        """
        hidden = self.layers(hidden + self.embed(residual))
        summand, inside, trust = self.head(hidden).split([2, 1, 1], dim=1)
        factor = torch.sigmoid(inside + _INSIDE) * (1 + math.exp(-_INSIDE))
        return hidden, summand, factor, torch.sigmoid(trust + _TRUST)


class PhysicsViT(nn.Module):
    """Displacements to tractions on any grid.

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
        # A position is what its neighbourhood is: a depthwise convolution sees
        # the field's border and needs no table of a fixed size.
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
        height, width = displacement.shape[-2:]
        with without_autocast(displacement):
            amplitude, steps = self._normalised(displacement)
            solver = Solver(steps, self.config.regularisations)
            solutions = self._solutions(solver, steps)
            maps = self.stem(self._inputs(steps, solutions, solver))
            embedded = self._embed(maps)
        tokens = embedded.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        with without_autocast(displacement):
            hidden = self._decoded(tokens, maps, embedded.shape[-2:])
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
        out: Tensor = amplitude * traction
        return out

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of one field ``(1, 2, H, W)``, block after block.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            ``P`` patches of the field padded to whole patches, row by row.
        """
        with without_autocast(displacement):
            _, steps = self._normalised(displacement)
            solver = Solver(steps, self.config.regularisations)
            solutions = self._solutions(solver, steps)
            maps = self.stem(self._inputs(steps, solutions, solver))
            tokens = self._embed(maps).flatten(2).transpose(1, 2)
        return attention_of(self.blocks, tokens)

    def _embed(self, maps: Tensor) -> Tensor:
        embedded: Tensor = self.patch_embed(maps)
        out: Tensor = embedded + self.position(embedded)
        return out

    def _decoded(self, tokens: Tensor, maps: Tensor, grid: torch.Size) -> Tensor:
        """Feature maps at half resolution, of the field padded to patches."""
        features = self.unembed(self.norm(tokens)).transpose(1, 2).unflatten(2, grid)
        features = functional.pixel_shuffle(features, _TOKEN_STRIDE)
        hidden: Tensor = self.decoder(torch.cat([maps, features], dim=1))
        return hidden

    def _mixture(self, solutions: list[Tensor], logits: Tensor) -> Tensor:
        """Classical solutions, weighed node by node."""
        height, width = solutions[0].shape[-2:]
        middle = len(self.config.regularisations) // 2
        start = torch.zeros_like(logits[:1, :, :1, :1])
        start[:, middle] = _MIDDLE
        weights = torch.softmax(logits[..., :height, :width] + start, dim=1)
        mixed = weights.unsqueeze(2) * torch.stack(solutions, dim=1)
        return mixed.sum(dim=1)

    def _corrected(self, traction: Tensor, correction: Tensor) -> Tensor:
        height, width = traction.shape[-2:]
        scaled = correction[..., :height, :width] * self.config.traction_scale
        return traction + scaled

    @staticmethod
    def _normalised(displacement: Tensor) -> tuple[Tensor, Tensor]:
        """Root mean square in grid steps, and the displacement divided by it.

        Both are of the displacement without its mean.
        """
        steps = displacement * (displacement.shape[-1] - 1)
        steps = steps - steps.mean(dim=(2, 3), keepdim=True)
        amplitude = steps.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return amplitude, steps / torch.where(amplitude > 0, amplitude, 1.0)

    def _solutions(self, solver: Solver, steps: Tensor) -> list[Tensor]:
        return solver.solutions(steps)

    @staticmethod
    def _residual(steps: Tensor, traction: Tensor) -> Tensor:
        """What an estimate leaves of the displacement unexplained, without its mean."""
        made = torch.stack(raster_displacement(*traction.unbind(dim=1)), dim=1)
        residual = steps - made
        return residual - residual.mean(dim=(2, 3), keepdim=True)

    def _inputs(self, steps: Tensor, tractions: list[Tensor], solver: Solver) -> Tensor:
        """Displacement, tractions, what is known and where the field is.

        On whole patches: beyond the field is zero.
        """
        height, width = steps.shape[-2:]
        scaled = [traction / self.config.traction_scale for traction in tractions]
        inside = torch.ones_like(steps[:, :1])
        known = solver.knowledge.expand(-1, -1, height, width)
        padding = (0, -width % PATCH_SIZE, 0, -height % PATCH_SIZE)
        maps = torch.cat([steps, *scaled, inside, known], dim=1)
        return functional.pad(maps, padding)
