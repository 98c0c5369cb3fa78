"""Spikes: single wrong vectors, recognised by the tractions that they would cause."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.displacement.holes import Mask
from napari_vit_tfm.physics.halfspace import filter_modes, half_space_response

FloatArray = npt.NDArray[np.float64]

_REACH = 2
"""The tractions of a spike are compared up to this number of grid steps away."""

_WIDTH = 2 * _REACH + 1

_EXPLAINED, _SHORT = 0.63, 0.5
"""Share of a spike's traction differences that its removal must take away, and what the
shortest spikes need in addition; this decreases with their length.

In synthetic fields without wrong vectors, the share is rarely above 0.55, and 0.4 more
for the shortest spikes. A wrong vector in a smooth surrounding has 1.
"""

_AT_BORDER = 0.5
"""What counts instead of `_EXPLAINED` in the outermost vectors.

The field is mirrored there, which causes tractions along the border. In synthetic
fields, the share is rarely above 0.45 there.
"""

_CLEAR = 5.0
"""Shortest spike, in standard deviations of the noise."""

_NOTABLE = 0.1
"""Shortest spike, relative to the root mean square of the displacement."""

# The displacement in the middle of an adhesion that is much smaller than a grid step
# exceeds that of a force spread over the square of a node: a spike on top of a force.
_ON_TRACTION = 12.0
"""Smallest traction of a spike, relative to that which remains along it."""

_SHARE_OF_ENERGY = 0.2
"""Smallest share of the squared traction around a vector that a spike explains, for it
to be examined further."""

_MOST_PASSES = 12

_ITERATIONS = 12
"""Iterations of the fit; the spikes change by less than a hundredth after these."""

_NEGLIGIBLE = 0.02
"""Smallest remaining difference of the fit, relative to the largest around."""


def find_spikes(field: FloatArray, *, noise: float, judged: Mask) -> Mask:
    """Find wrong vectors by the tractions that they would cause.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Finite displacement vectors in any unit; at least 4 x 4.
    noise : float, keyword-only
        Standard deviation of the noise per component, in the same unit.
    judged : array of bool, shape (H, W), keyword-only
        Vectors that may be spikes. Bridged holes, for example, may not.

    Returns
    -------
    array of bool, shape (H, W)

    Notes
    -----
    If a single vector is wrong by ``d``, the tractions of the field are wrong by
    ``G d``: a large force and, around it, forces against it of the same total size. No
    adhesion has such tractions. For every vector, the ``d`` is computed whose removal
    leaves the smoothest tractions: the smallest sum of the lengths of their differences
    between neighbouring nodes, within two grid steps. The vector is wrong if its
    removal takes away most of the largest possible sum, that of ``G d``. A real force
    is not taken away in this manner, however small the adhesion, since what the removal
    takes from it is added around it. Differences are used, since the tractions in the
    middle of an adhesion may be as large as those of a wrong vector, but differ less.
    More is required of short spikes.

    The largest spike of a neighbourhood is removed first, and the others are judged
    again.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.spikes import find_spikes
    >>> from napari_vit_tfm.synthesis import CellDistribution, synthesise
    >>> cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    >>> field = cell.displacement[0].astype(float)
    >>> everywhere = np.ones((64, 64), dtype=bool)
    >>> int(find_spikes(field, noise=0, judged=everywhere).sum())
    0
    >>> field[20, 30] *= -1
    >>> np.argwhere(find_spikes(field, noise=0, judged=everywhere))
    array([[20, 30]])
    """
    left = field - np.median(field, axis=(0, 1))
    shortest = shortest_spike(left, noise)
    spikes = np.zeros(judged.shape, dtype=np.bool_)
    for _ in range(_MOST_PASSES):
        places, vectors, gains = _fitted(left, judged & ~spikes, shortest)
        gain = np.zeros(judged.shape)
        gain[places[:, 0], places[:, 1]] = gains
        first = gain == scipy.ndimage.maximum_filter(gain, size=_WIDTH)
        now = first[places[:, 0], places[:, 1]]
        if not now.any():
            break
        row, column = places[now].T
        spikes[row, column] = True
        left[row, column] -= vectors[now]
    return spikes


def shortest_spike(field: FloatArray, noise: float) -> float:
    """Length from which on a wrong vector can be told by its tractions.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors about their median; NaN are holes.
    noise : float
        Standard deviation of the noise.
    """
    return max(_CLEAR * noise, _NOTABLE * float(np.sqrt(np.nanmean(np.square(field)))))


def _fitted(
    field: FloatArray, judged: Mask, shortest: float
) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Places of spikes ``(n, 2)``, the spikes ``(n, 2)``, and what they take away."""
    traction = traction_of(field)
    places = np.argwhere(judged & _is_possible(traction, shortest))
    padded = np.pad(
        traction, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), mode="reflect"
    )
    steps = np.arange(_WIDTH)
    row, column = places.T[:, :, None, None]
    around = np.moveaxis(padded[row + steps[:, None], column + steps], 0, -1)
    differences = np.moveaxis(_differences(around), -1, 0)
    pattern = _differences(_pattern())
    spikes, rest = _fit(differences, pattern)
    own = np.einsum("mij,nj->nmi", pattern, spikes)
    taken = (_lengths(differences) - _lengths(rest)).sum(axis=1)
    length = _lengths(spikes)
    long = length > shortest
    share = np.where(_is_at_border(places, judged.shape), _AT_BORDER, _EXPLAINED)
    share += _SHORT * shortest / np.where(long, length, np.inf)
    of_spike = spikes @ _pattern()[_REACH, _REACH].T
    towards = spikes / np.where(length > 0, length, 1.0)[:, None]
    along = ((around[_REACH, _REACH].T - of_spike) * towards).sum(axis=1)
    found = (
        long
        & (taken > share * _lengths(own).sum(axis=1))
        & (_lengths(of_spike) > _ON_TRACTION * along)
    )
    return places[found], spikes[found], taken[found]


