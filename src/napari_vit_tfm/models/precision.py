"""Where rounding is not allowed: the inverse problem amplifies it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def full_float32() -> Iterator[None]:
    """Keep the GPU from rounding float32 to ten bits.

    TensorFloat-32 is the default of its convolutions, and may have been chosen
    for its matrix products.
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
    """Context in which a tensor's device computes in the precision it is given."""
    return torch.autocast(tensor.device.type, enabled=False)
