"""The normalised median test: vectors are compared with their neighbours."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

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

_AT_ONCE = 512
"""Number of vectors that are compared at once."""

_OFFSETS = [
    (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)
]
_NEAR = [offset for offset in _OFFSETS if max(map(abs, offset)) == 1]
_RINGS = np.array([0.5, 0.5, -0.5, -0.5])
"""Weights of four vectors on a line: mean of the inner two less that of the outer."""

_FAR = [i for i, offset in enumerate(_OFFSETS) if max(map(abs, offset)) == 2]


def deviations(
    vectors: FloatArray,
    places: npt.NDArray[np.intp],
    *,
    noise: float,
    threshold: float,
    stride: int = 1,
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
    stride : int, keyword-only
        Distance between neighbours, in grid steps.

    Returns
    -------
    deviations, lengths : arrays of shape (n,)
        In local deviations, and in the unit of the vectors.
    """
    margin = 2 * stride
    padded = np.pad(
        vectors, ((margin, margin), (margin, margin), (0, 0)), constant_values=np.nan
    )
    near = _around(padded, places, _NEAR, stride)
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
        around = _around(padded, places[part], _OFFSETS, stride)
        scatter = _scatter(around - median[part, :, None])
        towards = difference[part] / length[part, None]
        decrease = _decrease(around, median[part], towards) - _UNCERTAIN * noise
        unexplained = np.maximum(length[part] - _PEAK * np.maximum(decrease, 0), 0)
        whole = scatter + floor[part]
        deviation[part] = unexplained / np.where(whole > 0, whole, np.inf)
    return deviation, length


def _around(
    padded: FloatArray,
    places: npt.NDArray[np.intp],
    offsets: list[tuple[int, int]],
    stride: int,
) -> FloatArray:
    """Neighbours of vectors in a frame padded by two strides, ``(n, 2, m)``."""
    row, column = places.T + 2 * stride
    return np.stack(
        [padded[row + stride * dy, column + stride * dx] for dy, dx in offsets], axis=-1
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
