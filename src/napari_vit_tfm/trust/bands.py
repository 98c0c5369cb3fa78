"""Bands of wave numbers, in which features are means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_EDGES = np.array([0.0, 0.09, 0.13, 0.18, 0.26, 0.37, 0.52, 0.74, 1.05, 1.5, 2.1, 9.0])
"""Limits of the bands, in radians per grid step."""

N_BANDS = len(_EDGES) - 1

FLOOR = 1e-9
"""Added to ratios before their logarithm is taken."""


def bands_of(k: FloatArray, n: int = N_BANDS) -> npt.NDArray[np.bool_]:
    """The wave numbers that are in each band.

    Parameters
    ----------
    k : array of shape (K,)
        Wave numbers, in radians per grid step.
    n : int
        Number of bands, from that of the longest waves.

    Returns
    -------
    array of bool, shape (n, K)
        A band without wave numbers has those of the nearest one that has some: small
        fields have no longest waves, large steps no shortest ones.
    """
    band = np.arange(n)[:, None]
    in_band = np.digitize(k, _EDGES) - 1 == band
    filled = np.flatnonzero(in_band.any(axis=1))
    return np.asarray(in_band[filled[np.abs(filled - band).argmin(axis=1)]])


def log10(values: npt.ArrayLike) -> FloatArray:
    """Decimal logarithm of ratios that may be zero."""
    return np.asarray(np.log10(np.maximum(values, 0) + FLOOR))
