"""Knock-out: the traction of a field if one patch attends differently.

Only the attention of one patch to all patches, a row of the matrix, is replaced. All
other patches attend as usual, to tokens that may have changed. The difference to the
undisturbed traction is an effect of the attention that was replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf

import torch
from torch import Tensor

from napari_vit_tfm.models.layers import ScoreEdit, TokenisedField


class Knockout:
    """A network and one field, with replaced attention of one patch.

    The tokens before each block are computed once. A variant starts from those before
    the first block in which it differs.

    Parameters
    ----------
    field : TokenisedField
        The field; only one.
    patch : int
        The patch whose attention is replaced.

    Examples
    --------
    An untrained network. With uniform attention of the patch in one block, the
    traction changes:

    >>> import torch
    >>> from napari_vit_tfm.models.knockout import Knockout
    >>> from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
    >>> _ = torch.manual_seed(0)
    >>> network = PhysicsViT(PhysicsViTConfig(width=16, depth=2, heads=4, channels=8))
    >>> with torch.inference_mode():
    ...     knockout = Knockout(network.tokenised(torch.randn(1, 2, 16, 24)), 4)
    ...     variants = knockout.with_uniform(1, [0, 3, None])
    ...     bool((variants[2] == knockout.undisturbed()).all())
    False
    >>> variants.shape
    torch.Size([3, 2, 16, 24])
    """

    def __init__(self, field: TokenisedField, patch: int) -> None:
        self._field = field
        self._patch = patch
        self._tokens = [field.tokens]
        """Tokens before each block, and after the last."""
        for block in field.blocks:
            self._tokens.append(block(self._tokens[-1]))

    def undisturbed(self) -> Tensor:
        """Traction ``t / E`` without any replacement, ``(1, 2, H, W)``."""
        return self._field.decode(self._tokens[-1])

    def with_uniform(self, block: int, heads: Sequence[int | None]) -> Tensor:
        """Tractions with the uniform distribution as attention of the patch.

        Parameters
        ----------
        block : int
            The block in which the attention is replaced.
        heads : sequence of int or None
            The head whose attention is replaced, for each variant; None is all heads
            of the block.

        Returns
        -------
        tensor of shape (len(heads), 2, H, W)
            ``t / E``.
        """

        def edit(scores: Tensor) -> Tensor:
            replaced = torch.zeros(len(heads), scores.shape[1], 1, dtype=torch.bool)
            for variant, head in enumerate(heads):
                replaced[variant, slice(None) if head is None else head] = True
            # The softmax of equal scores is uniform.
            return scores.masked_fill(replaced.to(scores.device), 0.0)

        return self._traction(edit, {block})

    def without(
        self, sources: Sequence[int], *, blocks: Collection[int] | None = None
    ) -> Tensor:
        """Tractions if the patch does not attend to one of the patches.

        The weight of this patch is zero in all heads, and the other weights are divided
        by their sum.

        Parameters
        ----------
        sources : sequence of int
            The patch that is not attended to, for each variant.
        blocks : collection of int, keyword-only, optional
            The blocks in which it is not attended to; all by default.

        Returns
        -------
        tensor of shape (len(sources), 2, H, W)
            ``t / E``; NaN if there is no other patch.
        """
        n_patches = self._field.tokens.shape[1]
        hidden = torch.zeros(len(sources), 1, n_patches, dtype=torch.bool)
        hidden[torch.arange(len(sources)), 0, list(sources)] = True
        hidden = hidden.to(self._field.tokens.device)

        def edit(scores: Tensor) -> Tensor:
            return scores.masked_fill(hidden, -inf)

        every = range(len(self._field.blocks))
        return self._traction(edit, every if blocks is None else blocks)

    def _traction(self, edit: ScoreEdit, blocks: Collection[int]) -> Tensor:
        """Tractions with edited scores of the patch in some blocks."""
        first = min(blocks)
        tokens = self._tokens[first]
        for index, block in enumerate(self._field.blocks[first:], first):
            if index in blocks:
                tokens = block.forward_with_edit(tokens, self._patch, edit)
            else:
                tokens = block(tokens)
        return self._field.decode(tokens)
