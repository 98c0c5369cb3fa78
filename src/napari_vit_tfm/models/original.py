"""The Vision Transformer of the original work, and its checkpoints.

The network has one token per patch, pre-norm blocks and no class token. There are two
forms, which differ in the head that converts tokens to a field. Parameter names are
those of the original checkpoints. The size of the network follows from the shapes of
the tensors, except the number of attention heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.base import NetworkMethod
from napari_vit_tfm.models.checkpoint import read_checkpoint
from napari_vit_tfm.models.layers import Block, TokenisedField, blocks_of
from napari_vit_tfm.models.tensors import with_weights

Form = Literal["linear", "convolutional"]
"""Form of the head: ``mlp`` and ``convTrans``, or ``convTrans1`` to ``convTrans3``."""

USUAL_HEADS: Mapping[Form, int] = {"linear": 8, "convolutional": 4}
"""Number of attention heads that the original work used with each form."""

_NORM_EPS: Mapping[Form, float] = {"linear": 1e-6, "convolutional": 1e-7}
_HEAD_KEYS: Mapping[Form, str] = {
    "linear": "rec_trac_head.convTrans.weight",
    "convolutional": "rec_trac_head.convTrans1.weight",
}
_MOST_BLOCKS = 256
# Patch size for which three layers that double the resolution restore the grid.
_CONVOLUTIONAL_PATCH = 8


@dataclass(frozen=True)
class OriginalViTConfig:
    """Size and form of the network.

    Parameters
    ----------
    width, depth, heads : int
        Features per token, number of blocks, attention heads per block.
    hidden : int
        Width of the hidden layer in the MLP of each block.
    patch : int
        Side of a patch, in vectors.
    side : int
        Number of patches along a side of the square field.
    form : {"linear", "convolutional"}
        Form of the head. It also determines the epsilon of the normalisations.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    patch: int
    side: int
    form: Form
    qkv_bias: bool

    @property
    def field_side(self) -> int:
        """Number of vectors along a side of the square field."""
        return self.side * self.patch

    @classmethod
    def from_weights(
        cls, weights: Mapping[str, Tensor], *, heads: int | None = None
    ) -> OriginalViTConfig:
        """Derive size and form from a state dictionary.

        Parameters
        ----------
        weights : mapping of str to Tensor
            Parameters by name.
        heads : int, optional
            Number of attention heads, which cannot be derived from the tensors. None
            uses the number in `USUAL_HEADS`.

        Raises
        ------
        ModelError
            If the tensors are not those of such a network, or the number of heads
            does not divide its width.
        """
        form = _form(weights)
        depth = len({key.split(".")[1] for key in weights if key[:7] == "blocks."})
        if depth > _MOST_BLOCKS:
            raise ModelError(f"it has {depth} blocks, expected at most {_MOST_BLOCKS}")
        width, _, patch, _ = _shape(weights, "patch_embed.proj.weight", 4)
        _, patches, _ = _shape(weights, "pos_embed", 3)
        hidden, _ = _shape(weights, "blocks.0.mlp.fc1.weight", 2)
        side = math.isqrt(patches)
        if side**2 != patches:
            raise ModelError(
                f"pos_embed has {patches} patches, which do not form a square field"
            )
        if form == "convolutional" and patch != _CONVOLUTIONAL_PATCH:
            raise ModelError(
                f"the head of convTrans1 to convTrans3 needs patches of "
                f"{_CONVOLUTIONAL_PATCH} x {_CONVOLUTIONAL_PATCH}, "
                f"but those of patch_embed are {patch} x {patch}"
            )
        heads = USUAL_HEADS[form] if heads is None else heads
        if heads < 1 or width % heads:
            raise ModelError(
                f"{heads} attention heads do not divide the width of {width}: "
                "set the number of heads that the network was trained with"
            )
        return cls(
            width=width,
            depth=depth,
            heads=heads,
            hidden=hidden,
            patch=patch,
            side=side,
            form=form,
            qkv_bias="blocks.0.attn.qkv.bias" in weights,
        )


def _form(weights: Mapping[str, Tensor]) -> Form:
    for form, key in _HEAD_KEYS.items():
        if key in weights:
            return form
    raise ModelError(
        "the weights have no head of the original network: expected "
        + " or ".join(_HEAD_KEYS.values())
    )


