"""Random held-out fields, reproducible with a seed."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out.kinds import KINDS
from napari_vit_tfm.benchmark.held_out.misfit import MISFITS

FloatArray = npt.NDArray[np.float32]


def simulate(
    kind: str,
    n: int,
    *,
    seed: int,
    shape: tuple[int, int] = (104, 104),
    misfit: str = "",
    window_steps: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Draw held-out fields of one kind.

    Parameters
    ----------
    kind : str
        Name of a kind in `KINDS`.
    n : int
        Number of fields. A field does not depend on the number of fields after it.
    seed : int, keyword-only
        Random seed.
    shape : tuple of int, keyword-only
        Rows and columns.
    misfit : str, keyword-only
        Name in `MISFITS`, for displacements that do not fit the model of the gel.
    window_steps : float, keyword-only
        Side of the windows over which the displacement is averaged, in grid steps, as
        in image correlation. Windows that overlap by half have a side of 2.

    Returns
    -------
    displacement : array of shape (n, H, W, 2)
        Displacement ``u / L`` without noise, where ``L`` is the field width of
        ``W - 1`` grid steps. Its mean is that of an unbounded gel.
    traction : array of shape (n, H, W, 2)
        Traction ``t / E``: the mean over the square of each node, but for "discs" the
        traction of the disc that contains the node.

    Examples
    --------
    >>> from napari_vit_tfm.benchmark.held_out import KINDS, simulate
    >>> "ring" in KINDS
    True
    >>> displacement, traction = simulate("ring", 2, seed=0, shape=(32, 40))
    >>> displacement.shape, traction.shape
    ((2, 32, 40, 2), (2, 32, 40, 2))
    """
    displacement = np.empty((n, *shape, 2), dtype=np.float32)
    traction = np.empty_like(displacement)
    for i in range(n):
        rng = np.random.default_rng([seed, crc32(kind.encode()), i])
        drawn = KINDS[kind](rng, shape).averaged(window_steps)
        made = MISFITS[misfit](drawn, rng) if misfit else drawn.displacement()
        steps = np.moveaxis(made, 0, -1)
        displacement[i] = steps / np.float32(shape[1] - 1)
        traction[i] = np.moveaxis(drawn.at_nodes(), 0, -1)
    return displacement, traction
