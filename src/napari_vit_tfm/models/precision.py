"""Full float32 precision, because the inverse problem amplifies rounding errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def full_float32() -> Iterator[None]:
    """Disable TensorFloat-32 on the GPU, which rounds float32 to ten mantissa bits.

    It is the default for convolutions and may be enabled for matrix products.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Context without autocast on the device of a tensor."""
    return torch.autocast(tensor.device.type, enabled=False)
