"""Views: a network's answers to a field's mirror images, averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-1, -2))
"""The axes along which a view is mirrored."""

_VIEWS: dict[int, list[tuple[tuple[int, ...], bool]]] = {
    1: [((), False)],
    4: [(axes, False) for axes in _MIRRORS],
    8: [(axes, turned) for turned in (False, True) for axes in _MIRRORS],
}
"""By the number of views, the axes along which each is mirrored, and whether its
rows and columns change places before."""


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


def transposed(fields: Tensor) -> Tensor:
    """Mirror vector fields along the diagonal: x becomes y, and y becomes x.

    Parameters
    ----------
    fields : tensor of shape (N, 2, H, W)
        Components ``(x, y)``.

    Returns
    -------
    tensor of shape (N, 2, W, H)
    """
    return fields.transpose(-1, -2).flip(1)


def mean_over_views(
    solve: Callable[[Tensor], Tensor], displacement: Tensor, *, n_views: int
) -> Tensor:
    """Mean of what is reconstructed from a field and from its mirror images.

    A gel has no left and no right, so the traction of a mirrored displacement
    is the mirrored traction. A network has learnt that, but not exactly; what
    differs is error, and some of it averages out. The mean obeys the symmetry
    to the last bit but rounding.

    Parameters
    ----------
    solve : callable
        Maps displacements ``u / L`` to tractions ``t / E``.
    displacement : tensor of shape (N, 2, H, W)
        In fractions of the field's width.
    n_views : int, keyword-only
        1, the field as it is; 4, its images along both
        axes, too; 8, those of the field mirrored along the diagonal, too.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    height, width = displacement.shape[-2:]
    # The transposed field's width is the field's height.
    of_the_height = displacement * ((width - 1) / (height - 1))
    total = torch.zeros_like(displacement)
    for axes, turned in _VIEWS[n_views]:
        view = transposed(of_the_height) if turned else displacement
        traction = mirrored(solve(mirrored(view, axes)), axes)
        total = total + (transposed(traction) if turned else traction)
    return total / n_views