def _is_at_border(places: npt.NDArray[np.intp], shape: tuple[int, ...]) -> Mask:
    last = np.array(shape) - 1
    at_border: Mask = ((places == 0) | (places == last)).any(axis=1)
    return at_border


def _differences(around: FloatArray) -> FloatArray:
    """Differences between neighbouring nodes along both axes.

    Parameters
    ----------
    around : array of shape (5, 5, ...)

    Returns
    -------
    array of shape (40, ...)
    """
    shape = (_WIDTH * (_WIDTH - 1), *around.shape[2:])
    return np.concatenate([np.diff(around, axis=k).reshape(shape) for k in (0, 1)])


def _is_possible(traction: FloatArray, shortest: float) -> Mask:
    """Where the best spike by least squares is long and explains enough."""
    pattern = _pattern()
    fitted = np.stack(
        [
            sum(
                scipy.ndimage.correlate(
                    traction[..., i], pattern[..., i, j], mode="mirror"
                )
                for i in (0, 1)
            )
            for j in (0, 1)
        ],
        axis=-1,
    )
    square = np.square(pattern).sum() / 2
    energy = scipy.ndimage.uniform_filter(
        np.square(traction).sum(axis=-1), _WIDTH, mode="mirror"
    )
    explained = np.square(fitted).sum(axis=-1) / square
    possible: Mask = (_lengths(fitted) > shortest * square / 2) & (
        explained > _SHARE_OF_ENERGY * energy * _WIDTH**2
    )
    return possible


def _fit(around: FloatArray, pattern: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Spikes whose removal leaves the smallest sum of lengths, and what it leaves.

    By least squares that are weighted again and again.

    Parameters
    ----------
    around : array of shape (n, m, 2)
        Differences of the tractions around each vector.
    pattern : array of shape (m, 2, 2)
        Those of unit spikes along x and y, in its last axis.
    """
    rest = around
    smallest = _NEGLIGIBLE * _lengths(around).max(axis=1, keepdims=True, initial=0)
    weight = np.ones(around.shape[:2])
    products = np.einsum("mij,mik->mjk", pattern, pattern)
    spikes = np.zeros((len(around), 2))
    for _ in range(_ITERATIONS):
        matrix = np.einsum("nm,mjk->njk", weight, products)
        right = np.einsum("nm,mij,nmi->nj", weight, pattern, around, optimize=True)
        spikes = np.linalg.solve(matrix, right[..., None])[..., 0]
        rest = around - np.einsum("mij,nj->nmi", pattern, spikes)
        weight = 1 / np.maximum(_lengths(rest), smallest)
    return spikes, rest


def traction_of(field: FloatArray) -> FloatArray:
    """Tractions of a field that is mirrored at its borders, not regularised.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Finite displacement vectors in grid steps; at least 2 x 2.

    Returns
    -------
    array of shape (H, W, 2)
        ``t / E`` on the reference gel.
    """
    height, width = field.shape[:2]
    mirrored = np.pad(field, ((0, height - 2), (0, width - 2), (0, 0)), mode="reflect")
    x, y = np.moveaxis(mirrored, -1, 0)
    found = filter_modes(x, y, _stiffness, pad=False)
    return np.stack([part[:height, :width] for part in found], axis=-1)


def _stiffness(k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Traction per displacement of the reference gel, without regularisation."""
    along, across = half_space_response(
        np.where(k > 0, k, 1.0), poisson=REFERENCE_POISSON
    )
    return np.where(k > 0, 1 / along, 0.0), np.where(k > 0, 1 / across, 0.0)


@lru_cache(maxsize=1)
def _pattern() -> FloatArray:
    """Tractions around a spike, ``(5, 5, 2, 2)``: component, and axis of the spike."""
    spike, none = np.zeros((65, 65)), np.zeros((65, 65))
    spike[32, 32] = 1.0
    of_x, of_y = (
        np.stack(filter_modes(x, y, _stiffness, pad=False), axis=-1)
        for x, y in ((spike, none), (none, spike))
    )
    near = slice(32 - _REACH, 32 + _REACH + 1)
    return np.stack([of_x, of_y], axis=-1)[near, near]


def _lengths(vectors: FloatArray) -> FloatArray:
    return np.hypot(vectors[..., 0], vectors[..., 1])
