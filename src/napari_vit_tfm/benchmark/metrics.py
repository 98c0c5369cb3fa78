"""Scores of a reconstruction on fields with known tractions, one value per field.

There are two kinds of scores: errors over the whole field, and the deviations at
adhesions and in the background that are usual in traction force microscopy. The
latter need a segmentation, which is the number of the patch at each node; 0 is
background.

In the formulas, ``i`` runs over the patches of a field, ``j`` over the nodes of a
patch, and ``k`` over the nodes of the background. Patches whose true traction is zero
everywhere are ignored: they are neither patches nor background. A score that is not
defined for a field is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]


def sum_of_squared_errors(traction: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """Squared error, summed over nodes and components.

    It is ``sum |t - t_true|^2``. Predicting zero scores ``sum |t_true|^2``.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        Reconstructed and known tractions, in the same unit.

    Returns
    -------
    array of shape (...)
        In the square of that unit.
    """
    difference = np.subtract(traction, truth, dtype=np.float64)
    errors: FloatArray = np.square(difference).sum(axis=(-3, -2, -1))
    return errors


def relative_squared_error(traction: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """Sum of squared errors, relative to that of predicting zero.

    It is ``sum |t - t_true|^2 / sum |t_true|^2``. Predicting zero scores 1.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        Reconstructed and known tractions, in the same unit.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN where the known traction is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.benchmark.metrics import relative_squared_error
    >>> truth = np.ones((3, 16, 16, 2))
    >>> found = truth * np.array([1.0, 0.5, 0.0])[:, None, None, None]
    >>> relative_squared_error(found, truth).tolist()
    [0.0, 0.25, 1.0]
    """
    truth = np.asarray(truth, dtype=np.float64)
    power = np.square(truth).sum(axis=(-3, -2, -1))
    errors = sum_of_squared_errors(traction, truth)
    relative = np.full_like(errors, np.nan)
    np.divide(errors, power, out=relative, where=power > 0)
    return relative


def dtma(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Deviation of the traction magnitude at adhesions (DTMA), with its sign.

    It is ``mean_i (mean_j |t_ij| - mean_j |t_true,ij|) / mean_j |t_true,ij|``,
    equation 9 of [1]_. 0 is perfect, negative values mean tractions that are too
    small, and predicting zero scores -1. Deviations of opposite sign cancel between
    patches, but not in `dtma_absolute`.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        Reconstructed and known tractions, in the same unit.
    segmentation : array of int, shape (..., H, W)
        Number of the patch at each node; 0 is background.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN for fields without patches.

    Raises
    ------
    FieldError
        If the shapes do not match.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """
    return _field_by_field(
        lambda field: _mean(_deviations(field, field.mean)),
        traction,
        truth,
        segmentation,
    )


