"""Conversion between stacks and tensors. The order of axes changes only here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float32]


def to_tensor(stack: npt.NDArray[np.floating]) -> Tensor:
    """Stack ``(N, H, W, 2)`` to tensor ``(N, 2, H, W)``, components ``(x, y)``."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(stack, -1, 1)))


def to_stack(tensor: Tensor) -> FloatArray:
    """Tensor ``(N, 2, H, W)`` to float32 stack ``(N, H, W, 2)``."""
    return np.moveaxis(tensor.float().cpu().numpy(), 1, -1)
