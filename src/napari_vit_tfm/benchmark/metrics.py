"""Scores of a reconstruction against the known truth, one value per field.

Two kinds: errors over the whole field, and the deviations at and around
adhesions that traction force microscopy is judged by (Sabass et al., Biophys.
J. 94, 207, 2008; Huang et al., Sci. Rep. 9, 539, 2019). The latter need to
know where the adhesions are: a segmentation numbers each node's patch, and 0
is background.

Below, ``i`` runs over the patches of a field, ``j`` over the nodes of a patch
and ``k`` over the nodes of the background, which is wherever no patch is.
Patches whose true traction is zero everywhere have nothing to deviate from:
they count neither as patches nor as background. A score that is not defined
for a field is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]


def sum_of_squared_errors(traction: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
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
    errors: FloatArray = np.square(difference).sum(axis=(-3, -2, -1))
    return errors


def relative_squared_error(traction: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
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
    """Deviation of traction magnitude at adhesions, with its sign.

    ``mean_i (mean_j |t_ij| - mean_j |t_true,ij|) / mean_j |t_true,ij|``: 0 is
    perfect, negative too little, and predicting zero scores -1. Patches that
    are too strong make up for patches that are too weak; `dtma_absolute` has
    no such mercy.

    Parameters
    ----------
    traction, truth : arrays of shape (..., H, W, 2)
        In the same unit.
    segmentation : array of whole numbers, shape (..., H, W)
        Number of the patch at each node; 0 is background.

    Returns
    -------
    array of shape (...)
        Dimensionless; NaN for fields without patches.

    Raises
    ------
    FieldError
        If the shapes do not belong together.

    Notes
    -----
    Huang et al., Sci. Rep. 9, 539, 2019, equation 9.
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
    """Size of the deviation of traction magnitude at adhesions.

    ``mean_i |mean_j |t_ij| - mean_j |t_true,ij|| / mean_j |t_true,ij|``: as
    `dtma`, the absolute value taken patch by patch, before the mean over
    patches. Predicting zero scores 1.

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
        If the shapes do not belong together.
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
    """Deviation of traction magnitude in the background.

    ``mean_k (|t_k| - |t_true,k|) / mean_i mean_j |t_true,ij|``: the traction
    that is found where none is, relative to that of a patch. The true one is
    zero there if the segmentation is complete. 0 is perfect; predicting zero
    scores 0 too.

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
        If the shapes do not belong together.

    Notes
    -----
    Huang et al., Sci. Rep. 9, 539, 2019, equation 10.
    """

    def score(field: _Field) -> float:
        found, true = _lengths(field.background), _lengths(field.true_background)
        typical = _mean(field.mean(field.true_magnitude))
        return _ratio(_mean(found - true), typical)

    return _field_by_field(score, traction, truth, segmentation)


def snr(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Signal-to-noise ratio of the reconstruction.

    ``mean_i mean_j |t_ij| / std_k t_k``: the reconstruction's own magnitude at
    the patches, over the standard deviation of the background's components,
    those along x and along y taken together. Near 1 the patches drown in
    noise. The truth plays no part but to say which patches count, so a strong
    signal is not always a right one.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        Dimensionless; infinite over a uniform background; NaN for fields
        without patches or without background, and for predicting zero, which
        has neither signal nor noise.

    Raises
    ------
    FieldError
        If the shapes do not belong together.

    Notes
    -----
    Huang et al., Sci. Rep. 9, 539, 2019, equation 11.
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
    """Deviation of the maximum traction at adhesions.

    ``mean_i (max_j |t_ij| - max_j |t_true,ij|) / max_j |t_true,ij|``: 0 is
    perfect, negative too flat, and predicting zero scores -1.

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
        If the shapes do not belong together.

    Notes
    -----
    Huang et al., Sci. Rep. 9, 539, 2019, equation 12.
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
    """Angle by which the traction's direction at adhesions is wrong.

    ``mean_i angle(mean_j t_ij, mean_j t_true,ij)``, from 0 to 180 degrees. All
    patches weigh the same, the weakest too. One whose mean vector is zero has
    no direction and is left out.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        In degrees; NaN where no patch has a direction, so for predicting zero.

    Raises
    ------
    FieldError
        If the shapes do not belong together.

    Notes
    -----
    After the deviation of the traction angle of Sabass et al., Biophys. J. 94,
    207, 2008.
    """

    def score(field: _Field) -> float:
        dot, cross = _products(field)
        return _mean(np.degrees(np.arctan2(np.abs(cross), dot)))

    return _field_by_field(score, traction, truth, segmentation)


