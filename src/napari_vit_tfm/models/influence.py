"""Influence: sensitivity of the traction in a patch to the displacement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.precision import full_float32


def squared_sensitivities(
    traction: Callable[[Tensor], Tensor],
    displacement: Tensor,
    *,
    rows: slice,
    columns: slice,
    n_projections: int,
    seed: int = 0,
) -> Iterator[Tensor]:
    r"""Estimate the squared derivatives of the traction in a patch.

    Let :math:`J` be the Jacobian of the :math:`n` traction components in the patch
    with respect to all displacement components. A vector-Jacobian product with a
    random direction :math:`v`, :math:`|v|^2 = n`, estimates the squared norm of every
    column of :math:`J`: :math:`E\,(J^T v)_i^2 = \sum_j J_{ji}^2`. The directions are
    orthogonal, so the mean over all :math:`n` is exact.

    Parameters
    ----------
    traction : callable
        Function from displacements to tractions, both ``(1, 2, H, W)``.
    displacement : tensor of shape (1, 2, H, W)
        Field at which the derivative is taken.
    rows, columns : slice, keyword-only
        Nodes of the patch.
    n_projections : int, keyword-only
        Number of products. At most one per traction component is computed.
    seed : int, keyword-only
        Random seed of the directions.

    Yields
    ------
    tensor of shape (2, H, W)
        One unbiased estimate per product.

    Raises
    ------
    ModelError
        If the derivative does not exist. An example is a field of zeros, if the
        method divides the field by its norm.
    """
    with torch.enable_grad(), full_float32():
        field = displacement.detach().clone().requires_grad_()
        found = traction(field)[0, :, rows, columns]
    for direction in _directions(found.numel(), n_projections, seed):
        along = torch.from_numpy(direction).to(found).reshape(found.shape)
        with full_float32():
            (gradient,) = torch.autograd.grad(found, field, along, retain_graph=True)
        if not torch.isfinite(gradient).all():
            raise ModelError("the traction of this field has no derivative")
        yield gradient[0].square()


def _directions(n: int, count: int, seed: int) -> npt.NDArray[np.float64]:
    """Orthogonal random directions, ``(min(count, n), n)``, of squared norm n."""
    normal = np.random.default_rng(seed).standard_normal((n, min(count, n)))
    directions: npt.NDArray[np.float64] = np.linalg.qr(normal)[0].T * np.sqrt(n)
    return directions
