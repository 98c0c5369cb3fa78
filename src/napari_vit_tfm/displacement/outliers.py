"""Outliers: single vectors that are unlike their neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, maximum_filter

from napari_vit_tfm.config import MIN_FOURIER_SIDE
from napari_vit_tfm.displacement.holes import Mask, bridge, holes_of
from napari_vit_tfm.displacement.spikes import find_spikes, shortest_spike
from napari_vit_tfm.physics.spectrum import estimate_noise, rounding_step

FloatArray = npt.NDArray[np.float64]

THRESHOLD = 4.0
"""Ratio to the local deviation above which a vector is an outlier."""

_STRICTER = 1.25
"""Factor of the threshold for vectors that the second test judges, too."""

_SHARE = 0.1
"""Floor of the local deviation, as a share of the local displacement."""

_QUANTILE = 0.8
"""The local deviation is this quantile of the neighbours' differences."""

# The displacement in the middle of an adhesion of radius R exceeds that at the
# neighbouring nodes by about 4 / R times the decrease from there to the next ring.
_PEAK = 12.0
"""Largest peak of a point force, relative to the decrease between the two rings of
neighbours; for adhesions with a radius of a third of a grid step."""

_UNCERTAIN = 0.5
"""Part of the decrease that may be noise, in standard deviations of the noise."""

_FEWEST_NEIGHBOURS = 3
"""Fewest nearest neighbours with which a vector can be compared."""

_FEWEST_PAIRS = 5
"""Fewest pairs of opposite neighbours from which the local deviation is computed."""

_MOST_PASSES = 6

_ROUNDED = 1.0
"""Least noise of rounded displacements, in steps of the rounding. Rounding also changes
the decrease of the displacement around small adhesions."""

_AT_ONCE = 512
"""Number of vectors that are compared at once."""

_FEW_HOLES = 0.03
"""Share of holes up to which bridged vectors do not change the estimated noise."""

_SMALLEST_GRID = 9
"""Fewest vectors along a side of a field in which spikes are looked for."""

_OFFSETS = [
    (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)
]
_NEAR = [offset for offset in _OFFSETS if max(map(abs, offset)) == 1]
_RINGS = np.array([0.5, 0.5, -0.5, -0.5])
"""Weights of four vectors on a line: mean of the inner two less that of the outer."""

_FAR = [i for i, offset in enumerate(_OFFSETS) if max(map(abs, offset)) == 2]


@dataclass(frozen=True, eq=False)
class Outliers:
    """Outliers of one frame.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
        Where they are.
    deviation : array of shape (H, W)
        Difference of each vector from its neighbours, in local deviations; zero where
        it is small or cannot be compared.
    """

    mask: Mask
    deviation: FloatArray

    @property
    def count(self) -> int:
        """Number of outliers."""
        return int(np.count_nonzero(self.mask))

    @property
    def strongest(self) -> tuple[int, int]:
        """Row and column of the outlier with the largest deviation."""
        of_outliers = np.where(self.mask, self.deviation, -1.0)
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
    tractions that they would cause (`find_spikes`).

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
    missing = holes_of(field)
    nothing = Outliers(np.zeros_like(missing), np.zeros(missing.shape))
    if np.count_nonzero(~missing) < _FEWEST_NEIGHBOURS + 1:
        return nothing
    if noise is None:
        noise = noise_of(field) or 0.0
    noise = max(noise, _ROUNDED * rounding_step(field))
    vectors = np.where(missing[..., None], np.nan, field).astype(np.float64)
    vectors -= np.nanmedian(vectors, axis=(0, 1))
    mask, deviation = nothing.mask, nothing.deviation
    compared = ~missing
    limit = np.full(missing.shape, threshold)
    has_spikes = min(missing.shape) >= _SMALLEST_GRID
    for _ in range(_MOST_PASSES):
        deviation[compared], lengths = _deviations(
            vectors, np.argwhere(compared), noise=noise, threshold=threshold
        )
        if has_spikes:
            is_long = lengths > shortest_spike(vectors, noise)
            limit[compared] = np.where(is_long, _STRICTER * threshold, threshold)
        # An outlier can also make its good neighbours look bad: the strongest of a
        # neighbourhood goes first.
        rest = np.where(mask, 0.0, deviation)
        new = (rest > limit) & (rest == maximum_filter(rest, size=3))
        if not new.any():
            break
        mask |= new
        vectors[new] = np.nan
        compared = binary_dilation(new, np.ones((5, 5), dtype=bool)) & ~missing & ~mask
    if has_spikes:
        for _ in range(_MOST_PASSES):
            clean = bridge(vectors).astype(np.float64)
            new = find_spikes(clean, noise=noise, judged=~missing & ~mask)
            if not new.any():
                break
            mask = mask | new
            vectors[new] = np.nan
    return Outliers(mask, deviation)


