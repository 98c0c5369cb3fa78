"""Whether tractions beyond the border of the field of view act on a displacement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics.raster import raster_displacement

Float64Array = npt.NDArray[np.float64]

_SQUARES = 17
"""Number of averages along the side of a square field. With fewer, pads and fibres near
the border cannot be told from forces beyond it; more take longer."""

_CORRELATION_LENGTH = 1.0
"""Correlation length of the tractions, in squares."""

_BEYOND = _SQUARES // 2
"""Width of the region beyond the border that may have tractions, in squares."""

_NOISE = np.geomspace(1e-6, 10, 29)
"""Candidate variances of the noise, relative to the largest variance of a mode."""

_CLEAR = 3.0
"""Signals below this number of standard deviations of the noise are not judged."""


def evidence_of_outside_forces(
    field: npt.NDArray[np.floating], *, noise: float = 0.0
) -> float:
    """Evidence for tractions beyond the border of the field of view.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement without holes and outliers, in any unit.
    noise : float, keyword-only
        Standard deviation of its noise per component, in the same unit.

    Returns
    -------
    float
        Logarithm of the ratio of two probabilities of the displacement: that with
        tractions in the field of view and beyond, and that with tractions in the field
        of view alone. It is 0 for a field that cannot be told from noise.

    Notes
    -----
    In both cases the tractions are Gaussian, with the same variance everywhere and the
    correlation ``exp(-distance / length)``, and so is the noise. Both variances
    maximise the evidence, as in Bayesian FTTC, but the field is not continued
    periodically. Drift and rotation are left out. The displacement is averaged over
    about 17 x 17 squares before, which takes away noise and makes the matrices small.

    Examples
    --------
    >>> from napari_vit_tfm.displacement.border import evidence_of_outside_forces
    >>> from napari_vit_tfm.synthesis import CellDistribution, LayerDistribution
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> layer = synthesise(1, seed=0, shape=(64, 64), distribution=LayerDistribution())
    >>> evidence_of_outside_forces(layer.displacement[0]) > 0
    True
    >>> cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    >>> evidence_of_outside_forces(cell.displacement[0]) > 0
    False
    """
    height, width = field.shape[:2]
    side = np.sqrt(height * width) / _SQUARES
    rows, columns = (min(n, max(1, round(n / side))) for n in (height, width))
    over_rows, over_columns = (
        means_over_squares(height, rows),
        means_over_squares(width, columns),
    )
    components = np.moveaxis(np.asarray(field, dtype=np.float64), -1, 0)
    vectors = without_motion(components.reshape(-1, 1), (height, width))
    squares = (over_rows @ vectors.reshape(2, height, width) @ over_columns.T).ravel()
    of_noise = noise * np.sqrt(rows * columns / (height * width))
    if np.sqrt(np.square(squares).mean()) <= _CLEAR * of_noise:
        return 0.0
    inside, everywhere = _modes((rows, columns))
    return everywhere.log_evidence(squares) - inside.log_evidence(squares)


@dataclass(frozen=True, eq=False)
class Modes:
    """Independent modes of the displacement under random tractions.

    Parameters
    ----------
    variance : array of shape (K,)
        Variance of each mode, for tractions of variance 1.
    vectors : array of shape (2 H W, K)
        The modes; they are orthonormal, without drift and rotation.
    """

    variance: Float64Array
    vectors: Float64Array

    @classmethod
    def of(cls, covariance: Float64Array) -> Modes:
        """The modes of a covariance ``(2 H W, 2 H W)`` without drift and rotation."""
        variance, vectors = np.linalg.eigh(covariance)
        # The first three are drift and rotation, which have no variance.
        return cls(np.maximum(variance[3:], 0.0), vectors[:, 3:])

    def log_evidence(
        self, squares: Float64Array, noises: Float64Array = _NOISE
    ) -> float:
        """Largest evidence for displacements ``(2 H W,)``, up to a constant.

        The variance of the noise is one of the candidates, relative to the largest
        variance of a mode.
        """
        noise = noises[:, None] * self.variance.max()
        variance = self.variance + noise  # (candidates, K)
        squared = np.square(self.vectors.T @ squares)
        # The scale of all variances that maximises the evidence is known.
        scale = (squared / variance).mean(axis=1)
        if not scale.all():
            return 0.0
        evidence = -(squared.size * np.log(scale) + np.log(variance).sum(axis=1)) / 2
        return float(evidence.max())


@lru_cache(maxsize=4)
def _modes(shape: tuple[int, int]) -> tuple[Modes, Modes]:
    """Modes for tractions in the field of view, and in it and beyond."""
    rows, columns = (np.arange(-_BEYOND, n + _BEYOND) for n in shape)
    row, column = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    is_inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    distance = np.hypot(row[:, None] - row, column[:, None] - column)
    correlation = np.exp(-distance / _CORRELATION_LENGTH)
    response = response_of_squares(shape, row, column, beyond=_BEYOND)

    def modes(has_traction: npt.NDArray[np.bool_]) -> Modes:
        between = correlation[np.ix_(has_traction, has_traction)]
        covariance = np.zeros((response.shape[1],) * 2)
        for of_component in response[..., has_traction]:
            covariance += of_component @ between @ of_component.T
        return Modes.of(covariance)

    return modes(is_inside), modes(np.ones_like(is_inside))


def response_of_squares(
    shape: tuple[int, int],
    row: npt.NDArray[np.int_],
    column: npt.NDArray[np.int_],
    *,
    beyond: int,
) -> Float64Array:
    """Displacement of squares per traction of squares in and around the field.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of squares of the displacement, ``(H, W)``.
    row, column : arrays of shape (N,)
        Places of the squares with tractions.
    beyond : int, keyword-only
        Largest distance of such a square from the field, in squares.

    Returns
    -------
    array of shape (2, 2 H W, N)
        For tractions along x and y; drift and rotation are left out.
    """
    # The displacement around one square, at all differences that occur.
    reach = [n + beyond for n in shape]
    centre = tuple(reach)
    kernels = []
    for component in (0, 1):
        force = np.zeros((2, *(2 * n + 1 for n in reach)))
        force[(component, *centre)] = 1.0
        kernels.append(raster_displacement(*force, window=1.0))
    y, x = (part.ravel() for part in np.indices(shape))
    down, right = y[:, None] - row + reach[0], x[:, None] - column + reach[1]
    response: Float64Array = np.array(kernels)[:, :, down, right]  # (2, 2, H W, N)
    response = response.reshape(2, -1, row.size)
    return np.stack([without_motion(part, shape) for part in response])


def without_motion(squares: Float64Array, shape: tuple[int, int]) -> Float64Array:
    """Subtract the closest drift and rotation from displacements ``(2 H W, N)``."""
    y, x = (
        part.ravel() - (n - 1) / 2
        for part, n in zip(np.indices(shape), shape, strict=True)
    )
    one, zero = np.ones(x.size), np.zeros(x.size)
    motions = np.stack(
        [np.append(one, zero), np.append(zero, one), np.append(-y, x)], axis=1
    )
    motions /= np.linalg.norm(motions, axis=0)
    return np.asarray(squares - motions @ (motions.T @ squares))


def means_over_squares(n: int, n_squares: int) -> Float64Array:
    """Weights of ``n`` nodes in the means over squares, ``(n_squares, n)``."""
    edges, node = np.linspace(0, n, n_squares + 1), np.arange(n)
    upper = np.minimum(edges[1:, None], node + 1)
    lower = np.maximum(edges[:-1, None], node)
    weights = np.maximum(upper - lower, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
