"""Knock-out against the brute-force computation, and where the result is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from napari_vit_tfm.models.knockout import Knockout
from napari_vit_tfm.models.layers import Block, SelfAttention, TokenisedField
from napari_vit_tfm.models.original import OriginalViT, OriginalViTConfig
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig

HEADS, DEPTH, PATCH = 2, 3, 4

WeightEdit = Callable[[int, Tensor], Tensor]
"""From block and softmax attention ``(N, heads, P, P)`` to other attention."""


def randomised(network: nn.Module) -> nn.Module:
    """The network in double precision, all its parameters different from zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.double().parameters():
            noise = torch.randn(parameter.shape, generator=generator).double()
            parameter.add_(0.2 * noise)
    return network.eval().requires_grad_(False)


def physics() -> tuple[nn.Module, Tensor]:
    """A field of 2 x 3 patches, cut at the border."""
    torch.manual_seed(0)
    config = PhysicsViTConfig(width=16, depth=DEPTH, heads=HEADS, channels=8)
    return randomised(PhysicsViT(config)), torch.randn(1, 2, 15, 22).double()


def original(form: str) -> tuple[nn.Module, Tensor]:
    """A field of 3 x 3 patches."""
    torch.manual_seed(0)
    config = OriginalViTConfig(
        width=16,
        depth=DEPTH,
        heads=HEADS,
        hidden=24,
        patch=8,
        side=3,
        form=form,
        qkv_bias=True,
    )
    return randomised(OriginalViT(config)), torch.randn(1, 2, 24, 24).double()


MAKERS = {
    "physics": physics,
    "linear": lambda: original("linear"),
    "convolutional": lambda: original("convolutional"),
}


@pytest.fixture(params=MAKERS)
def network_and_field(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    return MAKERS[request.param]()


def brute_force(network: nn.Module, field: Tensor, edit: WeightEdit) -> Tensor:
    """The whole network, with edited softmax attention in every block."""

    def attend(attention: SelfAttention, index: int) -> Callable[[Tensor], Tensor]:
        def forward(tokens: Tensor) -> Tensor:
            _, weights = attention.forward_with_weights(tokens)
            n, p, width = tokens.shape
            split = attention.qkv(tokens).reshape(n, p, 3, HEADS, width // HEADS)
            value = split[:, :, 2].transpose(1, 2)
            mixed = edit(index, weights.clone()) @ value
            return attention.proj(mixed.transpose(1, 2).reshape(n, p, width))

        return forward

    attentions = [block.attn for block in network.blocks]
    for index, attention in enumerate(attentions):
        attention.forward = attend(attention, index)
    try:
        return network(field)
    finally:
        for attention in attentions:
            del attention.forward


def close(found: Tensor, expected: Tensor) -> None:
    largest = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9 * largest)


def test_undisturbed_is_the_network(
    network_and_field: tuple[nn.Module, Tensor],
) -> None:
    network, field = network_and_field
    knockout = Knockout(network.tokenised(field), PATCH)
    close(knockout.undisturbed(), network(field))
    close(brute_force(network, field, lambda _, weights: weights), network(field))


@pytest.mark.parametrize("block", range(DEPTH))
def test_uniform_attention_equals_brute_force(
    network_and_field: tuple[nn.Module, Tensor], block: int
) -> None:
    network, field = network_and_field
    knockout = Knockout(network.tokenised(field), PATCH)
    heads = [1, None, 0]
    found = knockout.with_uniform(block, heads)
    assert len(found) == 3
    for head, one in zip(heads, found, strict=True):

        def uniform(index: int, weights: Tensor, head: int | None = head) -> Tensor:
            if index == block:
                which = slice(None) if head is None else head
                weights[:, which, PATCH] = 1 / weights.shape[-1]
            return weights

        close(one[None], brute_force(network, field, uniform))
        assert not torch.allclose(one[None], knockout.undisturbed(), rtol=1e-6)


@pytest.mark.parametrize("blocks", [None, [0], [2], [0, 2]])
def test_attention_without_a_patch_equals_brute_force(
    network_and_field: tuple[nn.Module, Tensor], blocks: list[int] | None
) -> None:
    network, field = network_and_field
    knockout = Knockout(network.tokenised(field), PATCH)
    sources = [5, PATCH, 0]
    found = knockout.without(sources, blocks=blocks)
    assert len(found) == 3
    for source, one in zip(sources, found, strict=True):

        def without(index: int, weights: Tensor, source: int = source) -> Tensor:
            if blocks is None or index in blocks:
                weights[:, :, PATCH, source] = 0
                row = weights[:, :, PATCH]
                weights[:, :, PATCH] = row / row.sum(dim=-1, keepdim=True)
            return weights

        close(one[None], brute_force(network, field, without))


def test_a_head_without_values_has_no_effect(
    network_and_field: tuple[nn.Module, Tensor],
) -> None:
    network, field = network_and_field
    width = network.config.width
    last_head = slice(3 * width - width // HEADS, 3 * width)
    network.blocks[1].attn.qkv.weight[last_head] = 0
    network.blocks[1].attn.qkv.bias[last_head] = 0
    knockout = Knockout(network.tokenised(field), PATCH)
    first, last = knockout.with_uniform(1, [0, 1])
    close(last, knockout.undisturbed()[0])
    assert not torch.allclose(first, knockout.undisturbed()[0], rtol=1e-6)


def known(n_patches: int = 5, width: int = 4) -> TokenisedField:
    """One block of uniform attention, whose result is added to the tokens."""
    block = randomised(Block(width, HEADS, hidden=8))
    block.attn.qkv.weight[: 2 * width] = 0
    block.attn.qkv.bias[: 2 * width] = 0
    block.mlp.fc2.weight[:] = block.mlp.fc2.bias[:] = 0
    tokens = torch.randn(1, n_patches, width).double()
    return TokenisedField(tokens, (block,), lambda tokens: tokens)


def test_a_block_of_known_attention() -> None:
    field = known()
    (block,), tokens = field.blocks, field.tokens
    values = block.attn.qkv(block.norm1(tokens))[0, :, 8:]
    knockout = Knockout(field, 1)
    # The attention is uniform already.
    uniform = knockout.with_uniform(0, [0, None])
    close(uniform, knockout.undisturbed().expand(2, -1, -1))
    # Without a patch, the patch gets the mean value of the four others.
    found = knockout.without([3, 1])
    for source, one in zip([3, 1], found, strict=True):
        kept = [patch for patch in range(5) if patch != source]
        mean = values[kept].mean(dim=0)
        close(one[1], tokens[0, 1] + block.attn.proj(mean))
        # The other patches attend as before.
        others = [0, 2, 3, 4]
        close(one[others], knockout.undisturbed()[0, others])


def test_attention_to_one_patch_only_can_be_left_out() -> None:
    """A weight of exactly one leaves no sum to divide by, but the scores are known."""
    field = known(3)
    attention = field.blocks[0].attn
    attention.qkv.weight[:8] = 1e4 * torch.randn(8, 4).double()
    weights = attention.forward_with_weights(field.blocks[0].norm1(field.tokens))[1]
    assert weights.max() == 1
    found = Knockout(field, 0).without([0, 1, 2])
    assert torch.isfinite(found).all()


def test_variants_do_not_touch_each_other() -> None:
    network, field = physics()
    knockout = Knockout(network.tokenised(field), PATCH)
    sources = list(range(6))
    one_by_one = [knockout.without([source]) for source in sources]
    close(knockout.without(sources), torch.cat(one_by_one))