def _shape(weights: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in weights:
        raise ModelError(f"the weights of the original network lack {key}")
    shape = tuple(weights[key].shape)
    if len(shape) != dimensions or min(shape) == 0:
        raise ModelError(
            f"{key} has the shape {shape}: expected {dimensions} dimensions, "
            "none of them empty"
        )
    return shape


class PatchEmbedding(nn.Module):
    """Cut a field into patches and embed each as a token."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(2, width, patch, stride=patch)

    def forward(self, field: Tensor) -> Tensor:
        """Fields ``(N, 2, H, W)`` to tokens ``(N, P, width)``, row by row."""
        tokens: Tensor = self.proj(field).flatten(2).transpose(1, 2)
        return tokens


class LinearHead(nn.Module):
    """Two linear layers per token, and a projection of each token to its patch."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )
        self.convTrans = nn.ConvTranspose2d(width, 2, patch, stride=patch)

    def forward(self, tokens: Tensor, side: int) -> Tensor:
        """Tokens ``(N, P, width)`` to fields ``(N, 2, H, W)``."""
        field: Tensor = self.convTrans(_as_maps(self.mlp(tokens), side))
        return field


class ConvolutionalHead(nn.Module):
    """Three transposed convolutions, each doubling the resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convTrans1 = self._double(width, 64)
        self.convTrans2 = self._double(64, 32)
        self.convTrans3 = self._double(32, 2)

    @staticmethod
    def _double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
        return nn.ConvTranspose2d(
            inputs, outputs, 3, stride=2, padding=1, output_padding=1
        )

    def forward(self, tokens: Tensor, side: int) -> Tensor:
        """Tokens ``(N, P, width)`` to fields ``(N, 2, H, W)``."""
        maps = functional.gelu(self.convTrans1(_as_maps(tokens, side)))
        field: Tensor = self.convTrans3(functional.gelu(self.convTrans2(maps)))
        return field


def _as_maps(tokens: Tensor, side: int) -> Tensor:
    return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)


class OriginalViT(nn.Module):
    """Network from displacements to tractions, on a fixed grid.

    Parameters
    ----------
    config : OriginalViTConfig
        Size and form of the network.
    """

    def __init__(self, config: OriginalViTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch_embed = PatchEmbedding(width, config.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.side**2, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, hidden=config.hidden, qkv_bias=config.qkv_bias)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.rec_trac_head = (
            LinearHead(width, config.patch)
            if config.form == "linear"
            else ConvolutionalHead(width)
        )
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = _NORM_EPS[config.form]

    def forward(self, displacement: Tensor) -> Tensor:
        """Displacements ``u / L`` to tractions ``t / E``, both ``(N, 2, H, W)``."""
        return self.tokenised(displacement).traction()

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of each block, for one field ``(1, 2, H, W)``.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            One per block, for ``P`` patches in row-major order.
        """
        return self.tokenised(displacement).attention()

    def tokenised(self, displacement: Tensor) -> TokenisedField:
        """Displacements ``(N, 2, H, W)`` as tokens, with what follows them."""
        tokens = self.patch_embed(displacement) + self.pos_embed  # (N, P, width)
        return TokenisedField(tokens, blocks_of(self.blocks), self._decoded)

    def _decoded(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.rec_trac_head(self.norm(tokens), self.config.side)
        return out


class OriginalMethod(NetworkMethod):
    """A network of the original work as a reconstruction method.

    Fields are converted to the precision and device of the network.

    Parameters
    ----------
    network : OriginalViT
        The network with its weights.
    name : str, keyword-only
        Name of the method.
    sha256 : str, keyword-only
        SHA-256 of the weights file.
    """

    network: OriginalViT

    def __init__(self, network: OriginalViT, *, name: str, sha256: str) -> None:
        super().__init__(network, name=name, sha256=sha256)
        self.grid = (network.config.field_side, network.config.field_side)
        self.patch_size = network.config.patch

    @property
    def n_blocks(self) -> int:
        """Number of attention blocks."""
        return self.network.config.depth

    @property
    def n_heads(self) -> int:
        """Number of attention heads per block."""
        return self.network.config.heads

    def traction(self, displacement: Tensor) -> Tensor:
        """Compute tractions ``t / E``, ``(N, 2, H, W)``, from displacements ``u / L``.

        Raises
        ------
        ModelError
            If the displacements are not on the grid of the network.
        """
        out: Tensor = self.network(self._input(displacement))
        return out

    def tokenised(self, displacement: Tensor) -> TokenisedField:
        """One field ``(1, 2, H, W)`` as tokens, with the blocks and what follows.

        Raises
        ------
        ModelError
            If there is more than one field, or it is not on the grid of the network.
        """
        if len(displacement) != 1:
            raise ModelError(
                "attention is computed for one field at a time, "
                f"not for {len(displacement)}"
            )
        return self.network.tokenised(self._input(displacement))

    def _input(self, displacement: Tensor) -> Tensor:
        side = self.network.config.field_side
        if displacement.ndim != 4 or displacement.shape[1:] != (2, side, side):
            raise ModelError(
                f"{self.name} takes fields of shape (N, 2, {side}, {side}), "
                f"not {tuple(displacement.shape)}"
            )
        return displacement.to(self.network.pos_embed)


def load_original(
    path: str | Path, *, heads: int | None = None, dtype: torch.dtype = torch.float32
) -> OriginalMethod:
    """Load a checkpoint in the original format.

    Parameters
    ----------
    path : str or Path
        The checkpoint; see `read_checkpoint`.
    heads : int, optional, keyword-only
        Number of attention heads, which the file does not contain. None uses 8 with
        the linear head and 4 with the convolutional head.
    dtype : torch.dtype, keyword-only
        Precision of the computation, independent of that in the file. Not every
        device supports float64.

    Returns
    -------
    OriginalMethod
        On the CPU.

    Raises
    ------
    ModelError
        If the file is not such a checkpoint or is unsafe, or if the number of heads
        does not divide the width.
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    try:
        config = OriginalViTConfig.from_weights(checkpoint.weights, heads=heads)
        network = with_weights(
            lambda: OriginalViT(config), checkpoint.weights, dtype=dtype
        )
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return OriginalMethod(network, name=path.name, sha256=checkpoint.sha256)
