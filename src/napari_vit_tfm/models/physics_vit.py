"""The bundled network: a Vision Transformer guided by the physics.

The displacement field is divided by its own root mean square, so the network
is exactly linear in amplitude; Tikhonov solutions at several regularisations
stand beside it as input; a convolutional stem at half resolution keeps the
detail that 8 x 8 patches lose; and the output is a correction to one of the
Tikhonov solutions. The encoder sees one token per patch and has no length of
its own, so any grid goes through at its own resolution.

Under autocast only the encoder's blocks compute in reduced precision, and their
residual stream stays as it is: the inversion amplifies whatever displacements,
Tikhonov solutions and full-resolution features are rounded by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.config import PATCH_SIZE
from napari_vit_tfm.models.layers import Block, attention_of
from napari_vit_tfm.models.precision import without_autocast
from napari_vit_tfm.physics.tikhonov import fttc

_HALF = 2
_TOKEN_STRIDE = PATCH_SIZE // _HALF


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
    regularisations : tuple of float
        Tikhonov parameters of the input's FTTC solutions, in squared grid
        steps; the output corrects the middle one.
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
    regularisations: tuple[float, ...] = (0.1, 1.0, 10.0)
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
        n_solutions = len(config.regularisations)
        n_inputs = 2 + 2 * n_solutions + 1
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
            nn.GELU(),
            nn.Conv2d(c, 2 * _HALF**2, 3, padding=1),
            nn.PixelShuffle(_HALF),
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
        with without_autocast(displacement):
            amplitude, inputs, solution = self._inputs(displacement)
            maps = self.stem(inputs)
            embedded = self._embed(maps)
        tokens = embedded.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        with without_autocast(displacement):
            correction = self._correction(tokens, maps, embedded.shape[-2:])
        height, width = displacement.shape[-2:]
        out: Tensor = amplitude * (solution + correction[..., :height, :width])
        return out

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of one field ``(1, 2, H, W)``, block after block.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            ``P`` patches of the field padded to whole patches, row by row.
        """
        with without_autocast(displacement):
            _, inputs, _ = self._inputs(displacement)
            tokens = self._embed(self.stem(inputs)).flatten(2).transpose(1, 2)
        return attention_of(self.blocks, tokens)

    def _embed(self, maps: Tensor) -> Tensor:
        embedded: Tensor = self.patch_embed(maps)
        out: Tensor = embedded + self.position(embedded)
        return out

    def _correction(self, tokens: Tensor, maps: Tensor, grid: torch.Size) -> Tensor:
        """What is added to the base solution, on the field padded to patches."""
        features = self.unembed(self.norm(tokens)).transpose(1, 2).unflatten(2, grid)
        features = functional.pixel_shuffle(features, _TOKEN_STRIDE)
        correction: Tensor = self.decoder(torch.cat([maps, features], dim=1))
        return correction * self.config.traction_scale

    def _inputs(self, displacement: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Amplitude, the stem's input padded to whole patches, base solution."""
        height, width = displacement.shape[-2:]
        steps = displacement * (width - 1)
        amplitude = steps.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        steps = steps / torch.where(amplitude > 0, amplitude, 1.0)
        solutions = [
            torch.stack(
                fttc(
                    steps[:, 0],
                    steps[:, 1],
                    regularisation=regularisation,
                ),
                dim=1,
            )
            for regularisation in self.config.regularisations
        ]
        scaled = [solution / self.config.traction_scale for solution in solutions]
        inside = torch.ones_like(steps[:, :1])
        inputs = torch.cat([steps, *scaled, inside], dim=1)
        padding = (0, -width % PATCH_SIZE, 0, -height % PATCH_SIZE)
        base = solutions[len(solutions) // 2]
        return amplitude, functional.pad(inputs, padding), base
