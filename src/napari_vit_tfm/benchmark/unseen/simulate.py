"""Random fields of the second set, reproducible with a seed."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.unseen.canvas import Canvas
from napari_vit_tfm.benchmark.unseen.kinds import KINDS

FloatArray = npt.NDArray[np.float32]

WINDOWS_STEPS = (0.5, 1.0, 2.0)
"""Sides of the interrogation windows, in grid steps. Windows that overlap by half have
a side of 2."""

_STRAIN = (0.03, 0.3)
"""Range of the largest difference of the displacement between neighbouring vectors."""


def simulate(
    kind: str,
    n: int,
    *,
    seed: int,
    shape: tuple[int, int] = (104, 104),
    window_steps: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Draw fields of one kind.

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
    window_steps : float, keyword-only, optional
        Side of the windows over which the displacement is averaged, in grid steps: a
        multiple of 0.5. None takes those of `WINDOWS_STEPS` in turn.

    Returns
    -------
    displacement : array of shape (n, H, W, 2)
        Displacement ``u / L`` without noise, where ``L`` is the field width of
        ``W - 1`` grid steps. Its mean is that of an unbounded gel.
    traction : array of shape (n, H, W, 2)
        Traction ``t / E``, the mean over the square of each node.

    Examples
    --------
    >>> from napari_vit_tfm.benchmark.unseen import KINDS, simulate
    >>> "fibres" in KINDS
    True
    >>> displacement, traction = simulate("fibres", 2, seed=0, shape=(32, 40))
    >>> displacement.shape, traction.shape
    ((2, 32, 40, 2), (2, 32, 40, 2))
    """
    displacement = np.empty((n, *shape, 2), dtype=np.float32)
    traction = np.empty_like(displacement)
    for i in range(n):
        rng = np.random.default_rng([seed, crc32(kind.encode()), i])
        canvas = Canvas(shape, rng)
        KINDS[kind](canvas)
        window = window_steps or WINDOWS_STEPS[i % len(WINDOWS_STEPS)]
        steps = canvas.displacement(window)
        scale = rng.uniform(*_STRAIN) / _largest_strain(steps)
        displacement[i] = np.moveaxis(scale * steps, 0, -1) / (shape[1] - 1)
        traction[i] = np.moveaxis(scale * canvas.at_nodes(), 0, -1)
    return displacement, traction


def _largest_strain(steps: npt.NDArray[np.float64]) -> float:
    """Largest central difference of displacements ``(2, H, W)`` in grid steps."""
    differences = (
        steps[:, 2:] - steps[:, :-2],
        steps[:, :, 2:] - steps[:, :, :-2],
    )
    return float(max(np.abs(part).max() for part in differences) / 2)
