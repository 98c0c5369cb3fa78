"""Transformer layers that can return their attention weights.

Parameter names are those of the original checkpoints, so their state dictionaries
load without conversion.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional


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
        scale = query.shape[-1] ** -0.5
        scores = (query * scale) @ key.transpose(-2, -1)  # (N, heads, P, P)
        weights = scores.softmax(dim=-1)
        return self._join(weights @ value), weights


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
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out

    def forward_with_weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens to tokens and softmax attention ``(N, heads, P, P)``."""
        attended, weights = self.attn.forward_with_weights(self.norm1(tokens))
        tokens = tokens + attended
        return tokens + self.mlp(self.norm2(tokens)), weights


def attention_of(blocks: Iterable[nn.Module], tokens: Tensor) -> list[Tensor]:
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
        assert isinstance(block, Block)
        tokens, weights = block.forward_with_weights(tokens)
        attention.append(weights[0])
    return attention
