"""Random numbers that numpy has no name for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def log_uniform(
    rng: np.random.Generator, limits: tuple[float, float], size: int
) -> npt.NDArray[np.float64]:
    """Numbers whose logarithms are uniform between two positive limits."""
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, size))