def direction_cosine(
    traction: npt.ArrayLike, truth: npt.ArrayLike, segmentation: npt.ArrayLike
) -> FloatArray:
    """Cosine of the angle of `direction_error_degrees`, averaged over the patches.

    ``mean_i cos angle(mean_j t_ij, mean_j t_true,ij)``: 1 is perfect, 0 across,
    -1 the wrong way round.

    Parameters
    ----------
    traction, truth, segmentation : arrays
        As for `dtma`.

    Returns
    -------
    array of shape (...)
        NaN where no patch has a direction, so for predicting zero.

    Raises
    ------
    FieldError
        If the shapes do not belong together.
    """

    def score(field: _Field) -> float:
        dot, cross = _products(field)
        return _mean(dot / np.hypot(dot, cross))

    return _field_by_field(score, traction, truth, segmentation)


@dataclass(frozen=True, eq=False)
class _Field:
    """One field, its nodes sorted into patches and background.

    Parameters
    ----------
    vectors, true_vectors : arrays of shape (J, 2)
        All nodes of all patches.
    patch : array of shape (J,)
        Which patch each of them belongs to, counted from 0.
    n_patches : int
        Number of patches.
    background, true_background : arrays of shape (K, 2)
        All nodes outside.
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
        """Mean of every patch, ``(n_patches,)``."""
        totals = np.bincount(self.patch, weights=values, minlength=self.n_patches)
        means: FloatArray = totals / np.bincount(self.patch, minlength=self.n_patches)
        return means

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest value of every patch, ``(n_patches,)``."""
        largest = np.full(self.n_patches, -np.inf)
        np.maximum.at(largest, self.patch, values)
        return largest


def _sorted_into_patches(
    traction: FloatArray, truth: FloatArray, labels: npt.NDArray[np.integer]
) -> _Field:
    inside = labels != 0
    # Only patches that truly pull: the others have no magnitude to compare with.
    pulling = np.unique(labels[inside & truth.any(axis=-1)])
    counts = np.isin(labels, pulling)
    outside = np.logical_not(inside)
    return _Field(
        vectors=traction[counts],
        true_vectors=truth[counts],
        patch=np.searchsorted(pulling, labels[counts]),
        n_patches=pulling.size,
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
            f"tractions {traction.shape}, truth {truth.shape} and segmentation "
            f"{labels.shape} do not belong together: expected (..., H, W, 2) twice "
            "and (..., H, W)"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise FieldError(f"a segmentation holds whole numbers, not {labels.dtype}")
    fields = (array.reshape(-1, *truth.shape[-3:]) for array in (traction, truth))
    each = zip(*fields, labels.reshape(-1, *labels.shape[-2:]), strict=True)
    scores = np.array([score(_sorted_into_patches(*parts)) for parts in each])
    return scores.astype(np.float64).reshape(truth.shape[:-3])


def _deviations(
    field: _Field, of_patches: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Relative deviation of every patch's mean or largest magnitude."""
    true = of_patches(field.true_magnitude)
    deviations: FloatArray = (of_patches(field.magnitude) - true) / true
    return deviations


def _products(field: _Field) -> tuple[FloatArray, FloatArray]:
    """Inner and outer product of found and true mean, where both have a direction."""
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
