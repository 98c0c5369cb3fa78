"""Scores of a reconstruction against the known truth, one value per field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sum_of_squared_errors(
    traction: npt.ArrayLike, truth: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Squared error summed over nodes and components.

    ``sum |t - t_true|^2``; predicting zero scores ``sum |t_true|^2``.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        In the same unit.

    Returns
    -------
    array of shape (...)
        In the square of that unit.
    """
    difference = np.subtract(traction, truth, dtype=np.float64)
    errors: npt.NDArray[np.float64] = np.square(difference).sum(axis=(-3, -2, -1))
    return errors


def relative_squared_error(
    traction: npt.ArrayLike, truth: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Sum of squared errors over that of predicting zero.

    ``sum |t - t_true|^2 / sum |t_true|^2``; predicting zero scores 1. Where
    the truth is zero everywhere it is not defined and NaN.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        In the same unit.

    Returns
    -------
    array of shape (...)
        Dimensionless.
    """
    truth = np.asarray(truth, dtype=np.float64)
    power = np.square(truth).sum(axis=(-3, -2, -1))
    errors = sum_of_squared_errors(traction, truth)
    relative = np.full_like(errors, np.nan)
    np.divide(errors, power, out=relative, where=power > 0)
    return relative