def _deviations(
    vectors: FloatArray,
    places: npt.NDArray[np.intp],
    *,
    noise: float,
    threshold: float,
) -> tuple[FloatArray, FloatArray]:
    """Differences of some vectors from their neighbours.

    Parameters
    ----------
    vectors : array of shape (H, W, 2)
        The frame about its median; NaN where there is no vector.
    places : array of shape (n, 2)
        Rows and columns of the vectors.
    noise : float, keyword-only
        Standard deviation of the noise.
    threshold : float, keyword-only
        Deviations that cannot be above this are zero, and not computed.

    Returns
    -------
    deviations, lengths : arrays of shape (n,)
        In local deviations, and in the unit of the vectors.
    """
    padded = np.pad(vectors, ((2, 2), (2, 2), (0, 0)), constant_values=np.nan)
    near = _around(padded, places, _NEAR)
    median = _quantile(near, 0.5)
    difference = vectors[places[:, 0], places[:, 1]] - median
    length = np.hypot(difference[:, 0], difference[:, 1])
    floor = np.maximum(noise, _SHARE * np.hypot(*median.T))
    comparable = np.isfinite(near[:, 0]).sum(axis=1) >= _FEWEST_NEIGHBOURS
    deviation = np.zeros(len(places))
    # All 24 neighbours are needed for few vectors only.
    judged = np.flatnonzero(comparable & (length > threshold * floor))
    for start in range(0, len(judged), _AT_ONCE):
        part = judged[start : start + _AT_ONCE]
        around = _around(padded, places[part], _OFFSETS)
        scatter = _scatter(around - median[part, :, None])
        towards = difference[part] / length[part, None]
        decrease = _decrease(around, median[part], towards) - _UNCERTAIN * noise
        unexplained = np.maximum(length[part] - _PEAK * np.maximum(decrease, 0), 0)
        whole = scatter + floor[part]
        deviation[part] = unexplained / np.where(whole > 0, whole, np.inf)
    return deviation, length


def _around(
    padded: FloatArray, places: npt.NDArray[np.intp], offsets: list[tuple[int, int]]
) -> FloatArray:
    """Neighbours of vectors in a frame that is padded by two, ``(n, 2, m)``."""
    row, column = places.T
    return np.stack(
        [padded[row + 2 + dy, column + 2 + dx] for dy, dx in offsets], axis=-1
    )


def _scatter(differences: FloatArray) -> FloatArray:
    """Scatter of the neighbours' differences from their median, ``(n,)``.

    It is that of the means of opposite neighbours, in which a slope cancels, times the
    square root of two. At the border, where there are few such pairs, it is that of the
    single neighbours.

    Parameters
    ----------
    differences : array of shape (n, 2, 24)
        The differences, in the order of `_OFFSETS`.
    """
    # The offsets are symmetric: the last is opposite to the first.
    pairs = (differences + differences[..., ::-1])[..., : len(_OFFSETS) // 2] / 2
    single, paired = (
        _quantile(np.hypot(part[:, 0], part[:, 1]), _QUANTILE)
        for part in (differences, math.sqrt(2) * pairs)
    )
    n_pairs = np.isfinite(pairs[:, 0]).sum(axis=1)
    return np.where(n_pairs >= _FEWEST_PAIRS, paired, single)


def _decrease(around: FloatArray, near: FloatArray, towards: FloatArray) -> FloatArray:
    """Decrease from the nearest to the next neighbours, along the difference, ``(n,)``.

    A point force causes a decrease in every direction. Along each of four lines it is
    computed from opposite neighbours, so that a slope cancels, and the second smallest
    counts: on the flank of a peak, some are negative. At the border, where there are
    few complete lines, it is the difference of the medians of the two rings.

    Parameters
    ----------
    around : array of shape (n, 2, 24)
        The neighbours.
    near : array of shape (n, 2)
        Median of the nearest ones.
    towards : array of shape (n, 2)
        Unit vectors along the differences of the vectors from their neighbours.
    """
    lines = [
        around[..., [_at(k * dy, k * dx) for k in (1, -1, 2, -2)]] @ _RINGS
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1))
    ]
    along = np.sort([(line * towards).sum(axis=1) for line in lines], axis=0)
    of_rings = ((near - _quantile(around[..., _FAR], 0.5)) * towards).sum(axis=1)
    # NaN are sorted to the end.
    return np.asarray(
        np.nan_to_num(np.where(np.isfinite(along[2]), along[1], of_rings))
    )


def _at(dy: int, dx: int) -> int:
    return _OFFSETS.index((dy, dx))


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Quantile along the last axis without NaN; NaN if there is nothing else.

    The mean of the two nearest values. `numpy.nanquantile` takes a hundred times as
    long.
    """
    ordered = np.sort(values, axis=-1)
    last = np.isfinite(ordered).sum(axis=-1) - 1
    place = np.maximum(last, 0) * share
    low, high = (
        np.take_along_axis(ordered, part.astype(int)[..., None], axis=-1)
        for part in (np.floor(place), np.ceil(place))
    )
    middle: FloatArray = (low + high)[..., 0] / 2
    return middle


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
