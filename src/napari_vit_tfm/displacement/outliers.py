"""Outliers: vectors that are unlike their neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import MIN_FOURIER_SIDE
from napari_vit_tfm.displacement.clusters import find_clusters
from napari_vit_tfm.displacement.holes import Mask, bridge, holes_of
from napari_vit_tfm.displacement.marks import Marks, find_marks
from napari_vit_tfm.displacement.median_test import deviations
from napari_vit_tfm.displacement.spikes import find_spikes, shortest_spike
from napari_vit_tfm.physics.noise import estimate_noise
from napari_vit_tfm.physics.rounding import rounding_step

FloatArray = npt.NDArray[np.float64]

THRESHOLD = 4.0
"""Ratio to the local deviation above which a vector is an outlier."""

_STRICTER = 1.25
"""Factor of the threshold for vectors that the second test judges, too."""

_FEWEST_COMPARED = 4
"""Fewest vectors that can be compared."""

_MOST_PASSES = 6

_ROUNDED = 1.0
"""Least noise of rounded displacements, in steps of the rounding. Rounding also changes
the decrease of the displacement around small adhesions."""

_FEW_HOLES = 0.03
"""Share of holes up to which bridged vectors do not change the estimated noise."""

_SMALLEST_GRID = 9
"""Fewest vectors along a side of a field in which spikes are looked for."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """Outliers of one frame.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
        Where they are, marks included.
    marks : Marks
        Those that are marks for missing vectors.
    noise : float, optional
        Standard deviation of the noise per component; None if it cannot be estimated.
    deviation : array of shape (H, W)
        Difference of each vector from its neighbours, in local deviations; zero where
        it is small or cannot be compared.
    """

    mask: Mask
    marks: Marks
    noise: float | None
    deviation: FloatArray

    @property
    def count(self) -> int:
        """Number of outliers, marks included."""
        return int(np.count_nonzero(self.mask))

    @property
    def strongest(self) -> tuple[int, int]:
        """Row and column of the largest deviation, marks left out."""
        of_outliers = np.where(self.mask & ~self.marks.mask, self.deviation, -1.0)
        row, column = np.unravel_index(of_outliers.argmax(), self.mask.shape)
        return int(row), int(column)


def find_outliers(
    field: npt.NDArray[np.floating],
    *,
    noise: float | None = None,
    threshold: float = THRESHOLD,
) -> Outliers:
    """Find vectors that are unlike their neighbours, or cause impossible tractions.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit. Holes (NaN) are not compared with anything.
    noise : float, keyword-only, optional
        Standard deviation of the noise per component, in the same unit. None estimates
        it from the field.
    threshold : float, keyword-only
        Number of local deviations above which a vector is an outlier.

    Returns
    -------
    Outliers

    Notes
    -----
    A vector is compared with the median of its eight nearest neighbours [1]_. The
    difference is divided by the local deviation: the scatter of the 24 neighbours about
    the same median, plus the larger of the noise and a tenth of the local displacement,
    which is counted from the median of the field. The scatter is that of the means of
    opposite neighbours, so that a slope does not count, and a fifth of them exceed it.

    An adhesion smaller than a grid step displaces a single vector much more than its
    neighbours, and yet is no outlier. Its displacement decays as ``1 / distance``, so
    that it also decreases from the nearest neighbours to the next ones, in every
    direction. Up to 12 times this decrease is subtracted from the difference. A wrong
    vector has no such surroundings.

    Outliers are removed and the test is repeated, so that they do not hide others.
    Outliers near sharp adhesions, where neighbours differ much, are found by the
    tractions that they would cause (`find_spikes`); for vectors that are long enough
    for this, the threshold is a quarter higher. Neighbouring outliers are found by
    `find_clusters`, and marks for missing vectors by `find_marks`.

    References
    ----------
    .. [1] J. Westerweel, F. Scarano, "Universal outlier detection for PIV data", Exp.
       Fluids 39, 1096-1100 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement import find_outliers
    >>> rng = np.random.default_rng(0)
    >>> field = rng.normal(0, 0.01, (32, 40, 2))
    >>> field[4, 9] = 0.5, -0.3
    >>> found = find_outliers(field)
    >>> found.count, found.strongest
    (1, (4, 9))
    """
    marks = find_marks(field)
    missing = holes_of(field) | marks.mask
    unmarked = np.where(missing[..., None], np.nan, field)
    if noise is None:
        noise = noise_of(unmarked)
    deviation = np.zeros(missing.shape)
    if np.count_nonzero(~missing) < _FEWEST_COMPARED:
        return Outliers(marks.mask, marks, noise, deviation)
    least = max(noise or 0.0, _ROUNDED * rounding_step(unmarked))
    vectors = unmarked.astype(np.float64)
    vectors -= np.nanmedian(vectors, axis=(0, 1))
    mask = np.zeros_like(missing)
    if min(missing.shape) >= _SMALLEST_GRID:
        mask |= find_clusters(vectors, noise=least, threshold=threshold)
        vectors[mask] = np.nan
    mask |= _unlike_neighbours(vectors, ~missing & ~mask, deviation, least, threshold)
    if min(missing.shape) >= _SMALLEST_GRID:
        mask |= _all_spikes(vectors, ~missing & ~mask, least)
    return Outliers(mask | marks.mask, marks, noise, deviation)


def _unlike_neighbours(
    vectors: FloatArray,
    compared: Mask,
    deviation: FloatArray,
    noise: float,
    threshold: float,
) -> Mask:
    """Outliers of the median test, which are set to NaN; their deviations are set."""
    mask, candidates = np.zeros_like(compared), compared
    limit = np.full(mask.shape, threshold)
    for _ in range(_MOST_PASSES):
        places = np.argwhere(compared)
        deviation[compared], lengths = deviations(
            vectors, places, noise=noise, threshold=threshold
        )
        if min(mask.shape) >= _SMALLEST_GRID:
            is_long = lengths > shortest_spike(vectors, noise)
            limit[compared] = np.where(is_long, _STRICTER * threshold, threshold)
        # An outlier can also make its good neighbours look bad: the strongest of a
        # neighbourhood goes first.
        rest = np.where(mask, 0.0, deviation)
        new = (rest > limit) & (rest == scipy.ndimage.maximum_filter(rest, size=3))
        if not new.any():
            break
        mask |= new
        vectors[new] = np.nan
        compared = scipy.ndimage.binary_dilation(new, np.ones((5, 5), dtype=bool))
        compared &= candidates & ~mask
    return mask


def _all_spikes(vectors: FloatArray, judged: Mask, noise: float) -> Mask:
    """Spikes, which are set to NaN. Some are found only when others are bridged."""
    mask = np.zeros_like(judged)
    for _ in range(_MOST_PASSES):
        clean = bridge(vectors).astype(np.float64)
        new = find_spikes(clean, noise=noise, judged=judged & ~mask)
        if not new.any():
            break
        mask |= new
        vectors[new] = np.nan
    return mask


def noise_of(field: npt.NDArray[np.floating]) -> float | None:
    """Standard deviation of the noise of one frame, per component.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors; NaN are holes.

    Returns
    -------
    float or None
        In the unit of the field; None if it cannot be estimated, as for fields with
        fewer than four vectors along a side.
    """
    if min(field.shape[:2]) < MIN_FOURIER_SIDE:
        return None
    missing = holes_of(field)
    known = field[~missing]
    if len(known) == 0:
        return None
    if not np.ptp(known, axis=0).any():
        return 0.0
    # Equal vectors in many places are left out of the estimate, as masked ones.
    whole = (
        bridge(field)
        if missing.mean() < _FEW_HOLES
        else np.where(missing[..., None], 0.0, field)
    )
    x, y = np.moveaxis(whole.astype(np.float64), -1, 0)
    noise = estimate_noise(x, y)
    return float(noise.standard_deviation()) if bool(noise.is_known) else None
