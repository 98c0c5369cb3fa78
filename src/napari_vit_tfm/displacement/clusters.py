"""Clusters: neighbouring wrong vectors, which hide each other from single tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.displacement.holes import Mask, bridge
from napari_vit_tfm.displacement.median_test import deviations
from napari_vit_tfm.displacement.spikes import shortest_spike, traction_of

FloatArray = npt.NDArray[np.float64]

_STRIDES = (3, 5, 7)
"""Distances of the vectors that are compared, in grid steps. A cluster that is not
wider has one vector among them."""

_SMALLEST = 0.2
"""Smallest error in a cluster, relative to its largest."""

_LARGEST = 64
"""Most vectors of a cluster."""

_EXPLAINED = 0.72
"""Share of a cluster's tractions that its removal must take away.

In synthetic fields without wrong vectors, the largest share was 0.66.
"""

_REACH = 2
"""The tractions of a cluster are compared up to this number of grid steps away."""

_MARGIN = 12
"""Width of the surroundings in which the tractions of a cluster are computed."""

_MOST_PASSES = 4

_CONNECTED = np.ones((3, 3), dtype=bool)


def find_clusters(vectors: FloatArray, *, noise: float, threshold: float) -> Mask:
    """Find neighbouring wrong vectors, of up to about 5 x 5.

    Parameters
    ----------
    vectors : array of shape (H, W, 2)
        Displacement vectors in any unit, about their median; NaN are holes.
    noise : float, keyword-only
        Standard deviation of the noise per component, in the same unit.
    threshold : float, keyword-only
        Ratio to the local deviation above which vectors are examined.

    Returns
    -------
    array of bool, shape (H, W)

    Notes
    -----
    The normalised median test compares each vector with neighbours that are three to
    seven grid steps apart, so that a cluster has few among them. Groups of vectors that
    are found are wrong if their removal takes away most of the tractions that they
    would cause. An adhesion is not removed in this manner, since its force remains.
    Unlike in `find_spikes`, the lengths of tractions are compared, since a bridge over
    many vectors also makes the tractions of an adhesion smoother.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.clusters import find_clusters
    >>> vectors = np.random.default_rng(0).normal(0, 0.01, (32, 32, 2))
    >>> vectors[9:12, 20:23] += 0.5
    >>> int(find_clusters(vectors, noise=0.01, threshold=4).sum())
    9
    """
    left = vectors.copy()
    found = np.zeros(vectors.shape[:2], dtype=np.bool_)
    for _ in range(_MOST_PASSES):
        new = _wrong_groups(left, noise, threshold)
        if not new.any():
            break
        found |= new
        left[new] = np.nan
    return found


def _wrong_groups(vectors: FloatArray, noise: float, threshold: float) -> Mask:
    suspect = _suspects(vectors, noise, threshold)
    groups, _ = scipy.ndimage.label(suspect, structure=_CONNECTED)
    sizes = np.bincount(groups.ravel())
    suspect &= ((sizes > 1) & (sizes <= _LARGEST))[groups]
    wrong = np.zeros_like(suspect)
    if not suspect.any():
        return wrong
    clean = bridge(np.where(suspect[..., None], np.nan, vectors)).astype(np.float64)
    whole = bridge(vectors).astype(np.float64)
    for number, box in enumerate(scipy.ndimage.find_objects(groups), 1):
        if 1 < sizes[number] <= _LARGEST:
            around = tuple(
                slice(max(0, side.start - _MARGIN), side.stop + _MARGIN) for side in box
            )
            group = groups[around] == number
            length = np.linalg.norm(whole[around] - clean[around], axis=-1) * group
            # Good vectors beside wrong ones may be unlike others, too.
            group = length > _SMALLEST * length.max()
            if np.count_nonzero(group) > 1:
                wrong[around] |= group & _is_wrong(whole[around], clean[around], group)
    return wrong


def _suspects(vectors: FloatArray, noise: float, threshold: float) -> Mask:
    """Vectors that are unlike others at some distance, and not short."""
    known = np.isfinite(vectors).all(axis=-1)
    places = np.argwhere(known)
    shortest = shortest_spike(vectors, noise)
    suspect = np.zeros_like(known)
    for stride in _STRIDES:
        deviation, length = deviations(
            vectors, places, noise=noise, threshold=threshold, stride=stride
        )
        suspect[known] |= (deviation > threshold) & (length > shortest)
    return suspect


def _is_wrong(whole: FloatArray, clean: FloatArray, group: Mask) -> bool:
    """Whether removal of a group takes away most of the tractions it would cause.

    Parameters
    ----------
    whole, clean : arrays of shape (h, w, 2)
        The vectors around the group, with it and without it.
    group : array of bool, shape (h, w)
    """
    cluster = np.where(group[..., None], whole - clean, 0.0)
    near = scipy.ndimage.binary_dilation(group, _CONNECTED, iterations=_REACH)
    middle = np.median(whole, axis=(0, 1))
    before = _size(traction_of(whole - middle)[near])
    after = _size(traction_of(whole - middle - cluster)[near])
    return before - after > _EXPLAINED * _size(traction_of(cluster)[near])


def _size(traction: FloatArray) -> float:
    return float(np.linalg.norm(traction, axis=-1).sum())
