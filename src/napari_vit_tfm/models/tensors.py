"""Conversion between stacks and tensors, and networks with given weights.

The order of axes changes only here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_vit_tfm.errors import ModelError

FloatArray = npt.NDArray[np.float32]
_LARGEST = 1e9
"""Largest weight; any network that was trained has far smaller ones."""

Network = TypeVar("Network", bound=nn.Module)


_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights; torch would convert others, such as complex ones, in silence."""


def to_tensor(stack: npt.NDArray[np.floating]) -> Tensor:
    """Stack ``(N, H, W, 2)`` to tensor ``(N, 2, H, W)``, components ``(x, y)``."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(stack, -1, 1)))


def to_stack(tensor: Tensor) -> FloatArray:
    """Tensor ``(N, 2, H, W)`` to float32 stack ``(N, H, W, 2)``."""
    return np.moveaxis(tensor.float().cpu().numpy(), 1, -1)


def with_weights(
    make: Callable[[], Network],
    weights: Mapping[str, Tensor],
    *,
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Make a network with given weights.

    No memory is used for a network that is larger than its weights.

    Parameters
    ----------
    make : callable
        Makes the network.
    weights : mapping of str to Tensor
        Its parameters and buffers by name.
    dtype : torch.dtype, keyword-only
        Precision of the network.

    Returns
    -------
    torch.nn.Module
        The network, on the CPU.

    Raises
    ------
    ModelError
        If a weight is missing, unknown, not finite, or has another shape.
    """
    with torch.device("meta"):
        network = make().to(dtype)
    expected = network.state_dict()
    _check_weights(expected, weights)
    # `to_empty` would import sympy, which takes a third of a second.
    network.load_state_dict(
        {name: _as(tensor, weights[name]) for name, tensor in expected.items()},
        assign=True,
    )
    return network


def _as(expected: Tensor, weights: Tensor) -> Tensor:
    """Weights in the precision and the order of axes of those that are expected."""
    found = weights.to(expected.dtype).contiguous()
    if found.stride() == expected.stride():
        return found
    # The only other order. `empty_like` would import sympy.
    return found.contiguous(memory_format=torch.channels_last)


def _check_weights(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], limit: int = 3
) -> None:
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key!r:.60} is unknown" for key in found if key not in expected]
    for key, tensor in expected.items():
        if key not in found:
            continue
        shape = tuple(found[key].shape)
        if shape != tuple(tensor.shape):
            problems.append(f"{key} has the shape {shape}, not {tuple(tensor.shape)}")
        elif tensor.is_floating_point() and found[key].dtype not in _FLOATS:
            kind = str(found[key].dtype).removeprefix("torch.")
            problems.append(
                f"{key} has {kind} numbers, expected floating-point numbers"
            )
        elif not bool(torch.isfinite(found[key]).all()):
            problems.append(f"{key} has values that are not finite")
        elif bool((found[key].abs() > _LARGEST).any()):
            problems.append(f"{key} has values above {_LARGEST:g}")
    if problems:
        more = f"; and {len(problems) - limit} more" if len(problems) > limit else ""
        raise ModelError("; ".join(problems[:limit]) + more)
