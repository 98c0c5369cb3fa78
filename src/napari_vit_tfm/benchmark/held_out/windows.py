"""Interrogation windows of held-out fields: how wide they are."""

from __future__ import annotations

import numpy as np

_AT_THE_VECTORS = 1 / 3
"""Share of the fields without windows, as of tracked beads."""

_WIDTHS = ((0.5, 1.5), (1.5, 3.0))
"""Sides of the windows of the other fields in grid steps, either range equally often.
Windows that do not overlap have a side of 1, those that overlap by half of 2, and those
that overlap by two thirds of 3."""


def draw_window_steps(rng: np.random.Generator) -> float:
    """Draw the side of the windows over which a displacement is averaged.

    Errors for intervals are measured on fields with windows of these sides: image
    correlation averages over windows, and which ones is often not known.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    float
        Side in grid steps, 0 to 3. A third of them are 0: the displacement is that at
        the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.benchmark.held_out import draw_window_steps, simulate
    >>> steps = draw_window_steps(np.random.default_rng(1))
    >>> round(steps, 2)
    1.72
    >>> displacement, _ = simulate("ring", 1, seed=0, window_steps=steps)
    """
    if rng.random() < _AT_THE_VECTORS:
        return 0.0
    return float(rng.uniform(*_WIDTHS[rng.integers(len(_WIDTHS))]))
