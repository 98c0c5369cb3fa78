"""Averaging of a network's output over mirror images (views) of a field."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-1, -2))
"""Axes along which a view is mirrored."""

_VIEWS: list[tuple[tuple[int, ...], bool]] = [
    (axes, transpose) for transpose in (False, True) for axes in _MIRRORS
]
"""All views: the axes along which each is mirrored, and whether it is transposed
before. The first is the field itself; the first four are not transposed."""

N_VIEWS = len(_VIEWS)
"""Number of views of a field, itself among them."""


def mirrored(fields: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mirror vector fields: positions and components.

    Parameters
    ----------
    fields : tensor of shape (N, 2, H, W)
        Components ``(x, y)``.
    axes : tuple of int
        -1 mirrors left to right and changes the sign of x; -2 mirrors top to bottom
        and changes the sign of y.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    out = fields.flip(axes) if axes else fields
    sign = out.new_tensor([-1.0 if axis in axes else 1.0 for axis in (-1, -2)])
    return out * sign[:, None, None]


def transposed(fields: Tensor) -> Tensor:
    """Transpose vector fields: exchange rows and columns, and x and y.

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
    """Average the tractions reconstructed from a field and from its mirror images.

    The traction of a mirrored displacement is the mirrored traction. A network has
    learnt this symmetry only approximately. The deviations are errors, which
    averaging reduces. The average has the symmetry exactly, up to rounding.

    Parameters
    ----------
    solve : callable
        Function from displacements ``u / L`` to tractions ``t / E``.
    displacement : tensor of shape (N, 2, H, W)
        Displacement as a fraction of the field width.
    n_views : int, keyword-only
        1: the field itself. 4: also its mirror images along both axes. 8: also the
        same four views of the transposed field.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    total = torch.zeros_like(displacement)
    for view in range(n_views):
        total = total + from_view(solve, displacement, view)
    return total / n_views


def from_view(
    solve: Callable[[Tensor], Tensor], displacement: Tensor, view: int
) -> Tensor:
    """Reconstruct the tractions from one view of a field.

    Parameters
    ----------
    solve : callable
        Function from displacements ``u / L`` to tractions ``t / E``.
    displacement : tensor of shape (N, 2, H, W)
        Displacement as a fraction of the field width.
    view : int
        Index of the view, below `N_VIEWS`; 0 is the field itself.

    Returns
    -------
    tensor of shape (N, 2, H, W)
        Tractions of the field, turned back from those of the view.
    """
    axes, transpose = _VIEWS[view]
    if not transpose:
        return mirrored(solve(mirrored(displacement, axes)), axes)
    height, width = displacement.shape[-2:]
    # The width of the transposed field is the height of the field.
    over_height = displacement * ((width - 1) / (height - 1))
    return transposed(mirrored(solve(mirrored(transposed(over_height), axes)), axes))
