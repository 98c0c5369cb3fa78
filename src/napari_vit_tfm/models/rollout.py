"""Attention rollout: how much each patch contributes to each other patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def rollout(attentions: Sequence[Tensor]) -> Tensor:
    r"""Propagate attention through the blocks, including residual connections [1]_.

    With the softmax attention :math:`A_b^h` of head :math:`h` in block
    :math:`b`,

    .. math::

        \hat A_b = \mathrm{rows}\Bigl(I + \frac1n \sum_h A_b^h\Bigr), \qquad
        R_b = \hat A_b R_{b-1}, \qquad R_0 = \hat A_0,

    where :math:`\mathrm{rows}` divides every row by its sum.

    Parameters
    ----------
    attentions : sequence of tensors of shape (heads, P, P)
        Softmax attention of each block, in order. A row belongs to the patch that
        attends, a column to the patch that is attended to.

    Returns
    -------
    tensor of shape (blocks, P, P)
        ``rollout[b, p]`` is the contribution of each patch to patch ``p`` after
        block ``b``. No entry is negative, and every row sums to one. The dtype and
        device are those of the attention.

    Raises
    ------
    ValueError
        If there is no attention, or its shape is wrong.

    References
    ----------
    .. [1] S. Abnar, W. Zuidema, "Quantifying attention flow in transformers", Proc.
       ACL, 4190-4197 (2020).

    Examples
    --------
    Two blocks with uniform attention over four patches. Because of the residual
    connections, a patch contributes most to itself:

    >>> import torch
    >>> from napari_vit_tfm.models import rollout
    >>> uniform = torch.full((8, 4, 4), 0.25)
    >>> rolled = rollout([uniform, uniform])
    >>> rolled.shape
    torch.Size([2, 4, 4])
    >>> rolled[:, 0].tolist()
    [[0.625, 0.125, 0.125, 0.125], [0.4375, 0.1875, 0.1875, 0.1875]]
    """
    import torch

    if not attentions:
        raise ValueError("a rollout needs the attention of at least one block")
    shape = attentions[0].shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"attention has the shape (heads, P, P), not {tuple(shape)}")
    identity = torch.eye(shape[-1], dtype=attentions[0].dtype).to(attentions[0].device)
    rolled = identity
    blocks = []
    for attention in attentions:
        mixing = attention.mean(dim=0) + identity  # (P, P)
        rolled = (mixing / mixing.sum(dim=-1, keepdim=True)) @ rolled
        blocks.append(rolled)
    return torch.stack(blocks)  # (blocks, P, P)
