import pytest
import torch
from torch import nn

from napari_vit_tfm.models.layers import Block, SelfAttention, attention_of

WIDTH, HEADS, PATCHES = 24, 3, 7


@pytest.fixture
def tokens() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, PATCHES, WIDTH, generator=generator, dtype=torch.float64)


def randomised(module: nn.Module) -> nn.Module:
    """The module in double precision, with attention that is far from uniform."""
    generator = torch.Generator().manual_seed(1)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                / WIDTH**0.25
            )
    return module


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_explicit_attention_equals_fused(tokens: torch.Tensor, qkv_bias: bool) -> None:
    attention = randomised(SelfAttention(WIDTH, HEADS, qkv_bias=qkv_bias))
    explicit, weights = attention.forward_with_weights(tokens)
    assert weights.shape == (2, HEADS, PATCHES, PATCHES)
    torch.testing.assert_close(explicit, attention(tokens), rtol=1e-12, atol=1e-12)


def test_explicit_and_fused_attention_have_the_same_gradients(
    tokens: torch.Tensor,
) -> None:
    attention = randomised(SelfAttention(WIDTH, HEADS))
    target = torch.linspace(-1, 1, WIDTH, dtype=torch.float64)

    def gradients(explicit: bool) -> list[torch.Tensor]:
        inputs = tokens.clone().requires_grad_()
        out = (
            attention.forward_with_weights(inputs)[0] if explicit else attention(inputs)
        )
        loss = (out - target).square().sum()
        return list(torch.autograd.grad(loss, [inputs, *attention.parameters()]))

    for explicit, fused in zip(gradients(True), gradients(False), strict=True):
        assert explicit.abs().max() > 0
        torch.testing.assert_close(explicit, fused, rtol=1e-10, atol=1e-10)


def test_attention_has_the_layout_of_torchs_own(tokens: torch.Tensor) -> None:
    """An independent implementation reads the same weights the same way."""
    attention = randomised(SelfAttention(WIDTH, HEADS))
    other = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    other.load_state_dict(
        {
            "in_proj_weight": attention.qkv.weight,
            "in_proj_bias": attention.qkv.bias,
            "out_proj.weight": attention.proj.weight,
            "out_proj.bias": attention.proj.bias,
        }
    )
    expected, expected_weights = other(
        tokens, tokens, tokens, average_attn_weights=False
    )
    out, weights = attention.forward_with_weights(tokens)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(weights, expected_weights, rtol=1e-12, atol=1e-12)


def test_rows_of_the_attention_sum_to_one(tokens: torch.Tensor) -> None:
    attention = randomised(SelfAttention(WIDTH, HEADS))
    _, weights = attention.forward_with_weights(tokens)
    assert weights.min() >= 0
    assert weights.max() > 0.5
    torch.testing.assert_close(
        weights.sum(dim=-1), torch.ones(2, HEADS, PATCHES, dtype=torch.float64)
    )


def test_a_block_with_weights_gives_the_same_tokens(tokens: torch.Tensor) -> None:
    block = randomised(Block(WIDTH, HEADS, hidden=40))
    explicit, _ = block.forward_with_weights(tokens)
    torch.testing.assert_close(explicit, block(tokens), rtol=1e-12, atol=1e-12)


def test_attention_of_every_block_is_that_of_its_own_input(
    tokens: torch.Tensor,
) -> None:
    blocks = [randomised(Block(WIDTH, HEADS, hidden=hidden)) for hidden in (16, 40)]
    one_field = tokens[:1]
    first, second = attention_of(blocks, one_field)
    assert first.shape == (HEADS, PATCHES, PATCHES)
    torch.testing.assert_close(first, blocks[0].forward_with_weights(one_field)[1][0])
    torch.testing.assert_close(
        second, blocks[1].forward_with_weights(blocks[0](one_field))[1][0]
    )


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 24"):
        SelfAttention(WIDTH, 5)
