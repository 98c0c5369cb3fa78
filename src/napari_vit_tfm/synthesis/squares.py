"""Displacements and tractions at the nodes, from tractions on finer squares."""

from __future__ import annotations

from array_api_compat import array_namespace

from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.synthesis.fields import Array

OVERSAMPLING = 3
"""Number of squares per grid step. If displacements were computed on the same grid as
the reconstruction, every method would appear too accurate."""


def measured(
    x: Array, y: Array, shape: tuple[int, int], *, margin: int, window: float
) -> tuple[Array, Array]:
    """Displacement and traction at the nodes.

    Parameters
    ----------
    x, y : arrays of shape (N, 3 (H + 2 margin), 3 (W + 2 margin))
        Traction ``t / E`` on squares of a third of a grid step.
    shape : tuple of int
        Rows and columns of the grid, ``(H, W)``.
    margin : int, keyword-only
        Width of the border around the field that also has traction, in nodes.
    window : float, keyword-only
        Side of the square over which the displacement is averaged, in grid steps.

    Returns
    -------
    displacement : array of shape (N, H, W, 2)
        ``u / L``, components ``(x, y)``.
    traction : array of shape (N, H, W, 2)
        Mean of ``t / E`` over the square of the node, which conserves forces.
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
