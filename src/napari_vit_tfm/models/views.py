"""Mirror images: a network's answers to them, averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_VIEWS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((),),
    4: ((), (-1,), (-2,), (-1, -2)),
}
"""By the number of views, the axes along which each is mirrored."""


def mirrored(fields: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mirror vector fields: the nodes move, and the vectors with them.

    Parameters
    ----------
    fields : tensor of shape (N, 2, H, W)
        Components ``(x, y)``.
    axes : tuple of int
        -1 mirrors left to right and turns x around, -2 top to bottom and y.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    out = fields.flip(axes) if axes else fields
    sign = out.new_tensor([-1.0 if axis in axes else 1.0 for axis in (-1, -2)])
    return out * sign[:, None, None]


def mean_over_views(
    solve: Callable[[Tensor], Tensor], displacement: Tensor, *, n_views: int
) -> Tensor:
    """Mean of what is reconstructed from a field and from its mirror images.

    A gel has no left and no right, so the traction of a mirrored displacement
    is the mirrored traction. A network has learnt that, but not exactly; what
    differs is error, and some of it averages out. With four views the mean
    obeys the symmetry to the last bit but rounding.

    Parameters
    ----------
    solve : callable
        Maps displacements to tractions, both ``(N, 2, H, W)``.
    displacement : tensor of shape (N, 2, H, W)
    n_views : int, keyword-only
        1, the field as it is, or 4: `config.N_VIEWS`.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    total = torch.zeros_like(displacement)
    for axes in _VIEWS[n_views]:
        total = total + mirrored(solve(mirrored(displacement, axes)), axes)
    return total / n_views
