"""Forward consistency: the displacement that reconstructed tractions cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import without_drift
from napari_vit_tfm.physics import Substrate, surface_displacement

FloatArray = npt.NDArray[np.float32]

_NEAR = 3.0
"""Standard deviation of the Gaussian around a vector, in grid steps, in maps of the
share that is explained."""

_LEAST_SQUARE = 0.05
"""Squared displacement, relative to the mean of the frame, below which the share says
nothing."""


@dataclass(frozen=True, eq=False)
class Consistency:
    """What tractions explain of a displacement.

    Parameters
    ----------
    model : array of shape (T, H, W, 2)
        Displacement that the tractions cause, in grid steps.
    residual : array of shape (T, H, W, 2)
        Measured displacement minus `model`, in grid steps.
    explained : array of shape (T,)
        Share of the squared displacement that the tractions explain: 1 minus the ratio
        of the squared residual to the squared displacement, both without their means.
        NaN for a frame without displacement.
    """

    model: FloatArray
    residual: FloatArray
    explained: npt.NDArray[np.float64]


def forward_consistency(
    steps: FloatArray,
    traction: npt.NDArray[np.floating],
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
) -> Consistency:
    """Compare a displacement with the one that tractions cause.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (T, H, W, 2)
        Tractions ``t / E``, finite.
    substrate : Substrate, optional
        The gel; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.

    Returns
    -------
    Consistency

    Examples
    --------
    The true tractions explain everything:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import surface_displacement
    >>> from napari_vit_tfm.trust.consistency import forward_consistency
    >>> traction = np.zeros((1, 32, 32, 2))
    >>> traction[0, 12:20, 8:12, 0], traction[0, 12:20, 20:24, 0] = 0.1, -0.1
    >>> steps = surface_displacement(traction).astype(np.float32)
    >>> forward_consistency(steps, traction).explained.round(6).tolist()
    [1.0]
    """
    caused = surface_displacement(traction, substrate, spacing_um=spacing_um)
    model: FloatArray = caused.astype(np.float32)
    residual = np.subtract(steps, model, dtype=np.float32)
    return Consistency(model, residual, explained_share(steps, model))


def explained_share(
    measured: npt.NDArray[np.floating], model: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Share of the squared displacement that a model explains.

    Parameters
    ----------
    measured, model : arrays of shape (T, H, W, 2)
        Finite displacements, in the same unit.

    Returns
    -------
    array of shape (T,)
        As `Consistency.explained`.
    """
    squares, left = (
        np.square(without_drift(vectors)).sum(axis=(1, 2, 3), dtype=np.float64)
        for vectors in (measured, np.subtract(measured, model, dtype=np.float32))
    )
    return _share(squares, left)


def explained_inside(
    model: npt.NDArray[np.floating],
    residual: npt.NDArray[np.floating],
    inside: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Share of the squared displacement that is explained in a region.

    Parameters
    ----------
    model, residual : arrays of shape (T, H, W, 2)
        Displacement that the tractions cause, and the residual, in the same unit; NaN
        in holes.
    inside : array of bool, shape (H, W) or (T, H, W)
        The region, such as a cell.

    Returns
    -------
    array of shape (T,)
        As `Consistency.explained`, with sums over the region alone. The means are those
        of the whole field, since they contain the drift. NaN where the region is empty,
        or has no displacement.

    Examples
    --------
    Everything is explained on the left, nothing on the right:

    >>> import numpy as np
    >>> from napari_vit_tfm.trust.consistency import explained_inside
    >>> measured = np.random.default_rng(0).normal(size=(1, 16, 16, 2))
    >>> is_left = np.arange(16) < 8
    >>> model = np.where(is_left[:, None], measured, 0.0)
    >>> region = np.broadcast_to(is_left, (16, 16))
    >>> bool(explained_inside(model, measured - model, region)[0] > 0.98)
    True
    >>> bool(explained_inside(model, measured - model, ~region)[0] < 0.02)
    True
    """
    squares, left = (
        (part * inside).sum(axis=(1, 2)) for part in squared_lengths(model, residual)
    )
    return _share(squares, left)


def explained_map(
    model: npt.NDArray[np.floating], residual: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Share of the squared displacement that is explained around every vector.

    Parameters
    ----------
    model, residual : arrays of shape (T, H, W, 2)
        As for `explained_inside`.

    Returns
    -------
    array of shape (T, H, W)
        As `explained_inside`, with a Gaussian of three grid steps around the vector as
        the region. It is negative where the tractions explain less than nothing, and
        NaN in holes, and where the displacement is too small to tell: less than a
        twentieth of the mean square of the frame.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.consistency import explained_map
    >>> measured = np.random.default_rng(0).normal(size=(1, 32, 32, 2))
    >>> model = np.where(np.arange(32)[:, None] < 16, measured, 0.0)
    >>> found = explained_map(model, measured - model)
    >>> bool(found[0, :, 4].min() > 0.9), bool(found[0, :, 28].max() < 0.1)
    (True, True)
    """
    from scipy.ndimage import gaussian_filter

    squares, left = squared_lengths(model, residual)
    near = (0, _NEAR, _NEAR)
    around, left_around = (
        gaussian_filter(part, near, mode="constant") for part in (squares, left)
    )
    known = np.isfinite(residual).all(axis=-1)
    weight = gaussian_filter(known.astype(np.float64), near, mode="constant")
    n_known = np.maximum(known.sum(axis=(1, 2), keepdims=True), 1)
    mean = squares.sum(axis=(1, 2), keepdims=True) / n_known
    is_clear = known & (around > _LEAST_SQUARE * mean * weight)
    return np.where(is_clear, _share(around, left_around), np.nan)


def squared_lengths(
    model: npt.NDArray[np.floating], residual: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Squared lengths of measured displacement and residual, without their means.

    Parameters
    ----------
    model, residual : arrays of shape (T, H, W, 2)
        As for `explained_inside`.

    Returns
    -------
    squares, left : arrays of shape (T, H, W)
        Zero in holes.
    """
    squares, left = (
        np.square(_about_mean(vectors)).sum(axis=-1)
        for vectors in (model + residual, residual)
    )
    return squares, left


def _share(
    squares: npt.NDArray[np.float64], left: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    moved = squares > 0
    return np.where(moved, 1 - left / np.where(moved, squares, 1), np.nan)


def _about_mean(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Vectors ``(T, H, W, 2)`` minus the mean of those that are not NaN, 0 in holes."""
    known = np.isfinite(vectors).all(axis=-1, keepdims=True)
    whole = np.where(known, vectors, 0.0).astype(np.float64)
    count = np.maximum(known.sum(axis=(1, 2), keepdims=True), 1)
    mean = whole.sum(axis=(1, 2), keepdims=True) / count
    return np.where(known, whole - mean, 0.0)
