"""From tractions in small squares to what is measured at the nodes of a grid."""

from __future__ import annotations

from array_api_compat import array_namespace

from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.synthesis.fields import Array

OVERSAMPLING = 3
"""Squares along either side of a node's own. A displacement made on the very grid
that its traction is reconstructed on would flatter every method."""


def measured(
    x: Array, y: Array, shape: tuple[int, int], *, margin: int, window: float
) -> tuple[Array, Array]:
    """Displacement and traction at the nodes.

    Parameters
    ----------
    x, y : arrays of shape (N, 3 (H + 2 margin), 3 (W + 2 margin))
        Traction ``t / E`` in squares of a third of a step.
    shape : tuple of int
        Rows and columns of the grid, ``(H, W)``.
    margin : int, keyword-only
        How many nodes around the field have traction, too.
    window : float, keyword-only
        Side of the square that a displacement is averaged over, in steps.

    Returns
    -------
    displacement : array of shape (N, H, W, 2)
        ``u / L``, ``(x, y)``.
    traction : array of shape (N, H, W, 2)
        The mean of ``t / E`` over the node's square, so that forces are kept.
    """
    xp, s, m = array_namespace(x, y), OVERSAMPLING, margin
    steps = raster_displacement(x, y, oversampling=s, window=window)
    view = (slice(None), slice(m, m + shape[0]), slice(m, m + shape[1]))
    displacement = xp.stack([part[view] for part in steps], axis=-1)
    means = [
        xp.mean(
            xp.reshape(part, (-1, shape[0] + 2 * m, s, shape[1] + 2 * m, s)),
            axis=(-3, -1),
        )[view]
        for part in (x, y)
    ]
    return displacement / (shape[1] - 1), xp.stack(means, axis=-1)
