"""Where float32 is float32."""

from __future__ import annotations

import pytest
import torch

from napari_vit_tfm.models.precision import full_float32, without_autocast


def test_tf32_is_as_it_was_before() -> None:
    cudnn = torch.backends.cudnn

    def chosen() -> tuple[bool, str]:
        return cudnn.allow_tf32, torch.get_float32_matmul_precision()

    def fail_within() -> None:
        with full_float32():
            assert chosen() == (False, "highest")
            raise RuntimeError("inside")

    before = chosen()
    try:
        for choice in [(True, "high"), (False, "highest")]:
            cudnn.allow_tf32 = choice[0]
            torch.set_float32_matmul_precision(choice[1])
            with pytest.raises(RuntimeError, match="inside"):
                fail_within()
            assert chosen() == choice
    finally:
        cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_a_region_without_autocast() -> None:
    ones = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        with without_autocast(ones):
            assert (ones @ ones).dtype == torch.float32
        assert (ones @ ones).dtype == torch.bfloat16
