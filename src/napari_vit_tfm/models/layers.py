"""Transformer layers that can return their attention weights.

Parameter names are those of the original checkpoints, so their state dictionaries
load without conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

ScoreEdit = Callable[[Tensor], Tensor]
"""Replaces scores, the attention of one patch before the softmax: ``(n, heads, P)``
to ``(N, heads, P)``. From one field it can make several variants."""


class SelfAttention(nn.Module):
    """Multi-head self-attention, fused or with its weights.

    The fused kernel does not return the attention weights. The explicit computation
    does, and its output is equal up to rounding.

    Parameters
    ----------
    width : int
        Features per token.
    heads : int
        Number of heads; divides `width`.
    qkv_bias : bool, keyword-only
        Whether queries, keys and values have a bias.
    """

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def _split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, p, width = tokens.shape
        qkv = self.qkv(tokens).reshape(n, p, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (N, heads, P, width / heads)
        return query, key, value

    def _join(self, values: Tensor) -> Tensor:
        joined: Tensor = self.proj(values.transpose(1, 2).flatten(2))
        return joined

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(N, P, width)`` to tokens, with the fused kernel."""
        query, key, value = self._split(tokens)
        return self._join(functional.scaled_dot_product_attention(query, key, value))

    def forward_with_weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens to tokens and softmax attention ``(N, heads, P, P)``."""
        query, key, value = self._split(tokens)
        weights = _scores(query, key).softmax(dim=-1)
        return self._join(weights @ value), weights

    def forward_with_edit(
        self, tokens: Tensor, patch: int, edit: ScoreEdit
    ) -> tuple[Tensor, Tensor]:
        """Tokens to tokens, and the token of one patch with edited attention.

        Parameters
        ----------
        tokens : tensor of shape (n, P, width)
            The tokens.
        patch : int
            The patch whose attention to all patches is edited.
        edit : callable
            Replaces its scores, ``(n, heads, P)`` to ``(N, heads, P)``, where N is n
            or n is 1.

        Returns
        -------
        attended : tensor of shape (n, P, width)
            The result without the edit.
        edited : tensor of shape (N, width)
            The result of the patch with it.
        """
        query, key, value = self._split(tokens)
        attended = functional.scaled_dot_product_attention(query, key, value)
        scores = _scores(query[:, :, patch : patch + 1], key)  # (n, heads, 1, P)
        weights = edit(scores[:, :, 0]).softmax(dim=-1).unsqueeze(2)
        return self._join(attended), self._join(weights @ value)[:, 0]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Attention before the softmax, ``(N, heads, queries, keys)``."""
    scale = query.shape[-1] ** -0.5
    scores: Tensor = (query * scale) @ key.transpose(-2, -1)
    return scores


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(N, P, width)`` to tokens."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block.

    Parameters
    ----------
    width, heads : int
        Features per token, number of heads.
    hidden : int, keyword-only
        Width of the hidden layer in the MLP.
    qkv_bias : bool, keyword-only
        Whether queries, keys and values have a bias.
    """

    def __init__(
        self, width: int, heads: int, *, hidden: int, qkv_bias: bool = True
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(N, P, width)`` to tokens."""
        return self._transformed(tokens + self.attn(self.norm1(tokens)))

    def forward_with_weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens to tokens and softmax attention ``(N, heads, P, P)``."""
        attended, weights = self.attn.forward_with_weights(self.norm1(tokens))
        return self._transformed(tokens + attended), weights

    def forward_with_edit(self, tokens: Tensor, patch: int, edit: ScoreEdit) -> Tensor:
        """Tokens ``(n, P, width)`` to tokens ``(N, P, width)``, with edited attention.

        The parameters are those of `SelfAttention.forward_with_edit`. Only the token of
        the patch differs from `forward`, and only this token is computed N times.
        """
        attended, edited = self.attn.forward_with_edit(self.norm1(tokens), patch, edit)
        out = self._transformed(tokens + attended)
        changed = self._transformed(tokens[:, patch] + edited)  # (N, width)
        out = out.expand(len(changed), -1, -1).clone()
        out[:, patch] = changed
        return out

    def _transformed(self, tokens: Tensor) -> Tensor:
        """The second half of the block."""
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


@dataclass(frozen=True, eq=False)
class TokenisedField:
    """Fields as tokens, with the parts of the network that they pass next.

    Parameters
    ----------
    tokens : tensor of shape (N, P, width)
        Input of the first block.
    blocks : sequence of Block
        Blocks of the encoder, in order.
    decode : callable
        From the output of the last block to tractions ``t / E``, ``(N, 2, H, W)``. For
        the tokens of one field, it takes any number of variants of them.
    """

    tokens: Tensor
    blocks: tuple[Block, ...]
    decode: Callable[[Tensor], Tensor]

    def traction(self) -> Tensor:
        """Tractions ``t / E`` of the fields, ``(N, 2, H, W)``."""
        tokens = self.tokens
        for block in self.blocks:
            tokens = block(tokens)
        return self.decode(tokens)

    def attention(self) -> list[Tensor]:
        """Softmax attention of each block, for one field; see `attention_of`."""
        return attention_of(self.blocks, self.tokens)


def blocks_of(modules: nn.ModuleList) -> tuple[Block, ...]:
    """The blocks of an encoder, with their type."""
    blocks = tuple(module for module in modules if isinstance(module, Block))
    assert len(blocks) == len(modules)
    return blocks


def attention_of(blocks: Iterable[Block], tokens: Tensor) -> list[Tensor]:
    """Softmax attention of each block, for the tokens of one field.

    Parameters
    ----------
    blocks : iterable of Block
        Blocks of the encoder, in order.
    tokens : tensor of shape (1, P, width)
        Input of the first block.

    Returns
    -------
    list of tensors of shape (heads, P, P)
        One per block. Every row sums to one.
    """
    attention = []
    for block in blocks:
        tokens, weights = block.forward_with_weights(tokens)
        attention.append(weights[0])
    return attention
