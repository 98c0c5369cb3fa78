"""Features that tell what a smooth residual is most like.

Forces beyond the border, smooth errors and a reconstruction that is not exact all leave
long waves. Forces beyond the border leave them near it, and with the shape that the gel
gives to displacements. So the probability of the residual is compared: with random
tractions beyond the border, in the field, or both, and with a random smooth error.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.border import (
    Modes,
    means_over_squares,
    response_of_squares,
    without_motion,
)

FloatArray = npt.NDArray[np.float64]

_SQUARES = 9
"""Number of averages of the residual along the side of a square field. More would tell
no more about long waves."""

_BEYOND = 6
"""Width of the region beyond the border that may have tractions, in squares."""

_CORRELATION_LENGTH = 0.5
"""Correlation length of the tractions, in squares."""

_SMOOTH = 8.0
"""Correlation length of a smooth error, in grid steps."""

_OF_OTHERS = 0.1
"""Variance of the displacement of tractions in the field, relative to that of another
cause of a residual."""

_NOISES = np.geomspace(1e-5, 10, 12)
"""Candidate variances of the noise, relative to the largest variance of a mode."""

RESIDUAL_FEATURES = (
    "evidence of forces in the field",
    "evidence of forces beyond the border",
    "evidence of forces in the field and beyond",
    "evidence of forces in the field and a smooth error",
)
"""Names of the features. "Evidence" is the logarithm, with the sign, of a ratio of
likelihoods of the residual against a smooth error alone."""


def residual_features(residual: FloatArray) -> FloatArray:
    """What a smooth residual is most like.

    Parameters
    ----------
    residual : array of shape (2, H, W)
        Components ``(x, y)`` of the residual, in any unit.

    Returns
    -------
    array of shape (4,)
        In the order of `RESIDUAL_FEATURES`. They depend neither on the unit nor on a
        drift.
    """
    height, width = residual.shape[1:]
    side = np.sqrt(height * width) / _SQUARES
    rows, columns = (max(1, round(n / side)) for n in (height, width))
    over_rows, over_columns = (
        means_over_squares(height, rows),
        means_over_squares(width, columns),
    )
    means = (over_rows @ residual @ over_columns.T).reshape(-1, 1)
    squares = without_motion(means, (rows, columns))[:, 0]
    smooth, *others = (
        modes.log_evidence(squares, _NOISES)
        for modes in _modes((rows, columns), round(_SMOOTH / side, 2))
    )
    change = np.array(others) - smooth
    return np.asarray(np.sign(change) * np.log1p(np.abs(change)))


@lru_cache(maxsize=8)
def _modes(shape: tuple[int, int], smooth_length: float) -> tuple[Modes, ...]:
    """Modes of a smooth error, and of the other causes of a residual."""
    rows, columns = (np.arange(-_BEYOND, n + _BEYOND) for n in shape)
    row, column = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    is_inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    distance = np.hypot(row[:, None] - row, column[:, None] - column)
    between = np.exp(-distance / _CORRELATION_LENGTH)
    response = response_of_squares(shape, row, column, beyond=_BEYOND)

    def of_tractions(has_traction: npt.NDArray[np.bool_]) -> FloatArray:
        covariance = np.zeros((response.shape[1],) * 2)
        for of_component in response[..., has_traction]:
            part = between[np.ix_(has_traction, has_traction)]
            covariance += of_component @ part @ of_component.T
        return np.asarray(covariance / np.trace(covariance))

    inside, beyond = of_tractions(is_inside), of_tractions(~is_inside)
    smooth = _of_smooth_error(shape, smooth_length)
    return tuple(
        Modes.of(covariance)
        for covariance in (
            smooth,
            inside,
            beyond,
            beyond + _OF_OTHERS * inside,
            smooth + _OF_OTHERS * inside,
        )
    )


def _of_smooth_error(shape: tuple[int, int], length: float) -> FloatArray:
    """Covariance of a smooth error, without drift and rotation."""
    y, x = (part.ravel() for part in np.indices(shape))
    squared = np.square(y[:, None] - y) + np.square(x[:, None] - x)
    of_component = np.exp(-squared / (4 * length**2))
    covariance = np.kron(np.eye(2), of_component)
    covariance = without_motion(without_motion(covariance, shape).T, shape)
    return np.asarray(covariance / np.trace(covariance))