def dtma_absolute(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Absolute deviation of the traction magnitude at adhesions.

    It is ``mean_i |mean_j |t_ij| - mean_j |t_true,ij|| / mean_j |t_true,ij|``: like
    `dtma`, but with the absolute value of each patch. Predicting zero scores 1.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN for fields without patches.

    Raises
    ------
    FieldError
        If the shapes do not match.
    """
    return _field_by_field(
        lambda field: _mean(np.abs(_deviations(field, field.mean))),
        traction,
        truth,
        segmentation,
    )


def dtmb(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Deviation of the traction magnitude in the background (DTMB).

    It is ``mean_k (|t_k| - |t_true,k|) / mean_i mean_j |t_true,ij|``, equation 10 of
    [1]_: the spurious traction in the background, relative to the traction at a patch.
    The true traction of the background is zero if the segmentation is complete. 0 is
    perfect, and predicting zero also scores 0.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN for fields without patches or without background.

    Raises
    ------
    FieldError
        If the shapes do not match.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """

    def score(field: _Field) -> float:
        found, true = _lengths(field.background), _lengths(field.true_background)
        typical = _mean(field.mean(field.true_magnitude))
        return _ratio(_mean(found - true), typical)

    return _field_by_field(score, traction, truth, segmentation)


def snr(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Signal-to-noise ratio (SNR) of the reconstruction.

    It is ``mean_i mean_j |t_ij| / std_k t_k``, equation 11 of [1]_: the reconstructed
    magnitude at the patches, divided by the standard deviation of the reconstructed
    x and y components in the background. Near 1, patches cannot be distinguished from
    noise. The known tractions only determine which patches are used, so a high ratio
    does not imply a correct reconstruction.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        Dimensionless; infinite if the background is uniform; NaN for fields without
        patches or without background, and for predicting zero.

    Raises
    ------
    FieldError
        If the shapes do not match.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """

    def score(field: _Field) -> float:
        if not field.background.size:
            return np.nan
        signal = _mean(field.mean(field.magnitude))
        return _ratio(signal, float(field.background.std()))

    return _field_by_field(score, traction, truth, segmentation)


def dma(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Deviation of the maximum traction at adhesions (DMA).

    It is ``mean_i (max_j |t_ij| - max_j |t_true,ij|) / max_j |t_true,ij|``, equation
    12 of [1]_. 0 is perfect, negative values mean maxima that are too low, and
    predicting zero scores -1.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN for fields without patches.

    Raises
    ------
    FieldError
        If the shapes do not match.

    References
    ----------
    .. [1] Y. Huang et al., "Traction force microscopy with optimized regularization
       and automated Bayesian parameter selection for comparing cells", Sci. Rep. 9,
       539 (2019).
    """
    return _field_by_field(
        lambda field: _mean(_deviations(field, field.largest)),
        traction,
        truth,
        segmentation,
    )


def direction_error_degrees(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Angle between the reconstructed and the known traction at adhesions.

    It is ``mean_i angle(mean_j t_ij, mean_j t_true,ij)``, from 0 to 180 degrees,
    similar to the deviation of the traction angle of [1]_. All patches have the same
    weight. Patches whose mean vector is zero have no direction and are left out.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        In degrees; NaN if no patch has a direction, for example when predicting zero.

    Raises
    ------
    FieldError
        If the shapes do not match.

    References
    ----------
    .. [1] B. Sabass, M. L. Gardel, C. M. Waterman, U. S. Schwarz, "High resolution
       traction force microscopy based on experimental and computational advances",
       Biophys. J. 94, 207-220 (2008).
    """

    def score(field: _Field) -> float:
        dot, cross = _products(field)
        return _mean(np.degrees(np.arctan2(np.abs(cross), dot)))

    return _field_by_field(score, traction, truth, segmentation)


def direction_cosine(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Cosine of the angle of `direction_error_degrees`, averaged over the patches.

    It is ``mean_i cos angle(mean_j t_ij, mean_j t_true,ij)``: 1 is perfect, 0 is
    perpendicular, -1 is the opposite direction.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        NaN if no patch has a direction, for example when predicting zero.

    Raises
    ------
    FieldError
        If the shapes do not match.
    """

    def score(field: _Field) -> float:
        dot, cross = _products(field)
        return _mean(dot / np.hypot(dot, cross))

    return _field_by_field(score, traction, truth, segmentation)


@dataclass(frozen=True, eq=False)
class _Field:
    """Tractions of one field, split into patches and background.

    Parameters
    ----------
    vectors, true_vectors : arrays of shape (J, 2)
        Tractions at the nodes of all patches.
    patch : array of shape (J,)
        Index of the patch of each node, counted from 0.
    n_patches : int
        Number of patches.
    background, true_background : arrays of shape (K, 2)
        Tractions at the nodes of the background.
    """

    vectors: FloatArray
    true_vectors: FloatArray
    patch: npt.NDArray[np.intp]
    n_patches: int
    background: FloatArray
    true_background: FloatArray

    @property
    def magnitude(self) -> FloatArray:
        return _lengths(self.vectors)

    @property
    def true_magnitude(self) -> FloatArray:
        return _lengths(self.true_vectors)

    def mean(self, values: FloatArray) -> FloatArray:
        """Mean of each patch, ``(n_patches,)``."""
        totals = np.bincount(self.patch, weights=values, minlength=self.n_patches)
        means: FloatArray = totals / np.bincount(self.patch, minlength=self.n_patches)
        return means

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest value of each patch, ``(n_patches,)``."""
        largest = np.full(self.n_patches, -np.inf)
        np.maximum.at(largest, self.patch, values)
        return largest


def _sorted_into_patches(
    traction: FloatArray, truth: FloatArray, labels: npt.NDArray[np.integer]
) -> _Field:
    inside = labels != 0
    # Patches without true traction have no magnitude to compare with.
    numbers = np.unique(labels[inside & truth.any(axis=-1)])
    is_used = np.isin(labels, numbers)
    outside = np.logical_not(inside)
    return _Field(
        vectors=traction[is_used],
        true_vectors=truth[is_used],
        patch=np.searchsorted(numbers, labels[is_used]),
        n_patches=numbers.size,
        background=traction[outside],
        true_background=truth[outside],
    )


def _field_by_field(
    score: Callable[[_Field], float],
    traction: npt.ArrayLike,
    truth: npt.ArrayLike,
    segmentation: npt.ArrayLike,
) -> FloatArray:
    traction = np.asarray(traction, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    labels = np.asarray(segmentation)
    if traction.shape != truth.shape or labels.shape != truth.shape[:-1]:
        raise FieldError(
            f"the shapes of tractions {traction.shape}, truth {truth.shape} and "
            f"segmentation {labels.shape} do not match: expected (..., H, W, 2) twice "
            "and (..., H, W)"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise FieldError(f"the segmentation must be of integers, not {labels.dtype}")
    fields = (array.reshape(-1, *truth.shape[-3:]) for array in (traction, truth))
    each = zip(*fields, labels.reshape(-1, *labels.shape[-2:]), strict=True)
    scores = np.array([score(_sorted_into_patches(*parts)) for parts in each])
    return scores.astype(np.float64).reshape(truth.shape[:-3])


def _deviations(
    field: _Field, of_patches: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Relative deviation of the mean or largest magnitude of each patch."""
    true = of_patches(field.true_magnitude)
    deviations: FloatArray = (of_patches(field.magnitude) - true) / true
    return deviations


def _products(field: _Field) -> tuple[FloatArray, FloatArray]:
    """Dot and cross product of the mean tractions of patches with a direction."""
    x, y, true_x, true_y = (
        field.mean(vectors[:, axis])
        for vectors in (field.vectors, field.true_vectors)
        for axis in (0, 1)
    )
    dot, cross = x * true_x + y * true_y, x * true_y - y * true_x
    directed = (dot != 0) | (cross != 0)
    return dot[directed], cross[directed]


def _lengths(vectors: FloatArray) -> FloatArray:
    lengths: FloatArray = np.hypot(vectors[:, 0], vectors[:, 1])
    return lengths


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else np.nan


def _ratio(value: float, by: float) -> float:
    if by > 0:
        return value / by
    return np.inf if value > 0 else np.nan
