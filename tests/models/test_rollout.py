import pytest
import torch

from napari_vit_tfm.models.rollout import rollout


def softmax_attention(
    *, blocks: int, heads: int, patches: int, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(blocks, heads, patches, patches, generator=generator)
    return list((3 * scores).to(dtype).softmax(dim=-1))


def test_two_patches_by_hand() -> None:
    """Heads are averaged, the identity added, later blocks stand on the left."""
    first = torch.tensor(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64
    )  # mean [[1/2, 1/2], [0, 1]]: mixed with the identity [[3/4, 1/4], [0, 1]]
    second = torch.tensor(
        [[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64
    )  # mixed with the identity, one half everywhere
    expected = torch.tensor(
        [[[0.75, 0.25], [0.0, 1.0]], [[0.375, 0.625], [0.375, 0.625]]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(rollout([first, second]), expected, rtol=0, atol=1e-15)


def test_rows_sum_to_one_and_nothing_is_negative() -> None:
    out = rollout(softmax_attention(blocks=12, heads=4, patches=25))
    assert out.shape == (12, 25, 25)
    assert out.min() >= 0
    torch.testing.assert_close(
        out.sum(dim=-1), torch.ones(12, 25, dtype=torch.float64), rtol=0, atol=1e-13
    )


def test_rows_sum_to_one_for_attention_that_does_not() -> None:
    attention = [2.5 * a for a in softmax_attention(blocks=3, heads=2, patches=9)]
    torch.testing.assert_close(
        rollout(attention).sum(dim=-1), torch.ones(3, 9, dtype=torch.float64)
    )


def test_a_patch_that_sees_only_itself_stays_itself() -> None:
    identity = torch.eye(6, dtype=torch.float64)
    out = rollout([identity.expand(3, 6, 6)] * 4)
    torch.testing.assert_close(out, identity.expand(4, 6, 6))


def test_later_blocks_do_not_change_earlier_ones() -> None:
    attention = softmax_attention(blocks=5, heads=2, patches=9)
    torch.testing.assert_close(rollout(attention)[:3], rollout(attention[:3]))


def test_precision_is_kept() -> None:
    attention = softmax_attention(blocks=2, heads=2, patches=9, dtype=torch.float32)
    assert rollout(attention).dtype == torch.float32


def test_attention_of_no_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        rollout([])


@pytest.mark.parametrize("shape", [(9, 9), (2, 9, 8), (1, 2, 9, 9)])
def test_attention_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(heads, P, P\)"):
        rollout([torch.ones(shape)])
